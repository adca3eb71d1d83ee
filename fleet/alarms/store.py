"""Cases and presses in PostgreSQL. Functions take a connection and work inside the caller's transaction."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from psycopg.types.json import Jsonb

from fleet.alarms.decide import TECHNICAL, is_test
from fleet.alarms.model import Press, PressKey, StoredPress, TakeRefused
from fleet.store.pool import Connection, fetch_all
from fleet.store.sql_file import read_statements

SQL = read_statements("fleet.alarms")

_COLUMNS = (
    "municipality_id", "unit_type", "received_at", "pressed_at", "transport", "generation", "counter", "kind", "input",
    "count", "age_s", "attempt", "bearer", "battery", "flags", "clock", "priority", "raw",
)  # fmt: skip


async def lock_case_log(connection: Connection) -> None:
    """First statement of every transaction that changes a case: positions then grow in commit order."""
    await connection.execute(SQL["lock_case_log"])


async def store_presses(connection: Connection, presses: Sequence[Press]) -> list[StoredPress]:
    """Stores a batch in one transaction of its own and returns each press's fate in the order given.

    When it returns, everything is committed: raw frames, cases, outbox rows, log. A key that is already there changes
    nothing and is reported with its present stage. Raises psycopg.Error; then nothing of the batch was stored.
    """
    columns: dict[str, list[Any]] = {
        "unit_id": [press.key.unit for press in presses],
        "boot": [press.key.boot for press in presses],
        "seq": [press.key.seq for press in presses],
        "marks": [" ".join(press.marks) for press in presses],
    }
    for name in _COLUMNS:
        columns[name] = [getattr(press, "municipality" if name == "municipality_id" else name) for press in presses]
    columns["test"] = [is_test(press.kind, press.flags) for press in presses]
    columns["priority"] = [
        TECHNICAL if test else press.priority for press, test in zip(presses, columns["test"], strict=True)
    ]
    async with connection.transaction():
        await lock_case_log(connection)
        rows = await fetch_all(connection, SQL["store_presses"], columns)
        if rows and rows[0]["logged"]:
            await connection.execute(SQL["announce_presses"])
    fates = {PressKey(row["unit_id"], row["boot"], row["seq"]): row for row in rows}
    answered: set[PressKey] = set()
    results = []
    for press in presses:
        row = fates[press.key]
        results.append(StoredPress(press.key, row["stage"], row["double"] or press.key in answered))
        answered.add(press.key)
    return results


async def stages(connection: Connection, keys: Sequence[PressKey]) -> list[StoredPress]:
    """The present stages of these presses; a key that was never stored is left out."""
    rows = await fetch_all(
        connection,
        SQL["stages"],
        {"unit_id": [k.unit for k in keys], "boot": [k.boot for k in keys], "seq": [k.seq for k in keys]},
    )
    return [StoredPress(PressKey(r["unit_id"], r["boot"], r["seq"]), r["stage"], True) for r in rows]


async def recent_stages(connection: Connection, units: Iterable[int], at: datetime | None = None) -> list[StoredPress]:
    """The stages of these units' presses whose case is not closed or was closed within ten minutes, newest first.

    ``at`` is the present; None is the database's clock.
    """
    rows = await fetch_all(connection, SQL["recent_stages"], {"units": list(units), "at": at})
    return [StoredPress(PressKey(r["unit_id"], r["boot"], r["seq"]), r["stage"], True) for r in rows]


async def announce_stages(connection: Connection, units: Iterable[int]) -> None:
    """Tells every ingest process, at commit, that these units' stages have grown."""
    ordered = sorted(set(units))
    for start in range(0, len(ordered), 500):  # a notification holds less than 8,000 bytes
        text = " ".join(f"{unit:08x}" for unit in ordered[start : start + 500])
        await connection.execute(SQL["announce_stages"], {"units": text})


async def take_case(connection: Connection, case_id: int, actor: str, at: datetime | None = None) -> dict[str, Any]:
    """Compare-and-set open -> taken inside the caller's transaction. The first wins, whoever it is: an operator here,
    or a centre that says so by webhook or protocol. There is no other way to take a case, so nobody is sent twice.

    ``at`` is the present; None is the database's clock. Returns the case. Raises TakeRefused with the present case,
    LookupError where the caller may not see it.
    """
    return await _change(connection, case_id, "take_case", {"actor": actor}, "taken", actor, {}, at)


async def close_case(
    connection: Connection, case_id: int, actor: str, outcome: str, at: datetime | None = None
) -> dict[str, Any]:
    """Compare-and-set taken -> closed inside the caller's transaction. Raises as take_case does."""
    values = {"actor": actor, "outcome": outcome}
    return await _change(connection, case_id, "close_case", values, "closed", actor, {"outcome": outcome}, at)


