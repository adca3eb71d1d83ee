"""Where a document ends on a connection: at the closing tag of its root, or where the sender closed.

SOS Access has no length and no terminator, and a sender may keep its half of the connection open while it waits. The
root's closing tag cannot stand inside the text, because `<` cannot.
"""

from __future__ import annotations

import re

from protocols.centre.sos_access.documents import LONGEST

_ROOT = re.compile(
    rb"\A(?:\xef\xbb\xbf)?\s*(?:<\?[^>]{0,300}\?>\s*)?(?:<!--.{0,1000}?-->\s*)?"
    rb"<([A-Za-z_][A-Za-z0-9_.:-]{0,60})(?=[\s/>])",
    re.S,
)
_REFUSED = re.compile(rb"<!\s*(?:DOCTYPE|ENTITY)", re.I)


class Collector:
    """One document. `feed` gives it once it is whole; what follows it on the same connection is ignored."""

    def __init__(self) -> None:
        self._held = bytearray()
        self._end: bytes | None = None
        self._looked = 0

    @property
    def pending(self) -> int:
        """Octets of a document that is not whole yet."""
        return len(self._held)

    def feed(self, octets: bytes) -> bytes | None:
        """Take octets in any portions. The whole document, or None. What is too long comes out as it is, cut just past
        the limit, for `documents.read` to refuse."""
        self._held += octets
        if self._end is None:
            root = _ROOT.match(self._held)
            if root is not None:
                self._end = b"</" + root[1]
            elif _REFUSED.search(self._held):
                # No document of ours has a document type: there is nothing to wait for.
                return bytes(self._held)
        if self._end is not None:
            at = self._held.find(self._end, max(0, self._looked - len(self._end)))
            while at >= 0:
                rest = self._held[at + len(self._end) :]
                close = rest.lstrip(b" \t\r\n")
                if close[:1] == b">":
                    stop = at + len(self._end) + len(rest) - len(close) + 1
                    return bytes(self._held[:stop])
                if not close:
                    break
                at = self._held.find(self._end, at + 1)
            self._looked = len(self._held) if at < 0 else at
        return bytes(self._held[: LONGEST + 1]) if len(self._held) > LONGEST else None

    def end(self) -> bytes | None:
        """The sender closed: what there is, or None if there is nothing."""
        return bytes(self._held) if self._held.strip() else None
