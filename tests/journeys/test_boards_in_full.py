"""`livlina provision demo` in full: each part that a board lacks is found; every board of hardware/ is made."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from livlina.hardware.board import names

ROOT = Path(__file__).parents[2]
MISSING = {
    "modem": "unheard", "sim1": "unheard", "sim2": "sims", "battery": "battery", "charge": "battery", "lamp": "lamp",
    "vibration": "vibration", "speaker": "speaker", "button": "button", "flash": "flash",
}  # fmt: skip


def demo(*words: str, seconds: float) -> dict[str, Any]:
    command = [sys.executable, "-m", "livlina", "provision", "demo", *words, "--app-bytes", "20000", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False)
    assert done.returncode == 0, done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    return document


@pytest.mark.proof
@pytest.mark.timeout(1800)
def test_each_part_that_is_missing_fails_its_board_until_it_is_there() -> None:
    """Taken off virtual boards that run real MicroPython; the board beside them lacks nothing."""
    parts = list(MISSING)
    words = [word for number, part in enumerate(parts, 1) for word in ("--without", f"{number}:{part}")]
    document = demo("--boards", str(len(parts) + 1), *words, seconds=1700)
    failed = {board["board"]: board["failed_before"] for board in document["boards"]}
    assert failed == {number: [MISSING[part]] for number, part in enumerate(parts, 1)} | {len(parts) + 1: []}


@pytest.mark.proof
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", names(ROOT))
def test_a_board_of_hardware_becomes_a_unit(name: str) -> None:
    """Its flash, its modem's dialect, its cards and its profile; the pins are the simulated board's."""
    document = demo("--boards", "1", "--board", name, seconds=840)
    assert document["passed"] and document["boards"][0]["lamp"][-1] == "taken"
