"""``livlina centre add, list, remove, token`` and ``probe`` as commands."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

LARGEST_NUMBER = 2**31 - 1
"""Of a municipality, as the database holds it."""
Json = Annotated[bool, typer.Option("--json", help="Exactly one JSON document on standard output.")]
Name = Annotated[str, typer.Argument(help="What people call the centre.")]


def register(centre_app: typer.Typer) -> None:
    """Adds the commands to their group."""
    centre_app.command("add")(centre_add)
    centre_app.command("list")(centre_list)
    centre_app.command("remove")(centre_remove)
    centre_app.command("token")(centre_token)
    centre_app.command("probe")(centre_probe)


def centre_add(
    name: Name,
    to: Annotated[str, typer.Option(help="HOST:PORT of its receiver; a URL (webhook); a file's name (jsonl).")],
    municipality: Annotated[
        list[int], typer.Option(min=1, max=LARGEST_NUMBER, help="Whose alarms it takes; may be repeated.")
    ],
    protocol: Annotated[str, typer.Option(help="dc09, scaip, sosaccess, webhook or jsonl.")] = "dc09",
    rank: Annotated[int, typer.Option(min=1, max=2, help="1 the primary centre, 2 the secondary.")] = 1,
    unit_type: Annotated[
        str | None, typer.Option(help="Only for units of this type: social, personal, tracker, camera, technical.")
    ] = None,
    option: Annotated[
        list[str] | None, typer.Option(help="NAME=VALUE, may be repeated; docs/centres.md has them all.")
    ] = None,
    reports_taken: Annotated[
        str | None, typer.Option(help="How it says that a person has taken an alarm: console, webhook, protocol, none.")
    ] = None,
    secret_file: Annotated[
        Path | None, typer.Option(help="File with its key, password or signing secret, one line.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Add or change an alarm centre and send these municipalities' alarms to it. Counts within 10 s.

    A changed centre has the options of this call and no others; its secret stays unless another is given.
    """
    from livlina.centre import add_centre, read_centre
    from livlina.cli import one_sentence, settings_or_fail, show

    with one_sentence(ValueError, LookupError):
        new = read_centre(
            name, to, municipality, protocol=protocol, options=option or (), rank=rank, unit_type=unit_type,
            reports_taken=reports_taken, secret_file=secret_file,
        )  # fmt: skip
        show(add_centre(settings_or_fail(), new), as_json)


def centre_list(as_json: Json = False) -> None:
    """All alarm centres: state, what they are owed, what to put right, routes and options; no secrets."""
    from livlina.centre import list_centres
    from livlina.cli import one_sentence, settings_or_fail, show

    with one_sentence(ValueError, LookupError):
        found = list_centres(settings_or_fail())
    if as_json:
        show(found, as_json=True)
        return
    for one in found["centres"]:
        typer.echo(
            f"{one['centre']}  {one['protocol']} {one['host']}:{one['port']}  {one['state']}, owed {one['owed']}  "
            f"{'; '.join(one['routes']) or 'no routes'}"
        )
        for trouble in one["troubles"]:
            unit = f" unit {trouble['unit']}" if trouble["unit"] else ""
            typer.echo(
                f"  {trouble['kind']}{unit}: {trouble['code']} ({trouble['times']} times since {trouble['since']})"
            )


def centre_remove(name: Name, as_json: Json = False) -> None:
    """End a centre that no route leads to and that is owed nothing."""
    from livlina.centre import remove_centre
    from livlina.cli import one_sentence, settings_or_fail, show

    with one_sentence(ValueError, LookupError):
        show(remove_centre(settings_or_fail(), name), as_json)


def centre_token(name: Name, as_json: Json = False) -> None:
    """A new token with which the centre's system reports taken (docs/webhooks.md); shown once."""
    from livlina.centre import new_token
    from livlina.cli import one_sentence, settings_or_fail, show

    with one_sentence(ValueError, LookupError):
        show(new_token(settings_or_fail(), name), as_json)


def centre_probe(name: Name, as_json: Json = False) -> None:
    """Ask a centre whether it lives, as the server does; no person hears of it. Exit 0 if it answered."""
    from livlina.centre import probe_centre
    from livlina.cli import one_sentence, settings_or_fail, show

    with one_sentence(ValueError, LookupError):
        found = probe_centre(settings_or_fail(), name)
    show(found, as_json)
    if not found["answered"]:
        raise typer.Exit(1)
