"""SLIP framing (RFC 1055) as Espressif's loaders use it: a frame stands between two END bytes.

`Reader` takes bytes in any pieces and gives whole frames. What stands outside frames is noise of the line and is
dropped; a frame with a wrong escape, or longer than any command, is dropped whole and counted.
"""

from __future__ import annotations

import re

END = 0xC0
ESCAPE = 0xDB
ESCAPED_END = 0xDC
ESCAPED_ESCAPE = 0xDD
_WRONG_ESCAPE = re.compile(rb"\xdb[^\xdc\xdd]", re.DOTALL)
LONGEST_FRAME = 0x10000
"""Bytes of a frame, unescaped. The stub's largest command is a flash block of 16 KiB with its header."""


def encode(payload: bytes) -> bytes:
    """One frame with both of its END bytes."""
    body = payload.replace(b"\xdb", b"\xdb\xdd").replace(b"\xc0", b"\xdb\xdc")
    return b"\xc0" + body + b"\xc0"


class Reader:
    """Bytes in, frames out. `refused` counts the frames that were dropped."""

    def __init__(self) -> None:
        self.refused = 0
        self.clear()

    def clear(self) -> None:
        """Forget a frame that has begun."""
        self._frame: bytearray | None = None
        self._escaped = False
        self._bad = False

    def feed(self, data: bytes) -> list[bytes]:
        """The frames that these bytes complete. Never raises."""
        found = []
        first, *others = data.split(b"\xc0")
        self._add(first)
        for piece in others:
            done = self._end()
            if done is not None:
                found.append(done)
            self._add(piece)
        return found

    def _end(self) -> bytes | None:
        frame = self._frame
        bad = self._bad or self._escaped
        self._escaped = self._bad = False
        if bad:
            # Whether this END closes the bad frame or opens the next cannot be known: it may do both.
            self.refused += 1
            self._frame = bytearray()
            return None
        if not frame:
            self._frame = bytearray()
            return None
        self._frame = None
        return bytes(frame)

    def _add(self, piece: bytes) -> None:
        """Bytes without an END. Whole pieces at once: an image of a megabyte comes this way."""
        if not piece or self._frame is None or self._bad:
            return
        if self._escaped:
            piece = b"\xdb" + piece
            self._escaped = False
        if b"\xdb" in piece:
            if _WRONG_ESCAPE.search(piece):
                self._bad = True
                return
            self._escaped = piece.endswith(b"\xdb")
            piece = piece[: len(piece) - self._escaped].replace(b"\xdb\xdc", b"\xc0").replace(b"\xdb\xdd", b"\xdb")
        if len(self._frame) + len(piece) > LONGEST_FRAME:
            self._bad = True
            return
        self._frame += piece
