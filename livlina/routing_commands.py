"""``livlina route``, ``livlina routine`` and ``livlina centre reconcile`` as commands."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="Exactly one JSON document on standard output.")]


def register(app: typer.Typer, centre_app: typer.Typer) -> None:
    """Adds the commands to their groups."""
    route_app = typer.Typer(no_args_is_help=True, help="Where a unit's alarms go.")
    routine_app = typer.Typer(no_args_is_help=True, help="Who is told what, in which order.")
    route_app.command("explain")(route_explain)
    routine_app.command("set")(routine_set)
    centre_app.command("reconcile")(centre_reconcile)
    app.add_typer(route_app, name="route")
    app.add_typer(routine_app, name="routine")


def route_explain(
    unit: Annotated[str, typer.Argument(help="The unit, 8 hex digits.")],
    at: Annotated[str | None, typer.Option(help="A time with its zone; default now.")] = None,
    priority: Annotated[
        int | None, typer.Option(min=1, max=9, help="1 acute .. 4; default a press of its button.")
    ] = None,
    as_json: Json = False,
) -> None:
    """The chain of a case that this unit would open: centres, steps, who is on duty, time limits."""
    from livlina.cli import one_sentence, settings_or_fail, show
    from livlina.routing import explain_route, explained_lines, read_time

    with one_sentence(ValueError, LookupError):
        chain = explain_route(settings_or_fail(), unit, read_time(at), priority)
    if as_json:
        show(chain, as_json=True)
    else:
        typer.echo("\n".join(explained_lines(chain)))


def routine_set(
    file: Annotated[Path, typer.Argument(help="A document, TOML or JSON: see docs/routing.md.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Change nothing; say what would change.")] = False,
    as_json: Json = False,
) -> None:
    """Add recipients, roles, routes and routines, or new versions of them. What holds already is never changed."""
    from livlina.cli import one_sentence, settings_or_fail, show
    from livlina.routing import read_time, set_routines

    with one_sentence(ValueError, LookupError):
        result = set_routines(settings_or_fail(), file, read_time(None), dry_run)
    if as_json:
        show(result, as_json=True)
        return
    for change in result["changes"]:
        sign = "+" if change["before"] is None else "~"
        typer.echo(f"{sign} {change['kind']} {' '.join(str(part) for part in change['key'])}: {change['after']}")
    typer.echo(
        f"{result['rows']} rows{' would change' if dry_run else ' changed'}; the chain of {result['units']} units in "
        f"{result['municipalities']} municipalities is another from {result['seen_at']}"
    )


def centre_reconcile(
    log: Annotated[list[str], typer.Option(help="CENTRE=FILE, a centre's log in JSON lines; may be repeated.")],
    since: Annotated[str, typer.Option(help="From this time on, with its zone.")],
    until: Annotated[str | None, typer.Option(help="Before this time; default now.")] = None,
    as_json: Json = False,
) -> None:
    """Hold our presses against what centres have logged. Exit 1 unless every press is where we believe it is."""
    from livlina.cli import fail, one_sentence, settings_or_fail, show
    from livlina.routing import read_time, reconcile_logs

    logs = []
    for text in log:
        name, equals, path = text.partition("=")
        if not equals or not name or not path:
            fail(f"--log {text}: write CENTRE=FILE")
        logs.append((name, Path(path)))
    with one_sentence(ValueError, LookupError):
        found = reconcile_logs(settings_or_fail(), logs, read_time(since), read_time(until))
    show(found, as_json)
    if not found["agrees"]:
        raise typer.Exit(1)
