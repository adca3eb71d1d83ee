"""A centre's health in PostgreSQL, and what moves to the other centre when it changes. The machine is in decide.py.

Functions work inside the caller's transaction, which begins with ``lock_case_log``: what moves is written on its case.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from fleet.alarms.store import announce_cases, log_change
from fleet.forwarding.decide import step, turned_unfit
from fleet.forwarding.model import Centre, Health, Policy, Sign, State
from fleet.store.pool import Connection, fetch_all
from fleet.store.sql_file import read_statements

log = logging.getLogger("livlina.forwarding")
SQL = read_statements("fleet.forwarding", "failover.sql")

ENDED_BY_DELIVERY = (State.DOUBTED, State.FAILING_BACK)


async def states(connection: Connection) -> dict[int, State]:
    """The state of every centre of which something is known; the others are good."""
    return {row["centre_id"]: State(row["state"]) for row in await fetch_all(connection, SQL["states"])}


async def note_sign(connection: Connection, centre: Centre, sign: Sign, at: datetime, policy: Policy) -> Health | None:
    """Takes the machine one step. When the centre turns unfit, all that it is still owed goes to the other one too.

    None, and nothing changed, where somebody holds the row at this moment: the next sign is soon there.
    """
    place = {"centre_id": centre.centre, "at": at}
    rows = await fetch_all(connection, SQL["health_for_change"], place)
    if not rows:
        log.info("centre %s: its state is held by somebody else, %s is not noted", centre.name, sign.value)
        return None
    before = Health(**{**rows[0], "state": State(rows[0]["state"])})
    after = step(before, sign, at, policy)
    await connection.execute(
        SQL["keep_health"],
        {
            **place,
            "state": after.state.value,
            "since": after.since,
            "probe_at": after.probe_at,
            "doubts": after.doubts,
            "doubted_at": after.doubted_at,
            "good_probes": after.good_probes,
            "sign": sign.value,
        },
    )
    if after.state is not before.state:
        log.warning("centre %s: %s -> %s: %s", centre.name, before.state, after.state, sign.value)
    if turned_unfit(before, after):
        await move(connection, centre, at, why=sign.value)
    return after


async def move(
    connection: Connection, centre: Centre, at: datetime, outbox: int | None = None, *, why: str = "overdue"
) -> int:
    """Queues what this centre is owed (all of it, or one row) for the other centre of each route; returns how many.
    ``why`` stands on the case.

    Doing it again moves nothing twice. Where a route has no other centre nothing moves, and the row stays owed.
    """
    values = {"centre_id": centre.centre, "at": at, "outbox_id": outbox}
    moved = await fetch_all(connection, SQL["move"], values)
    told: dict[int, dict[str, Any]] = {row["case_id"]: row for row in moved if not row["test"]}
    for case, row in sorted(told.items()):
        detail = {"from": centre.name, "to": row["centre"], "why": why}
        await log_change(connection, row["municipality_id"], case, "moved", "forwarding", detail, at)
    if told:
        await announce_cases(connection)
    if moved:
        await connection.execute(SQL["announce_outbox"])
    return len(moved)


async def withdraw_answered(connection: Connection, at: datetime) -> None:
    """Withdraws from centres what waits only because nobody had taken a case, and somebody has."""
    await connection.execute(SQL["withdraw_answered"], {"at": at})


async def begin(connection: Connection, centres: Sequence[Centre], at: datetime) -> None:
    """Makes the row of every centre that has none; it is good, and probed at once."""
    for centre in centres:
        await connection.execute(SQL["begin_health"], {"centre_id": centre.centre, "at": at})


async def claim_probes(connection: Connection, at: datetime, policy: Policy) -> set[int]:
    """The centres that this worker has to probe now. Each probe is claimed by one worker of all."""
    rows = await fetch_all(connection, SQL["claim_probes"], {"at": at, "probe_s": policy.probe_s})
    return {row["centre_id"] for row in rows}


async def overdue(connection: Connection, at: datetime, policy: Policy) -> list[tuple[int, int]]:
    """(outbox row, centre) of live alarms that no centre has had in time and only one is being told."""
    values = {"at": at, "personal_s": policy.personal_s, "social_s": policy.social_s}
    return [(row["outbox_id"], row["centre_id"]) for row in await fetch_all(connection, SQL["overdue"], values)]
