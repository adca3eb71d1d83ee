"""The version that is being made has one name: in the changelog, in the package and in what a unit says of itself."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def newest() -> str:
    """The changelog's top entry."""
    found = re.search(r"^## (\d+\.\d+\.\d+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert found is not None, "CHANGELOG.md has an entry for each version, the newest first"
    return found[1]


def test_the_package_has_the_changelogs_version() -> None:
    package = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert package["project"]["version"] == newest()


def test_the_unit_has_the_changelogs_version() -> None:
    text = (ROOT / "firmware/main.py").read_text(encoding="utf-8")
    assert re.findall(r'^VERSION = "(.+)"$', text, re.MULTILINE) == [newest()]
