"""A centre says that its operator has taken an alarm: the end of SCAIP that listens for it, as a pure machine.

SCAIP has no word for *taken* of its own; what is read is made of words that it has:
* an information (`mrq`, `mty` IN) whose `stc` says that somebody is at work (`TAKEN_STATUS`), and which names our alarm
  by its `ref`, or whole in a text that begins with `ref`;
* a further reply (`mrs`) to the alarm's `ref`, status 0, whose text (`ste`) begins with the word `taken`.
The operator stands behind that word, or in `ite`.

Whoever speaks must have shown a password (digest): anybody can write an address. An `mrq` is answered by an `mrs` of
its own, as every `mrq` is; a further reply by the SIP response. Both come after the caller has stored what was said.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from protocols.centre.scaip.codes import MessageType, Status, number
from protocols.centre.scaip.messages import MessageError, Request, Response, decode, encode
from protocols.centre.scaip.receiver import Envelope, reply_draft
from protocols.centre.scaip.sender import READ_TYPES
from protocols.centre.scaip.sip_agent import UserAgent
from protocols.centre.scaip.sip_digest import Guard, Verdict
from protocols.centre.scaip.sip_flow import Action, Event, Flow, Incoming, Wire
from protocols.centre.sia_dc09 import label

TAKEN_STATUS = frozenset({4, 5, 13, 47})
"""`stc`: accepted, acknowledge, assigned, in progress."""

_WORD = re.compile(r"taken\b[ :,-]*(.{0,60})", re.I | re.S)


@dataclass(frozen=True, slots=True)
class Said:
    """A centre's report. ``user`` has shown its password; ``ref`` is the alarm's on the wire, ``reference`` the whole
    one where it was named."""

    user: str
    ref: str
    reference: str | None
    operator: str
    message: Request | Response
    envelope: Envelope


class Answer(Enum):
    """What is said to a report: `snu` and its text, and the SIP status where the report was a further reply."""

    TAKEN = (Status.OK, None, 200)
    UNKNOWN = (Status.NOT_TREATED, "this centre was told no such alarm", 404)
    NOT_ALLOWED = (Status.WRONG_CONTENT, "this centre reports taken in another way", 403)
    SOMEBODY_ELSE = (Status.NOT_TREATED, "somebody else has taken it, or it is closed: send nobody", 410)
    LATER = (Status.BUSY, "not noted: send it again", 503)


class TakenReceiver:
    """The machine. ``token`` gives a fresh random word for every call; ``guard`` knows the centres' passwords."""

    def __init__(self, token: Callable[[], str], guard: Guard) -> None:
        self._agent = UserAgent(token, accept=READ_TYPES)
        self._guard = guard

    def handle(self, event: Event, now: float) -> tuple[list[Wire], list[Said]]:
        """Octets from a flow, or its end."""
        return self._pass(self._agent.handle(event, now), now)

    def wake(self, now: float) -> tuple[list[Wire], list[Said]]:
        """Timers. Call at `next_wakeup`; earlier calls do nothing."""
        return self._pass(self._agent.wake(now), now)

    def next_wakeup(self) -> float | None:
        """When `wake` is next due, or None."""
        return self._agent.next_wakeup()

    def pending(self, flow: Flow) -> int:
        """Octets of a message on a stream that is not whole yet."""
        return self._agent.pending(flow)

    def answer(self, said: Said, answer: Answer, now: float) -> list[Wire]:
        """What to write. ``Answer.TAKEN`` is a promise: give it once it is stored."""
        status, text, sip_status = answer.value
        if isinstance(said.message, Response):
            return _wires(self._agent.respond(said.envelope.ticket, sip_status, now))
        return self._reply(said.envelope, Response(said.message.ref, str(status), ste=text), now)

    def _reply(self, envelope: Envelope, response: Response, now: float) -> list[Wire]:
        body = encode(response)
        wires = _wires(self._agent.respond(envelope.ticket, 200, now))
        return wires + _wires(self._agent.submit(reply_draft(envelope, body), envelope.flow, now)[1])

    def _pass(self, actions: list[Action], now: float) -> tuple[list[Wire], list[Said]]:
        wires: list[Wire] = []
        found: list[Said] = []
        for action in actions:
            if isinstance(action, Incoming):
                more, said = self._incoming(action, now)
                wires += more
                found += [] if said is None else [said]
            elif isinstance(action, Wire):
                wires.append(action)
        return wires, found

    def _incoming(self, incoming: Incoming, now: float) -> tuple[list[Wire], Said | None]:
        sip, ticket = incoming.request, incoming.ticket
        verdict, user = self._guard.judge(sip, now)
        if verdict is not Verdict.GOOD or user is None:
            stale = verdict is Verdict.STALE
            asked = [("WWW-Authenticate", value) for value in self._guard.challenges(now, stale=stale)]
            return _wires(self._agent.respond(ticket, 401, now, asked)), None
        kind = (sip.headers.get("content-type") or "").partition(";")[0].strip().lower()
        if kind not in READ_TYPES:
            return _wires(self._agent.respond(ticket, 415, now, [("Accept", ", ".join(READ_TYPES))])), None
        try:
            message = decode(sip.body)
        except MessageError:
            return _wires(self._agent.respond(ticket, 400, now)), None
        envelope = Envelope(ticket, incoming.flow, sip, message.dialect, user)
        said = read_report(message, user, envelope)
        if said is not None:
            return [], said
        if isinstance(message, Response):
            return _wires(self._agent.respond(ticket, 200, now)), None  # a reply that says nothing of a person
        # A sign of life is answered; nothing else is for this end.
        status = Status.OK if message.is_heartbeat else Status.NOT_TREATED
        return self._reply(envelope, Response(message.ref, str(status)), now), None


def read_report(message: Request | Response, user: str, envelope: Envelope) -> Said | None:
    """The report in a message; None where it says nothing of a person who has taken an alarm."""
    if isinstance(message, Response):
        words = _WORD.match(message.ste or "")
        if message.status != Status.OK or words is None:
            return None
        return Said(user, message.ref, None, _name(words[1]), message, envelope)
    if message.kind != MessageType.INFORMATION or number(message.stc) not in TAKEN_STATUS:
        return None
    line = label.read(message.ite) if message.ite is not None else label.Label()
    rest = line.text if line.reference is not None else message.ite
    return Said(user, message.ref, line.reference, _name(rest or ""), message, envelope)


def _name(text: str) -> str:
    """An operator's name or number: what may stand in a log, and no more of it."""
    return re.sub(r"[^\w .@-]", "", text).strip()[:60]


def _wires(actions: list[Action]) -> list[Wire]:
    return [action for action in actions if isinstance(action, Wire)]
