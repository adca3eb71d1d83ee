"""Gives rows their place in the chain, in the order in which they were committed.

Rows of the record and units' events wait in a queue that their own insert filled; the case log is in commit order
itself. A press, its receipts and its deliveries come in with their case's log. Nobody waits for this.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from fleet.evidence.decide import link
from fleet.evidence.model import GENESIS, Entry
from fleet.evidence.sources import SQL as SOURCES
from fleet.evidence.sources import Place, read_items
from fleet.store.pool import Connection, fetch_all
from fleet.store.sql_file import read_statements

SQL = read_statements("fleet.evidence", "chain.sql")
MOST = 1000
"""Rows of one source in one transaction."""


async def end_of_chain(connection: Connection) -> tuple[int, bytes]:
    """Position and hash of the last entry; 0 and the genesis hash of an empty chain."""
    rows = await fetch_all(connection, SQL["last"])
    return (rows[0]["position"], bytes(rows[0]["hash"])) if rows else (0, GENESIS)


async def chain_once(connection: Connection, at: datetime, most: int = MOST) -> int:
    """Chains what has been committed and waits, at most ``most`` rows a source; returns how many entries were added.

    One transaction of its own; 0 at once where another process is at it.
    """
    async with connection.transaction():
        if not (await fetch_all(connection, SQL["lock"]))[0]["mine"]:
            return 0
        places = await _waiting(connection, most)
        items = await read_items(connection, places)
        position, before = await end_of_chain(connection)
        entries: list[Entry] = []
        for place in places:
            item = items.get(place)
            if item is None:
                continue  # its row was deleted by whoever may; nothing is left to stand for
            position += 1
            blank = Entry(position, *place, item.municipality, item.at, at, item.digest, b"")
            before = link(before, blank)
            entries.append(replace(blank, hash=before))
        if entries:
            names = ("position", "municipality", "source", "key", "at", "chained_at", "digest", "hash")
            columns = {name: [getattr(entry, name) for entry in entries] for name in names}
            await connection.execute(SQL["append"], columns)
        return len(entries)


async def _waiting(connection: Connection, most: int) -> list[Place]:
    """What is to be chained next, each place once, in order; takes it out of the queue."""
    log = await fetch_all(connection, SQL["log_after_progress"], {"most": most})
    found: list[Place] = []
    if log:
        await connection.execute(SQL["progress"], {"number": log[-1]["position"]})
        cases = sorted({row["case_id"] for row in log})
        related = await fetch_all(connection, SOURCES["of_cases"], {"cases": cases})
        # A press comes before the log that speaks of it, what followed from it comes after.
        found += [(row["source"], row["key"]) for row in related if row["source"] == "press"]
        found += [("case_log", str(row["position"])) for row in log]
        found += [(row["source"], row["key"]) for row in related if row["source"] != "press"]
    queued = await fetch_all(connection, SQL["waiting"], {"most": most})
    if queued:
        await connection.execute(SQL["unqueue"], {"ids": [row["queue_id"] for row in queued]})
        found += [(row["source"], row["key"]) for row in queued]
    return list(dict.fromkeys(found))
