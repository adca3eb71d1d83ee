"""A SCAIP receiver, the alarm centre's end: a pure machine for any number of flows.

It says what came and makes the octets of answers. The SIP response of dialect A goes out at once, since it promises
nothing; the reply (`mrs`) is a promise when its status is 0, so the caller gives it only after the message is stored.
In dialect B the reply is the SIP response, which therefore waits for the caller as well.

A message seen before (same controller, reference and content) is reported with `duplicate` and is to be answered as
before. Which were seen is kept in `Seen`, which belongs to the caller.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from protocols.centre.alarm import Alarm
from protocols.centre.scaip.categories import wants_call
from protocols.centre.scaip.codes import Status
from protocols.centre.scaip.messages import Dialect, MessageError, Request, Response, decode, encode
from protocols.centre.scaip.read_alarm import dedupe_key, read_alarm
from protocols.centre.scaip.sender import PLAIN_XML, READ_TYPES, SCAIP_XML
from protocols.centre.scaip.sip_agent import MESSAGE, UserAgent
from protocols.centre.scaip.sip_digest import Guard, Verdict
from protocols.centre.scaip.sip_flow import (
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
from protocols.centre.scaip.sip_message import Headers, SipRequest, address, escape_user, parse_uri
from protocols.centre.sia_dc09.receiver import Seen

DUPLEX = "1"
PREDEFINED = "61"
TRANSFERRED = "62"


@dataclass(frozen=True, slots=True)
class Call:
    """The call that the unit is to place: with numbers to those, in this order; else to its predefined receiver."""

    numbers: tuple[str, ...] = ()
    media: str = DUPLEX


@dataclass(frozen=True, slots=True)
class Envelope:
    """How a message came: what is needed to answer it."""

    ticket: int
    flow: Flow
    sip: SipRequest
    dialect: Dialect
    user: str | None = None


@dataclass(frozen=True, slots=True)
class AlarmReceived:
    """A message for a person. Store it, then answer with status 0. `wants_call`: a voice call goes with it."""

    request: Request
    alarm: Alarm
    key: str
    duplicate: bool
    wants_call: bool
    envelope: Envelope


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """A sign of life. Answer with status 0; there is nothing to store but when it came and from whom."""

    request: Request
    alarm: Alarm
    envelope: Envelope


@dataclass(frozen=True, slots=True)
class Bad:
    """A message that cannot be taken. With `envelope` it is to be answered with `status`; without, nobody waits."""

    status: int
    message: str
    ref: str = ""
    envelope: Envelope | None = None


@dataclass(frozen=True, slots=True)
class ReplySettled:
    """What became of a reply of ours: the unit has it, or `reason` says why that is not known."""

    ref: str
    delivered: bool
    reason: str | None = None


Found = AlarmReceived | Heartbeat | Bad | ReplySettled


class Receiver:
    """The machine. `new_id` makes the id of each alarm; `guard` asks for a password, None lets everybody in.

    `from_is_cid`: a message whose From names another user than its cid is refused with status 3, as public centres do,
    so that one unit cannot speak for another (dialect A; with a guard the password's user must be that one too).
    """

    def __init__(
        self,
        token: Callable[[], str],
        seen: Seen,
        new_id: Callable[[], str],
        *,
        guard: Guard | None = None,
        from_is_cid: bool = True,
        carried: int = 200,
    ) -> None:
        self._agent = UserAgent(token, accept=READ_TYPES)
        self._seen = seen
        self._new_id = new_id
        self._guard = guard
        self._from_is_cid = from_is_cid
        self._carried = carried
        self._replies: dict[int, str] = {}

    def handle(self, event: Event, now: float, at: datetime) -> tuple[list[Wire], list[Found]]:
        """Octets from a flow, or its end. `at` (aware) becomes the alarms' `received_at`, `now` drives timers."""
        return self._pass(self._agent.handle(event, now), now, at)

    def wake(self, now: float, at: datetime) -> tuple[list[Wire], list[Found]]:
        """Timers. Call at `next_wakeup`; earlier calls do nothing."""
        return self._pass(self._agent.wake(now), now, at)

    def next_wakeup(self) -> float | None:
        """When `wake` is next due, or None."""
        return self._agent.next_wakeup()

    def pending(self, flow: Flow) -> int:
        """Octets of a message on a stream that is not whole yet."""
        return self._agent.pending(flow)

    def is_duplicate(self, event: AlarmReceived, now: float) -> bool:
        """Whether the alarm counts as seen now. A caller that stores slowly asks again before it shows an alarm."""
        return self._seen.holds(event.key, now)

    def answer(
        self,
        event: AlarmReceived | Heartbeat | Bad,
        status: int,
        now: float,
        *,
        call: Call | None = None,
        heartbeat_class: str | None = None,
    ) -> list[Wire]:
        """The reply to a message. Status 0 also remembers an alarm's key: give it only once the alarm is stored.

        `call` is used where the unit wants one and the status is 0. A `Bad` never gets status 0: that raises
        ValueError, for it would promise what is not kept.
        """
        envelope = event.envelope
        if envelope is None:
            return []
        if isinstance(event, Bad):
            if status == Status.OK:
                raise ValueError("a message that could not be read cannot be accepted")
            return self._reply(Response(event.ref, str(status), dialect=envelope.dialect), envelope, now)
        if isinstance(event, AlarmReceived) and status == Status.OK:
            self._seen.add(event.key, now)
        wanted = isinstance(event, AlarmReceived) and event.wants_call and status == Status.OK
        return self._reply(reply_to(event.request, status, call if wanted else None, heartbeat_class), envelope, now)

    def _pass(self, actions: list[Action], now: float, at: datetime) -> tuple[list[Wire], list[Found]]:
        wires: list[Wire] = []
        found: list[Found] = []
        for action in actions:
            match action:
                case Incoming():
                    said, event = self._incoming(action, now, at)
                    wires += self._pass(said, now, at)[0]
                    found += [] if event is None else [event]
                case Answered(ticket, response):
                    ok = response.status < 300
                    ref = self._replies.pop(ticket, "")
                    found.append(ReplySettled(ref, ok, None if ok else f"sip {response.status}"))
                case Unanswered(ticket, reason):
                    found.append(ReplySettled(self._replies.pop(ticket, ""), False, reason))
                case Dropped(_, reason):
                    found.append(Bad(Status.INVALID_FORMAT, f"octets that are no SIP message: {reason}"))
                case _:
                    wires.append(action)
        return wires, found

    def _incoming(self, incoming: Incoming, now: float, at: datetime) -> tuple[list[Action], Found | None]:
        sip, ticket = incoming.request, incoming.ticket
        user = None
        if self._guard is not None:
            verdict, user = self._guard.judge(sip, now)
            if verdict is not Verdict.GOOD:
                asked = [
                    ("WWW-Authenticate", value) for value in self._guard.challenges(now, stale=verdict is Verdict.STALE)
                ]
                return self._agent.respond(ticket, 401, now, asked), None
        kind = (sip.headers.get("content-type") or "").partition(";")[0].strip().lower()
        if kind not in READ_TYPES:
            said = self._agent.respond(ticket, 415, now, [("Accept", ", ".join(READ_TYPES))])
            return said, Bad(Status.INVALID_FORMAT, f"content type {kind[:64]} is not read")
        event = self._read(incoming, user, now, at)
        if event.envelope is None or event.envelope.dialect is Dialect.A:
            return self._agent.respond(ticket, self._carried, now), event
        return [], event

    def _read(self, incoming: Incoming, user: str | None, now: float, at: datetime) -> AlarmReceived | Heartbeat | Bad:
        sip = incoming.request
        envelope = Envelope(incoming.ticket, incoming.flow, sip, Dialect.A, user)
        try:
            request = decode(sip.body)
        except MessageError as error:
            dialect = error.dialect
            return Bad(error.status, str(error), error.ref, Envelope(incoming.ticket, incoming.flow, sip, dialect))
        if isinstance(request, Response):
            return Bad(Status.WRONG_CONTENT, "a reply, and nothing was asked", request.ref)
        envelope = Envelope(incoming.ticket, incoming.flow, sip, request.dialect, user)
        stranger = self._stranger(request, sip, user)
        if stranger is not None:
            return Bad(Status.WRONG_CONTENT, stranger, request.ref, envelope)
        flow = incoming.flow
        alarm = read_alarm(
            request,
            sip.body,
            alarm_id=self._new_id(),
            received_at=at,
            transport=flow.transport,
            peer=f"{bracketed(flow.remote[0])}:{flow.remote[1]}",
            authenticated="none" if user is None else "digest",
        )
        if request.is_heartbeat:
            return Heartbeat(request, alarm, envelope)
        key = dedupe_key(request, sip.body)
        return AlarmReceived(request, alarm, key, self._seen.holds(key, now), wants_call(request), envelope)

    def _stranger(self, request: Request, sip: SipRequest, user: str | None) -> str | None:
        if not self._from_is_cid or request.dialect is not Dialect.A:
            return None
        if from_user(sip) != request.cid:
            return "From names another user than cid"
        return "the password belongs to another user than cid" if user is not None and user != request.cid else None

    def _reply(self, response: Response, envelope: Envelope, now: float) -> list[Wire]:
        body = encode(response)
        if envelope.dialect is Dialect.B:
            kind = envelope.sip.headers.get("content-type") or PLAIN_XML
            said = self._agent.respond(envelope.ticket, 200, now, [("Content-Type", kind)], body)
        else:
            ticket, said = self._agent.submit(reply_draft(envelope, body), envelope.flow, now)
            self._replies[ticket] = response.ref
        return self._wires(said)

    def _wires(self, actions: list[Action]) -> list[Wire]:
        return [action for action in actions if isinstance(action, Wire)]


def reply_to(request: Request, status: int, call: Call | None = None, heartbeat_class: str | None = None) -> Response:
    """The `mrs` of a request: same reference, same dialect; a call only for status 0."""
    if status != Status.OK or call is None:
        return Response(request.ref, str(status), hbi=heartbeat_class, dialect=request.dialect)
    return Response(
        request.ref,
        str(status),
        mre=call.media,
        cre=TRANSFERRED if call.numbers else PREDEFINED,
        tnu=call.numbers,
        hbi=heartbeat_class,
        dialect=request.dialect,
    )


def from_user(sip: SipRequest) -> str | None:
    """The user in From, unescaped; None where there is none."""
    uri = parse_uri(address(sip.headers.get("from") or "")[0])
    return None if uri is None else uri.user


def reply_draft(envelope: Envelope, body: bytes) -> Draft:
    """The MESSAGE that carries a reply: to the unit's Contact if it named one, else to its From, by the way it came."""
    headers = envelope.sip.headers
    sender, recipient = (address(headers.get(name) or "")[0] for name in ("to", "from"))
    host, port = envelope.flow.remote
    here = f"sip:{bracketed(envelope.flow.local[0])}:{envelope.flow.local[1]}"
    there = f"sip:{escape_user(from_user(envelope.sip) or 'unit')}@{bracketed(host)}:{port}"
    recipient = recipient if parse_uri(recipient) else there
    contact = address(headers.get("contact") or "")[0]
    return Draft(
        method=MESSAGE,
        uri=contact if parse_uri(contact) else recipient,
        sender=sender if parse_uri(sender) else here,
        recipient=recipient,
        headers=Headers([("Content-Type", SCAIP_XML)]),
        body=body,
    )
