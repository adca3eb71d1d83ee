"""Subscriptions and the events that they wait for, in PostgreSQL. Runs as livlina_evidence; told the time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from fleet.evidence.decide import instant
from fleet.evidence.view import entries_before
from fleet.store.pool import Connection, fetch_all
from fleet.store.sql_file import read_statements
from fleet.subscriptions.decide import pause_after, wanted

SQL = read_statements("fleet.subscriptions")
LEASE_S = 30.0
LOOK = 500
"""Entries of the chain that are looked through at a time for the next event."""


@dataclass(frozen=True, slots=True)
class Due:
    """A subscription that may have something to be told. ``sealed`` is its secret, sealed."""

    number: int
    municipality: int
    url: str
    events: tuple[str, ...]
    sealed: bytes
    position: int
    attempts: int


async def claim(connection: Connection, at: datetime, most: int) -> list[Due]:
    """Subscriptions that are behind and due, leased for LEASE_S so that no other process tells the same."""
    values = {"at": at, "until": at + timedelta(seconds=LEASE_S), "most": most}
    return [
        Due(row["subscription_id"], row["municipality_id"], row["url"], tuple(row["events"]), bytes(row["sealed"]),
            row["position"], row["attempts"])
        for row in await fetch_all(connection, SQL["claim"], values)
    ]  # fmt: skip


async def next_event(connection: Connection, due: Due) -> tuple[dict[str, Any] | None, int]:
    """(event, the position up to which nothing else was meant for this subscriber); None where nothing waits."""
    rows = await fetch_all(
        connection, SQL["ahead"], {"municipality": due.municipality, "position": due.position, "most": LOOK}
    )
    if not rows:
        return None, due.position
    last = rows[-1]["position"]
    entries = await entries_before(connection, last + 1, len(rows), municipality=due.municipality)
    for entry in reversed(entries):
        if entry["position"] > due.position and wanted(entry["action"], due.events):
            return _document(entry), entry["position"]
    return None, last


def _document(entry: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": f"evt-{entry['position']}",
        "type": entry["action"],
        "at": instant(entry["at"]),
        "municipality": entry["municipality_id"],
        "subject": entry["subject"],
        "actor": entry["actor"],
        "detail": entry["detail"],
    }


async def settle(connection: Connection, due: Due, position: int, at: datetime, outcome: str | None) -> None:
    """Delivered, or nothing was meant for it, up to ``position``: it is due again at once."""
    values = {"id": due.number, "position": position, "at": at, "outcome": outcome}
    await connection.execute(SQL["settle"], values)


async def put_off(connection: Connection, due: Due, at: datetime, outcome: str) -> None:
    """Not delivered: again after a pause that grows."""
    attempts = due.attempts + 1
    values = {
        "id": due.number, "attempts": attempts, "outcome": outcome,
        "next": at + timedelta(seconds=pause_after(attempts)),
    }  # fmt: skip
    await connection.execute(SQL["put_off"], values)
