"""Files that are given to ``livlina sim``: what is none is refused in a sentence that names it."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from livlina.cli import app


@pytest.mark.parametrize("content", [b"{bad", b"[1, 2]", b"\xff", b"[" * 100_000])
@pytest.mark.parametrize(
    "words", [["policy", "begin"], ["account", "add", "1", "name", "--kind=rest", "--url=https://a", "--options"]]
)
def test_a_file_that_is_no_json_object_is_refused(tmp_path: Path, content: bytes, words: list[str]) -> None:
    file = tmp_path / "f.json"
    file.write_bytes(content)
    said = CliRunner().invoke(app, ["sim", *words, str(file)])
    assert said.exit_code == 2 and "is no JSON" in " ".join(said.stderr.replace("│", " ").split()), said.stderr
    file.unlink()
    said = CliRunner().invoke(app, ["sim", *words, str(file)])
    assert said.exit_code == 2 and "does not exist" in " ".join(said.stderr.replace("│", " ").split()), said.stderr


def test_stages_are_numbers() -> None:
    said = CliRunner().invoke(app, ["sim", "policy", "begin", "--prefer", "best", "--stages", "10,\u00b2"])
    assert said.exit_code == 2 and "stages are numbers" in said.stderr
