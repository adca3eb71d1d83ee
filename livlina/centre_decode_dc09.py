"""What ``livlina centre decode`` says of SIA DC-09: frames of a stream, messages and answers alike."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from datetime import datetime

from livlina.centre_message import Document, message
from protocols.centre.alarm import Reply
from protocols.centre.sia_dc09 import (
    AlarmReceived,
    Bad,
    Frame,
    FrameError,
    Heartbeat,
    Key,
    Receiver,
    Seen,
    Verdict,
    decode,
)
from protocols.centre.sia_dc09.cipher import open_frame
from protocols.centre.sia_dc09.interpret import read_heartbeat
from protocols.centre.sia_dc09.reply import ANSWERS, reply
from protocols.centre.sia_dc09.stream import Splitter


def decode_dc09(octets: bytes, key: str | None, at: datetime) -> Iterator[Document]:
    """Frames of a stream, alarms and answers alike. ``key`` is hex; frames in clear are read beside encrypted ones."""
    account_key = None if key is None else Key.from_hex(key)
    splitter = Splitter()
    pieces = [*splitter.feed(octets), *splitter.end()]
    if not pieces:
        yield message("error", error=("truncated", "there is no frame in the input"))
    seen = Seen()
    for piece in pieces:
        if isinstance(piece, FrameError):
            yield message("error", error=(piece.reason.value, str(piece)), raw=piece.raw.hex())
        else:
            yield _dc09(piece, account_key, at, seen)


def _dc09(octets: bytes, key: Key | None, at: datetime, seen: Seen) -> Document:
    answer = _dc09_answer(octets, key)
    if answer is not None:
        return answer
    receiver = Receiver(
        seen, lambda: str(uuid.uuid4()), keys=lambda account: key, random=os.urandom, datagrams=True, clear_too=True
    )
    receiver.received(octets)
    event = receiver.next_event(0.0, at)
    if event is None:
        raise RuntimeError("a whole frame gave no event")
    written = receiver.answer(event, event.verdict, 0.0, at)
    said = None if event.verdict is Verdict.SILENT else reply(_clear(written, key))
    if isinstance(event, AlarmReceived):
        return message(
            "alarm", alarms=event.alarms, answer=said, reply_octets=written, duplicate=event.duplicate,
            fresh=event.fresh,
        )  # fmt: skip
    if isinstance(event, Heartbeat):
        sign = read_heartbeat(event.frame, new_id=lambda: str(uuid.uuid4()), received_at=at)
        return message("heartbeat", alarms=(sign,), answer=said, reply_octets=written, fresh=event.fresh)
    return _bad(event, said, written)


def _bad(event: Bad, said: Reply | None, written: bytes) -> Document:
    error = (event.reason.value, event.message)
    return message("error", error=error, answer=said, reply_octets=written, raw=event.raw.hex())


def _clear(octets: bytes, key: Key | None) -> Frame:
    frame = decode(octets)
    return open_frame(frame, key) if frame.encrypted and key is not None else frame


def _dc09_answer(octets: bytes, key: Key | None) -> Document | None:
    """The document of an ACK, NAK, DUH or RSP; None for anything else, broken frames included."""
    try:
        frame = decode(octets)
        if frame.token not in ANSWERS:
            return None
        if frame.encrypted and key is None:
            return message("error", error=("cipher", "the answer is encrypted: give its key with --key"))
    except FrameError:
        return None
    try:
        frame = open_frame(frame, key) if frame.encrypted and key is not None else frame
    except FrameError as error:
        return message("error", error=(error.reason.value, str(error)), raw=error.raw.hex())
    return message(
        "reply", answer=reply(frame), sequence=frame.seq, transmitter={"id": frame.account}, encrypted=frame.encrypted
    )
