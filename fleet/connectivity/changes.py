"""Staged changes of SIM policies in PostgreSQL, and the loop that moves them on.

Functions work in the caller's transaction and are told the time; `policy.gate` decides. Orders are pulled by units at
their next heartbeat, so a stage takes as long as its slowest unit, or until ``within_s``.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

import psycopg
from psycopg.types.json import Jsonb

from fleet.clock import Clock, pause
from fleet.connectivity.model import Policy
from fleet.connectivity.policy import (
    EVERY_UNIT_KNOWS,
    PolicyError,
    Progress,
    checked_stages,
    gate,
    may_order,
    read_policy,
    staged,
    wire_arguments,
)
from fleet.connectivity.preference import preferences
from fleet.evidence.audit import record
from fleet.store.borrow import AWAY, borrow
from fleet.store.pool import Connection, Pool, fetch_all
from fleet.store.sql_file import read_statements
from protocols.wire import cbor

log = logging.getLogger("livlina.connectivity")
SQL = read_statements("fleet.connectivity", "changes.sql")

LOOK_S: Final = 30.0
AT_ONCE: Final = 200
"""Units that are ordered in one turn: a big stage spreads over several."""
WATCH: Final = "machine:connectivity"

OrderPolicy = Callable[[Connection, int, Mapping[int, Any], str, datetime, datetime], Awaitable[int]]
"""Orders a unit to hold a policy: connection, unit, arguments, actor, at, expires at; gives the command's number."""


