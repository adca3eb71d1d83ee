"""Reads the rows that the chain stands for. It never writes, and knows what part of a row may be trusted to stay."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from fleet.evidence.decide import digest_of
from fleet.store.pool import Connection, fetch_all
from fleet.store.sql_file import read_statements

SQL = read_statements("fleet.evidence", "sources.sql")

_NUMBER = re.compile(r"-?[0-9]{1,18}")
_PRESS = re.compile(r"[0-9]{1,18}(/[0-9]{1,18}){2}")
_RECEIPT = re.compile(r"[0-9]{1,18}(/[0-9]{1,18}){2}/[23]")
_KEYS = {
    "audit": _NUMBER, "case_log": _NUMBER, "delivery": _NUMBER, "press": _PRESS, "unit_event": _PRESS,
    "receipt": _RECEIPT,
}  # fmt: skip

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
    """The rows at these places. A place without a row, or that is none, is left out."""
    keys: dict[str, list[str]] = {}
    for source, key in places:
        if source in _KEYS and _KEYS[source].fullmatch(key):
            keys.setdefault(source, []).append(key)
    found: dict[Place, Item] = {}
    for source in sorted(keys):
        for row in await fetch_all(connection, SQL[source], {"keys": keys[source]}):
            found[source, row["key"]] = Item(
                row["municipality_id"], row["at"], digest_of({"source": source, **row}), row
            )
    return found
