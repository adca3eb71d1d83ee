"""``livlina people provider``: the municipalities' identity providers (OpenID Connect)."""

from __future__ import annotations

import sys
from datetime import datetime
from typing import Annotated, Any

import typer

provider_app = typer.Typer(no_args_is_help=True, help="Identity providers of municipalities (OpenID Connect).")

LARGEST = 2**31 - 1
Json = Annotated[bool, typer.Option("--json", help="Exactly one JSON document on standard output.")]


@provider_app.command("add")
def add(
    municipality: Annotated[int, typer.Argument(min=0, max=LARGEST, help="Whose provider it is; 0: everybody's.")],
    name: Annotated[str, typer.Argument(help="What stands on the button.")],
    issuer: Annotated[str, typer.Option(help="As its discovery document names it.")],
    client_id: Annotated[str, typer.Option(help="What the provider calls us.")],
    acr: Annotated[list[str] | None, typer.Option(help="A level of assurance that is good enough; may repeat.")] = None,
    scopes: Annotated[str, typer.Option(help="Separated by blanks.")] = "openid",
    subject_claim: Annotated[str, typer.Option(help="The claim that says who it is.")] = "sub",
    secret: Annotated[bool, typer.Option(help="Read the client secret from standard input.")] = False,
    as_json: Json = False,
) -> None:
    """Add a provider. Register https://YOUR.HOST/sign-in/oidc/callback there."""
    from fleet.people import providers
    from fleet.store.pool import Connection
    from livlina import people
    from livlina.cli import one_sentence, settings_or_fail, show
    from livlina.installation import open_secret_box
    from livlina.registry_connection import in_registry

    said = sys.stdin.readline().strip() if secret else None

    with one_sentence(ValueError, LookupError):
        settings = settings_or_fail()
        box = open_secret_box(settings)

        async def work(connection: Connection) -> int:
            return await providers.add_provider(
                connection, box, municipality=municipality, name=name, issuer=issuer, client_id=client_id,
                client_secret=said, acr=acr or (), scopes=scopes, subject_claim=subject_claim, actor=people.LOCAL.name,
                at=people.now(),
            )  # fmt: skip

        show({"provider": in_registry(settings, work), "name": name}, as_json)


@provider_app.command("list")
def listed(as_json: Json = False) -> None:
    """Every provider, without its secret."""
    from fleet.people import providers
    from livlina.cli import one_sentence, settings_or_fail, show
    from livlina.registry_connection import in_registry

    with one_sentence(ValueError, LookupError):
        found = [_plain(row) for row in in_registry(settings_or_fail(), providers.providers)]
    if as_json:
        show({"providers": found}, as_json=True)
        return
    for one in found:
        state = " (removed)" if one["removed_at"] else ""
        typer.echo(
            f"{one['provider_id']:>4} municipality {one['municipality_id']}  {one['name']}  {one['issuer']}{state}"
        )


@provider_app.command("remove")
def remove(provider: Annotated[int, typer.Argument(min=1, max=LARGEST)]) -> None:
    """The provider signs nobody in any more."""
    from fleet.people import providers
    from fleet.store.pool import Connection
    from livlina import people
    from livlina.cli import one_sentence, settings_or_fail
    from livlina.registry_connection import in_registry

    async def work(connection: Connection) -> None:
        await providers.remove_provider(connection, provider, actor=people.LOCAL.name, at=people.now())

    with one_sentence(ValueError, LookupError):
        in_registry(settings_or_fail(), work)
    typer.echo(f"provider {provider} is removed")


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    return {key: value.isoformat() if isinstance(value, datetime) else value for key, value in row.items()}
