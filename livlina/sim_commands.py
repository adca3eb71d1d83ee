"""``livlina sim``: SIM cards, accounts at their providers, what is asked of those, and policies for SIMs."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

sim_app = typer.Typer(no_args_is_help=True, help="SIM cards, their providers and policies: see docs/sims.md.")
account_app = typer.Typer(no_args_is_help=True, help="Accounts at SIM providers.")
policy_app = typer.Typer(no_args_is_help=True, help="Staged changes of SIM policies.")
sim_app.add_typer(account_app, name="account")
sim_app.add_typer(policy_app, name="policy")

LARGEST = 2**31 - 1
Json = Annotated[bool, typer.Option("--json", help="Exactly one JSON document on standard output.")]
Iccid = Annotated[str, typer.Argument(help="As printed on the card.")]


@sim_app.command("put")
def put(
    municipality: Annotated[int, typer.Argument(min=1, max=LARGEST)],
    iccid: Iccid,
    imsi: Annotated[str | None, typer.Option()] = None,
    msisdn: Annotated[str | None, typer.Option(help="Digits, with the country's code.")] = None,
    issuer: Annotated[str, typer.Option(help="Who issued it.")] = "",
    operator: Annotated[int | None, typer.Option(min=10_000, max=999_999, help="Its home, MCC and MNC.")] = None,
    plan: Annotated[str, typer.Option()] = "",
    cost_ore: Annotated[int | None, typer.Option(min=0, max=LARGEST, help="Öre a month.")] = None,
    imei_lock: Annotated[str | None, typer.Option(help="The modem that it is locked to.")] = None,
    account: Annotated[int | None, typer.Option(min=1, max=LARGEST, help="Number of the account it is in.")] = None,
    allows: Annotated[
        str | None, typer.Option(help="Technologies of its plan with commas, for example lte_m,gsm.")
    ] = None,
    apn: Annotated[str | None, typer.Option(help="Its access point: cards that share one fail together.")] = None,
    as_json: Json = False,
) -> None:
    """Add a SIM card, or fill in what is known of one."""
    from fleet.connectivity import inventory
    from fleet.connectivity.calendar import read_technologies
    from fleet.connectivity.decide import SimError
    from livlina.registry_connection import console_actor

    sim = inventory.Sim(
        iccid=iccid, imsi=imsi, msisdn=msisdn, issuer=issuer, operator=operator, plan=plan, cost_ore=cost_ore,
        imei_lock=imei_lock, provider=account, apn=apn,
        technologies=None if allows is None else read_technologies(allows),
    )  # fmt: skip

    async def work(connection: Any) -> dict[str, Any]:
        at = datetime.now(UTC)
        return {"iccid": await inventory.put_sim(connection, municipality, sim, actor=console_actor(), at=at)}

    _run(work, as_json, SimError)


@sim_app.command("list")
def listed(
    issuer: Annotated[str | None, typer.Option()] = None,
    municipality: Annotated[int | None, typer.Option(min=1, max=LARGEST)] = None,
    as_json: Json = False,
) -> None:
    """SIM cards, each with the unit that it is registered for and the one that it was seen in."""
    from fleet.connectivity import inventory

    async def work(connection: Any) -> dict[str, Any]:
        rows = await inventory.sims(connection, issuer=issuer, municipality=municipality)
        return {"sims": [_plain(row) for row in rows]}

    if as_json:
        _run(work, as_json)
        return
    for one in _result(work)["sims"]:
        seen = "-" if one["seen_unit"] is None else f"{one['seen_unit']:08x} SIM {one['seen_slot']}"
        locked = "  locked to another modem" if one["locked_out"] else ""
        typer.echo(f"{one['iccid']:<20} {one['state']:<10} {one['issuer'] or '-':<16} {seen}{locked}")


@sim_app.command("ask")
def ask(
    action: Annotated[str, typer.Argument(help="activate, suspend, reset or limit.")],
    iccid: Iccid,
    key: Annotated[str, typer.Option(help="The same key again is the same action.")],
    octets: Annotated[int | None, typer.Option(min=1, help="With limit: how much data.")] = None,
    as_json: Json = False,
) -> None:
    """Ask a SIM's provider for something; the server carries it out."""
    from fleet.connectivity import actions
    from fleet.connectivity.decide import SimError, checked_iccid
    from livlina.registry_connection import console_actor

    names = {"activate": "activate", "suspend": "suspend", "reset": "reset", "limit": "limit"}
    if action not in names or not 1 <= len(key) <= 100:
        raise typer.BadParameter(f"an action is one of {', '.join(names)}, a key has 1 to 100 characters")

    async def work(connection: Any) -> dict[str, Any]:
        number, new = await actions.ask(
            connection, key, checked_iccid(iccid), action, console_actor(), at=datetime.now(UTC), octets=octets,  # type: ignore[arg-type]
        )  # fmt: skip
        return {"action": number, "new": new}

    _run(work, as_json, actions.ActionError, SimError)


