"""The third-party files: all or none, pinned without any registry's address."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fleet.web.vendor_assets import FILES, AssetError, copy_assets, main

ROOT = Path(__file__).parents[3]


def test_every_file_is_copied(tmp_path: Path) -> None:
    for source in FILES:
        (tmp_path / "node_modules" / source).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "node_modules" / source).write_text(source)
    copied = copy_assets(tmp_path / "node_modules", tmp_path / "vendor")
    assert [path.read_text() for path in copied] == list(FILES)


def test_a_missing_file_is_an_error_and_nothing_is_copied(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for source in list(FILES)[1:]:
        (tmp_path / source).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / source).write_text("x")
    with pytest.raises(AssetError, match="npm ci"):
        copy_assets(tmp_path, tmp_path / "vendor")
    assert not (tmp_path / "vendor").exists()
    assert main([str(tmp_path / "nothing")]) == 1
    assert "npm ci" in capsys.readouterr().err


def test_the_lock_file_pins_by_hash_and_names_no_host() -> None:
    lock = json.loads((ROOT / "package-lock.json").read_text())
    packages = {name: entry for name, entry in lock["packages"].items() if name}
    assert set(packages) == {
        "node_modules/htmx.org", "node_modules/axe-core", "node_modules/zxing-wasm", "node_modules/@types/emscripten",
        "node_modules/type-fest", "node_modules/tagged-tag",
    }  # fmt: skip
    assert all(entry["integrity"].startswith("sha512-") and "resolved" not in entry for entry in packages.values())
    assert packages["node_modules/axe-core"]["dev"] is True
