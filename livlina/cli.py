"""The ``livlina`` command: its table of commands. Each command's work lives in a module of its own."""

from __future__ import annotations

import json
import logging
import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from fleet.settings import Settings, SettingsError
from livlina import (
    centre_commands,
    field_commands,
    path_commands,
    profile_commands,
    routing_commands,
    security_commands,
    unit_life_commands,
)
from livlina.api_commands import api_app
from livlina.bulk_commands import fleet_app
from livlina.ca_commands import ca_app
from livlina.centre_decode import centre_decode, centre_schema
from livlina.centre_talk_commands import centre_receive, centre_send
from livlina.conformance.command import conformance
from livlina.cost import cost_app
from livlina.evidence_commands import evidence_app
from livlina.hardware.command import hardware_app
from livlina.loading import collect_seldom, uncollected
from livlina.people_commands import people_app
from livlina.plan_commands import plan_app
from livlina.provision_commands import provision_app
from livlina.scenario import scenario
from livlina.sim_commands import sim_app

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)
unit_app = typer.Typer(no_args_is_help=True, help="The registry's units.")
operator_app = typer.Typer(no_args_is_help=True, help="People who take alarms.")
centre_app = typer.Typer(no_args_is_help=True, help="Alarm centres and what is sent to them.")
municipality_app = typer.Typer(no_args_is_help=True, help="The tenants of this installation.")
app.add_typer(municipality_app, name="municipality")
app.add_typer(unit_app, name="unit")
app.add_typer(operator_app, name="operator")
app.add_typer(centre_app, name="centre")
app.add_typer(cost_app, name="cost")
app.add_typer(fleet_app, name="fleet")
app.add_typer(api_app, name="api")
app.add_typer(ca_app, name="ca")
app.add_typer(evidence_app, name="evidence")
app.add_typer(hardware_app, name="hardware")
app.add_typer(people_app, name="people")
app.add_typer(plan_app, name="plan")
app.add_typer(sim_app, name="sim")
app.add_typer(provision_app, name="provision")
field_commands.register(app, unit_app)
unit_life_commands.register(unit_app)
path_commands.register(fleet_app)
profile_commands.register(municipality_app)
security_commands.register(app, unit_app)
routing_commands.register(app, centre_app)
centre_commands.register(centre_app)
app.command()(scenario)
app.command()(conformance)
centre_app.command("decode")(centre_decode)
centre_app.command("schema")(centre_schema)
centre_app.command("receive")(centre_receive)
centre_app.command("send")(centre_send)

LARGEST_NUMBER = 2**31 - 1
"""Of a municipality, as the database holds it."""
Json = Annotated[bool, typer.Option("--json", help="Exactly one JSON document on standard output.")]


def main() -> None:
    """Entry point of the ``livlina`` command."""
    collect_seldom()
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    app()


def fail(message: str) -> NoReturn:
    """Says on standard error what went wrong, and ends with 1."""
    typer.echo(f"livlina: {message}", err=True)
    # Not typer.Exit: that is a RuntimeError, and a command's own handler would catch it.
    raise SystemExit(1)


@contextmanager
def one_sentence(*user_faults: type[Exception]) -> Iterator[None]:
    """Turns what an installation or its user can get wrong into one sentence; a fault of ours keeps its traceback.

    ``user_faults`` are what the command raises, besides, for what was typed.
    """
    import psycopg

    from fleet.registry.secret_box import SecretBoxError
    from fleet.store.embedded_postgres import PostgresError
    from fleet.store.migrate import MigrationError
    from livlina.checkout import NoCheckoutError
    from livlina.failure import PartFailed
    from provisioning.ca import AuthorityError

    ours = (PartFailed, NoCheckoutError, PostgresError, AuthorityError, MigrationError, SecretBoxError, SettingsError)
    known: tuple[type[Exception], ...] = (*ours, *user_faults)
    try:
        yield
    except known as error:
        fail(str(error))
    except OSError as error:
        fail(": ".join(str(part) for part in (error.filename, error.strerror or error) if part is not None))
    except psycopg.errors.InsufficientPrivilege as error:
        fail(f"the database's login may not do that ({error.diag.message_primary}): "
             "name the schema owner's in LIVLINA_OWNER_DATABASE_URL")  # fmt: skip
    except psycopg.OperationalError as error:
        fail(f"the database does not answer: {str(error).strip()}")


def show(document: dict[str, Any], as_json: bool) -> None:
    """One JSON document, or one line a key for a person."""
    try:
        typer.echo(json.dumps(document, indent=2, ensure_ascii=False) if as_json else _lines(document))
    except BrokenPipeError:
        raise
    except OSError as error:
        fail(f"the result cannot be written: {error.strerror}")


def _lines(document: dict[str, Any]) -> str:
    width = max((len(key) for key in document), default=0)
    lines = []
    for key, value in document.items():
        parts = value.items() if isinstance(value, dict) else ()
        text = "  ".join(f"{name} {'-' if part is None else part}" for name, part in parts) if parts else value
        lines.append(f"{key:<{width}}  {text}")
    return "\n".join(lines)


def settings_or_fail() -> Settings:
    """The settings from the environment, or a sentence and the end."""
    try:
        return Settings.from_environment()
    except SettingsError as error:
        fail(str(error))


