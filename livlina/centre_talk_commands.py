"""``livlina centre receive`` and ``livlina centre send``, for a bench, for a shared centre and for tests."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Annotated

import typer

SIA_DCS = "SIA-DCS"
KEY_VARIABLE = "LIVLINA_CENTRE_KEY"
PASSWORD_VARIABLE = "LIVLINA_CENTRE_PASSWORD"  # noqa: S105 - the variable's name

Protocol = Annotated[str, typer.Option(help="dc09, scaip or sosaccess.")]
Transport = Annotated[str | None, typer.Option(help="tcp, tls or udp, as the protocol has it.")]
KeyOption = Annotated[
    str | None, typer.Option("--key", envvar=KEY_VARIABLE, help="AES key of the account, hex digits (dc09).")
]


def centre_receive(
    protocol: Protocol,
    listen: Annotated[str, typer.Option(help="HOST:PORT; port 0 takes a free one.")],
    transport: Transport = None,
    tls_cert: Annotated[Path | None, typer.Option(help="Certificate chain (PEM); listens with TLS.")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="The certificate's key (PEM).")] = None,
    key: KeyOption = None,
    passwords: Annotated[
        Path | None, typer.Option(help="NAME PASSWORD lines: transmitters (sosaccess) or users (scaip digest).")
    ] = None,
    store: Annotated[
        Path | None, typer.Option(help="File to append every message to, synced before it is acknowledged.")
    ] = None,
) -> None:
    """A receiver of alarms: one JSON object a line, printed (and stored) before each is acknowledged. Until Ctrl-C."""
    from livlina.centre_talk import Out, Server, TalkError, read_passwords, receive_until_told, server_tls, transport_of
    from livlina.cli import one_sentence
    from livlina.registry_connection import host_and_port
    from protocols.centre.sia_dc09 import Key

    with one_sentence(ValueError):
        tls = server_tls(tls_cert, tls_key)
        chosen = transport_of(protocol, transport or ("tls" if tls else None))
        if (chosen == "tls") != (tls is not None):
            raise TalkError("--transport tls needs --tls-cert, and a certificate needs it")
        known = read_passwords(passwords)
        if protocol == "sosaccess" and not known:
            raise TalkError("sosaccess: name the transmitters' passwords with --passwords FILE")
        host, port = host_and_port(listen, least=0)
        server = Server(protocol, host, port, chosen, tls, None if key is None else Key.from_hex(key), known)
        out = Out(store)
        asyncio.run(receive_until_told(server, out, lambda at: typer.echo(f"listening {at}", err=True)))


def centre_send(
    protocol: Protocol,
    to: Annotated[str, typer.Option(help="HOST:PORT of the centre.")],
    alarm: Annotated[Path, typer.Option(help="A normalized alarm as JSON (livlina centre schema).")],
    transport: Transport = None,
    ca: Annotated[Path | None, typer.Option(help="Authority that signed the centre's certificate (PEM).")] = None,
    tls_name: Annotated[str | None, typer.Option(help="Name in the centre's certificate; default its host.")] = None,
    pin: Annotated[
        str | None, typer.Option(help="SHA-256 of the centre's certificate, 64 hex digits (sosaccess).")
    ] = None,
    key: KeyOption = None,
    form: Annotated[str, typer.Option(help="SIA-DCS or ADM-CID (dc09).")] = SIA_DCS,
    sequence: Annotated[int, typer.Option(min=1, max=9999, help="Sequence number (dc09).")] = 1,
    account: Annotated[
        str | None, typer.Option(help="Our name at the centre: account, cid or transmitter; default the alarm's.")
    ] = None,
    kind: Annotated[str, typer.Option(help="Transmitter type, 5 characters (sosaccess).")] = "LIVL1",
    receiver: Annotated[str, typer.Option(help="Receiver (sosaccess).")] = "1",
    minimal: Annotated[bool, typer.Option(help="Only what the protocol demands.")] = False,
) -> None:
    """Send one alarm and print what became of it. Exit 0 only if it was delivered.

    A password (sosaccess, scaip digest) is read from LIVLINA_CENTRE_PASSWORD, never from the command line.
    """
    from livlina.centre_talk import Sending, TalkError, client_tls, read_alarm_file, send, transport_of
    from livlina.cli import one_sentence, show
    from livlina.registry_connection import host_and_port
    from protocols.centre.sia_dc09 import Key

    with one_sentence(ValueError):
        chosen = transport_of(protocol, transport or ("tls" if ca or pin else None))
        if pin is not None and (protocol != "sosaccess" or len(pin) != 64):
            raise TalkError("--pin: 64 hex digits, with --protocol sosaccess")
        host, port = host_and_port(to)
        way = Sending(
            protocol=protocol, host=host, port=port, transport=chosen, tls=client_tls(chosen, ca, pin),
            tls_name=tls_name, pin=None if pin is None else bytes.fromhex(pin),
            key=None if key is None else Key.from_hex(key), token=form, sequence=sequence, account=account, kind=kind,
            receiver=receiver, password=os.environ.get(PASSWORD_VARIABLE, ""), minimal=minimal,
        )  # fmt: skip
        document = asyncio.run(send(read_alarm_file(alarm), way))
    show(document, as_json=True)
    if not document["delivered"]:
        raise typer.Exit(1)
