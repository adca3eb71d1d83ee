"""The golden vectors are what the code makes, and files and code name the same cases."""

from pathlib import Path

import pytest
import write_vectors

NAMES = sorted(write_vectors.wanted())
STANDARDS = {"rfc3610", "rfc5869", "rfc9052"}


@pytest.mark.parametrize("name", NAMES)
def test_vectors_match_and_none_is_missing(name: str) -> None:
    assert write_vectors.problems(name, write_vectors.wanted()[name], write_vectors.stored(name)) == []


def test_no_file_is_without_a_check() -> None:
    assert {path.stem for path in write_vectors.FOLDER.glob("*.txt")} == set(NAMES) | STANDARDS


def test_the_writer_adds_and_never_edits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The negative control: a changed, a lost and a foreign case are each reported, and nothing is written."""
    monkeypatch.setattr(write_vectors, "FOLDER", tmp_path)
    monkeypatch.setattr(write_vectors, "stored", lambda name: {"least": {"plain": "00"}, "foreign": {}})
    cases = write_vectors.wanted()["alarm"]
    found = write_vectors.problems("alarm", cases, write_vectors.stored("alarm"))
    assert "alarm: least has changed" in found
    assert "alarm: manual is missing" in found
    assert "alarm: foreign is in the file only" in found
    assert write_vectors.main() == 1
    assert list(tmp_path.iterdir()) == []
