"""Search sessions: the only time in which a tracker's position is kept, and the only way to read it.

A session belongs to an open case of a tracker, has a reason, a note of what the wearer or those near them have agreed
to, and an end. Outside one the database drops positions of trackers as they come in; after the end they are deleted.
The record of events holds only that a position was reported.
Functions take a connection and work in the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from fleet.evidence.audit import record
from fleet.store.pool import Connection, fetch_all
from fleet.store.sql_file import read_statements
from protocols.wire import cbor

SQL = read_statements("fleet.registry", "searches.sql")

LONGEST: Final = timedelta(hours=24)
KEPT: Final = timedelta(hours=1)
"""Positions are purged so long after their search has ended: whoever ended it by mistake begins another one."""
MACHINE: Final = "machine:registry"
_DEGREES: Final = 10_000_000


class SearchRefused(ValueError):
    """The search cannot begin; the message says what is missing."""


async def start_search(
    connection: Connection, *, case: int, reason: str, consent: str, lasts: timedelta, actor: str, at: datetime
) -> int:
    """Begins a search for the wearer of an open tracker case; returns its number.

    Raises SearchRefused; psycopg.errors.UniqueViolation where one is running for this unit already.
    """
    if not reason.strip() or not consent.strip():
        raise SearchRefused("a search has a reason, and a note of what the wearer or those near them have agreed to")
    if not timedelta(0) < lasts <= LONGEST:
        raise SearchRefused("a search lasts at most 24 hours: begin another one then, if the person is still missing")
    values = {
        "case_id": case, "reason": reason.strip(), "consent": consent.strip(), "actor": actor, "at": at,
        "ends_at": at + lasts,
    }  # fmt: skip
    rows = await fetch_all(connection, SQL["start"], values)
    if not rows:
        raise SearchRefused("there is no open case of a tracker with this number: a position needs one")
    row = rows[0]
    detail = {"unit": f"{row['unit_id']:08x}", "ends_at": at + lasts, "case": case}
    await _record(connection, actor, "search.started", row["municipality_id"], row["search_id"], detail, at)
    return int(row["search_id"])


async def end_search(
    connection: Connection, search: int, actor: str, at: datetime, *, delete_now: bool = False
) -> None:
    """Ends a search; its positions go within the hour, or now. Raises LookupError for one that is not running, or not
    for this actor."""
    if delete_now:
        # First, because they are not visible to anybody afterwards. One that comes meanwhile goes with the purge.
        await connection.execute(SQL["purge"], {"search_id": search})
    rows = await fetch_all(connection, SQL["end"], {"search_id": search, "actor": actor, "at": at})
    if not rows:
        raise LookupError(f"search {search} is not running")
    await _record(connection, actor, "search.ended", rows[0]["municipality_id"], search, {"deleted": delete_now}, at)


async def listed(
    connection: Connection, *, running: bool, at: datetime, before: int | None, most: int
) -> list[dict[str, Any]]:
    """Searches that the connection sees, newest first, without positions; those that run now, or all."""
    return await fetch_all(connection, SQL["listed"], {"running": running, "at": at, "before": before, "most": most})


async def candidates(connection: Connection, most: int = 100) -> list[dict[str, Any]]:
    """Open cases of trackers without a running search: case_id, unit_id, opened_at."""
    return await fetch_all(connection, SQL["candidates"], {"most": most})


async def positions(
    connection: Connection, search: int, *, actor: str, at: datetime, most: int = 200
) -> list[dict[str, Any]]:
    """The positions of a running search, newest first: at, age_s, latitude, longitude (degrees). Each look is recorded.

    Raises LookupError for a search that is over: its positions are nobody's business any more.
    """
    running = await fetch_all(connection, SQL["running"], {"search_id": search, "at": at})
    if not running:
        raise LookupError(f"search {search} is not running")
    await _record(connection, actor, "search.looked", running[0]["municipality_id"], search, {}, at)
    found = []
    for row in await fetch_all(connection, SQL["positions"], {"search_id": search, "most": most}):
        data = cbor.decode(bytes(row["data"]))
        if isinstance(data, dict) and isinstance(data.get(1), int) and isinstance(data.get(2), int):
            place = {"latitude": data[1] / _DEGREES, "longitude": data[2] / _DEGREES}
            found.append({"at": row["received_at"], "age_s": row["age_s"], **place})
    return found


async def searches_of(connection: Connection, unit: int) -> list[dict[str, Any]]:
    """The last searches of a unit, newest first."""
    return await fetch_all(connection, SQL["searches"], {"unit_id": unit})


async def purge(connection: Connection, at: datetime) -> int:
    """Ends searches whose time is over and takes the positions of those that ended ``KEPT`` ago; returns how many
    searches were purged. Whatever asks for this may ask as often as it likes."""
    for row in await fetch_all(connection, SQL["end_over"], {"at": at, "actor": MACHINE}):
        await _record(connection, MACHINE, "search.ended", row["municipality_id"], row["search_id"], {}, at)
    rows = await fetch_all(connection, SQL["to_purge"], {"before": at - KEPT})
    for row in rows:
        cursor = await connection.execute(SQL["purge"], row)
        await connection.execute(SQL["purged"], {"search_id": row["search_id"], "at": at})
        detail = {"positions": cursor.rowcount}
        await _record(connection, MACHINE, "search.purged", row["municipality_id"], row["search_id"], detail, at)
    return len(rows)


async def _record(
    connection: Connection,
    actor: str,
    action: str,
    municipality: int,
    search: int,
    detail: Mapping[str, object],
    at: datetime,
) -> None:
    await record(
        connection, actor=actor, action=action, municipality_id=municipality, subject=f"search:{search}",
        detail=detail, at=at,
    )  # fmt: skip
