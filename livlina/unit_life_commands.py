"""The table of commands around a unit's life; their work lies in `livlina.unit_life`."""

from __future__ import annotations

from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="Exactly one JSON document on standard output.")]
Unit = Annotated[str, typer.Argument(help="The unit's id (8 hex digits) or its label.")]


def register(unit_app: typer.Typer) -> None:
    """Adds these commands to the command line's table."""
    unit_app.command("show")(unit_show)
    unit_app.command("move")(unit_move)
    unit_app.command("parts")(unit_parts)
    unit_app.command("revoke")(unit_revoke)


def unit_show(unit: Unit, as_json: Json = False) -> None:
    """A unit's label, what its QR code holds, buttons, SIM cards and history."""
    from livlina import cli
    from livlina.unit_life import show_unit

    with cli.one_sentence(ValueError, LookupError):
        cli.show(show_unit(cli.settings_or_fail(), unit), as_json)


def unit_move(
    unit: Unit,
    event: Annotated[
        str, typer.Argument(help="receive, unassign, leave, come_back, return, clean, restock or retire.")
    ],
    until: Annotated[str | None, typer.Option(help="With leave: the end of the absence, ISO 8601 with zone.")] = None,
    as_json: Json = False,
) -> None:
    """Move a unit on in its life; what does not follow from its state is refused. No command makes a unit active."""
    from livlina import cli
    from livlina.unit_life import move_unit

    with cli.one_sentence(ValueError, LookupError):
        cli.show(move_unit(cli.settings_or_fail(), unit, event, until), as_json)


def unit_parts(
    unit: Unit,
    board: Annotated[str | None, typer.Option(help="Which board.")] = None,
    modem: Annotated[str | None, typer.Option(help="Which modem.")] = None,
    owner: Annotated[str | None, typer.Option(help="Who owns it.")] = None,
    pendant: Annotated[list[str] | None, typer.Option(help="INPUT=SERIAL; all of them, may be repeated.")] = None,
    sim: Annotated[list[str] | None, typer.Option(help="SLOT=ICCID; may be repeated.")] = None,
    as_json: Json = False,
) -> None:
    """Say what a unit is made of. Pairing asks for a press of every pendant that stands here."""
    from livlina import cli
    from livlina.unit_life import describe_unit

    with cli.one_sentence(ValueError, LookupError):
        found = describe_unit(
            cli.settings_or_fail(), unit, board=board, modem=modem, owner=owner, pendants=pendant or (), sims=sim or ()
        )  # fmt: skip
        cli.show(found, as_json)


def unit_revoke(unit: Unit, as_json: Json = False) -> None:
    """End a unit's keys on every way in: lost or stolen. Its wearer is without an alarm until another one is paired."""
    from livlina import cli
    from livlina.unit_life import revoke_unit

    with cli.one_sentence(ValueError, LookupError):
        cli.show(revoke_unit(cli.settings_or_fail(), unit), as_json)
