"""``livlina plan``: what has to be done ahead of time."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from fleet.connectivity.calendar import Calendar, CalendarError, Row, read_move, read_technologies, shipped
from fleet.connectivity.plan_model import Capacity
from fleet.connectivity.sunset_model import Unit

plan_app = typer.Typer(no_args_is_help=True, help="What has to be done ahead of time.")

SAMPLE_CLOSES_IN = timedelta(days=89)
"""A sample's network is relied on for 90 days, the first included."""


@plan_app.callback()
def _group() -> None:
    """What has to be done ahead of time."""


@plan_app.command("sunset")
def plan_sunset(
    units_file: Annotated[Path | None, typer.Option(help="Units and where they were seen, as JSON.")] = None,
    database: Annotated[bool, typer.Option("--database", help="The units of this installation.")] = False,
    sample: Annotated[int | None, typer.Option(min=10, max=250_000, help="A made fleet of so many units.")] = None,
    seed: Annotated[int, typer.Option(help="Of the made fleet.")] = 1,
    move: Annotated[list[str] | None, typer.Option(help="OPERATOR:TECH:DATE, what if; may be repeated.")] = None,
    installers: Annotated[int, typer.Option(min=1, max=10_000, help="Who can be sent.")] = 5,
    per_day: Annotated[int, typer.Option(min=1, max=100, help="Visits of one installer in a day.")] = 8,
    start: Annotated[str | None, typer.Option(help="The first day, YYYY-MM-DD; default today.")] = None,
    closed: Annotated[list[str] | None, typer.Option(help="A day on which nobody works; may be repeated.")] = None,
    work_list: Annotated[bool, typer.Option("--work-list", help="Each visit and each class's units besides.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Exactly one JSON document on standard output.")] = False,
) -> None:
    """Who loses his networks when, what helps, and who is visited on which day."""
    from fleet.connectivity.plan_report import Asked, calendar_of, report
    from livlina import cli
    from livlina.plan_sunset import lines
    from livlina.registry_connection import console_actor
    from livlina.units_seen import UnitsFileError

    with cli.one_sentence(CalendarError, UnitsFileError):
        if sum((units_file is not None, database, sample is not None)) != 1:
            raise UnitsFileError("say which units: --units-file FILE, --database or --sample NUMBER")
        first = datetime.now(UTC).date() if start is None else _day(start)
        shut = frozenset(_day(day) for day in closed or ())
        asked = Asked(
            Capacity(installers, per_day, first, shut), tuple(read_move(text) for text in move or ()), work_list
        )
        units, base, rows, truth = _units(units_file, sample, seed, first)
        began = time.perf_counter()
        dates = calendar_of(base, rows, asked.moves, console_actor(), datetime.now(UTC))
        document = report(units, dates, asked)
        document["seconds"] = round(time.perf_counter() - began, 2)
    if truth is not None:
        document["truth"] = truth | {"seed": seed}
    if as_json:
        cli.show(document, True)
        return
    typer.echo("\n".join(lines(document)))


@plan_app.command("move-date")
def plan_move_date(
    move: Annotated[str, typer.Argument(help="OPERATOR:TECH:DATE, the last day it may be relied on.")],
    source: Annotated[str, typer.Option(help="Who says so: a letter, a page, a person.")],
    as_json: Annotated[bool, typer.Option("--json", help="Exactly one JSON document on standard output.")] = False,
) -> None:
    """Write down that a network closes on another day. Every move is kept, with who made it."""
    from livlina import cli
    from livlina.sunset_units import keep_date

    with cli.one_sentence(CalendarError):
        operator, technology, region, last_day = read_move(move)
        row = Row(operator, technology, region, last_day, source)
        keep_date(cli.settings_or_fail(), row)
    cli.show({"operator": operator, "technology": technology, "region": region, "last_day": str(last_day)}, as_json)


@plan_app.command("modem-says")
def plan_modem_says(
    technologies: Annotated[str, typer.Argument(help="What the modem can do, for example gsm or gsm,lte_m.")],
    units: Annotated[list[str], typer.Argument(help="Numbers of units: eight hexadecimal digits each.")],
    as_json: Annotated[bool, typer.Option("--json", help="Exactly one JSON document on standard output.")] = False,
) -> None:
    """Write down what the modem of units answered when it was asked for its technologies: it is believed before what
    other units with the same modem firmware were seen on."""
    from livlina import cli
    from livlina.sunset_units import keep_answers
    from livlina.unit_orders import unit_number

    with cli.one_sentence(ValueError, LookupError):
        numbers = [unit_number(unit) for unit in units]
        keep_answers(cli.settings_or_fail(), numbers, read_technologies(technologies))
    cli.show({"units": len(numbers), "technologies": sorted(set(read_technologies(technologies)))}, as_json)


@plan_app.command("weekend")
def plan_weekend(
    municipality: Annotated[int | None, typer.Option(min=1, max=2**31 - 1, help="Of this one only.")] = None,
    stops: Annotated[int | None, typer.Option(min=1, max=10_000, help="How many visits fit before it.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Exactly one JSON document on standard output.")] = False,
) -> None:
    """List units whose battery is likely to be empty before Monday 08:00, in the order in which to go."""
    from livlina import cli
    from livlina.plan_weekend import lines, weekend_list

    with cli.one_sentence():
        document = weekend_list(cli.settings_or_fail(), municipality, stops)
    if as_json:
        cli.show(document, True)
        return
    typer.echo("\n".join(lines(document)))


@plan_app.command("person-visits")
def plan_person_visits(
    as_json: Annotated[bool, typer.Option("--json", help="Exactly one JSON document on standard output.")] = False,
) -> None:
    """Open a task for each unit in use whose last network has closed, so that somebody goes there."""
    from livlina import cli
    from livlina.sunset_units import open_person_visits

    with cli.one_sentence():
        found = open_person_visits(cli.settings_or_fail())
    cli.show({"units": found}, as_json)


def _units(
    file: Path | None, sample: int | None, seed: int, first: date
) -> tuple[list[Unit], Calendar, list[Row], dict[str, Any] | None]:
    """Units, the calendar, rows that come with them, and of a made fleet how many there truly are of each class."""
    from livlina.units_seen import read_units_file

    if file is not None:
        units, rows = read_units_file(file)
        return units, shipped(), rows, None
    if sample is None:
        from livlina import cli
        from livlina.sunset_units import units_of_installation

        return (*units_of_installation(cli.settings_or_fail()), [], None)
    from livlina.checkout import enter_checkout

    enter_checkout()
    from sim import sunset_fleet

    made = sunset_fleet.make(sample, seed, first, operators=("telia",))
    counts = {name: sum(one == name for one in made.truth.values()) for name in sorted(set(made.truth.values()))}
    row = Row("telia", "gsm", "SE", first + SAMPLE_CLOSES_IN, "of the made fleet")
    return list(made.units), shipped(), [row], counts


def _day(text: str) -> date:
    from livlina.units_seen import UnitsFileError

    try:
        return date.fromisoformat(text)
    except ValueError:
        raise UnitsFileError(f"{text[:20]!a} is no date: write YYYY-MM-DD") from None