async def begin(
    connection: Connection, document: Mapping[str, Any], *, stages: Sequence[int], soak_s: int, most_failed: int,
    within_s: int, seed: int, actor: str, at: datetime, municipality: int | None = None,
    only: Collection[int] | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Plans a change for every active unit that has the preferred SIM and is in no other change, or for those of
    ``only`` among them. Units that the policy would keep off every SIM that works for them are left out and named.
    Nothing is ordered yet. Raises PolicyError."""
    policy = read_policy(document)
    shares = checked_stages(stages)
    values = {"municipality": municipality, "slot": policy.preferred}
    units = [row["unit_id"] for row in await fetch_all(connection, SQL["candidates"], values)]
    if only is not None:
        units = [unit for unit in units if unit in only]
    if not units:
        raise PolicyError("no active unit has that SIM, or all are in another change")
    slots, left_out = await preferences(connection, policy, units, municipality, at)
    if not slots:
        raise PolicyError(f"all {len(left_out)} units are left out: {left_out[min(left_out)]}")
    if soak_s < 0 or most_failed < 0 or within_s <= 0:
        raise PolicyError("times and the number of failures are not negative, and units get some time")
    row = {
        "municipality_id": municipality or 0, "policy": Jsonb(dict(document)), "stages": shares, "soak_s": soak_s,
        "most_failed": most_failed, "within_s": within_s, "actor": actor, "at": at,
        "left_out": Jsonb([{"unit": f"{unit:08x}", "why": why} for unit, why in sorted(left_out.items())]),
    }  # fmt: skip
    change = int((await fetch_all(connection, SQL["add"], row))[0]["change_id"])
    place = staged(list(slots), shares, seed)
    columns = {
        "unit_id": list(place), "stage": list(place.values()), "preferred": [slots[unit] for unit in place],
    }  # fmt: skip
    await connection.execute(SQL["add_units"], {"change_id": change, **columns})
    await record(
        connection, actor=actor, action="sim_policy.change_begun", municipality_id=municipality or 0,
        subject=f"policy_change:{change}",
        detail={"units": len(slots), "left_out": len(left_out), "stages": shares}, at=at,
    )  # fmt: skip
    return await report(connection, change)


async def end(
    connection: Connection, change: int, *, actor: str, at: datetime, why: str = "stopped by a person"
) -> None:
    """Stops a change: orders that no unit has taken are not sent any more. What units hold they keep. Raises
    LookupError for one that is over or not there."""
    rows = await fetch_all(connection, SQL["change"], {"change_id": change})
    if not rows or rows[0]["state"] not in ("running", "paused"):
        raise LookupError(f"there is no running policy change {change}")
    await _stop(connection, rows[0], why, actor, at)


async def report(connection: Connection, change: int) -> dict[str, Any]:
    """How a change stands: by stage and state, and whose units failed. Raises LookupError."""
    rows = await fetch_all(connection, SQL["change"], {"change_id": change})
    if not rows:
        raise LookupError(f"there is no policy change {change}")
    row = rows[0]
    found: list[dict[str, Any]] = [{"share": share} for share in row["stages"]]
    for one in await fetch_all(connection, SQL["counts"], {"change_id": change}):
        found[one["stage"]][one["state"]] = one["units"]
    failed = await fetch_all(connection, SQL["failed_units"], {"change_id": change})
    return {
        "change": change, "state": row["state"], "why": row["why"], "stage": row["stage"], "stages": found,
        "policy": row["policy"], "left_out": row["left_out"],
        "preferred": await _preferred(connection, change),
        "failed": [{"unit": f"{one['unit_id']:08x}", "why": one["why"]} for one in failed],
    }  # fmt: skip


async def advance(connection: Connection, order: OrderPolicy, at: datetime) -> int:
    """Notes what has come, moves every running change on as far as its gate lets it; returns the orders given."""
    ordered = 0
    for change in await fetch_all(connection, SQL["running"]):
        policy = read_policy(change["policy"])
        place = {"change_id": change["change_id"], "at": at}
        await connection.execute(SQL["note_answers"], {**place, "knows": _known(policy)})
        await connection.execute(SQL["note_tests"], {**place, "slot": policy.preferred})
        await connection.execute(SQL["give_up"], {**place, "within": timedelta(seconds=change["within_s"])})
        found = gate(await _progress(connection, change), change["soak_s"], change["most_failed"], at)
        if found.step == "stop":
            await _stop(connection, change, found.why, WATCH, at)
            continue
        stage = change["stage"] + (1 if found.step == "next" else 0)
        if found.step in ("begin", "next", "done"):
            over = found.step == "done"
            values = {
                **place, "stage": stage, "stage_at": None if over else at, "state": "done" if over else "running",
                "why": None, "over": over,
            }  # fmt: skip
            await connection.execute(SQL["move"], values)
            await _note(connection, change, "sim_policy.change_done" if over else "sim_policy.stage_begun", at, stage)
            if over:
                continue
        ordered += await _order(connection, order, change, stage, policy, at)
    return ordered


def _known(policy: Policy) -> bytes | None:
    """What the answer of a unit says at least that knows all of a policy; None where every unit does."""
    highest = max(wire_arguments(replace(policy, preferred=1)))
    return None if highest <= EVERY_UNIT_KNOWS else cbor.encode({1: highest})


async def _preferred(connection: Connection, change: int) -> dict[str, int]:
    rows = await fetch_all(connection, SQL["preferred"], {"change_id": change})
    return {str(row["preferred"]): row["units"] for row in rows}


async def _progress(connection: Connection, change: Mapping[str, Any]) -> Progress:
    still, failed = 0, 0
    for row in await fetch_all(connection, SQL["counts"], {"change_id": change["change_id"]}):
        if row["state"] == "failed":
            failed += row["units"]
        elif row["state"] != "done" and row["stage"] <= change["stage"]:
            still += row["units"]
    return Progress(still, failed, change["stage"], len(change["stages"]), change["stage_at"])


async def _order(
    connection: Connection, order: OrderPolicy, change: Mapping[str, Any], stage: int, policy: Policy, at: datetime
) -> int:
    place = {"change_id": change["change_id"], "at": at}
    given = 0
    for row in await fetch_all(connection, SQL["to_order"], {**place, "stage": stage, "most": AT_ONCE}):
        if may_order(row["last_return"], at, policy.apart_s):
            args = wire_arguments(replace(policy, preferred=row["preferred"] or policy.preferred))
            expires_at = at + timedelta(seconds=change["within_s"])
            number = await order(connection, row["unit_id"], args, change["actor"], at, expires_at)
            await connection.execute(SQL["ordered"], {**place, "unit_id": row["unit_id"], "number": number})
            given += 1
    return given


async def _stop(connection: Connection, change: Mapping[str, Any], why: str, actor: str, at: datetime) -> None:
    place = {"change_id": change["change_id"], "at": at}
    await connection.execute(SQL["expire_orders"], place)
    values = {**place, "stage": None, "stage_at": None, "state": "stopped", "why": why, "over": True}
    await connection.execute(SQL["move"], values)
    await _note(connection, change, "sim_policy.change_stopped", at, change["stage"], actor)


async def _note(
    connection: Connection, change: Mapping[str, Any], action: str, at: datetime, stage: int, actor: str = WATCH
) -> None:
    await record(
        connection, actor=actor, action=action, municipality_id=change["municipality_id"],
        subject=f"policy_change:{change['change_id']}", detail={"stage": stage}, at=at,
    )  # fmt: skip


class PolicyWatch:
    """The loop. Any number of processes may run it; a change is moved by one of them. ``pool`` acts as ingest."""

    def __init__(self, pool: Pool, order: OrderPolicy, clock: Clock) -> None:
        self._pool = pool
        self._order = order
        self._clock = clock

    async def run(self) -> None:
        """Moves changes on for ever; cancel it to stop."""
        while True:
            try:
                async with borrow(self._pool) as connection, connection.transaction():
                    await advance(connection, self._order, self._clock.now())
            except (*AWAY, psycopg.Error) as error:
                log.warning("policy changes are looked at later: %s", type(error).__name__)
            await pause(self._clock, LOOK_S)
