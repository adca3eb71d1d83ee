"""SLIP framing (RFC 1055) as Espressif's loaders use it: a frame stands between two END bytes.

`Reader` takes bytes in any pieces and gives whole frames. What stands outside frames is noise of the line and is
dropped; a frame with a wrong escape, or longer than any command, is dropped whole and counted.
"""

from __future__ import annotations

END = 0xC0
ESCAPE = 0xDB
ESCAPED_END = 0xDC
ESCAPED_ESCAPE = 0xDD
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
        for byte in data:
            if byte == END:
                done = self._end()
                if done is not None:
                    found.append(done)
            elif self._frame is not None and not self._bad:
                self._add(byte)
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

    def _add(self, byte: int) -> None:
        assert self._frame is not None
        if self._escaped:
            self._escaped = False
            if byte not in (ESCAPED_END, ESCAPED_ESCAPE):
                self._bad = True
                return
            byte = END if byte == ESCAPED_END else ESCAPE
        elif byte == ESCAPE:
            self._escaped = True
            return
        if len(self._frame) >= LONGEST_FRAME:
            self._bad = True
            return
        self._frame.append(byte)
