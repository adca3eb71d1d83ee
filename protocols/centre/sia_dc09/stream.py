"""Cutting a TCP stream into DC-09 frames, by length.

A CRC of two raw octets may hold LF, CR or a quote, so neither end of a frame can be found by looking for its octet. The
length can be believed only so far: text never holds CR, so the first CR behind the quote must stand exactly where the
length says. Anything else is a lie found at once, and the cutter goes on at the next LF: a lying frame costs itself
and never the frame behind it.
"""

from __future__ import annotations

import re

from protocols.centre.sia_dc09.frame import CR, LF, MAX_BODY, FrameError, Reason

_START = re.compile(rb"\n(?:[0-9A-Fa-f]{4}|[\x00-\xff]{2})0([0-9A-Fa-f]{3})\"")
_UNFINISHED = re.compile(
    rb"\n(?:[0-9A-Fa-f]{0,4}|[0-9A-Fa-f]{4}0[0-9A-Fa-f]{0,3}|[\x00-\xff]{0,2}|[\x00-\xff]{2}0[0-9A-Fa-f]{0,3})\Z"
)
_LONGEST_HEADER = 10
MAX_FRAME = _LONGEST_HEADER + MAX_BODY
"""Octets of the longest frame, LF and CR included (the quote is both header and body)."""
_KEPT_OF_GARBAGE = 64


class Splitter:
    """One stream. `feed` gives the frames that are whole now, and one error for each run of octets that are none.

    CRC and content are not looked at: `frame.decode` does that. LF, CR and NUL between frames are passed over without
    an error, since devices put them there. An error keeps the first octets of its run only.
    """

    def __init__(self) -> None:
        self._held = bytearray()
        self._bad = bytearray()
        self._reason: Reason | None = None

    @property
    def pending(self) -> int:
        """Octets of a frame that is not whole yet. The caller decides how long to wait for the rest."""
        return len(self._held)

    def feed(self, octets: bytes) -> list[bytes | FrameError]:
        """Take octets as they came from the socket, in any portions. Never raises."""
        held = self._held
        held += octets
        found: list[bytes | FrameError] = []
        at = 0
        while start := _START.search(held, at):
            self._skip(held[at : start.start()], Reason.GARBAGE)
            at = start.start()
            stop = _measure(held, start.end() - 1, int(start[1], 16))
            if stop is None:
                break
            if stop:
                self._flush(found)
                found.append(bytes(held[at:stop]))
                at = stop
            else:
                self._skip(held[at : at + 1], Reason.LENGTH)
                at += 1
        else:
            keep = _unfinished(held, at)
            self._skip(held[at:keep], Reason.GARBAGE)
            at = keep
        del held[:at]
        self._flush(found)
        return found

    def end(self) -> list[bytes | FrameError]:
        """The stream is over: what is left of a frame is an error."""
        found: list[bytes | FrameError] = []
        if self._held.strip(b"\n\r\0"):
            found.append(FrameError(Reason.TRUNCATED, "the stream ended inside a frame", bytes(self._held)))
        self._held.clear()
        return found

    def _skip(self, octets: bytes | bytearray, reason: Reason) -> None:
        if reason is Reason.GARBAGE and self._reason is None and not octets.strip(b"\n\r\0"):
            return
        if self._reason is not Reason.LENGTH:
            self._reason = reason
        self._bad += octets[: _KEPT_OF_GARBAGE - len(self._bad)]

    def _flush(self, found: list[bytes | FrameError]) -> None:
        if self._reason is not None:
            lied = self._reason is Reason.LENGTH
            text = "a frame's length does not end at its CR" if lied else "octets that belong to no frame"
            found.append(FrameError(self._reason, text, bytes(self._bad)))
        self._bad.clear()
        self._reason = None


def _measure(held: bytearray, body: int, length: int) -> int | None:
    """Where the frame stops whose quote stands at `body`: 0 if its length lies, None if more octets must come."""
    end = body + length
    first = held.find(CR, body, end + 1)
    if first >= 0:
        return end + 1 if first == end else 0
    return 0 if len(held) > end else None


def _unfinished(held: bytearray, at: int) -> int:
    """Where a header begins that the next octets may finish; the end of what is held if there is none."""
    at = max(at, len(held) - _LONGEST_HEADER)
    while (at := held.find(LF, at)) >= 0:
        if _UNFINISHED.match(held, at):
            return at
        at += 1
    return len(held)
