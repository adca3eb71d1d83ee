"""The outbox in PostgreSQL: claiming, releasing, settling. Functions take a connection outside any transaction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fleet.alarms.model import PressKey
from fleet.alarms.store import SQL as CASE_SQL
from fleet.alarms.store import announce_stages, lock_case_log, log_change
from fleet.forwarding.decide import LONGEST_DELAY_S
from fleet.forwarding.model import Centre, Owed
from fleet.store.pool import Connection, fetch_all
from fleet.store.sql_file import read_statements

SQL = read_statements("fleet.forwarding")


async def centres(connection: Connection) -> list[Centre]:
    """All alarm centres of the installation."""
    rows = await fetch_all(connection, SQL["centres"])
    return [Centre(r["centre_id"], r["name"], r["protocol"], r["host"], r["port"]) for r in rows]


async def claim(connection: Connection, centre: int, *, most: int, lease_s: float) -> list[Owed]:
    """Leases the oldest due presses of a centre to this worker, oldest first. Committed when it returns."""
    async with connection.transaction():
        rows = await fetch_all(
            connection,
            SQL["claim"],
            {"centre_id": centre, "most": most, "lease_s": lease_s, "longest_delay_s": LONGEST_DELAY_S},
        )
    return [_owed(row) for row in rows]


async def release(connection: Connection, owed: Sequence[Owed]) -> None:
    """Gives back what was claimed and never tried, so that it is due at once."""
    if owed:
        async with connection.transaction():
            await connection.execute(SQL["release"], {"outbox_ids": [item.outbox for item in owed]})


async def settle_delivered(connection: Connection, centre: Centre, owed: Sequence[Owed]) -> None:
    """The centre has these: marks rows, presses and cases in one transaction, whose commit tells units and pages."""
    ids = {"outbox_ids": [item.outbox for item in owed]}
    async with connection.transaction():
        await lock_case_log(connection)
        await connection.execute(SQL["settle_delivered"], ids)
        presses = await fetch_all(connection, SQL["accept_presses"], ids)
        cases = await fetch_all(connection, SQL["accept_cases"], {**ids, "centre": centre.name})
        for row in cases:
            await log_change(
                connection, row["municipality_id"], row["case_id"], "accepted", f"centre {centre.name}", {}
            )
        if presses:
            await announce_stages(connection, {row["unit_id"] for row in presses})
        if cases:
            await connection.execute(CASE_SQL["announce_cases"])


async def settle_failed(
    connection: Connection, centre: Centre, owed: Owed, *, outcome: str, delay_s: float, refused: bool
) -> None:
    """Notes an attempt that did not deliver; a refusal is shown on the case, because a person must look at it."""
    async with connection.transaction():
        if refused:
            await lock_case_log(connection)
        await connection.execute(
            SQL["settle_failed"], {"outbox_id": owed.outbox, "outcome": outcome, "delay_s": delay_s}
        )
        if refused:
            rows = await fetch_all(connection, SQL["refuse_case"], {"case_id": owed.case, "centre": centre.name})
            for row in rows:
                await log_change(
                    connection, row["municipality_id"], row["case_id"], "refused", f"centre {centre.name}", {}
                )
                await connection.execute(CASE_SQL["announce_cases"])


def _owed(row: dict[str, Any]) -> Owed:
    return Owed(
        outbox=row["outbox_id"],
        case=row["case_id"],
        key=PressKey(row["unit_id"], row["boot"], row["seq"]),
        attempts=row["attempts"],
        last_outcome=row["last_outcome"],
        received_at=row["received_at"],
        pressed_at=row["pressed_at"],
        transport=row["transport"],
        kind=row["kind"],
        input=row["input"],
        count=row["count"],
        age_s=row["age_s"],
        battery=row["battery"],
        flags=row["flags"],
        marks=tuple(row["marks"]),
        unit_type=row["unit_type"],
        priority=row["priority"],
        presses=row["presses"],
    )
