"""The table of commands around who may be speaking for a unit; their work lies in `livlina.security`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="Exactly one JSON document on standard output.")]

security_app = typer.Typer(no_args_is_help=True, help="What looked like somebody else in a unit's place.")


def register(app: typer.Typer, unit_app: typer.Typer) -> None:
    """Adds these commands to the command line's table."""
    app.add_typer(security_app, name="security")
    unit_app.command("rekey")(unit_rekey)


@security_app.command("notices")
def security_notices(
    days: Annotated[int, typer.Option(min=1, max=3660, help="How far back.")] = 7,
    unit: Annotated[str | None, typer.Option(help="Of this unit only: its id or its label.")] = None,
    as_json: Json = False,
) -> None:
    """One line a unit and hour: old frames, presses of doubtful age, doubles, and SIMs or modems that moved."""
    from livlina import cli
    from livlina.security import notices_since

    with cli.one_sentence(ValueError, LookupError):
        found = notices_since(cli.settings_or_fail(), days, unit)
    if as_json:
        cli.show({"notices": found}, as_json)
        return
    for one in found:
        counts = ", ".join(f"{one[name]} {name}" for name in ("stale", "unproven", "repeated", "moved") if one[name])
        typer.echo(f"{one['hour']}  {one['unit']}  {counts}")
    if not found:
        typer.echo(f"nothing in {days} days")


@security_app.command("restored")
def security_restored(as_json: Json = False) -> None:
    """Say that the database came out of a backup, where the servers cannot notice it by themselves."""
    from livlina import cli
    from livlina.security import say_restored

    with cli.one_sentence(ValueError, LookupError):
        cli.show(say_restored(cli.settings_or_fail()), as_json)


def unit_rekey(
    unit: Annotated[str, typer.Argument(help="The unit's id (8 hex digits) or its label.")],
    flash: Annotated[Path, typer.Option(help="The folder that is this unit's flash, on the bench.")],
    as_json: Json = False,
) -> None:
    """Give a unit on the bench its next key generation. No key goes over the air: the unit has to be at hand."""
    from livlina import cli
    from livlina.security import rekey_unit

    with cli.one_sentence(ValueError, LookupError):
        cli.show(rekey_unit(cli.settings_or_fail(), unit, flash), as_json)
