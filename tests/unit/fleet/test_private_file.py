"""Key files: whoever comes second has the first one's, whole, and a cut leaves none."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fleet.evidence.signing import SigningKey
from fleet.registry.secret_box import SecretBox
from fleet.store.private_file import create_private, keep_private


def test_who_was_first_stays(tmp_path: Path) -> None:
    file = tmp_path / "keys" / "k"
    create_private(file, b"one")
    create_private(file, b"two")
    assert file.read_bytes() == b"one" and file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700
    keep_private(file, "three")
    assert file.read_text() == "three\n" and [path.name for path in file.parent.iterdir()] == ["k"]


@pytest.mark.parametrize("what", ["write", "fsync", "link"])
def test_a_cut_while_a_key_is_written_leaves_no_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    """Half a key would be refused at every start after it."""
    file = tmp_path / "k"

    def cut(*arguments: object) -> None:
        raise OSError("no room")

    with monkeypatch.context() as broken:
        if what == "write":
            broken.setattr(os, "fdopen", cut)
        else:
            broken.setattr(os, what, cut)
        with pytest.raises(OSError, match="no room"):
            SecretBox.open(file, create=True)
    assert list(tmp_path.iterdir()) == []
    sealed = SecretBox.open(file, create=True).seal(bytes(16), 1, 1)
    assert SecretBox.open(file).open_secret(sealed, 1, 1) == bytes(16)


def test_many_that_begin_at_once_have_one_key(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        keys = list(pool.map(lambda _: SigningKey.open(tmp_path / "k.key", create=True).key_id, range(64)))
    assert len(set(keys)) == 1