@sim_app.command("look")
def look(iccid: Iccid, as_json: Json = False) -> None:
    """What the SIM's provider says of it now: state, connection, and what it has used. Nothing is changed."""
    from fleet.connectivity import looks

    _look(lambda c, box: looks.look(c, box, iccid, steady=time.monotonic), as_json)


@account_app.command("networks")
def account_networks(account: Annotated[int, typer.Argument(min=1, max=LARGEST)], as_json: Json = False) -> None:
    """The operators that SIMs of an account may use."""
    from fleet.connectivity import looks

    _look(lambda c, box: looks.networks(c, box, account, steady=time.monotonic), as_json)


def _look(work: Callable[[Any, Any], Awaitable[dict[str, Any]]], as_json: bool) -> None:
    """As the duty that calls providers: no other one reads their secrets."""
    from fleet.connectivity.decide import SimError
    from fleet.connectivity.provider import ProviderError
    from fleet.registry.secret_box import SecretBoxError
    from livlina.cli import one_sentence, settings_or_fail, show
    from livlina.installation import open_secret_box
    from livlina.registry_connection import in_duty

    with one_sentence(SimError, LookupError, ProviderError, SecretBoxError):
        settings = settings_or_fail()
        box = open_secret_box(settings)
        found = in_duty(settings, "forward", lambda connection: work(connection, box))
    show(json.loads(json.dumps(found, default=str)), as_json)


@sim_app.command("actions")
def asked(iccid: Annotated[str | None, typer.Option()] = None, as_json: Json = False) -> None:
    """What was asked of providers and what became of it, newest first."""
    from fleet.connectivity.accounts import SQL
    from fleet.store.pool import fetch_all

    async def work(connection: Any) -> dict[str, Any]:
        rows = await fetch_all(connection, SQL["actions"], {"iccid": iccid, "most": 100})
        return {"actions": [_plain(row) for row in rows]}

    if as_json:
        _run(work, as_json)
        return
    for one in _result(work)["actions"]:
        typer.echo(f"{one['action_id']:>6} {one['iccid']:<20} {one['action']:<9} {one['state']:<9} {one['why'] or ''}")


def _object_in(file: Path | None) -> dict[str, Any]:
    """What a JSON file holds; nothing without a file. Raises BadParameter where it is no JSON object."""
    if file is None:
        return {}
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise typer.BadParameter(f"{file} is no JSON: {str(error)[:200]}") from None
    if not isinstance(found, dict):
        raise typer.BadParameter(f"{file} is no JSON object: names and values in braces")
    return found


@account_app.command("add")
def account_add(
    municipality: Annotated[int, typer.Argument(min=0, max=LARGEST, help="Whose account it is; 0: everybody's.")],
    name: Annotated[str, typer.Argument()],
    kind: Annotated[str, typer.Option(help="emnify, onence or rest.")],
    url: Annotated[str, typer.Option(help="Where its API begins, for example https://cdn.emnify.net.")],
    options: Annotated[
        Path | None, typer.Option(help="With rest: a JSON file, see docs/sims.md.", exists=True, dir_okay=False)
    ] = None,
    as_json: Json = False,
) -> None:
    """Add an account. Its secret is read from standard input: one line."""
    from fleet.connectivity import accounts
    from fleet.connectivity.provider_rest import OptionsError
    from livlina.cli import settings_or_fail
    from livlina.installation import open_secret_box
    from livlina.registry_connection import console_actor

    described = _object_in(options)
    secret = sys.stdin.readline().strip()
    box = open_secret_box(settings_or_fail())

    async def work(connection: Any) -> dict[str, Any]:
        number = await accounts.add_account(
            connection, box, municipality=municipality, name=name, kind=kind, url=url, secret=secret,
            options=described, actor=console_actor(), at=datetime.now(UTC),
        )  # fmt: skip
        return {"account": number, "name": name}

    _run(work, as_json, accounts.AccountError, OptionsError)