async def _change(
    connection: Connection,
    case_id: int,
    statement: str,
    values: dict[str, Any],
    change: str,
    actor: str,
    detail: dict[str, Any],
    at: datetime | None,
) -> dict[str, Any]:
    await lock_case_log(connection)
    changed = await fetch_all(connection, SQL[statement], {"case_id": case_id, "at": at, **values})
    if not changed:
        raise TakeRefused(await case_by_id(connection, case_id))
    if change == "taken":
        await connection.execute(SQL["take_presses"], {"case_id": case_id, "at": at})
    await log_change(connection, changed[0]["municipality_id"], case_id, change, actor, detail, at)
    await announce_stages(connection, [changed[0]["unit_id"]])
    await announce_cases(connection)
    return await case_by_id(connection, case_id)


async def announce_cases(connection: Connection) -> None:
    """Tells every page, at commit, that the case log has grown."""
    await connection.execute(SQL["announce_cases"])


async def log_change(
    connection: Connection,
    municipality: int,
    case_id: int,
    change: str,
    actor: str,
    detail: dict[str, Any],
    at: datetime | None = None,
) -> None:
    """Appends to the case log; ``at`` None is the database's clock. The caller holds its lock (lock_case_log)."""
    await connection.execute(
        SQL["log_change"],
        {
            "municipality_id": municipality,
            "case_id": case_id,
            "change": change,
            "actor": actor,
            "detail": Jsonb(detail),
            "at": at,
        },
    )


async def last_position(connection: Connection) -> int:
    """The newest log position that this connection may see; 0 for an empty log."""
    rows = await fetch_all(connection, SQL["last_position"])
    return int(rows[0]["position"])


async def cases_not_closed(connection: Connection) -> list[dict[str, Any]]:
    """The operators' queue: most urgent first, then oldest first. Never paged, never windowed."""
    return [case_view(row) for row in await fetch_all(connection, SQL["cases_not_closed"])]


async def case_by_id(connection: Connection, case_id: int) -> dict[str, Any]:
    """One case. Raises LookupError where there is none that the caller may see."""
    rows = await fetch_all(connection, SQL["case_by_id"], {"case_id": case_id})
    if not rows:
        raise LookupError(f"there is no case {case_id} that you may see")
    return case_view(rows[0])


async def changes_after(connection: Connection, position: int, most: int = 500) -> list[dict[str, Any]]:
    """Log entries after ``position``, oldest first, each with the present state of its case.

    Applying one twice is harmless: a case is always shown as it is now. Shape:
    ``{position, change, actor, at, case}``.
    """
    rows = await fetch_all(connection, SQL["changes_after"], {"position": position, "most": most})
    return [
        {
            "position": row["position"],
            "change": row["change"],
            "actor": row["actor"],
            "at": _iso(row["at"]),
            "case": case_view(row),
        }
        for row in rows
    ]


async def closed_cases(
    connection: Connection, *, before: tuple[datetime, int] | None = None, most: int = 50
) -> list[dict[str, Any]]:
    """Closed cases, newest first; ``before`` = (closed_at, id) of the last one of the page before."""
    rows = await fetch_all(
        connection,
        SQL["closed_cases"],
        {"before_at": before[0] if before else None, "before_id": before[1] if before else None, "most": most},
    )
    return [case_view(row) for row in rows]


async def case_history(connection: Connection, case_id: int) -> dict[str, Any]:
    """One case with its log and its presses (no raw frames). Raises LookupError."""
    case = await case_by_id(connection, case_id)
    log = await fetch_all(connection, SQL["log_of_case"], {"case_id": case_id})
    presses = await fetch_all(connection, SQL["presses_of_case"], {"case_id": case_id})
    return {
        "case": case,
        "log": [{**row, "at": _iso(row["at"])} for row in log],
        "presses": [
            {
                **row,
                "unit_id": f"{row['unit_id']:08x}",
                "received_at": _iso(row["received_at"]),
                "pressed_at": _iso(row["pressed_at"]),
                "accepted_at": _iso(row["accepted_at"]),
            }
            for row in presses
        ],
    }


def case_view(row: dict[str, Any]) -> dict[str, Any]:
    """A case as the API and the pages show it: times in ISO 8601 UTC, the unit as its 8-digit id, no personal data."""
    return {
        "id": row["case_id"],
        "position": row["position"],
        "municipality_id": row["municipality_id"],
        "municipality": row["municipality"],
        "unit": f"{row['unit_id']:08x}",
        "unit_type": row["unit_type"],
        "state": row["state"],
        "priority": row["priority"],
        "kind": row["kind"],
        "input": row["input"],
        "presses": row["presses"],
        "marks": sorted(row["marks"]),
        "opened_at": _iso(row["opened_at"]),
        "pressed_at": _iso(row["pressed_at"]),
        "last_press_at": _iso(row["last_press_at"]),
        "accepted_at": _iso(row["accepted_at"]),
        "accepted_by": row["accepted_by"],
        "refused_by": row["refused_by"],
        "responsible": row["responsible"],
        "reports_taken": row["reports_taken"],
        "escalated_place": row["escalated_place"],
        "test": row["test"],
        "taken_at": _iso(row["taken_at"]),
        "taken_by": row["taken_by"],
        "taken_before_by": row["taken_before_by"],
        "closed_at": _iso(row["closed_at"]),
        "closed_by": row["closed_by"],
        "outcome": row["outcome"],
    }


def _iso(at: datetime | None) -> str | None:
    return at.isoformat() if at is not None else None
