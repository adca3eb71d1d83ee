"""``livlina centre decode``: octets of an alarm-centre protocol on standard input, one JSON object a message."""

from __future__ import annotations

import json
import os
import sys
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from protocols.centre.alarm import Reply
from protocols.centre.document import schema_text, to_json
from protocols.centre.sia_dc09 import (
    AlarmReceived,
    Bad,
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

LONGEST = 16 * 1024 * 1024
"""Octets read from standard input."""

Document = dict[str, Any]


def message(
    kind: str,
    *,
    alarms: tuple[Any, ...] = (),
    answer: Reply | None = None,
    error: tuple[str, str] | None = None,
    reply_octets: bytes = b"",
    **more: Any,
) -> Document:
    """One line of output. ``kind`` is alarm, heartbeat, reply or error; ``error`` is a word and a sentence."""
    document: Document = {
        "kind": kind,
        "alarm": to_json(alarms[0]) if alarms else None,
        "reply": None if answer is None else to_json(answer),
        "error": None if error is None else {"reason": error[0], "message": error[1]},
        "reply_hex": reply_octets.hex(),
        **more,
    }
    if len(alarms) > 1:
        document["alarms"] = [to_json(one) for one in alarms]
    return document


def parse_time(text: str) -> datetime:
    """An ISO 8601 time as an aware one; without a zone it is UTC. Raises ValueError with a sentence."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"--at {text}: write an ISO 8601 time such as 2026-01-02T10:00:00Z") from error
    return at if at.tzinfo else at.replace(tzinfo=UTC)


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


def _clear(octets: bytes, key: Key | None) -> Any:
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
        frame = open_frame(frame, key) if frame.encrypted and key is not None else frame
    except FrameError:
        return None
    return message(
        "reply", answer=reply(frame), sequence=frame.seq, transmitter={"id": frame.account}, encrypted=frame.encrypted
    )


DECODERS: dict[str, Callable[[bytes, str | None, datetime], Iterator[Document]]] = {"dc09": decode_dc09}
"""Protocol -> its reader. Each gives one document a message and, for input that is not whole, one error."""


def centre_decode(
    protocol: Annotated[str, typer.Option(help="dc09, scaip or sosaccess.")],
    key: Annotated[str | None, typer.Option(help="AES key as hex digits (dc09).")] = None,
    at: Annotated[str | None, typer.Option(help="Clock of the reader, ISO 8601; default now.")] = None,
) -> None:
    """Octets on standard input, one JSON object a message on standard output. Exit 1 if any of them is an error."""
    from livlina.cli import fail, one_sentence

    if protocol not in DECODERS:
        fail(f"--protocol {protocol}: choose one of {', '.join(sorted(DECODERS))}")
    with one_sentence(ValueError):
        clock = datetime.now(UTC) if at is None else parse_time(at)
        octets = sys.stdin.buffer.read(LONGEST + 1)
        if len(octets) > LONGEST:
            fail(f"the input is longer than {LONGEST} octets")
        failed = False
        for document in DECODERS[protocol](octets, key, clock):
            failed = failed or document["kind"] == "error"
            typer.echo(json.dumps(document, ensure_ascii=False))
    if failed:
        raise typer.Exit(1)


def centre_schema() -> None:
    """The JSON Schema of the normalized alarm, as it is published in docs/."""
    typer.echo(schema_text(), nl=False)
