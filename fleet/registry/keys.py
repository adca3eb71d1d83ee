"""Key generations of units: the next one, and doubt about all of them after a restore. What was noticed, by hour.

A new generation is valid from its commit; the one before ends with the first frame that opens under the new one
(`fleet.ingest.readings`), so that a unit whose new key did not arrive can still be heard. Functions take a connection
and work inside the caller's transaction.
"""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import Any, Final

from fleet.evidence.audit import record
from fleet.registry.secret_box import SecretBox
from fleet.store.pool import Connection, fetch_all
from fleet.store.sql_file import read_statements

SQL = read_statements("fleet.registry", "keys.sql")

LAST: Final = 255
"""The wire has one byte for a generation."""


SECRET_BYTES: Final = 16


def new_secret() -> bytes:
    """The secret of a generation that is to be."""
    return secrets.token_bytes(SECRET_BYTES)


class GenerationError(ValueError):
    """The unit can have no further generation; the message says why."""


async def add_generation(
    connection: Connection, box: SecretBox, unit: int, secret: bytes, actor: str, at: datetime
) -> int:
    """Gives a unit its next key generation and returns its number. The unit's flash gets the same.

    Raises LookupError for an unknown unit, GenerationError for one that is revoked or has had all.
    """
    rows = await fetch_all(connection, SQL["next_generation"], {"unit_id": unit})
    if not rows:
        raise LookupError(f"unit {unit:08x} is unknown")
    row = rows[0]
    if row["state"] != "active":
        raise GenerationError(f"unit {unit:08x} is revoked: make it anew")
    generation = int(row["generation"])
    if generation > LAST:
        raise GenerationError(f"unit {unit:08x} has had all {LAST + 1} generations: give it another number")
    values = {"unit_id": unit, "municipality_id": row["municipality_id"], "generation": generation}
    await connection.execute(SQL["add_key"], {**values, "secret": box.seal(secret, unit, generation)})
    await connection.execute(SQL["announce"], {"unit": f"{unit:08x}"})
    await record(
        connection, actor=actor, action="unit.rekey", municipality_id=row["municipality_id"],
        subject=f"unit:{unit:08x}", detail={"generation": generation}, at=at,
    )  # fmt: skip
    return generation


async def doubt_all(connection: Connection, at: datetime) -> int:
    """The database came out of a backup: nothing counts as new until its unit has proven it. How many keys."""
    await connection.execute(SQL["forget_orders"], {"at": at})
    return (await connection.execute(SQL["doubt_all"], {"at": at})).rowcount


async def notices(connection: Connection, since: datetime) -> list[dict[str, Any]]:
    """What was noticed about units since then, one row a unit and hour, oldest first."""
    return await fetch_all(connection, SQL["notices"], {"since": since})