@app.command()
def demo(
    units: Annotated[int, typer.Option(min=1, max=20000, help="How many real units.")] = 25,
    seconds: Annotated[float | None, typer.Option(min=1, help="How long to press; without it until Ctrl-C.")] = None,
    headless: Annotated[bool, typer.Option(help="No person: the simulated operator takes at once.")] = False,
    data: Annotated[
        Path | None, typer.Option(help="Data folder; default LIVLINA_DATA, with --headless a new one.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed for who presses when.")] = None,
    as_json: Json = False,
) -> None:
    """The whole way of a press on this machine: real units, real server, a simulated alarm centre."""
    from livlina.checkout import enter_checkout

    with one_sentence():
        enter_checkout()
    from livlina.demo import DemoOptions, run_demo

    if seconds is not None and not math.isfinite(seconds):
        fail(f"--seconds {seconds} has no end: give a number, or leave it out to go on until Ctrl-C")
    if seconds is None and headless:
        seconds = 30.0
    folder = data if data is not None else None if headless else settings_or_fail().data
    with one_sentence():
        summary = run_demo(DemoOptions(units, seconds, headless, seed), folder)
    show(summary, as_json)
    if summary["lost"] or summary["duplicates"] or (summary["unfinished"] and seconds is not None):
        raise typer.Exit(1)
    if not summary["presses"] and seconds is not None:
        fail("nobody pressed: the demo has shown nothing")


@app.command()
def serve() -> None:
    """The fleet server: MQTT and CoAP front doors, forwarding and the operators' pages, until SIGTERM."""
    with uncollected():
        from livlina.serve import serve as run

    with one_sentence():
        run(settings_or_fail())


@app.command()
def migrate(as_json: Json = False) -> None:
    """Bring the database's schema up to this release."""
    from livlina.installation import migrate_database, open_database

    with one_sentence(), open_database(settings_or_fail()) as database:
        show({"applied": migrate_database(database)}, as_json)


@municipality_app.command("add")
def municipality_add(
    number: Annotated[
        int, typer.Argument(min=1, max=LARGEST_NUMBER, help="Its number, for example the official municipality code.")
    ],
    name: Annotated[str, typer.Argument(help="Its name.")],
    as_json: Json = False,
) -> None:
    """Add a municipality, or rename one."""
    from livlina.municipality import add_municipality

    with one_sentence(ValueError, LookupError):
        show(add_municipality(settings_or_fail(), number, name), as_json)


@municipality_app.command("positions")
def municipality_positions(
    number: Annotated[int, typer.Argument(min=1, max=LARGEST_NUMBER, help="Its number.")],
    allowed: Annotated[
        bool, typer.Argument(help="yes: alarm centres are told where a unit is, as from the start; no.")
    ],
    as_json: Json = False,
) -> None:
    """Say whether alarm centres are told where this municipality's units are."""
    from livlina.municipality import let_positions_go

    with one_sentence(ValueError, LookupError):
        show(let_positions_go(settings_or_fail(), number, allowed), as_json)


@unit_app.command("add")
def unit_add(
    municipality: Annotated[
        int, typer.Option(min=1, max=LARGEST_NUMBER, help="The number of the municipality that owns it.")
    ],
    flash: Annotated[Path, typer.Option(help="Folder to write as the unit's flash; must be new.")],
    unit_type: Annotated[
        str, typer.Option("--type", help="social, personal, tracker, camera or technical.")
    ] = "social",
    number: Annotated[
        int | None, typer.Option(min=1, max=0xFFFFFFFF, help="Unit number; default the next free.")
    ] = None,
    coap: Annotated[str, typer.Option(help="HOST:PORT of the CoAP front door as the unit sees it.")] = "127.0.0.1:5683",
    mqtt: Annotated[str, typer.Option(help="HOST:PORT of the MQTT front door as the unit sees it.")] = "127.0.0.1:8883",
    pipes: Annotated[str, typer.Option(help="Pipes in preferred order, with commas.")] = "coap,mqtt",
    heartbeat: Annotated[int, typer.Option(min=5, max=86400, help="Heartbeat interval in seconds.")] = 300,
    as_json: Json = False,
) -> None:
    """Make a unit: identity, certificate and flash folder, and its row in the registry."""
    from livlina.unit import NewUnit, add_unit

    with one_sentence(ValueError, LookupError):
        wanted = NewUnit.read(
            municipality=municipality, unit_type=unit_type, number=number, coap=coap, mqtt=mqtt,
            pipes=pipes, heartbeat_s=heartbeat, flash=flash,
        )  # fmt: skip
        show(add_unit(settings_or_fail(), wanted), as_json)


@operator_app.command("add")
def operator_add(
    login: Annotated[str, typer.Argument(help="Log-in name: lower-case letters, digits, '.', '-', '_'.")],
    municipality: Annotated[
        list[int], typer.Option(min=1, max=LARGEST_NUMBER, help="A municipality to serve; may be repeated.")
    ],
    as_json: Json = False,
) -> None:
    """Add an operator, or give one a new password. The password is random and shown once."""
    from livlina.operator import add_operator

    with one_sentence(ValueError, LookupError):
        show(add_operator(settings_or_fail(), login, municipality), as_json)


@app.command()
def decode(
    frame: Annotated[
        str, typer.Argument(help="A frame, message, CoAP datagram or MQTT packet in hex; '-' reads stdin.")
    ],
    secret: Annotated[Path | None, typer.Option(help="A unit's identity.cbor, to open the frame.")] = None,
    as_json: Json = False,
) -> None:
    """Explain any of our frames."""
    from livlina.decode_command import explain_hex

    with one_sentence(ValueError, LookupError):
        explained = explain_hex(sys.stdin.read() if frame == "-" else frame, secret)
    show(explained, as_json)
    if explained["what"] == "unknown" or explained.get("opened") is False:
        raise typer.Exit(1)


@app.command()
def version(as_json: Json = False) -> None:
    """The version of this release."""
    show({"livlina": metadata.version("livlina"), "python": sys.version.split()[0]}, as_json)
