"""One import by somebody who is signed in: read, looked at, written or not, and what became of it.

It is the same for the API and the page. Without ``whole`` only what nobody relies on comes in, and no persons; with it
the caller has shown who he is, the connection acts as the registry, and rows of other municipalities are refused here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from fleet.registry import bulk
from fleet.registry.bulk_document import PERSON_FIELDS, SEALED, BulkError, Rows, read_bulk
from fleet.registry.secret_box import SecretBox
from fleet.store.pool import Connection

MOST_ROWS: Final = 60_000
MOST_FAULTS: Final = 1000


class DryRun(Exception):
    """Ends a transaction whose changes were only wanted for looking at."""

    def __init__(self, result: dict[str, Any]) -> None:
        super().__init__("dry run")
        self.result = result


@dataclass(frozen=True, slots=True)
class Import:
    """What is wanted. ``name`` ends with .json or .csv; ``places`` are the caller's municipalities; ``box`` seals
    persons and is None where there are to be none."""

    data: bytes
    name: str
    actor: str
    way: str
    places: Sequence[int]
    dry_run: bool = False
    partial: bool = False
    whole: bool = False
    box: SecretBox | None = None


async def run(connection: Connection, wanted: Import, at: datetime) -> dict[str, Any]:
    """What was written, and each fault with its line. Raises BulkError, bulk.TakenElsewhere, and DryRun with the result
    where nothing was to be written: the caller's transaction must end with it."""
    rows = read_bulk(wanted.data, name=wanted.name)
    if len(rows.units) + len(rows.recipients) + len({one.line for one in rows.faults}) > MOST_ROWS:
        raise BulkError(f"the document holds more than {MOST_ROWS} rows: divide it")
    if wanted.whole:
        _hold_to_places(rows, wanted)
    await bulk.check(connection, rows)
    if not wanted.whole:
        bulk.hold_to_stock(rows)
    faults = sorted(rows.faults, key=lambda fault: fault.line)
    counted: dict[str, int] = {}
    if not faults or wanted.partial:
        grounds = f"{wanted.way}:{hashlib.sha256(wanted.data).hexdigest()[:12]}"
        counted = await bulk.put(connection, rows, actor=wanted.actor, at=at, grounds=grounds, box=wanted.box)
    result = {
        "written": bool(counted) and not wanted.dry_run,
        "dry_run": wanted.dry_run,
        **counted,
        "rows_wrong": len({fault.line for fault in faults}),
        "faults": [{"line": one.line, "field": one.field, "why": one.why} for one in faults[:MOST_FAULTS]],
    }
    if wanted.dry_run:
        raise DryRun(result)
    return result


def _hold_to_places(rows: Rows, wanted: Import) -> None:
    """Row level security does not see to it under the registry's duty."""
    for kept in (rows.recipients, rows.units):
        for line, row in list(kept.items()):
            if row["municipality"] not in wanted.places:
                rows.drop(line, "municipality", "is not among those that you import for")
    for line, row in list(rows.recipients.items()):
        if row[SEALED]:
            rows.drop(line, SEALED, "persons under a transfer key come in by `livlina fleet import --sealed`")
        elif wanted.box is None and any(row[name] for name in PERSON_FIELDS):
            rows.drop(line, "name", "is a person: say that the file holds persons and they are to be sealed")
