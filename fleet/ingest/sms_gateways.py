"""Who may bring SMS: gateways and their tokens, and the way to send through them.

A token is 32 random bytes, shown once and kept as SHA-256: nothing has to be guessed slowly. What we say to a gateway
when we send is sealed under the key outside the database.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final, NamedTuple

from fleet.registry.secret_box import SecretBox, SecretBoxError
from fleet.store.borrow import borrow
from fleet.store.pool import Connection, Pool, fetch_all
from fleet.store.sql_file import read_statements

SQL = read_statements("fleet.ingest", "gateways.sql")

REFRESH_S: Final = 20.0
"""A removed gateway or a changed token counts within this time."""

AGAIN_S: Final = 1.0
"""A name or token that is not known is looked up at most this often, whoever asks."""

TOKEN_BYTES: Final = 32
_NO_HASH: Final = bytes(32)
_NO_UNIT, _NO_GENERATION = 0, 0  # unit number 0 is no unit's


class Gateway(NamedTuple):
    """A gateway as this process knows it; ``send_url`` is None for one that only receives."""

    name: str
    token_hash: bytes
    send_url: str | None
    send_secret: bytes | None


class Gateways:
    """All gateways, read again every `REFRESH_S`. Strangers' names and tokens cost no query of their own."""

    def __init__(self, pool: Pool, now: Callable[[], float] = time.monotonic) -> None:
        self._pool = pool
        self._now = now
        self._known: dict[str, Gateway] = {}
        self._read_at = float("-inf")
        self._reading = asyncio.Lock()

    async def admitted(self, name: str, token: str) -> Gateway | None:
        """The gateway whose token this is, or None. Takes as long for an unknown name. Raises one of AWAY."""
        await self._refresh(REFRESH_S)
        found = self._match(name, token)
        if found is None:
            await self._refresh(AGAIN_S)
            found = self._match(name, token)
        return found

    def at_hand(self, name: str) -> Gateway | None:
        """What was last read of a gateway."""
        return self._known.get(name)

    def _match(self, name: str, token: str) -> Gateway | None:
        known = self._known.get(name)
        shown = hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
        good = hmac.compare_digest(shown, known.token_hash if known is not None else _NO_HASH)
        return known if good else None

    async def _refresh(self, older_than: float) -> None:
        if self._now() - self._read_at < older_than:
            return
        async with self._reading:
            if self._now() - self._read_at < older_than:
                return
            async with borrow(self._pool) as connection:
                rows = await fetch_all(connection, SQL["gateways"])
            self._known = {
                row["name"]: Gateway(
                    row["name"], bytes(row["token_hash"]), row["send_url"],
                    bytes(row["send_secret"]) if row["send_secret"] is not None else None,
                )
                for row in rows
            }  # fmt: skip
            self._read_at = self._now()


def send_secret_of(box: SecretBox, gateway: Gateway) -> str | None:
    """What the gateway's API wants to hear from us as a bearer token, or None. Raises SecretBoxError."""
    if gateway.send_secret is None:
        return None
    opened = box.open_secret(gateway.send_secret, _NO_UNIT, _NO_GENERATION).decode()
    name, _, secret = opened.partition("\n")
    if name != gateway.name:
        raise SecretBoxError(f"the send token of gateway {gateway.name} belongs to another one: add the gateway again")
    return secret


async def add_gateway(
    connection: Connection,
    box: SecretBox,
    name: str,
    *,
    municipality: int,
    send_url: str | None,
    send_secret: str | None,
    at: datetime,
) -> str:
    """Adds a gateway, or gives one a new token and new settings; returns the token, which is kept nowhere."""
    token = secrets.token_urlsafe(TOKEN_BYTES)
    sealed = box.seal(f"{name}\n{send_secret}".encode(), _NO_UNIT, _NO_GENERATION) if send_secret is not None else None
    values = {
        "name": name, "municipality_id": municipality, "token_hash": hashlib.sha256(token.encode()).digest(),
        "send_url": send_url, "send_secret": sealed, "at": at,
    }  # fmt: skip
    await connection.execute(SQL["add_gateway"], values)
    return token


async def remove_gateway(connection: Connection, name: str) -> bool:
    """Whether there was such a gateway. Its token is refused within `REFRESH_S`."""
    return bool(await fetch_all(connection, SQL["remove_gateway"], {"name": name}))


async def list_gateways(connection: Connection) -> list[dict[str, Any]]:
    """All gateways without their secrets."""
    rows = await fetch_all(connection, SQL["gateways"])
    return [
        {
            "gateway": row["name"],
            "municipality": row["municipality_id"],
            "send_url": row["send_url"],
            "made_at": row["made_at"].isoformat(),
        }
        for row in rows
    ]
