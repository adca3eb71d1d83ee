"""The table of commands around units in the field: orders, status, technicians' tasks, SMS gateways.

Each command's work lives in a module of its own; what they share with the other commands is in `livlina.cli`, which
adds this table to its own and is therefore asked for late.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

Json = Annotated[bool, typer.Option("--json", help="Exactly one JSON document on standard output.")]
UnitId = Annotated[str, typer.Argument(help="The unit's id: 8 hex digits, for example 0000002a.")]

technician_app = typer.Typer(no_args_is_help=True, help="What somebody must see to at a unit.")
gateway_app = typer.Typer(no_args_is_help=True, help="SMS gateways that may bring units' SMS.")


def register(app: typer.Typer, unit_app: typer.Typer) -> None:
    """Adds these commands to the command line's table."""
    unit_app.command("command")(unit_command)
    unit_app.command("status")(unit_status)
    app.add_typer(technician_app, name="technician")
    app.add_typer(gateway_app, name="gateway")


def unit_command(
    unit: UnitId,
    kind: Annotated[str, typer.Argument(help="drill, status, sim-policy, heartbeat, search, switch-sim or reboot.")],
    arguments: Annotated[list[str] | None, typer.Argument(help="key=value, as the kind takes them.")] = None,
    by: Annotated[str, typer.Option(help="Who orders it.")] = "command line",
    within: Annotated[
        int | None, typer.Option(min=1, max=31_536_000, help="Not sent any more after so many seconds.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Queue a command; it goes out behind the unit's next message until the unit has answered."""
    from livlina import cli
    from livlina.registry_connection import plain_name
    from livlina.unit_orders import order

    with cli.one_sentence(ValueError, LookupError):
        plain_name(by)
        cli.show(order(cli.settings_or_fail(), unit, kind, arguments or [], actor=by, within_s=within), as_json)


def unit_status(unit: UnitId, as_json: Json = False) -> None:
    """What is known of a unit now: state, status, conditions, open tasks and its newest commands."""
    from livlina import cli
    from livlina.unit_orders import status

    with cli.one_sentence(ValueError, LookupError):
        document = status(cli.settings_or_fail(), unit)
    _show(document, as_json)


@technician_app.command("tasks")
def technician_tasks(
    closed: Annotated[bool, typer.Option("--all", help="Closed tasks too.")] = False, as_json: Json = False
) -> None:
    """List what is to be done, oldest first."""
    from livlina import cli
    from livlina.technician import list_tasks

    with cli.one_sentence():
        document = list_tasks(cli.settings_or_fail(), closed=closed)
    _show(document, as_json)


@technician_app.command("close")
def technician_close(
    task: Annotated[int, typer.Argument(min=1, help="The task's number.")],
    by: Annotated[str, typer.Option(help="Who has seen to it.")] = "command line",
    as_json: Json = False,
) -> None:
    """Say that a task has been seen to."""
    from livlina import cli
    from livlina.technician import close_task

    with cli.one_sentence(ValueError, LookupError):
        cli.show(close_task(cli.settings_or_fail(), task, by), as_json)


@technician_app.command("drills")
def technician_drills(
    since: Annotated[str, typer.Option(help="From when, with its zone, for example 2027-01-01T00:00+01:00.")],
    until: Annotated[str | None, typer.Option(help="Until when; without it until now.")] = None,
    as_json: Json = False,
) -> None:
    """Count the buttons that tests have proven, and the drills that were ordered and never came."""
    from livlina import cli
    from livlina.routing import read_time
    from livlina.technician import drill_report

    with cli.one_sentence(ValueError):
        document = drill_report(cli.settings_or_fail(), read_time(since), read_time(until))
    _show(document, as_json)


@gateway_app.command("add")
def gateway_add(
    name: Annotated[str, typer.Argument(help="The gateway's name in the hook's path.")],
    municipality: Annotated[int, typer.Option(min=0, help="Whose gateway it is; 0 is the installation's.")] = 0,
    send_url: Annotated[
        str | None, typer.Option(help="Where receipts are posted as SMS to send; without it there are none.")
    ] = None,
    send_token_file: Annotated[
        Path | None, typer.Option(help="File with the bearer token that the gateway's own API wants.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Add a gateway, or give one a new token. The token is shown once."""
    from livlina import cli
    from livlina.gateway import add_gateway

    with cli.one_sentence(ValueError, LookupError):
        cli.show(add_gateway(cli.settings_or_fail(), name, municipality, send_url, send_token_file), as_json)


@gateway_app.command("remove")
def gateway_remove(name: Annotated[str, typer.Argument(help="The gateway's name.")], as_json: Json = False) -> None:
    """Take a gateway's right away."""
    from livlina import cli
    from livlina.gateway import remove_gateway

    with cli.one_sentence(LookupError):
        cli.show(remove_gateway(cli.settings_or_fail(), name), as_json)


@gateway_app.command("list")
def gateway_list(as_json: Json = False) -> None:
    """List the gateways, without their secrets."""
    from livlina import cli
    from livlina.gateway import list_gateways

    with cli.one_sentence():
        document = list_gateways(cli.settings_or_fail())
    _show(document, as_json)


def _show(document: dict[str, Any], as_json: bool) -> None:
    """As the other commands show a document; for people, each element of a list on a line of its own."""
    from livlina import cli

    if as_json:
        cli.show(document, as_json)
        return
    flat: dict[str, Any] = {}
    for key, value in document.items():
        if isinstance(value, list):
            flat[key] = f"{len(value)}" if value else "none"
            flat |= {f"  {key} {place}": _said(one) for place, one in enumerate(value, 1)}
        else:
            flat[key] = _said(value) if isinstance(value, dict) else "-" if value is None else value
    cli.show(flat, as_json)


def _said(one: dict[str, Any]) -> str:
    parts = ((name, value) for name, value in one.items() if value is not None and value not in ({}, []))
    return "  ".join(f"{name} {_said(value) if isinstance(value, dict) else value}" for name, value in parts)
