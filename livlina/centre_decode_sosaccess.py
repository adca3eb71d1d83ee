"""What ``livlina centre decode`` says of SOS Access v4: documents one behind the other, requests and answers alike."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime

from livlina.centre_message import Document, message
from protocols.centre.alarm import Outcome
from protocols.centre.scaip.xml_reader import behind_comments, document_end, next_declaration
from protocols.centre.sos_access import documents, status
from protocols.centre.sos_access.documents import LONGEST, DocumentError
from protocols.centre.sos_access.receiver import AlarmReceived, Bad, NewAuthentication, PingLimit, Receiver, Seen
from protocols.centre.sos_access.sender import reply_of

PINGS = 6
_NOTHING = re.compile(rb"[\s\0]*")
PERIOD_S = 180.0


def decode_sosaccess(octets: bytes, key: str | None, at: datetime) -> Iterator[Document]:
    """Every document in the input. A log has no passwords to check, so whatever password stands in it is taken."""
    if key is not None:
        raise ValueError("--key is for dc09: SOS Access encrypts nothing but its connection")
    receiver = Receiver(
        Seen(), lambda: str(uuid.uuid4()), lambda code, kind, secret: True, pings=PingLimit(PERIOD_S, PINGS), zone=UTC
    )
    place = _pass(octets, 0)
    if place == len(octets):
        yield message("error", error=("truncated", "there is no document in the input"))
    while place < len(octets):
        end = document_end(octets, place, place + LONGEST)
        # Not whole, or too long: the next one can only be where another declaration stands.
        stop = next_declaration(octets, place, end)
        if stop is None:
            stop = len(octets) if end is None else behind_comments(octets, end, _NOTHING)
        yield _document(octets[place : min(stop, place + LONGEST + 1)], receiver, at)
        place = _pass(octets, stop)


def _pass(octets: bytes, place: int) -> int:
    found = _NOTHING.match(octets, place)
    return place if found is None else found.end()


def _document(octets: bytes, receiver: Receiver, at: datetime) -> Document:
    answer = _answer(octets)
    if answer is not None:
        return answer
    event = receiver.judge(octets, 0.0, at)
    if isinstance(event, NewAuthentication):
        return message("heartbeat", request=event.message.kind, transmitter=event.message.fields["transmittercode"])
    written = receiver.answer(event, event.verdict, 0.0, at)
    said = reply_of(documents.read(written))
    if isinstance(event, Bad):
        error = (status.words(event.verdict).lower(), event.message_text)
        return message("error", error=error, answer=said, reply_octets=written)
    kind = "alarm" if isinstance(event, AlarmReceived) else "heartbeat"
    return message(kind, alarms=(event.alarm,), answer=said, reply_octets=written)


def _answer(octets: bytes) -> Document | None:
    try:
        found = documents.read(octets)
    except DocumentError as error:
        if error.kind not in documents.REPLY_TO.values():
            return None
        return message("error", error=(status.words(error.status).lower(), str(error)))
    if found.kind in documents.REPLY_TO:
        return None
    said = reply_of(found)
    failover = said.outcome is Outcome.RETRY_OTHER
    return message("reply", answer=said, reference=found.fields.get("reference"), failover=failover)
