"""`livlina provision demo --without`: each part that a virtual board lacks is found; it passes when it has it."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

MISSING = {
    "modem": "unheard", "sim1": "unheard", "sim2": "sims", "battery": "battery", "charge": "battery", "lamp": "lamp",
    "vibration": "vibration", "speaker": "speaker", "button": "button", "flash": "flash",
}  # fmt: skip


@pytest.mark.proof
@pytest.mark.timeout(1800)
def test_each_part_that_is_missing_fails_its_board_until_it_is_there() -> None:
    """Taken off virtual boards that run real MicroPython; the board beside them lacks nothing."""
    parts = list(MISSING)
    words = [word for number, part in enumerate(parts, 1) for word in ("--without", f"{number}:{part}")]
    command = [sys.executable, "-m", "livlina", "provision", "demo", "--boards", str(len(parts) + 1), *words]
    command += ["--app-bytes", "20000", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=1700, check=False)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    failed = {board["board"]: board["failed_before"] for board in document["boards"]}
    assert failed == {number: [MISSING[part]] for number, part in enumerate(parts, 1)} | {len(parts) + 1: []}
