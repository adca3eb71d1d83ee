"""What octets of SCAIP say and what is to be answered: bare XML, or SIP messages one after another. Pure.

For people and programs that hold a capture in their hands, such as the command line. Nothing is remembered between
two calls, so nothing is ever a duplicate here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from protocols.centre.alarm import Alarm, Reply
from protocols.centre.scaip.categories import wants_call
from protocols.centre.scaip.codes import STATUS_NUMBER, Status
from protocols.centre.scaip.messages import Dialect, MessageError, Request, Response, decode, encode
from protocols.centre.scaip.read_alarm import read_alarm, reply_in_sip, reply_of
from protocols.centre.scaip.receiver import Call, from_user, reply_to
from protocols.centre.scaip.sender import READ_TYPES
from protocols.centre.scaip.sip_message import (
    MAX_HEAD,
    SipError,
    SipRequest,
    SipResponse,
    content_length,
    parse,
    parse_head,
)
from protocols.centre.scaip.xml_reader import MAX_OCTETS, behind_comments, document_end, next_declaration

ALARM = "alarm"
HEARTBEAT = "heartbeat"
REPLY = "reply"
ERROR = "error"

_LESS = ord("<")
_BEGINS = re.compile(rb"<[^/]")
_NOTHING = re.compile(rb"(?:[ \t\r\n\0]|\xef\xbb\xbf)*")
_HEAD_END = re.compile(rb"\r\n\r\n|\n\n")
_LONGEST_START = 1043
_STATUS = re.compile(rb"SIP/2\.0 [1-6][0-9]{2} ")
_METHOD = re.compile(rb"(?<![A-Z])[A-Z]{2,16}\Z")
_START = re.compile(rb"SIP/2\.0 |[A-Z]{2,16} [^ \r\n]{1,1024} SIP/2\.0")


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
    if octets[:2] in {b"\xff\xfe", b"\xfe\xff"}:
        return (_xml(octets, new_id, at, call or Call(), None),)
    at_octet = _pass(octets, 0)
    if at_octet == len(octets):
        return (Finding(ERROR, reason="truncated", error="there is nothing to decode"),)
    if octets[at_octet] == _LESS:
        return tuple(_xml(piece, new_id, at, call or Call(), None) for piece in documents(octets))
    found: list[Finding] = []
    while at_octet < len(octets):
        begins = at_octet
        piece, at_octet = _first(octets, begins)
        found.append(_sip(piece, new_id, at, call or Call(), from_is_cid))
        at_octet = _pass(octets, at_octet)
        if found[-1].kind == ERROR and _START.match(octets, at_octet) is None:
            # Its length lied, or it was cut: the next message is where another first line stands.
            at_octet = _next_start(octets, begins + 1)
    return tuple(found)


def documents(octets: bytes) -> Iterator[bytes]:
    """Bare documents one behind another. What is no whole one is one piece with all behind it, to be refused, but for a
    further document that declares itself: the one before it was cut.

    What follows the closing tag counts as the next document only if it begins as one: else the whole is refused.
    Comments behind a document belong to it.
    """
    place = 0
    while place < len(octets):
        end = document_end(octets, place, place + MAX_OCTETS)
        other = next_declaration(octets, place, end)
        if other is not None:
            yield octets[place:other]
            place = other
            continue
        if end is not None:
            end = behind_comments(octets, end, _NOTHING)
        rest = len(octets) if end is None else _pass(octets, end)
        if end is None or (rest < len(octets) and _BEGINS.match(octets, rest) is None):
            end = rest = len(octets)
        yield octets[place:end]
        place = rest


def _pass(octets: bytes, place: int) -> int:
    """Where the next octet stands that says something: space, NUL and byte order marks are passed over."""
    found = _NOTHING.match(octets, place)
    return place if found is None else found.end()


def _next_start(octets: bytes, place: int) -> int:
    """where the next message begins behind the line at ``place``; the end of the octets where none does."""
    least = octets.find(b"\n", place) + 1
    version = octets.find(b"SIP/2.0", least) if least else -1
    while version >= 0:
        if _STATUS.match(octets, version):
            return version
        line = octets[max(version - _LONGEST_START, least) : version]
        before = _METHOD.search(line, 0, max(line.rfind(b" ", 0, -1), 0)) if line.endswith(b" ") else None
        if before is not None:
            return version - len(line) + before.start()
        version = octets.find(b"SIP/2.0", version + 1)
    return len(octets)


def _first(octets: bytes, place: int) -> tuple[bytes, int]:
    """The SIP message that begins here, by its Content-Length, and where it ends. An editor may have left bare LF."""
    found = _HEAD_END.search(octets, place, place + MAX_HEAD + 4)
    if found is None:
        return octets[place : place + MAX_HEAD + 5], len(octets)
    head = octets[place : found.start()].replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    if found[0] == b"\r\n\r\n":
        head = octets[place : found.start()]
    try:
        length = content_length(parse_head(head)[0])
    except SipError:
        length = None
    stop = len(octets) if length is None else found.end() + length
    # Of a body that is too long only so much is looked at: it is refused, however long it says that it is.
    return head + b"\r\n\r\n" + octets[found.end() : min(stop, found.end() + MAX_OCTETS + 1)], stop


def _sip(octets: bytes, new_id: Callable[[], str], at: datetime, call: Call, from_is_cid: bool) -> Finding:
    try:
        message = parse(octets)
    except SipError as error:
        return Finding(ERROR, reason="no SIP message", error=str(error))
    if isinstance(message, SipResponse):
        if message.body.strip():
            return _xml(message.body, new_id, at, call, None)
        return Finding(REPLY, reply=reply_in_sip(message.status, message.reason))
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
