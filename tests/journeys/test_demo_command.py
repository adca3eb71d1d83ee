"""``livlina demo --headless --json`` as a person or a script runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys


def test_demo_brings_every_press_through_and_leaves_no_process() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "livlina", "demo", "--units", "6", "--seconds", "8", "--headless", "--json"],
        capture_output=True, text=True, timeout=150, check=False,
        env={**os.environ, "LIVLINA_TEST_MARK": f"demo-{os.getpid()}"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    summary = json.loads(done.stdout)
    assert summary["units"] == summary["unit_processes"] == 6
    assert summary["presses"] >= 2
    assert summary["lost"] == 0
    assert summary["duplicates"] == 0
    assert summary["heartbeats"] >= 6
    assert "MicroPython" in summary["interpreter"]
    for stage in ("stored_ms", "accepted_ms", "taken_ms"):
        assert 0 < summary[stage]["p50"] <= summary[stage]["p95"] <= summary[stage]["max"]
    assert summary["stored_ms"]["p50"] <= summary["accepted_ms"]["p50"] <= summary["taken_ms"]["p50"]
    assert left_behind(f"LIVLINA_TEST_MARK=demo-{os.getpid()}") == []


def left_behind(mark: str) -> list[int]:
    """Processes that still carry the mark in their environment, this one and zombies left out."""
    found = []
    for entry in os.scandir("/proc"):
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            with open(f"/proc/{entry.name}/environ", "rb") as environment:
                if mark.encode() in environment.read().split(b"\0"):
                    found.append(int(entry.name))
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
    return found
