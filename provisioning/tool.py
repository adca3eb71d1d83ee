"""Runs the makers' own programs (esptool, espefuse, espsecure, the NVS generator), each as a process of its own.

They are never imported: a crash of theirs is a failed step and nothing more, and their licences stay theirs. What they
print is kept for the person at the bench, cut to its end; keys never go over a command line.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

LONGEST_REASON = 2000


class ToolError(Exception):
    """A program ended badly: which one, and its last words. Nothing is known about what it had done by then."""

    def __init__(self, program: str, status: int, words: str) -> None:
        super().__init__(f"{program} ended with {status}: {words}")
        self.program = program
        self.status = status
        self.words = words


def run(program: str, *arguments: str | Path, inherits: Sequence[int] = (), timeout_s: float = 600) -> str:
    """Run one to its end, with these open files (provisioning.off_disk); what it printed. Raises ToolError."""
    command = [sys.executable, "-m", program, *(str(argument) for argument in arguments)]
    try:
        done = subprocess.run(  # noqa: S603 - a locked program of this environment
            command,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=timeout_s,
            pass_fds=tuple(inherits),
        )
    except subprocess.TimeoutExpired:
        raise ToolError(program, -1, f"no end after {timeout_s:.0f} s; is the board powered?") from None
    said = f"{done.stdout}\n{done.stderr}".strip()
    if done.returncode:
        raise ToolError(program, done.returncode, _last_words(said))
    return said


def _last_words(said: str) -> str:
    """From the program's own word for what went wrong; else its end."""
    for mark in ("A fatal error occurred:", "No module named"):
        if mark in said:
            said = said[said.rindex(mark) :]
    return " ".join(said.split())[-LONGEST_REASON:]
