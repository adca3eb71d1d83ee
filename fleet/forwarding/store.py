"""The outbox in PostgreSQL: claiming, releasing, settling. Functions take a connection outside any transaction.

``at`` is the present by the caller's clock (aware UTC); nothing here asks for the time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from fleet.alarms.decide import MACHINE
from fleet.alarms.model import PressKey
from fleet.alarms.store import announce_cases, announce_stages, lock_case_log, log_change
from fleet.forwarding.decide import LONGEST_DELAY_S
from fleet.forwarding.model import Centre, Outcome, Owed
from fleet.store.pool import Connection, fetch_all
from fleet.store.sql_file import read_statements

SQL = read_statements("fleet.forwarding")


async def centres(connection: Connection) -> list[Centre]:
    """All alarm centres of the installation."""
    return [centre_of(row) for row in await fetch_all(connection, SQL["centres"])]


def centre_of(row: dict[str, Any]) -> Centre:
    """A centre from its row."""
    return Centre(
        row["centre_id"], row["name"], row["protocol"], row["host"], row["port"], row["reports_taken"], row["options"]
    )


async def claim(
    connection: Connection, centre: int, at: datetime, *, most: int, most_tests: int, lease_s: float
) -> list[Owed]:
    """Leases the oldest due presses of a centre to this worker, oldest first. Committed when it returns.

    Either live alarms only, at most ``most``, or, where no live one is due, at most ``most_tests`` tests.
    """
    async with connection.transaction():
        rows = await fetch_all(
            connection,
            SQL["claim"],
            {
                "centre_id": centre,
                "at": at,
                "most": most,
                "most_tests": most_tests,
                "lease_s": lease_s,
                "longest_delay_s": LONGEST_DELAY_S,
            },
        )
    return [owed_of(row) for row in rows]


async def release(connection: Connection, owed: Sequence[Owed]) -> None:
    """Gives back what was claimed and never tried, so that it is due at once."""
    if owed:
        async with connection.transaction():
            await connection.execute(SQL["release"], {"outbox_ids": [item.outbox for item in owed]})


async def settle_delivered(connection: Connection, centre: Centre, owed: Sequence[Owed], at: datetime) -> None:
    """The centre has these: marks rows, presses and cases in one transaction, whose commit tells units and pages.

    The same presses are withdrawn from the other centre. Tests are answered by machine here: taken, proven, closed.
    """
    values = {"outbox_ids": [item.outbox for item in owed], "at": at, "centre": centre.name, "centre_id": centre.centre}
    actor = f"centre {centre.name}"
    async with connection.transaction():
        await lock_case_log(connection)
        await connection.execute(SQL["settle_delivered"], values)
        await connection.execute(SQL["withdraw_elsewhere"], values)
        presses = await fetch_all(connection, SQL["accept_presses"], values)
        cases = await fetch_all(connection, SQL["accept_cases"], values)
        for row in cases:
            await log_change(connection, row["municipality_id"], row["case_id"], "accepted", actor, {}, at)
        for row in await fetch_all(connection, SQL["pass_on_cases"], values):
            cases.append(row)
            detail = {"reason": "escalation"}
            await log_change(connection, row["municipality_id"], row["case_id"], "accepted", actor, detail, at)
        if any(item.test for item in owed):
            await connection.execute(SQL["prove_buttons"], values)
            for row in await fetch_all(connection, SQL["close_tests"], values):
                detail = {"outcome": "test"}
                await log_change(connection, row["municipality_id"], row["case_id"], "closed", MACHINE, detail, at)
        if presses:
            await announce_stages(connection, {row["unit_id"] for row in presses})
        if cases:
            await announce_cases(connection)


async def settle_failed(
    connection: Connection, centre: Centre, owed: Owed, outcome: Outcome, at: datetime, *, delay_s: float
) -> None:
    """Notes an attempt that did not deliver, inside the caller's transaction, which holds the case log's lock.

    A refusal is shown on the case, because a person must look at it.
    """
    values = {"outbox_id": owed.outbox, "outcome": outcome.value, "delay_s": delay_s, "at": at}
    await connection.execute(SQL["settle_failed"], values)
    if not outcome.refusal or owed.test:
        return
    for row in await fetch_all(connection, SQL["refuse_case"], {"case_id": owed.case, "centre": centre.name}):
        actor = f"centre {centre.name}"
        await log_change(connection, row["municipality_id"], row["case_id"], "refused", actor, {}, at)
        await announce_cases(connection)


def owed_of(row: Mapping[str, Any]) -> Owed:
    """A press that is owed, from its row."""
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
        test=row["test"],
        reason=row["reason"],
    )
