"""What a unit says about its own presses, and what follows for their case: stuck, released, fresh, a replay.

Functions work inside the caller's transaction, which begins with ``lock_case_log`` or calls these first. Each is
idempotent and gives the numbers of the cases that it changed, so that a message that is told twice changes nothing.
None of them takes a case, and none closes one but a replay.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from fleet.alarms.decide import MACHINE
from fleet.alarms.model import PressKey
from fleet.alarms.store import SQL, announce_cases, announce_stages, lock_case_log, log_change
from fleet.store.pool import Connection, fetch_all


async def mark_stuck(connection: Connection, unit: int, input_number: int | None, at: datetime) -> list[int]:
    """The contact of this input stays closed: its open case gets the mark ``stuck``. None is any input.

    The case stays as urgent as it is: whoever leans on a button may have fallen on it.
    """
    changed = await _mark(connection, "mark_stuck", {"unit_id": unit, "input": input_number})
    return await _tell(connection, changed, "stuck", _unit(unit), {"input": input_number}, at)


async def clear_stuck(connection: Connection, unit: int, input_number: int | None, at: datetime) -> list[int]:
    """The contact is open again: the mark goes, the log keeps it."""
    changed = await _mark(connection, "clear_stuck", {"unit_id": unit, "input": input_number})
    return await _tell(connection, changed, "released", _unit(unit), {"input": input_number}, at)


async def clear_freshness(connection: Connection, key: PressKey, at: datetime) -> list[int]:
    """The unit has answered the challenge: this press is its own. The case loses the mark with its last such press."""
    values = {"unit_id": key.unit, "boot": key.boot, "seq": key.seq}
    pressed = await _mark(connection, "prove_press", values)
    changed = [row for item in pressed for row in await fetch_all(connection, SQL["prove_case"], item)]
    return await _tell(connection, changed, "fresh", _unit(key.unit), {"reference": key.reference}, at)


async def close_as_replay(connection: Connection, key: PressKey, at: datetime) -> list[int]:
    """The unit has denied this press. Its case is closed, outcome ``replay``, unless it holds another press."""
    values = {"unit_id": key.unit, "boot": key.boot, "seq": key.seq}
    pressed = await _mark(connection, "deny_press", values)
    changed = [row for item in pressed for row in await fetch_all(connection, SQL["close_replay"], {**item, "at": at})]
    detail = {"outcome": "replay", "reference": key.reference}
    closed = await _tell(connection, changed, "closed", MACHINE, detail, at)
    if closed:
        await announce_stages(connection, [key.unit])
    return closed


async def _mark(connection: Connection, statement: str, values: dict[str, Any]) -> list[dict[str, Any]]:
    await lock_case_log(connection)
    return await fetch_all(connection, SQL[statement], values)


async def _tell(
    connection: Connection, rows: list[dict[str, Any]], change: str, actor: str, detail: dict[str, Any], at: datetime
) -> list[int]:
    for row in rows:
        await log_change(connection, row["municipality_id"], row["case_id"], change, actor, detail, at)
    if rows:
        await announce_cases(connection)
    return [row["case_id"] for row in rows]


def _unit(unit: int) -> str:
    return f"unit {unit:08x}"
