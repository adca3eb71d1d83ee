"""What a station has done to a board that is not finished: one line a step begun or done, synced before the next deed.

After a crash the journal alone says where to go on. A line carries the CRC-32 of its text; a last line that is cut was
never acted upon and counts as not written. It holds no secret.
"""

from __future__ import annotations

import binascii
import json
import os
from pathlib import Path
from typing import Any


class JournalError(Exception):
    """A line in the middle is damaged: the disk is at fault. Take the board back and begin anew."""


class Journal:
    """The journal of one board at one station."""

    def __init__(self, path: Path) -> None:
        self._lines, whole = _read(path)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        os.ftruncate(self._file, whole)
        os.lseek(self._file, 0, os.SEEK_END)

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._file)

    def begin(self, step: str) -> None:
        """Before the deed."""
        self._add({"begin": step})

    def done(self, step: str, **facts: Any) -> None:
        """After it. `facts` are what a later step needs to know."""
        self._add({"done": step, "facts": facts})

    def has_begun(self, step: str) -> bool:
        """Whether the deed may have been done, wholly or in part."""
        return any(line.get("begin") == step for line in self._lines)

    def is_done(self, step: str) -> bool:
        """Whether it is known to be done."""
        return any(line.get("done") == step for line in self._lines)

    def facts(self, step: str) -> dict[str, Any]:
        """What `done` was told; empty if it is not done."""
        return _facts(self._lines, step)

    def _add(self, body: dict[str, Any]) -> None:
        text = json.dumps(body, sort_keys=True).encode()
        self.write(b"%08x %s\n" % (binascii.crc32(text), text))
        self._lines.append(body)

    def write(self, line: bytes) -> None:
        """One line to the disk. A seam for tests that cut it."""
        os.write(self._file, line)
        os.fsync(self._file)


def look(path: Path, step: str) -> dict[str, Any]:
    """`Journal.facts` of a board that somebody else may be working on: nothing is touched. Raises JournalError."""
    return _facts(_read(path)[0], step)


def _read(path: Path) -> tuple[list[dict[str, Any]], int]:
    """The whole lines, and how many bytes they are."""
    content = path.read_bytes() if path.exists() else b""
    lines: list[dict[str, Any]] = []
    whole = 0
    for line in content.splitlines(keepends=True):
        body = _body(line)
        if body is None:
            break
        lines.append(body)
        whole += len(line)
    if b"\n" in content[whole:]:
        raise JournalError(f"{path} is damaged at byte {whole}")
    return lines, whole


def _facts(lines: list[dict[str, Any]], step: str) -> dict[str, Any]:
    found: dict[str, Any] = next((line["facts"] for line in reversed(lines) if line.get("done") == step), {})
    return found


def _body(line: bytes) -> dict[str, Any] | None:
    if not line.endswith(b"\n") or len(line) < 10:
        return None
    try:
        if int(line[:8], 16) != binascii.crc32(line[9:-1]):
            return None
        found: dict[str, Any] = json.loads(line[9:])
    except ValueError:
        return None
    return found
