"""The sim's page names every step; the firmware's diagrams are the code's tables."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from firmware.modem.orders import TRANSITIONS
from sim import diagrams
from sim.modem.scenario import DO

ROOT = Path(__file__).parents[3]


def test_the_diagrams_are_the_tables(capsys: pytest.CaptureFixture[str]) -> None:
    assert diagrams.main(["--check"]) == 0, capsys.readouterr().err


def test_a_stale_diagram_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The negative control."""
    for name in diagrams.PAGES:
        text = (ROOT / name).read_text(encoding="utf-8")
        assert "<!-- diagram:" in text
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text.replace(" --> off", " --> on"), encoding="utf-8")
    monkeypatch.setattr(diagrams, "ROOT", tmp_path)
    monkeypatch.setattr(diagrams, "PAGES", ("firmware/README.md",))
    assert diagrams.main(["--check"]) == 1
    assert diagrams.main([]) == 0 and diagrams.main(["--check"]) == 0


def test_a_diagram_that_nobody_draws_is_refused() -> None:
    with pytest.raises(diagrams.DiagramError, match="nonsense"):
        diagrams.page("<!-- diagram: nonsense -->\n<!-- end of diagram -->")


def test_every_state_of_the_path_can_be_left_and_reached() -> None:
    reached = {to for moves in TRANSITIONS.values() for _, to in diagrams.leads_of(moves)}
    assert all(diagrams.leads_of(moves) for moves in TRANSITIONS.values())
    assert reached <= set(TRANSITIONS)
    assert set(TRANSITIONS) == reached


def test_every_step_is_on_the_page() -> None:
    page = (ROOT / "sim/modem/README.md").read_text(encoding="utf-8")
    table = page[page.index("| do | what |") :]
    named = {name for cell in re.findall(r"^\| ([a-z_, ]+) \|", table, re.MULTILINE) for name in cell.split(", ")}
    assert named - {"do"} == set(DO)
