"""A SIP user agent that knows MESSAGE: client and server transactions on any number of flows, as one pure machine.

What it says to other requests is RFC 3261's: 405 with Allow to a method that it does not know, 200 to OPTIONS, 481 to
CANCEL, nothing to ACK, 400 or silence to what is malformed, 420 to an extension that is required, 416 to a URI that is
no SIP URI. A stream whose framing is lost is hung up.

`handle(event, now) -> actions`, `wake(now) -> actions`, `next_wakeup()`; `now` is seconds on any clock that never runs
backwards. Nothing is opened, nothing read from a clock, and randomness comes in as `token`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from protocols.centre.scaip.sip_client import SipClient
from protocols.centre.scaip.sip_digest import Credentials
from protocols.centre.scaip.sip_flow import (
    Action,
    Closed,
    Draft,
    Dropped,
    Event,
    Flow,
    Hangup,
    Incoming,
    Received,
    Transmit,
)
from protocols.centre.scaip.sip_message import SipError, SipRequest, SipResponse, parse, parse_uri
from protocols.centre.scaip.sip_server import SipServer, refusal
from protocols.centre.scaip.sip_stream import PONG, SipStream

MESSAGE = "MESSAGE"
ALLOWED = "MESSAGE, OPTIONS"


class UserAgent:
    """The machine. `accept` are the content types that it says it reads, for OPTIONS and 415."""

    def __init__(
        self,
        token: Callable[[], str],
        *,
        accept: tuple[str, ...],
        credentials: Credentials | None = None,
        agent: str = "Livlina",
    ) -> None:
        self._token = token
        self._accept = ", ".join(accept)
        self._client = SipClient(token, credentials, agent)
        self._server = SipServer(token)
        self._streams: dict[Flow, SipStream] = {}
        self._tickets = 0

    def submit(self, draft: Draft, flow: Flow, now: float) -> tuple[int, list[Action]]:
        """Send a request; its end comes as `Answered` or `Unanswered` with the ticket that is returned."""
        self._tickets += 1
        return self._tickets, self._client.submit(self._tickets, draft, flow, now)

    def abandon(self, ticket: int) -> None:
        """Give up a request of ours; nothing more comes of it."""
        self._client.abandon(ticket)

    def respond(
        self, ticket: int, status: int, now: float, headers: Iterable[tuple[str, str]] = (), body: bytes = b""
    ) -> list[Action]:
        """Answer an `Incoming`. A second answer, or one to nobody, does nothing."""
        return self._server.respond(ticket, status, now, headers, body)

    def handle(self, event: Event, now: float) -> list[Action]:
        """Octets or the end of a flow. Never raises for what a peer sent."""
        match event:
            case Received(flow, octets):
                return self._stream(flow, octets, now) if flow.is_stream else self._message(flow, octets, now)
            case Closed(flow):
                self._streams.pop(flow, None)
                self._server.closed(flow)
                return self._client.closed(flow, now)

    def pending(self, flow: Flow) -> int:
        """Octets of a message on a stream that is not whole. The driver decides how long a peer may take."""
        stream = self._streams.get(flow)
        return 0 if stream is None else stream.pending

    def wake(self, now: float) -> list[Action]:
        """Timers. Call at `next_wakeup`; earlier calls do nothing."""
        self._server.wake(now)
        return self._client.wake(now)

    def next_wakeup(self) -> float | None:
        """When `wake` is next due, or None."""
        times = [time for time in (self._client.next_wakeup(), self._server.next_wakeup()) if time is not None]
        return min(times, default=None)

    def _stream(self, flow: Flow, octets: bytes, now: float) -> list[Action]:
        stream = self._streams.setdefault(flow, SipStream())
        pings = stream.pings
        actions: list[Action] = []
        for piece in stream.feed(octets):
            if isinstance(piece, SipError):
                actions += [Dropped(flow, "framing"), Hangup(flow)]
            else:
                actions += self._message(flow, piece, now)
        actions += [Transmit(flow, PONG)] * (stream.pings - pings)
        return actions

    def _message(self, flow: Flow, octets: bytes, now: float) -> list[Action]:
        if not octets.strip(b"\r\n\0 "):
            return []  # a keep-alive
        try:
            message = parse(octets, datagram=not flow.is_stream)
        except SipError as error:
            said = refusal(error.head, flow, self._token()[:16])
            return said or [Dropped(flow, "malformed")]
        if isinstance(message, SipResponse):
            return self._client.received(message, now)
        if message.method == "ACK":
            return []
        self._tickets += 1
        ticket = self._tickets
        repeated = self._server.received(ticket, message, flow, now)
        if repeated is not None:
            return repeated
        return self._judge(ticket, message, flow, now)

    def _judge(self, ticket: int, request: SipRequest, flow: Flow, now: float) -> list[Action]:
        """RFC 3261 8.2.1 to 8.2.3: what every request must pass before anybody reads its body."""
        if request.method == "OPTIONS":
            return self.respond(ticket, 200, now, [("Allow", ALLOWED), ("Accept", self._accept)])
        if request.method == "CANCEL":
            return self.respond(ticket, 481, now)
        if request.method != MESSAGE:
            return self.respond(ticket, 405, now, [("Allow", ALLOWED)])
        if parse_uri(request.uri) is None:
            return self.respond(ticket, 416, now)
        required = request.headers.listed("require")
        if required:
            return self.respond(ticket, 420, now, [("Unsupported", ", ".join(required))])
        if (request.headers.get("content-encoding") or "identity").lower() != "identity":
            return self.respond(ticket, 415, now, [("Accept-Encoding", "identity"), ("Accept", self._accept)])
        return [Incoming(ticket, request, flow)]
