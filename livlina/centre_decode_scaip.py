"""What ``livlina centre decode`` says of SCAIP: bare XML, or SIP messages one behind the other."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import datetime

from livlina.centre_message import Document, message
from protocols.centre.scaip.codes import MessageType
from protocols.centre.scaip.examine import examine


def decode_scaip(octets: bytes, key: str | None, at: datetime) -> Iterator[Document]:
    """Every message in the input. ``call`` in the answer is what a centre without numbers of its own would say."""
    if key is not None:
        raise ValueError("--key is for dc09: SCAIP encrypts nothing but its connection")
    for found in examine(octets, new_id=lambda: str(uuid.uuid4()), at=at):
        more: dict[str, str] = {}
        if found.kind == "heartbeat":
            more["request"] = MessageType.HEARTBEAT.value
        answer = found.answer if found.answer is not None else found.response
        if answer is not None:
            more["ref"] = answer.ref
        yield message(
            found.kind,
            alarms=() if found.alarm is None else (found.alarm,),
            answer=found.reply,
            error=None if found.error is None else (found.reason or "error", found.error),
            reply_octets=found.octets,
            **more,
        )
