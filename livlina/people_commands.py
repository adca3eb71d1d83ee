"""``livlina people``: people, their roles, links and tokens, alarm centres and services."""

from __future__ import annotations

from typing import Annotated

import typer

from fleet.people.model import HOURS, ROLES, SERVICES
from livlina.provider_commands import provider_app

people_app = typer.Typer(no_args_is_help=True, help="People, what they may do where, and how they get in.")
token_app = typer.Typer(no_args_is_help=True, help="Programs' keys to the API.")
people_app.add_typer(token_app, name="token")
people_app.add_typer(provider_app, name="provider")

LARGEST = 2**31 - 1
Json = Annotated[bool, typer.Option("--json", help="Exactly one JSON document on standard output.")]
Login = Annotated[str, typer.Argument(help="Sign-in name: lower-case letters, digits, '.', '-', '_'.")]
Role = Annotated[str, typer.Argument(help=f"One of {', '.join(ROLES)}.")]
Municipality = Annotated[
    int | None, typer.Option(min=0, max=LARGEST, help="Where the role holds; 0 is the whole installation.")
]
Centre = Annotated[str | None, typer.Option(help="Or: the alarm centre at which it holds.")]


@people_app.command("first-administrator")
def first_administrator(login: Annotated[str, typer.Argument()] = "administrator", as_json: Json = False) -> None:
    """Make the first administrator of the installation and print their one-time link. There is no default password."""
    from livlina import people
    from livlina.cli import one_sentence, settings_or_fail, show

    with one_sentence(ValueError, LookupError):
        show(people.first_administrator(settings_or_fail(), login, people.now()), as_json)


@people_app.command("add")
def add(
    login: Login,
    name: Annotated[str, typer.Option(help="How pages name the person; nothing more is kept of anybody.")] = "",
    municipality: Annotated[int, typer.Option(min=0, max=LARGEST, help="Which municipality invites.")] = 0,
    as_json: Json = False,
) -> None:
    """Add a person. They get in by `livlina people invite`, and may do what `livlina people grant` says."""
    from livlina import people
    from livlina.cli import one_sentence, settings_or_fail, show

    with one_sentence(ValueError, LookupError):
        show(people.add(settings_or_fail(), login, name, municipality, people.now()), as_json)


@people_app.command("invite")
def invite(login: Login, as_json: Json = False) -> None:
    """Print a one-time link, with which a person sets a password or adds a passkey. It holds for 3 days."""
    from livlina import people
    from livlina.cli import one_sentence, settings_or_fail, show

    with one_sentence(ValueError, LookupError):
        show(people.invite(settings_or_fail(), login, people.now()), as_json)


@people_app.command("grant")
def grant(login: Login, role: Role, municipality: Municipality = None, centre: Centre = None) -> None:
    """Give a role in a municipality, or at an alarm centre."""
    from livlina import people
    from livlina.cli import one_sentence, settings_or_fail

    with one_sentence(ValueError, LookupError):
        people.grant(settings_or_fail(), login, role, municipality, centre, people.now())
    typer.echo(f"{login} is {role}")


@people_app.command("revoke")
def revoke(login: Login, role: Role, municipality: Municipality = None, centre: Centre = None) -> None:
    """Take a role away. The last administrator keeps theirs."""
    from livlina import people
    from livlina.cli import one_sentence, settings_or_fail

    with one_sentence(ValueError, LookupError):
        people.revoke(settings_or_fail(), login, role, municipality, centre, people.now())
    typer.echo(f"{login} is no longer {role}")


@people_app.command("list")
def listed(find: Annotated[str, typer.Option(help="A part of the name.")] = "", as_json: Json = False) -> None:
    """Everybody, and what they hold where."""
    from livlina import people
    from livlina.cli import one_sentence, settings_or_fail, show

    with one_sentence(ValueError, LookupError):
        found = people.listed(settings_or_fail(), find)
    if as_json:
        show({"people": found}, as_json=True)
        return
    for one in found:
        roles = ", ".join(f"{held['role']} in {held['place']}" for held in one["roles"]) or "no roles"
        typer.echo(f"{one['login']:<20} {roles}{' (closed)' if one['closed'] else ''}")


@people_app.command("centre")
def centre(
    name: Annotated[str, typer.Argument(help="The alarm centre's name.")],
    door: Annotated[str | None, typer.Option(help="The `livlina centre` that its alarms are sent to.")] = None,
    as_json: Json = False,
) -> None:
    """Add an alarm centre whose people serve several municipalities."""
    from livlina import people
    from livlina.cli import one_sentence, settings_or_fail, show

    with one_sentence(ValueError, LookupError):
        show(people.add_centre(settings_or_fail(), name, door), as_json)


