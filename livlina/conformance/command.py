"""``livlina conformance``: holds any receiver to a published list of cases, and prints a table."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Annotated, Any

import typer

from livlina.conformance.case import Case, Verdict, judge

DEMO_ACCOUNT = "0000002A"
PASSWORD_VARIABLE = "LIVLINA_CENTRE_PASSWORD"  # noqa: S105 - the variable's name


def conformance(
    protocol: Annotated[str, typer.Option(help="dc09, scaip or sosaccess.")],
    to: Annotated[str | None, typer.Option(help="HOST:PORT of the receiver.")] = None,
    transport: Annotated[str | None, typer.Option(help="tcp, tls or, for scaip, udp.")] = None,
    ca: Annotated[Path | None, typer.Option(help="Authority that signed the receiver's certificate (PEM).")] = None,
    tls_name: Annotated[str | None, typer.Option(help="Name in the receiver's certificate; default its host.")] = None,
    account: Annotated[str | None, typer.Option(help="Account, cid or transmitter to speak as.")] = None,
    key: Annotated[
        str | None, typer.Option(envvar="LIVLINA_CENTRE_KEY", help="AES key of the account, hex digits (dc09).")
    ] = None,
    kind: Annotated[str, typer.Option(help="Transmitter type, 5 characters (sosaccess).")] = "LIVL1",
    receiver: Annotated[str, typer.Option(help="Receiver (sosaccess).")] = "1",
    loud: Annotated[bool, typer.Option(help="Run cases too that the receiver could show to an operator.")] = False,
    listing: Annotated[bool, typer.Option("--list", help="Print the cases and send nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Exactly one JSON document on standard output.")] = False,
) -> None:
    """Hold a receiver to the published cases. They send link tests and alarms that say that they are tests.

    A password (sosaccess, scaip digest) is read from LIVLINA_CENTRE_PASSWORD. Exit 0 only if every `must` case passed.
    """
    from livlina.centre_talk import TalkError, client_tls, transport_of
    from livlina.cli import one_sentence, show
    from livlina.registry_connection import host_and_port

    with one_sentence(ValueError):
        chosen = transport_of(protocol, transport or ("tls" if ca else None))
        if chosen == "udp" and protocol == "dc09":
            raise TalkError("--transport udp: the cases for dc09 speak of streams; use tcp or tls")
        if to is None and not listing:
            raise TalkError("--to HOST:PORT names the receiver; --list only prints the cases")
        host, port = host_and_port(to or "localhost:1")
        tls = client_tls(chosen, ca, None)
        options = {"account": account, "key": key, "kind": kind, "receiver": receiver, "tls_name": tls_name}
        known = _cases(protocol, host, port, chosen, tls, options)
        cases = [case for case in known if loud or case.quiet]
    if listing:
        show({case.name: _shown(case) for case in known}, as_json)
        return
    told = (lambda verdict: None) if as_json else _line
    verdicts = asyncio.run(judge(cases, told))
    passed = all(verdict.result != "fail" for verdict in verdicts)
    if as_json:
        show(_document(protocol, passed, verdicts), as_json=True)
    else:
        counts = {word: sum(verdict.result == word for verdict in verdicts) for word in ("pass", "fail", "differs")}
        typer.echo(f"{counts['pass']} passed, {counts['fail']} failed, {counts['differs']} differ where they may")
    if not passed:
        raise typer.Exit(1)


def _shown(case: Case) -> str:
    return f"{'must' if case.must else 'should'}: {case.title}{'' if case.quiet else ' (with --loud)'}"


def _document(protocol: str, passed: bool, verdicts: list[Verdict]) -> dict[str, Any]:
    rows = [
        {"case": one.name, "title": one.title, "must": one.must, "result": one.result, "seen": one.seen}
        for one in verdicts
    ]
    return {"protocol": protocol, "passed": passed, "cases": rows}


def _line(verdict: Verdict) -> None:
    level = "must" if verdict.must else "should"
    typer.echo(f"{verdict.result.upper():<8}{verdict.name:<5}{level:<7}{verdict.title}  ({verdict.seen})")


def _cases(protocol: str, host: str, port: int, transport: str, tls: Any, options: dict[str, Any]) -> list[Case]:
    password = os.environ.get(PASSWORD_VARIABLE, "")
    if protocol == "dc09":
        from livlina.centre_receive_dc09 import Way as Dc09Way
        from livlina.conformance.dc09 import Dc09Cases
        from protocols.centre.sia_dc09 import Key

        key = None if options["key"] is None else Key.from_hex(options["key"])
        way = Dc09Way(host, port, transport, tls, options["tls_name"])
        return Dc09Cases(way, options["account"] or DEMO_ACCOUNT, key).cases()
    if protocol == "sosaccess":
        from livlina.centre_receive_sosaccess import Way as SosWay
        from livlina.conformance.sosaccess import SosAccessCases
        from protocols.centre.sos_access.translate import Account

        account = Account(options["account"] or "42", options["kind"], options["receiver"], password)
        return SosAccessCases(SosWay(host, port, tls, options["tls_name"]), account).cases()
    from livlina.conformance.scaip import ScaipCases
    from livlina.conformance.scaip import Way as ScaipWay
    from protocols.centre.scaip.sip_digest import Credentials

    cid = options["account"] or "10149471"
    credentials = Credentials(cid, password) if password else None
    return ScaipCases(ScaipWay(host, port, transport, tls, options["tls_name"], cid, credentials)).cases()
