"""Drills that were ordered and never came: found by the clock, put on the technicians' list, taken off by a proof.

An order is a command that opens a window at the unit in which its button's next press is a test (docs/wire.md).
Functions work inside the caller's transaction and are told the time; ``decide.py`` says what an order has come to.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from psycopg.types.json import Jsonb

from fleet.store.pool import Connection, fetch_all
from fleet.store.sql_file import read_statements
from fleet.technicians.decide import DRILL_MISSED, drill_outcome, number
from fleet.technicians.model import DrillOrder
from fleet.technicians.store import SQL as TASKS
from protocols.wire import cbor

SQL = read_statements("fleet.technicians", "drills.sql")
MOST: Final = 10_000

WATCH: Final = "drill watch"
PROOF: Final = "button proof"
_INPUT: Final = 1
_OWN: Final = 0


async def settle(connection: Connection, at: datetime) -> int:
    """Looks at every order whose outcome is open; returns how many were missed and are on the technicians' list now.

    Tasks of buttons that have been proven meanwhile are closed.
    """
    await connection.execute(SQL["close_proven"], {"at": at, "actor": PROOF, "kind": DRILL_MISSED})
    over, missed = [], []
    for row in await fetch_all(connection, SQL["unsettled"], {"most": MOST}):
        order = _order(row)
        outcome = drill_outcome(order, order.input in row["proved"], at)
        if outcome is None:
            continue
        over.append(row)
        if not outcome.proven:
            missed.append((order, outcome.why))
    # One open task a unit and button: two orders that were missed at once are one.
    tasks = {(order.unit, order.input): why for order, why in missed}
    if tasks:
        columns = {
            "unit_id": [unit for unit, _ in tasks], "part": [input_ for _, input_ in tasks],
            "kind": [DRILL_MISSED for _ in tasks], "detail": [Jsonb({"why": why}) for why in tasks.values()],
            "at": [at for _ in tasks], "actor": [WATCH for _ in tasks],
        }  # fmt: skip
        await connection.execute(TASKS["open_tasks"], columns)
    if over:
        columns = {"unit_id": [row["unit_id"] for row in over], "number": [row["number"] for row in over]}
        await connection.execute(SQL["settle"], {"at": at, **columns})
    return len(tasks)


async def report(connection: Connection, since: datetime, until: datetime, at: datetime) -> dict[str, Any]:
    """What tests of this time have proven: buttons, and the units they belong to, which are fewer; and what has become
    of the drills that were ordered. A test that nobody had ordered proves a button too."""
    values = {"since": since, "until": until}
    proven = {(row["unit_id"], row["input"]) for row in await fetch_all(connection, SQL["proven"], values)}
    ordered: dict[tuple[int, int], bool | None] = {}
    for row in await fetch_all(connection, SQL["orders"], values):
        order = _order(row)
        outcome = drill_outcome(order, order.input in row["proved"], at)
        key = (order.unit, order.input)
        ordered[key] = ordered.get(key) or (None if outcome is None else outcome.proven)
    units = {unit for unit, _ in proven}
    active = (await fetch_all(connection, SQL["active_units"]))[0]["units"]
    return {
        "since": since.isoformat(),
        "until": until.isoformat(),
        "buttons_proven": len(proven),
        "units_with_a_proven_button": len(units),
        "active_units": active,
        "buttons_ordered": len(ordered),
        "buttons_ordered_and_proven": sum(outcome is True for outcome in ordered.values()),
        "buttons_ordered_and_missed": sum(outcome is False for outcome in ordered.values()),
        "buttons_ordered_and_waited_for": sum(outcome is None for outcome in ordered.values()),
    }


def _order(row: Mapping[str, Any]) -> DrillOrder:
    args = {} if row["args"] is None else cbor.decode(bytes(row["args"]))
    found = number(args, _INPUT)
    return DrillOrder(
        row["unit_id"], _OWN if found is None else found, row["queued_at"], row["expires_at"], row["answered_at"],
        row["result"],
    )  # fmt: skip