@account_app.command("list")
def account_list(as_json: Json = False) -> None:
    """Accounts, without their secrets."""
    from fleet.connectivity import accounts

    async def work(connection: Any) -> dict[str, Any]:
        return {"accounts": [_plain(row) for row in await accounts.accounts(connection)]}

    if as_json:
        _run(work, as_json)
        return
    for one in _result(work)["accounts"]:
        typer.echo(f"{one['provider_id']:>4} municipality {one['municipality_id']}  {one['kind']:<7} {one['name']}")


@policy_app.command("begin")
def policy_begin(
    policy: Annotated[
        Path | None,
        typer.Argument(
            help="A JSON file: preferred, forbidden, closings, roaming, hold_s, apart_s.", exists=True, dir_okay=False
        ),
    ] = None,
    prefer: Annotated[
        str | None, typer.Option(help="1, 2, or best: the SIM that works and is clearly stronger, for each unit.")
    ] = None,
    roaming: Annotated[
        bool | None, typer.Option("--roaming/--no-roaming", help="On other operators' networks; an alarm always may.")
    ] = None,
    stages: Annotated[str, typer.Option(help="Per cent of the units, growing to 100.")] = "1,10,50,100",
    soak_s: Annotated[int, typer.Option(min=0, max=LARGEST, help="Least time of a stage.")] = 3600,
    most_failed: Annotated[int, typer.Option(min=0, max=LARGEST, help="More failures stop the change.")] = 3,
    within_s: Annotated[
        int, typer.Option(min=60, max=LARGEST, help="A unit's time to report and be tested.")
    ] = 172_800,
    seed: Annotated[int, typer.Option(help="Which units come first.")] = 1,
    municipality: Annotated[int | None, typer.Option(min=1, max=LARGEST)] = None,
    as_json: Json = False,
) -> None:
    """Begin a staged change; the server orders it, stage after stage."""
    from fleet.connectivity import changes
    from fleet.connectivity.policy import PolicyError
    from livlina.registry_connection import console_actor

    document = _object_in(policy)
    if not all(part.isdecimal() for part in stages.split(",")):
        raise typer.BadParameter("stages are numbers with commas")
    if prefer is not None:
        document["preferred"] = int(prefer) if prefer in ("1", "2") else prefer
    if roaming is not None:
        document["roaming"] = roaming

    async def work(connection: Any) -> dict[str, Any]:
        return await changes.begin(
            connection, document, stages=[int(part) for part in stages.split(",")], soak_s=soak_s,
            most_failed=most_failed, within_s=within_s, seed=seed, actor=console_actor(), at=datetime.now(UTC),
            municipality=municipality,
        )  # fmt: skip

    _run(work, as_json, PolicyError)


@policy_app.command("show")
def policy_show(change: Annotated[int, typer.Argument(min=1)], as_json: Json = False) -> None:
    """How a change stands."""
    from fleet.connectivity import changes

    _run(lambda c: changes.report(c, change), as_json, LookupError)


@policy_app.command("stop")
def policy_stop(change: Annotated[int, typer.Argument(min=1)], as_json: Json = False) -> None:
    """Stop a change: what no unit has taken is not sent any more. Units keep what they hold."""
    from fleet.connectivity import changes
    from livlina.registry_connection import console_actor

    async def work(connection: Any) -> dict[str, Any]:
        await changes.end(connection, change, actor=console_actor(), at=datetime.now(UTC))
        return await changes.report(connection, change)

    _run(work, as_json, LookupError)


def _result(work: Callable[[Any], Awaitable[dict[str, Any]]], *faults: type[Exception]) -> dict[str, Any]:
    from livlina.cli import one_sentence, settings_or_fail
    from livlina.registry_connection import in_registry

    with one_sentence(*faults):
        return in_registry(settings_or_fail(), work)


def _run(work: Callable[[Any], Awaitable[dict[str, Any]]], as_json: bool, *faults: type[Exception]) -> None:
    from livlina.cli import show

    show(_result(work, *faults), as_json)


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    return {key: value.isoformat() if isinstance(value, datetime) else value for key, value in row.items()}
