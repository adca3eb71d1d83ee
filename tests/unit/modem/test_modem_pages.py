"""The diagram of firmware/modem/README.md is the code's table, and the sim's page names every step."""

from __future__ import annotations

import re
from pathlib import Path

from firmware.modem.link import TRANSITIONS
from sim.modem.scenario import DO

ROOT = Path(__file__).parents[3]


def test_the_diagram_is_the_table() -> None:
    page = (ROOT / "firmware/modem/README.md").read_text(encoding="utf-8")
    drawn = re.findall(r"^    (\w+) --> (\w+): (.+)$", page, re.MULTILINE)
    assert sorted(drawn) == sorted((state, to, event) for state, moves in TRANSITIONS.items() for event, to in moves)


def test_every_step_is_on_the_page() -> None:
    page = (ROOT / "sim/modem/README.md").read_text(encoding="utf-8")
    table = page[page.index("| do | what |") :]
    named = {name for cell in re.findall(r"^\| ([a-z_, ]+) \|", table, re.MULTILINE) for name in cell.split(", ")}
    assert named - {"do"} == set(DO)
