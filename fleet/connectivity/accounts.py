"""Accounts at SIM providers: adding one with its sealed secret, and opening it as the provider that it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Protocol
from urllib.parse import urlsplit

from psycopg.types.json import Jsonb

from fleet.connectivity.provider import Provider, ProviderError
from fleet.connectivity.provider_emnify import Emnify
from fleet.connectivity.provider_onence import OneNce
from fleet.connectivity.provider_rest import Rest, checked_options
from fleet.evidence.audit import record
from fleet.store.pool import Connection, fetch_all
from fleet.store.sql_file import read_statements

SQL = read_statements("fleet.connectivity", "actions.sql")

KINDS = ("emnify", "onence", "rest")
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


class AccountError(ValueError):
    """The account cannot be added; the message says what to change."""


class Sealing(Protocol):
    """What is needed of the key box."""

    def seal_for_sim_provider(self, secret: bytes, provider: int) -> bytes:
        """The secret, bound to the provider's number."""


class Opening(Protocol):
    """What is needed of the key box to use an account."""

    def open_for_sim_provider(self, sealed: bytes, provider: int) -> bytes:
        """The secret. Raises SecretBoxError."""


async def add_account(
    connection: Connection, box: Sealing, *, municipality: int, name: str, kind: str, url: str, secret: str,
    options: Mapping[str, Any], actor: str, at: datetime,
) -> int:  # fmt: skip
    """A new account's number, in the caller's transaction as the registry's duty. Raises AccountError, OptionsError."""
    address = urlsplit(url)
    loopback = address.scheme == "http" and address.hostname in _LOOPBACK
    if not ((address.scheme == "https" and address.hostname) or loopback) or address.username or address.password:
        raise AccountError("a provider's address begins with https:// and holds no password")
    if kind not in KINDS:
        raise AccountError(f"{kind[:20]!a} is no kind of provider: {', '.join(KINDS)}")
    if not name.strip() or not name.isprintable() or not secret:
        raise AccountError("a provider needs a name and a secret")
    if options and kind != "rest":
        raise AccountError("only a rest provider is described by options")
    values = {
        "municipality_id": municipality, "name": name, "kind": kind, "url": url.rstrip("/"),
        "options": Jsonb(checked_options(options) if kind == "rest" else {}), "at": at,
    }  # fmt: skip
    number = int((await fetch_all(connection, SQL["add_provider"], values))[0]["provider_id"])
    place = {"provider_id": number, "municipality_id": municipality, "at": at}
    await connection.execute(SQL["seal"], {**place, "sealed": box.seal_for_sim_provider(secret.encode(), number)})
    await record(
        connection, actor=actor, action="sim_provider.added", municipality_id=municipality,
        subject=f"sim_provider:{number}", detail={"kind": kind}, at=at,
    )  # fmt: skip
    return number


async def accounts(connection: Connection) -> list[dict[str, Any]]:
    """All accounts, without secrets."""
    return await fetch_all(connection, SQL["providers"])


async def open_account(connection: Connection, box: Opening, provider: int, *, steady: Callable[[], float]) -> Provider:
    """The provider behind an account, as forwarding's duty. Raises ProviderError where there is none to be used."""
    rows = await fetch_all(connection, SQL["account"], {"provider_id": provider})
    if not rows or rows[0]["sealed"] is None:
        raise ProviderError(f"SIM provider {provider} is removed or has no secret")
    row = rows[0]
    secret = box.open_for_sim_provider(bytes(row["sealed"]), provider).decode()
    if row["kind"] == "emnify":
        return Emnify(row["url"], secret, steady=steady)
    if row["kind"] == "onence":
        return OneNce(row["url"], secret, steady=steady)
    return Rest(row["url"], secret, row["options"], steady=steady)
