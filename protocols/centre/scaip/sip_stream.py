"""Cutting a TCP or TLS stream into SIP messages by Content-Length (RFC 3261 18.3), and keep-alives (RFC 5626 4.4.1).

A stream whose framing is broken cannot be trusted for one octet more: the cutter then says so once and takes nothing
further, and the connection is to be closed.
"""

from __future__ import annotations

from protocols.centre.scaip.sip_message import MAX_BODY, MAX_HEAD, SipError, content_length, parse_head

PING = b"\r\n\r\n"
PONG = b"\r\n"


class SipStream:
    """One direction of one connection. `feed` gives whole messages; `pings` counts keep-alives that want a PONG."""

    def __init__(self) -> None:
        self._held = bytearray()
        self._scanned = 0
        self._broken = False
        self.pings = 0

    @property
    def pending(self) -> int:
        """Octets of a message that is not whole. The caller decides how long a peer may take for the rest."""
        return len(self._held)

    @property
    def broken(self) -> bool:
        """The framing is lost; close the connection."""
        return self._broken

    def feed(self, octets: bytes) -> list[bytes | SipError]:
        """Take octets in any portions; at most one error comes, as the last thing ever."""
        if self._broken:
            return []
        self._held += octets
        found: list[bytes | SipError] = []
        while True:
            self._skip_line_ends()
            end = self._held.find(b"\r\n\r\n", self._scanned)
            if end < 0:
                self._scanned = max(len(self._held) - 3, 0)
                if len(self._held) > MAX_HEAD:
                    found.append(self._break("the head is too long"))
                return found
            try:
                if end > MAX_HEAD:
                    raise SipError("the head is too long")
                headers, _ = parse_head(bytes(self._held[:end]))
                if len(set(headers.all("content-length"))) > 1:
                    raise SipError("two different lengths")
                length = content_length(headers)
                if length is None:
                    raise SipError("a stream needs Content-Length")
                if length > MAX_BODY:
                    raise SipError("the body is too long")
            except SipError as error:
                found.append(self._break(str(error)))
                return found
            if len(self._held) < end + 4 + length:
                self._scanned = end
                return found
            found.append(bytes(self._held[: end + 4 + length]))
            del self._held[: end + 4 + length]
            self._scanned = 0

    def _skip_line_ends(self) -> None:
        """Line ends between messages: a double one is a ping, a single one an answer or the first half of a ping."""
        count = 0
        while self._held.startswith(PING, count):
            count += len(PING)
        self.pings += count // len(PING)
        if self._held.startswith(PONG, count) and len(self._held) > count + len(PONG) + 1:
            count += len(PONG)
        if count:
            del self._held[:count]
            self._scanned = 0

    def _break(self, why: str) -> SipError:
        self._broken = True
        self._held.clear()
        return SipError(why)
