"""Where a document ends on a connection: at the closing tag of its root, or where the sender closed.

SOS Access has no length and no terminator, and a sender may keep its half of the connection open while it waits. The
root's closing tag cannot stand inside the text, because `<` cannot.
"""

from __future__ import annotations

import re

from protocols.centre.scaip.xml_reader import document_end
from protocols.centre.sos_access.documents import LONGEST

_REFUSED = re.compile(rb"<!\s*(?:DOCTYPE|ENTITY)", re.I)


_LONGEST_TAG = 128


class Collector:
    """One document. `feed` gives it once it is whole; what follows it on the same connection is ignored."""

    def __init__(self) -> None:
        self._held = bytearray()
        self._looked = 0

    @property
    def pending(self) -> int:
        """Octets of a document that is not whole yet."""
        return len(self._held)

    def feed(self, octets: bytes) -> bytes | None:
        """Take octets in any portions. The whole document, or None. What is too long comes out as it is, cut just past
        the limit, for `documents.read` to refuse."""
        self._held += octets
        stop = document_end(self._held, looked=self._looked)
        if stop is not None:
            return bytes(self._held[:stop])
        if _REFUSED.search(self._held, max(0, self._looked - 16)):
            # No document of ours has a document type: there is nothing to wait for.
            return bytes(self._held)
        # A closing tag may have come in part.
        self._looked = max(0, len(self._held) - _LONGEST_TAG)
        return bytes(self._held[: LONGEST + 1]) if len(self._held) > LONGEST else None

    def end(self) -> bytes | None:
        """The sender closed: what there is, or None if there is nothing."""
        return bytes(self._held) if self._held.strip() else None
