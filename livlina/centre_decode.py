"""``livlina centre decode``: octets of an alarm-centre protocol on standard input, one JSON object a message."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Annotated

import typer

from livlina.centre_message import Document

LONGEST = 16 * 1024 * 1024
"""Octets read from standard input."""


def parse_time(text: str) -> datetime:
    """An ISO 8601 time as an aware one; without a zone it is UTC. Raises ValueError with a sentence."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"--at {text}: write an ISO 8601 time such as 2026-01-02T10:00:00Z") from error
    return at if at.tzinfo else at.replace(tzinfo=UTC)


PROTOCOLS = ("dc09", "scaip", "sosaccess")


def decoder(protocol: str) -> Callable[[bytes, str | None, datetime], Iterator[Document]]:
    """The reader of a protocol: a document a message, and one error for input that is not whole. Raises ValueError."""
    if protocol == "dc09":
        from livlina.centre_decode_dc09 import decode_dc09

        return decode_dc09
    if protocol == "scaip":
        from livlina.centre_decode_scaip import decode_scaip

        return decode_scaip
    if protocol == "sosaccess":
        from livlina.centre_decode_sosaccess import decode_sosaccess

        return decode_sosaccess
    raise ValueError(f"--protocol {protocol}: choose one of {', '.join(PROTOCOLS)}")


def centre_decode(
    protocol: Annotated[str, typer.Option(help="dc09, scaip or sosaccess.")],
    key: Annotated[str | None, typer.Option(help="AES key as hex digits (dc09).")] = None,
    at: Annotated[str | None, typer.Option(help="Clock of the reader, ISO 8601; default now.")] = None,
) -> None:
    """Octets on standard input, one JSON object a message on standard output. Exit 1 if any of them is an error."""
    from livlina.cli import fail, one_sentence
    from protocols.centre.document import one_line

    with one_sentence(ValueError):
        read = decoder(protocol)
        clock = datetime.now(UTC) if at is None else parse_time(at)
        octets = sys.stdin.buffer.read(LONGEST + 1)
        if len(octets) > LONGEST:
            fail(f"the input is longer than {LONGEST} octets")
        failed = False
        for document in read(octets, key, clock):
            failed = failed or document["kind"] == "error"
            typer.echo(one_line(document))
    if failed:
        raise typer.Exit(1)


def centre_schema() -> None:
    """The JSON Schema of the normalized alarm, as it is published in docs/."""
    from protocols.centre.document import schema_text

    typer.echo(schema_text(), nl=False)
