"""Centres' secrets in PostgreSQL, sealed under the key outside it and bound to centre and kind.

The registry's side writes; forwarding's side reads, and keeps a password through its changes. A secret is never in an
option, a log line or an error.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from fleet.clock import Clock
from fleet.registry.secret_box import SecretBox
from fleet.store.borrow import borrow
from fleet.store.pool import Connection, Pool, fetch_all
from fleet.store.sql_file import read_statements

SQL = read_statements("fleet.forwarding", "centre_secrets.sql")

Kind = Literal["secret", "next", "taken"]


@dataclass(frozen=True, slots=True)
class Kept:
    """What is kept of one centre. ``rotated``: no person has seen ``secret``. ``next`` is issued and not used yet."""

    secret: str | None = None
    made_at: datetime | None = None
    rotated: bool = False
    next: str | None = None
    taken: bytes | None = None

    def __repr__(self) -> str:
        """Without what it keeps."""
        return f"Kept(secret={'***' if self.secret is not None else None}, made_at={self.made_at})"


async def put(connection: Connection, box: SecretBox, centre: int, kind: Kind, value: bytes, at: datetime) -> None:
    """Keeps a secret that a person gave, in the caller's transaction, as the registry's duty."""
    sealed = box.seal_for_centre(value, centre, kind)
    await connection.execute(SQL["put"], {"centre_id": centre, "kind": kind, "sealed": sealed, "at": at})
    if kind == "secret":
        await connection.execute(SQL["drop"], {"centre_id": centre, "kind": "next"})


async def drop(connection: Connection, centre: int, *kinds: Kind) -> None:
    """Forgets these, in the caller's transaction."""
    for kind in kinds:
        await connection.execute(SQL["drop"], {"centre_id": centre, "kind": kind})


class CentreSecrets:
    """Forwarding's side. Each call is a transaction of its own and raises one of AWAY, or SecretBoxError."""

    def __init__(self, pool: Pool, box: SecretBox, clock: Clock) -> None:
        self._pool = pool
        self._box = box
        self._clock = clock

    async def read(self, centre: int) -> Kept:
        """All that is kept of this centre."""
        async with borrow(self._pool) as connection, connection.transaction():
            rows = await fetch_all(connection, SQL["of_centre"], {"centre_id": centre})
        found = {row["kind"]: row for row in rows}

        def opened(kind: Kind) -> bytes | None:
            row = found.get(kind)
            return None if row is None else self._box.open_for_centre(bytes(row["sealed"]), centre, kind)

        secret, issued = opened("secret"), opened("next")
        return Kept(
            secret=None if secret is None else secret.decode(),
            made_at=found["secret"]["made_at"] if "secret" in found else None,
            rotated="secret" in found and found["secret"]["rotated_at"] is not None,
            next=None if issued is None else issued.decode(),
            taken=opened("taken"),
        )

    async def keep(self, centre: int, before: str, current: str, pending: str | None) -> bool:
        """Puts a password and the one that is to follow it on durable storage. False, and nothing was changed, where
        the password is no longer ``before``: somebody else has given or taken a new one."""
        at = self._clock.now()
        place = {"centre_id": centre, "at": at}
        async with borrow(self._pool) as connection, connection.transaction():
            rows = await fetch_all(connection, SQL["lock_secret"], place)
            if not rows or self._box.open_for_centre(bytes(rows[0]["sealed"]), centre, "secret").decode() != before:
                return False
            if current != before:
                sealed = self._box.seal_for_centre(current.encode(), centre, "secret")
                await connection.execute(SQL["rotate"], {**place, "sealed": sealed})
            await connection.execute(SQL["drop"], {**place, "kind": "next"})
            if pending is not None:
                sealed = self._box.seal_for_centre(pending.encode(), centre, "next")
                await connection.execute(SQL["issue"], {**place, "sealed": sealed})
        return True
