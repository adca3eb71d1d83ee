"""``livlina centre decode``: octets of an alarm-centre protocol on standard input, one JSON object a message."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Annotated

import typer

from livlina.centre_decode_dc09 import decode_dc09
from livlina.centre_decode_sosaccess import decode_sosaccess
from livlina.centre_message import Document
from protocols.centre.document import schema_text

LONGEST = 16 * 1024 * 1024
"""Octets read from standard input."""


def parse_time(text: str) -> datetime:
    """An ISO 8601 time as an aware one; without a zone it is UTC. Raises ValueError with a sentence."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"--at {text}: write an ISO 8601 time such as 2026-01-02T10:00:00Z") from error
    return at if at.tzinfo else at.replace(tzinfo=UTC)


DECODERS: dict[str, Callable[[bytes, str | None, datetime], Iterator[Document]]] = {
    "dc09": decode_dc09,
    "sosaccess": decode_sosaccess,
}
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
