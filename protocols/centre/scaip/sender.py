"""A SCAIP sender, device or fleet, towards one centre: a pure machine, any number of messages in flight.

Delivered means one thing only: a reply (`mrs`) with status 0 and the same reference. The SIP response delivers nothing,
for it says that a message was carried, not that anybody has it. The reply may come as a MESSAGE of its own (dialect A)
or in the 200's body (dialect B), before or after the 200; it is matched by reference and by where it comes from: the
host that was written to, or one of `trusted`, and never in clear to an alarm that went by TLS.

When the patience of a message is over it has failed here, and the caller tries the other centre. A later repetition
keeps its reference, so that a centre which has it already answers as for the first. Retries, back-off and the choice of
centre are the caller's.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass

from protocols.centre.alarm import Outcome, Reply, Scope
from protocols.centre.scaip.messages import Dialect, MessageError, Request, Response, decode
from protocols.centre.scaip.read_alarm import reply_in_sip, reply_of
from protocols.centre.scaip.sip_agent import MESSAGE, UserAgent
from protocols.centre.scaip.sip_digest import Credentials
from protocols.centre.scaip.sip_flow import (
    TLS,
    Action,
    Answered,
    Draft,
    Dropped,
    Event,
    Flow,
    Incoming,
    Unanswered,
    Wire,
    bracketed,
)
from protocols.centre.scaip.sip_message import Headers, SipResponse, escape_user

PATIENCE_S = 4.0
"""Default wait for a reply: the other centre is to be tried within 4 to 5 s."""
SCAIP_XML = "application/scaip+xml"
PLAIN_XML = "application/xml"
READ_TYPES = (SCAIP_XML, PLAIN_XML, "text/xml")


@dataclass(frozen=True, slots=True)
class Delivered:
    """The centre has the message: status 0 with this reference. `reply.voice` says what call it wants."""

    ref: str
    reply: Reply
    response: Response


@dataclass(frozen=True, slots=True)
class Refused:
    """The same octets must not go again (the minimal form may), or the centre does not let us in (outcome AUTH)."""

    ref: str
    reply: Reply


@dataclass(frozen=True, slots=True)
class Failed:
    """This centre has not taken it, or whether it has is not known: try the other one at once, this one later."""

    ref: str
    reply: Reply


@dataclass(frozen=True, slots=True)
class Unexpected:
    """Something that answers nothing of ours: `reason` is a word for a counter. The wait goes on."""

    reason: str


Result = Delivered | Refused | Failed | Unexpected


class SenderError(RuntimeError):
    """The caller sent a reference that is in flight: its outcome comes first."""


@dataclass(slots=True)
class _InFlight:
    ref: str
    flow: Flow
    ticket: int
    ends_at: float
    carried: int | None = None


class Sender:
    """The machine. `centre` is the centre's SIP URI, `token` gives a fresh random word for every call."""

    def __init__(
        self,
        token: Callable[[], str],
        centre: str,
        *,
        domain: str | None = None,
        credentials: Credentials | None = None,
        patience_s: float = PATIENCE_S,
        trusted: frozenset[str] = frozenset(),
    ) -> None:
        self._agent = UserAgent(token, accept=READ_TYPES, credentials=credentials)
        self._centre = centre
        self._domain = domain
        self._patience_s = patience_s
        self._trusted = trusted
        self._by_ref: dict[str, _InFlight] = {}
        self._by_ticket: dict[int, _InFlight] = {}
        self._deadlines: list[tuple[float, int]] = []

    def send(self, request: Request, octets: bytes, flow: Flow, now: float) -> list[Wire]:
        """What to write. `octets` is the request's XML; one outcome with its reference follows.

        Raises SenderError for a reference in flight, SipError for an identity that no header can hold.
        """
        if request.ref in self._by_ref:
            raise SenderError("this reference is in flight; wait for its outcome")
        kind = SCAIP_XML if request.dialect is Dialect.A else PLAIN_XML
        sender = f"sip:{escape_user(request.cid)}@{self._domain or _reachable(flow)}"
        draft = Draft(
            method=MESSAGE,
            uri=self._centre,
            sender=sender,
            recipient=self._centre,
            headers=Headers([("Content-Type", kind)]),
            body=octets,
        )
        ticket, actions = self._agent.submit(draft, flow, now)
        flight = _InFlight(request.ref, flow, ticket, now + self._patience_s)
        self._by_ref[request.ref] = flight
        self._by_ticket[ticket] = flight
        heapq.heappush(self._deadlines, (flight.ends_at, ticket))
        return self._pass(actions, now)[0]

    def handle(self, event: Event, now: float) -> tuple[list[Wire], list[Result]]:
        """Octets from a flow, or its end: what to write, and what has come of messages in flight."""
        return self._pass(self._agent.handle(event, now), now)

    def wake(self, now: float) -> tuple[list[Wire], list[Result]]:
        """Timers: repetitions over UDP, and messages whose time is over. Earlier calls do nothing."""
        wires, results = self._pass(self._agent.wake(now), now)
        while self._deadlines and self._deadlines[0][0] <= now:
            flight = self._by_ticket.get(heapq.heappop(self._deadlines)[1])
            if flight is not None:
                carried = "" if flight.carried is None else f", though SIP said {flight.carried}"
                code = "silence" if flight.carried is None else f"sip {flight.carried}"
                results.append(self._fail(flight, code, f"no reply in {self._patience_s:g} s{carried}"))
        return wires, results

    def next_wakeup(self) -> float | None:
        """When `wake` is next due, or None while nothing is in flight."""
        while self._deadlines and self._deadlines[0][1] not in self._by_ticket:
            heapq.heappop(self._deadlines)
        mine = self._deadlines[0][0] if self._deadlines else None
        times = [time for time in (mine, self._agent.next_wakeup()) if time is not None]
        return min(times, default=None)

    def pending(self, flow: Flow) -> int:
        """Octets of a message on a stream that is not whole yet. The driver decides how long a peer may take."""
        return self._agent.pending(flow)

    @property
    def in_flight(self) -> int:
        """How many messages wait for their outcome."""
        return len(self._by_ref)

    def _pass(self, actions: list[Action], now: float) -> tuple[list[Wire], list[Result]]:
        wires: list[Wire] = []
        results: list[Result] = []
        for action in actions:
            match action:
                case Incoming():
                    more, result = self._incoming(action, now)
                    wires += self._pass(more, now)[0]
                    results.append(result)
                case Answered(ticket, response):
                    results += self._carried(ticket, response)
                case Unanswered(ticket, reason):
                    flight = self._by_ticket.get(ticket)
                    if flight is not None:
                        results.append(self._fail(flight, reason, f"no SIP response: {reason}"))
                case Dropped(_, reason):
                    results.append(Unexpected(reason))
                case _:
                    wires.append(action)
        return wires, results

    def _incoming(self, incoming: Incoming, now: float) -> tuple[list[Action], Result]:
        """A MESSAGE to us. A reply is answered 200 even when it comes too late, so that it is not repeated."""
        request = incoming.request
        kind = (request.headers.get("content-type") or "").partition(";")[0].strip().lower()
        if kind not in READ_TYPES:
            said = self._agent.respond(incoming.ticket, 415, now, [("Accept", ", ".join(READ_TYPES))])
            return said, Unexpected("content-type")
        try:
            message = decode(request.body)
        except MessageError:
            return self._agent.respond(incoming.ticket, 400, now), Unexpected("malformed-reply")
        if not isinstance(message, Response):
            return self._agent.respond(incoming.ticket, 403, now), Unexpected("not-a-reply")
        flight = self._by_ref.get(message.ref)
        if flight is None:
            return self._agent.respond(incoming.ticket, 200, now), Unexpected("unasked")
        if not self._may_answer(incoming.flow, flight.flow):
            return self._agent.respond(incoming.ticket, 403, now), Unexpected("stranger")
        return self._agent.respond(incoming.ticket, 200, now), self._settle(flight, message)

    def _may_answer(self, came: Flow, went: Flow) -> bool:
        if went.transport == TLS and came.transport != TLS:
            return False
        return came.remote[0] == went.remote[0] or came.remote[0] in self._trusted

    def _carried(self, ticket: int, response: SipResponse) -> list[Result]:
        flight = self._by_ticket.get(ticket)
        if flight is None:
            return []
        status = response.status
        if status < 300:
            flight.carried = status
            reply = _reply_in(response, flight.ref)
            return [] if reply is None else [self._settle(flight, reply)]
        self._forget(flight)
        said = reply_in_sip(status, response.reason or None)
        return [(Failed if said.outcome is Outcome.RETRY_OTHER else Refused)(flight.ref, said)]

    def _settle(self, flight: _InFlight, response: Response) -> Result:
        self._forget(flight)
        reply = reply_of(response)
        if reply.accepted:
            return Delivered(flight.ref, reply, response)
        return (Refused if reply.outcome is Outcome.REJECT_PERMANENT else Failed)(flight.ref, reply)

    def _fail(self, flight: _InFlight, code: str, text: str) -> Failed:
        self._forget(flight)
        return Failed(flight.ref, Reply(False, Outcome.RETRY_OTHER, code, text, scope=Scope.CENTRE))

    def _forget(self, flight: _InFlight) -> None:
        self._agent.abandon(flight.ticket)
        self._by_ref.pop(flight.ref, None)
        self._by_ticket.pop(flight.ticket, None)


def _reachable(flow: Flow) -> str:
    """What stands behind the @ of From where there is no domain: the way by which the reply reaches us, for a centre
    writes to the address in From."""
    host, port = flow.local
    return f"{bracketed(host)}:{port}" + (f";transport={flow.transport}" if flow.is_stream else "")


def _reply_in(response: SipResponse, ref: str) -> Response | None:
    """Dialect B: the reply in a 2xx's body. It must name our reference, or none at all, as that dialect allows."""
    if not response.body.strip():
        return None
    try:
        message = decode(response.body)
    except MessageError:
        return None
    return message if isinstance(message, Response) and message.ref in {ref, ""} else None
