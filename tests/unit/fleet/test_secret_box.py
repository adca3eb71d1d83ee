"""Unit secrets at rest: sealed, bound to their row, and the key file guarded."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleet.registry.secret_box import SecretBox, SecretBoxError


def test_a_secret_opens_for_its_own_unit_and_generation_only(tmp_path: Path) -> None:
    box = SecretBox.open(tmp_path / "keys" / "k", create=True)
    sealed = box.seal(b"0123456789abcdef", 42, 1)
    assert b"0123456789abcdef" not in sealed
    assert box.open_secret(sealed, 42, 1) == b"0123456789abcdef"
    for unit, generation in ((43, 1), (42, 2)):
        with pytest.raises(SecretBoxError):
            box.open_secret(sealed, unit, generation)
    with pytest.raises(SecretBoxError):
        box.open_secret(sealed[:-1] + bytes([sealed[-1] ^ 1]), 42, 1)


def test_the_key_file_is_made_once_and_private(tmp_path: Path) -> None:
    file = tmp_path / "keys" / "k"
    sealed = SecretBox.open(file, create=True).seal(bytes(16), 1, 1)
    assert file.stat().st_mode & 0o777 == 0o600
    assert SecretBox.open(file, create=True).open_secret(sealed, 1, 1) == bytes(16)
    other = SecretBox.open(tmp_path / "other" / "k", create=True)
    with pytest.raises(SecretBoxError, match="does not open with this key file"):
        other.open_secret(sealed, 1, 1)


def test_a_missing_or_readable_key_file_says_what_to_do(tmp_path: Path) -> None:
    file = tmp_path / "k"
    with pytest.raises(SecretBoxError, match="backup"):
        SecretBox.open(file)
    SecretBox.open(file, create=True)
    file.chmod(0o644)
    with pytest.raises(SecretBoxError, match="chmod 600"):
        SecretBox.open(file)
