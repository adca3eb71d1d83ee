"""`livlina provision demo`: a virtual board becomes a unit by the real tools, is heard, and its press is taken."""

from __future__ import annotations

import json
import subprocess
import sys


def test_a_board_becomes_a_unit() -> None:
    command = [sys.executable, "-m", "livlina", "provision", "demo", "--boards", "1", "--app-bytes", "20000", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=230, check=False)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["passed"]
    (board,) = document["boards"]
    assert board["passed"] and board["heard"] == "Heartbeat" and board["lamp"][-1] == "taken"
    assert "MicroPython" in document["interpreter"]
    assert "stand-in" in document["micropython"]
    found = {check["name"]: check["value"] for check in document["checks"]}
    assert found["cards that the boards have read by their modems"] == 2
