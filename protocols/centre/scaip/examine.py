"""What octets of SCAIP say and what is to be answered: bare XML, or SIP messages one after another. Pure.

For people and programs that hold a capture in their hands, such as the command line. Nothing is remembered between
two calls, so nothing is ever a duplicate here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from protocols.centre.alarm import Alarm, Outcome, Reply
from protocols.centre.scaip.categories import wants_call
from protocols.centre.scaip.codes import STATUS_NUMBER, Status
from protocols.centre.scaip.messages import Dialect, MessageError, Request, Response, decode, encode
from protocols.centre.scaip.read_alarm import read_alarm, reply_of
from protocols.centre.scaip.receiver import Call, from_user, reply_to
from protocols.centre.scaip.sender import READ_TYPES
from protocols.centre.scaip.sip_message import SipError, SipRequest, SipResponse, content_length, parse, parse_head

ALARM = "alarm"
HEARTBEAT = "heartbeat"
REPLY = "reply"
ERROR = "error"


@dataclass(frozen=True, slots=True)
class Finding:
    """One message. `kind` is alarm, heartbeat, reply or error; `answer` is the reply that a centre owes for it.

    `reply` says what that answer means, or, with kind reply, what the message itself means. `reason` is the error in a
    word or two, `error` in a sentence.
    """

    kind: str
    alarm: Alarm | None = None
    reply: Reply | None = None
    response: Response | None = None
    reason: str | None = None
    error: str | None = None
    answer: Response | None = None

    @property
    def octets(self) -> bytes:
        """The answer as XML; empty where none is owed."""
        return b"" if self.answer is None else encode(self.answer)


def examine(
    octets: bytes,
    *,
    new_id: Callable[[], str],
    at: datetime,
    call: Call | None = None,
    from_is_cid: bool = True,
) -> tuple[Finding, ...]:
    """Every message in the octets; incomplete or foreign octets are one error. Never raises for what they hold.

    `call` is what a unit that wants one is told to call; by default its predefined receiver.
    """
    body = octets.lstrip(b" \t\r\n\xef\xbb\xbf")
    if not body:
        return (Finding(ERROR, reason="truncated", error="there is nothing to decode"),)
    if body[:1] == b"<" or octets[:2] in {b"\xff\xfe", b"\xfe\xff"}:
        return (_xml(octets, new_id, at, call or Call(), None),)
    found: list[Finding] = []
    rest = octets.lstrip(b" \t\r\n")
    while rest:
        piece, rest = _first(rest)
        found.append(_sip(piece, new_id, at, call or Call(), from_is_cid))
    return tuple(found)


def _first(octets: bytes) -> tuple[bytes, bytes]:
    """The first SIP message, by its Content-Length, and what stands behind it. An editor may have left bare LF."""
    end = octets.find(b"\r\n\r\n")
    plain = octets.find(b"\n\n")
    if plain >= 0 and (end < 0 or plain < end):
        octets = octets[:plain].replace(b"\r\n", b"\n").replace(b"\n", b"\r\n") + b"\r\n\r\n" + octets[plain + 2 :]
        end = octets.find(b"\r\n\r\n")
    if end < 0:
        return octets, b""
    try:
        length = content_length(parse_head(octets[:end])[0])
    except SipError:
        return octets, b""
    if length is None:
        return octets, b""
    return octets[: end + 4 + length], octets[end + 4 + length :].lstrip(b" \t\r\n\0")


def _sip(octets: bytes, new_id: Callable[[], str], at: datetime, call: Call, from_is_cid: bool) -> Finding:
    try:
        message = parse(octets)
    except SipError as error:
        return Finding(ERROR, reason="no SIP message", error=str(error))
    if isinstance(message, SipResponse):
        if message.body.strip():
            return _xml(message.body, new_id, at, call, None)
        carried = message.status < 300
        text = "SIP only carried it; the reply with its reference is still to come" if carried else message.reason
        outcome = Outcome.RETRY_LATER if carried else Outcome.RETRY_OTHER
        return Finding(REPLY, reply=Reply(False, outcome, f"sip {message.status}", text))
    if message.method != "MESSAGE":
        return Finding(ERROR, reason="method", error=f"a SIP {message.method[:16]}, and SCAIP comes as MESSAGE")
    kind = (message.headers.get("content-type") or "").partition(";")[0].strip().lower()
    if kind not in READ_TYPES:
        return Finding(ERROR, reason="content type", error=f"content type {kind[:64] or 'missing'} is not read")
    return _xml(message.body, new_id, at, call, message if from_is_cid else None)


def _xml(octets: bytes, new_id: Callable[[], str], at: datetime, call: Call, sip: SipRequest | None) -> Finding:
    try:
        message = decode(octets)
    except MessageError as error:
        return _refused(error.status, str(error), error.ref, error.dialect)
    if isinstance(message, Response):
        return Finding(REPLY, reply=reply_of(message), response=message)
    if sip is not None and message.dialect is Dialect.A and from_user(sip) != message.cid:
        return _refused(Status.WRONG_CONTENT, "From names another user than cid", message.ref, message.dialect)
    return _request(message, octets, new_id, at, call)


def _refused(status: int, why: str, ref: str, dialect: Dialect) -> Finding:
    answer = Response(ref, str(status), dialect=dialect)
    return Finding(ERROR, reply=reply_of(answer), reason=STATUS_NUMBER[status], error=why, answer=answer)


def _request(request: Request, octets: bytes, new_id: Callable[[], str], at: datetime, call: Call) -> Finding:
    alarm = read_alarm(request, octets, alarm_id=new_id(), received_at=at)
    answer = reply_to(request, Status.OK, call if wants_call(request) else None)
    return Finding(HEARTBEAT if request.is_heartbeat else ALARM, alarm, reply_of(answer), answer=answer)
