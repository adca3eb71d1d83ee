"""Identity providers of municipalities in the registry: adding, listing, removing. Their secrets are sealed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Protocol
from urllib.parse import urlsplit

from fleet.evidence.audit import record
from fleet.people.store import SQL, PeopleError
from fleet.store.pool import Connection, fetch_all


class Sealing(Protocol):
    """What is needed of the key box."""

    def seal_for_provider(self, secret: bytes, provider: int) -> bytes:
        """The secret, bound to the provider's number."""


async def add_provider(
    connection: Connection, box: Sealing, *, municipality: int, name: str, issuer: str, client_id: str,
    client_secret: str | None, acr: Sequence[str], scopes: str, subject_claim: str, actor: str, at: datetime,
) -> int:  # fmt: skip
    """A new provider's number. Raises PeopleError for a word that is none; its documents are read when it is used."""
    address = urlsplit(issuer)
    loopback = address.scheme == "http" and address.hostname in ("localhost", "127.0.0.1", "::1")
    if not ((address.scheme == "https" and address.hostname) or loopback) or not issuer.isprintable():
        raise PeopleError("issuer", "an issuer is an https address, as its discovery document names it")
    if "openid" not in scopes.split():
        raise PeopleError("scopes", "the scopes must hold openid")
    if not client_id or not subject_claim or not 1 <= len(name) <= 60:
        raise PeopleError("name", "a provider needs a name of 1 to 60 characters, a client id and a claim")
    values = {
        "municipality_id": municipality, "name": name, "issuer": issuer, "client_id": client_id, "acr": list(acr),
        "scopes": scopes, "subject_claim": subject_claim, "at": at,
    }  # fmt: skip
    number = int((await fetch_all(connection, SQL["add_provider"], values))[0]["provider_id"])
    if client_secret:
        sealed = box.seal_for_provider(client_secret.encode(), number)
        await connection.execute(SQL["seal_provider"], {"provider_id": number, "client_secret": sealed})
    await record(
        connection, actor=actor, action="provider.added", municipality_id=municipality, subject=f"provider:{number}",
        detail={"secret": bool(client_secret)}, at=at,
    )  # fmt: skip
    return number


async def providers(connection: Connection) -> list[dict[str, Any]]:
    """All of them, removed ones too, without secrets."""
    return await fetch_all(connection, SQL["providers"])


async def remove_provider(connection: Connection, provider: int, *, actor: str, at: datetime) -> None:
    """Signs nobody in from now on; its secret is gone. Raises LookupError."""
    rows = await fetch_all(connection, SQL["remove_provider"], {"provider_id": provider, "at": at})
    if not rows:
        raise LookupError(f"there is no identity provider {provider}: see `livlina people provider list`")
    await record(
        connection, actor=actor, action="provider.removed", municipality_id=rows[0]["municipality_id"],
        subject=f"provider:{provider}", detail={}, at=at,
    )  # fmt: skip
