"""`livlina provision demo`: virtual boards become units by the real tools, are heard, and their presses are taken."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

SMALL = ("--app-bytes", "20000", "--json")
MISSING = {
    "modem": "unheard", "sim1": "unheard", "sim2": "sims", "battery": "battery", "charge": "battery", "lamp": "lamp",
    "vibration": "vibration", "speaker": "speaker", "button": "button", "flash": "flash",
}  # fmt: skip


def shown(*words: str, seconds: float) -> dict[str, Any]:
    command = [sys.executable, "-m", "livlina", "provision", "demo", *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False)
    assert done.returncode == 0, done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    assert document["passed"]
    return document


@pytest.mark.timeout(450)
def test_a_board_becomes_a_unit() -> None:
    document = shown("--boards", "1", *SMALL, seconds=420)
    (board,) = document["boards"]
    assert board["passed"] and board["heard"] == "Heartbeat" and board["lamp"][-1] == "taken"
    assert board["failed_before"] == []
    assert "MicroPython" in document["interpreter"]
    assert "stand-in" in document["micropython"]
    found = {check["name"]: check["value"] for check in document["checks"]}
    assert found["cards that the boards have read by their modems"] == 2
    assert found["boards whose lamp was seen, motor felt and speaker heard"] == 1


@pytest.mark.proof
@pytest.mark.timeout(1800)
def test_each_part_that_is_missing_fails_its_board_until_it_is_there() -> None:
    """Taken off virtual boards that run real MicroPython; the board beside them lacks nothing."""
    parts = list(MISSING)
    words = [word for number, part in enumerate(parts, 1) for word in ("--without", f"{number}:{part}")]
    document = shown("--boards", str(len(parts) + 1), *words, *SMALL, seconds=1700)
    failed = {board["board"]: board["failed_before"] for board in document["boards"]}
    assert failed == {number: [MISSING[part]] for number, part in enumerate(parts, 1)} | {len(parts) + 1: []}


@pytest.mark.parametrize("words", [("--without", "2:sim1"), ("--without", "1:wheel"), ("--boards", "9", "--page")])
def test_what_cannot_be_shown_is_refused_in_a_sentence(words: tuple[str, ...]) -> None:
    command = [sys.executable, "-m", "livlina", "provision", "demo", "--boards", "1", *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
