"""What stands around a case for whoever handles it: who was told, what comes next, where it was moved, way and battery.

It reads and decides nothing; the words are made by the pages. People are named by their roles and never by an address,
which this duty may not read. Functions work inside the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from fleet.routines.decide import DEFAULT_STEPS
from fleet.routines.document import read_steps
from fleet.routines.model import Step
from fleet.store.pool import Connection, fetch_all
from fleet.store.sql_file import read_statements

SQL = read_statements("fleet.web", "around.sql")

PRESSES_SHOWN: Final = 6
"""The newest presses of a case whose moments are told one by one."""


async def around_cases(connection: Connection) -> dict[int, dict[str, Any]]:
    """Of every case in the operators' queue, by its number. Two statements, however many cases there are."""
    return await _around(connection, None)


async def around_case(connection: Connection, case: int) -> dict[str, Any]:
    """Of one case, whatever its state, with each message to a person as ``notices``. Raises LookupError."""
    found = await _around(connection, case)
    if case not in found:
        raise LookupError(f"there is no case {case} that you may see")
    notices = await fetch_all(connection, SQL["notices_of_case"], {"case_id": case})
    return {**found[case], "notices": [_notice(row) for row in notices]}


async def _around(connection: Connection, case: int | None) -> dict[int, dict[str, Any]]:
    rows = await fetch_all(connection, SQL["around"], {"case_id": case, "presses": PRESSES_SHOWN})
    wanted = sorted({row["routine_id"] for row in rows if row["routine_id"] is not None})
    kept = await fetch_all(connection, SQL["steps"], {"routines": wanted}) if wanted else []
    routines = {row["routine_id"]: read_steps(row["steps"]) for row in kept}
    return {row["case_id"]: _view(row, routines) for row in rows}


def _view(row: Mapping[str, Any], routines: Mapping[int, tuple[Step, ...]]) -> dict[str, Any]:
    """Shape: ``{bearer, battery, pressed: [moment], told: [{who, told, trying, tries, at}], moved: {at, from, to, why},
    escalated: {at, place, to, nobody}, next: {at, place, tell}}``; what there is none of is None or empty."""
    steps = DEFAULT_STEPS if row["routine_id"] is None else routines.get(row["routine_id"], ())
    tell = next((list(step.tell) for step in steps if step.place == row["next_place"]), [])
    waits = row["next_place"] is not None
    return {
        "bearer": row["bearer"],
        "battery": row["battery"],
        "pressed": [at.isoformat() for at in row["pressed"] or []],
        "told": row["told"],
        "moved": row["moved"],
        "escalated": row["escalated"],
        "next": {"at": row["next_at"].isoformat(), "place": row["next_place"], "tell": tell} if waits else None,
    }


def _notice(row: Mapping[str, Any]) -> dict[str, Any]:
    """``state``: told, withdrawn (it was no longer wanted), failing (tried in vain, tried again), or waiting."""
    if row["delivered_at"] is not None:
        state = "told"
    elif row["withdrawn_at"] is not None:
        state = "withdrawn"
    else:
        state = "failing" if row["last_outcome"] is not None else "waiting"
    return {
        "who": row["who"],
        "place": row["place"],
        "state": state,
        "attempts": row["attempts"],
        "queued_at": _iso(row["queued_at"]),
        "ended_at": _iso(row["delivered_at"] or row["withdrawn_at"]),
    }


def _iso(at: datetime | None) -> str | None:
    return at.isoformat() if at is not None else None
