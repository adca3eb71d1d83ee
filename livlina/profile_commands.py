"""``livlina municipality profile`` and ``profiles``: within which time a fault of a unit must be known."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

import typer

LARGEST = 2**31 - 1
Json = Annotated[bool, typer.Option("--json", help="Exactly one JSON document on standard output.")]


def register(municipality_app: typer.Typer) -> None:
    """Adds the commands."""
    municipality_app.command("profile")(choose)
    municipality_app.command("profiles")(listed)


def choose(
    municipality: Annotated[int, typer.Argument(min=1, max=LARGEST)],
    unit_type: Annotated[str, typer.Argument(help="social, personal, tracker, camera or technical.")],
    name: Annotated[str, typer.Argument(help="A named profile such as DP2, or a name for figures of your own.")],
    report_s: Annotated[int | None, typer.Option(help="Own figures: seconds within which a fault is known.")] = None,
    spare_s: Annotated[int | None, typer.Option(help="The same of the other path.")] = None,
    source: Annotated[str, typer.Option(help="Where own figures come from.")] = "",
    as_json: Json = False,
) -> None:
    """Choose the reporting times of a municipality's units of a type."""
    from fleet.supervision import choices
    from livlina.cli import one_sentence, settings_or_fail, show
    from livlina.registry_connection import console_actor, in_registry

    with one_sentence(ValueError, LookupError):
        profile = choices.profile_of(name, report_s, spare_s, source)
        actor, at = console_actor(), datetime.now(UTC)
        in_registry(
            settings_or_fail(), lambda c: choices.choose(c, municipality, unit_type, profile, actor=actor, at=at)
        )
    show({"municipality": municipality, "type": unit_type, "profile": profile.name, "report_s": profile.report_s,
          "spare_s": profile.spare_s, "source": profile.source}, as_json)  # fmt: skip


def listed(
    municipality: Annotated[int | None, typer.Argument(min=1, max=LARGEST, help="Of this one only.")] = None,
    as_json: Json = False,
) -> None:
    """What was chosen, what holds until then, and the named profiles with their sources."""
    from fleet.supervision import choices
    from livlina.cli import one_sentence, settings_or_fail, show
    from livlina.registry_connection import in_registry

    with one_sentence():
        found: dict[str, Any] = in_registry(settings_or_fail(), lambda c: choices.choices(c, municipality))
    for row in found["chosen"]:
        row["set_at"] = row["set_at"].isoformat()
    if as_json:
        show(found, True)
        return
    for row in found["chosen"]:
        typer.echo(f"{row['municipality']:>6} {row['type']:<10} {row['name']:<10} {_times(row)}  {row['source']}")
    for unit_type, name in found["until_then"].items():
        typer.echo(f"{'else':>6} {unit_type:<10} {name}")
    for one in found["profiles"]:
        typer.echo(f"{one['name']:<10} {_times(one)}  {one['source']}")


def _times(one: dict[str, Any]) -> str:
    spare = "" if one["spare_s"] is None else f", other path {one['spare_s']} s"
    return f"{one['report_s']} s{spare}"