@people_app.command("serve")
def serve(
    municipality: Annotated[int, typer.Argument(min=1, max=LARGEST)],
    service: Annotated[str, typer.Argument(help=f"One of {', '.join(SERVICES)}.")],
    centre: Annotated[str, typer.Option(help="The alarm centre that gives it.")],
    hours: Annotated[
        str, typer.Option(help=f"One of {', '.join(HOURS)}: office hours are the municipality's.")
    ] = "any",
    starts: Annotated[int, typer.Option(min=0, max=10079, help="Minute of the week; 0 is Monday 00:00.")] = 0,
    ends: Annotated[int, typer.Option(min=1, max=10080)] = 10080,
    since: Annotated[str | None, typer.Option("--from", help="A time with its zone; default now.")] = None,
) -> None:
    """Say which alarm centre gives a municipality a service, and at which hours. Rows of one time are one version."""
    from fleet.routines.model import Window
    from livlina import people
    from livlina.cli import one_sentence, settings_or_fail
    from livlina.routing import read_time

    with one_sentence(ValueError, LookupError):
        people.choose_service(
            settings_or_fail(),
            municipality,
            service,
            centre,
            hours,
            Window(starts, ends),
            read_time(since),
            people.now(),
        )
    typer.echo(f"{centre} gives municipality {municipality} {service}")


@people_app.command("district")
def district(
    municipality: Annotated[int, typer.Argument(min=1, max=LARGEST)], name: Annotated[str, typer.Argument()]
) -> None:
    """Add a district of a municipality."""
    from livlina import people
    from livlina.cli import one_sentence, settings_or_fail

    with one_sentence(ValueError, LookupError):
        people.add_district(settings_or_fail(), municipality, name)
    typer.echo(f"municipality {municipality} has the district {name}")


@people_app.command("zone")
def zone(
    municipality: Annotated[int, typer.Argument(min=1, max=LARGEST)],
    name: Annotated[str, typer.Argument(help="For example Europe/Stockholm, which every municipality begins with.")],
) -> None:
    """By which clocks a municipality's hours are meant."""
    from livlina import people
    from livlina.cli import one_sentence, settings_or_fail

    with one_sentence(ValueError, LookupError):
        people.set_zone(settings_or_fail(), municipality, name, people.now())
    typer.echo(f"municipality {municipality} is in {name}")


@people_app.command("responsible")
def responsible(
    municipality: Annotated[int, typer.Argument(min=1, max=LARGEST)],
    service: Annotated[str, typer.Option(help=f"One of {', '.join(SERVICES)}.")] = "alarm_reception",
    at: Annotated[str | None, typer.Option(help="A time with its zone; default now.")] = None,
    as_json: Json = False,
) -> None:
    """Which alarm centre is responsible at a moment, and whose consoles show the municipality's alarms then."""
    from livlina import people
    from livlina.cli import one_sentence, settings_or_fail, show
    from livlina.routing import read_time

    with one_sentence(ValueError, LookupError):
        show(people.who_is_responsible(settings_or_fail(), municipality, service, read_time(at)), as_json)


@token_app.command("add")
def token_add(
    name: Annotated[str, typer.Argument(help="What it is for.")],
    role: Annotated[str, typer.Option(help=f"One of {', '.join(ROLES)}.")],
    municipality: Annotated[list[int], typer.Option(min=0, max=LARGEST, help="Give it once for each; 0 is all.")],
    days: Annotated[int, typer.Option(min=1, max=400)] = 90,
    as_json: Json = False,
) -> None:
    """Make an API token and print it, once."""
    from livlina import people
    from livlina.cli import one_sentence, settings_or_fail, show

    with one_sentence(ValueError, LookupError):
        show(people.add_token(settings_or_fail(), name, role, municipality, days, people.now()), as_json)


@token_app.command("list")
def token_list(as_json: Json = False) -> None:
    """Every token: how it begins, what it may do, until when, when it was used last."""
    from livlina import people
    from livlina.cli import one_sentence, settings_or_fail, show

    with one_sentence(ValueError, LookupError):
        found = people.tokens(settings_or_fail())
    if as_json:
        show({"tokens": found}, as_json=True)
        return
    for one in found:
        state = "revoked" if one["revoked_at"] else f"until {one['expires_at']}"
        typer.echo(
            f"{one['token_id']:>5} {one['prefix']}… {one['role']:<15} {one['municipalities']} {state}  {one['name']}"
        )


@token_app.command("revoke")
def token_revoke(token: Annotated[int, typer.Argument(min=1, max=LARGEST, help="Its number.")]) -> None:
    """End a token at once."""
    from livlina import people
    from livlina.cli import one_sentence, settings_or_fail

    with one_sentence(ValueError, LookupError):
        people.revoke_token(settings_or_fail(), token, people.now())
    typer.echo(f"token {token} is revoked")
