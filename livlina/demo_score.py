"""What a run of the demo has shown: the units' own journals against the database and the alarm centre's log.

A data folder outlives its runs. So what stood in it before is noted first, and only what belongs to this run counts.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime

import psycopg

from protocols.wire import messages
from sim.house import House, Truth, centre_references
from sim.units import JournalEntry, read_journal


@dataclass(frozen=True, slots=True)
class Before:
    """What the data folder held when the run began. Keys are references such as ``0000002a-3-17``."""

    at: datetime
    journals: frozenset[str]
    settled: frozenset[str]
    """Those of them that a centre had accepted; the others are carried into this run and must arrive in it."""
    doubled: int


@dataclass(frozen=True, slots=True)
class Score:
    """The figures of one run."""

    heartbeats: int
    lost: int
    duplicates: int


def look(house: House) -> Before:
    """Notes what is there; reads the units' flash and the centre's log, needs no database."""
    entries = _journals(house)
    centre = centre_references(house.centre_log)
    return Before(
        at=datetime.now(UTC),
        journals=frozenset(entries),
        settled=frozenset(key for key, entry in entries.items() if entry.stage >= messages.ACCEPTED),
        doubled=len(centre) - len(set(centre)),
    )


def score(house: House, before: Before, presses: int) -> Score:
    """Compares flash, database and centre after `presses` presses of the finger."""
    truth, _, _ = compare(house)
    mine = Truth(truth.journals - before.settled, truth.database, truth.centre, truth.doubled - before.doubled)
    with psycopg.connect(house.postgres.owner_url) as connection:
        stored = frozenset(
            f"{unit:08x}-{boot}-{seq}"
            for unit, boot, seq in connection.execute(
                "SELECT unit_id, boot, seq FROM presses WHERE received_at >= %s", [before.at]
            )
        )
        counted = connection.execute(
            "SELECT (SELECT count(*) FROM readings WHERE received_at >= %(at)s), "
            "(SELECT count(*) FROM cases c WHERE c.opened_at >= %(at)s "
            "AND NOT EXISTS (SELECT 1 FROM presses p WHERE p.case_id = c.case_id))",
            {"at": before.at},
        ).fetchone()
    assert counted is not None
    # A unit forgets its oldest finished presses, so a long run is found in the database rather than on flash.
    found = (truth.journals | stored) - before.journals
    return Score(int(counted[0]), mine.lost + max(presses - len(found), 0), mine.doubled + int(counted[1]))


def compare(house: House) -> tuple[Truth, int, int]:
    """All that the units' flash, the database and the centre's log hold, of any run.

    Also counts heartbeats, and cases that no press belongs to.
    """
    with psycopg.connect(house.postgres.owner_url) as connection:
        journals = frozenset(_journals(house))
        database = frozenset(
            f"{unit:08x}-{boot}-{seq}"
            for unit, boot, seq in connection.execute("SELECT unit_id, boot, seq FROM presses")
        )
        counted = connection.execute(
            "SELECT (SELECT count(*) FROM readings), "
            "(SELECT count(*) FROM cases c WHERE NOT EXISTS (SELECT 1 FROM presses p WHERE p.case_id = c.case_id))"
        ).fetchone()
    assert counted is not None
    centre = centre_references(house.centre_log)
    return (
        Truth(journals, database, frozenset(centre), len(centre) - len(set(centre))),
        int(counted[0]),
        int(counted[1]),
    )


def quantiles(values: list[float]) -> dict[str, float | None]:
    """p50, p95 and max of milliseconds, rounded to 0.1; None where there is no value."""
    if not values:
        return {"p50": None, "p95": None, "max": None}
    ordered = sorted(values)

    def at(share: float) -> float:
        return round(ordered[min(math.ceil(share * len(ordered)) - 1, len(ordered) - 1)], 1)

    return {"p50": at(0.5), "p95": at(0.95), "max": round(ordered[-1], 1)}


def _journals(house: House) -> dict[str, JournalEntry]:
    return {
        f"{unit:08x}-{entry.boot}-{entry.seq}": entry
        for unit in range(1, house.units + 1)
        for entry in read_journal(house.flash(unit))
    }
