"""Reads the rows that the chain stands for. It never writes, and knows what part of a row may be trusted to stay."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from fleet.evidence.decide import digest_of
from fleet.store.pool import Connection, fetch_all
from fleet.store.sql_file import read_statements

SQL = read_statements("fleet.evidence", "sources.sql")
SOURCES = ("audit", "case_log", "press", "receipt", "delivery", "unit_event")

Place = tuple[str, str]
"""(source, key) of one row."""


@dataclass(frozen=True, slots=True)
class Item:
    """One row as the chain sees it, with its content for whoever shows it."""

    municipality: int
    at: datetime
    digest: bytes
    content: Mapping[str, object]


async def read_items(connection: Connection, places: Iterable[Place]) -> dict[Place, Item]:
    """The rows at these places. A place without a row is left out."""
    keys: dict[str, list[str]] = {}
    for source, key in places:
        keys.setdefault(source, []).append(key)
    found: dict[Place, Item] = {}
    for source in sorted(keys):
        for row in await fetch_all(connection, SQL[source], {"keys": keys[source]}):
            found[source, row["key"]] = Item(
                row["municipality_id"], row["at"], digest_of({"source": source, **row}), row
            )
    return found
