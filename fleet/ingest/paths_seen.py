"""What a batch tells of ways and SIM cards: where units were seen, what was proven, which SIM is in another place now.

It runs behind the units' states in the transaction that keeps the batch; statements are per batch, never per unit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from psycopg.types.json import Jsonb

from fleet.connectivity.paths import SLOT_OF_BEARER, Noted, Proven, Seen, note_proven, note_seen
from fleet.ingest.outcome import Arrived
from fleet.store.pool import Connection, fetch_all
from fleet.store.sql_file import read_statements
from fleet.technicians.decide import number
from fleet.technicians.store import SQL as TASKS
from protocols.wire.messages import (
    BEARER_SMS,
    EVENT_SIM_PROVEN,
    STATUS_CELL,
    STATUS_ICCID1,
    STATUS_ICCID2,
    STATUS_IMEI,
    STATUS_TAC,
    Alarm,
    Event,
    Heartbeat,
)

SQL = read_statements("fleet.ingest", "sim_moves.sql")

SIM_MOVED: Final = "SIM moved"
MODEM_CHANGED: Final = "modem changed"
ACTOR: Final = "SIM check"
_INT_MAX: Final = 2**31 - 1
_CARDS: Final = frozenset({STATUS_ICCID1, STATUS_ICCID2, STATUS_IMEI})


async def keep_paths(connection: Connection, fresh: Sequence[Arrived], noted: Noted) -> list[Seen]:
    """Notes the ways of these messages, each of which is new, and what they prove.

    What is returned is for ``noted`` once the transaction is committed; before that it is nobody's knowledge.
    """
    seen = noted.news(
        [_seen(item, item.opened.message) for item in fresh if isinstance(item.opened.message, Heartbeat)]
    )
    proven = [found for item in fresh if (found := _proven(item)) is not None]
    await note_seen(connection, seen)
    await note_proven(connection, proven)
    return seen


async def note_moves(connection: Connection, told: Mapping[str, Sequence[Any]]) -> None:
    """Opens a technician's task where a SIM is in another unit or slot than it was, or a modem is another one; until it
    is closed somebody else may hold the unit's keys.

    Runs before the statuses are kept, because it compares with what was known. It blocks nothing: a card may have been
    changed by a technician, who then registers it and closes the task.
    """
    rows = await fetch_all(connection, SQL["moves"], told)
    if not rows:
        return
    columns = {
        "unit_id": [row["unit_id"] for row in rows],
        "kind": [SIM_MOVED if row["slot"] else MODEM_CHANGED for row in rows],
        "part": [row["slot"] - 1 if row["slot"] else None for row in rows],
        "detail": [Jsonb(_detail(row)) for row in rows],
        "at": [row["at"] for row in rows],
        "actor": [ACTOR for _ in rows],
    }
    await connection.execute(TASKS["open_tasks"], columns)
    doubted = {"units": sorted({row["unit_id"] for row in rows}), "at": max(row["at"] for row in rows)}
    await connection.execute(SQL["doubt_keys"], doubted)


async def trust_keys(connection: Connection) -> None:
    """Keys are their units' own again where a technician has closed the tasks about modem and SIM."""
    await connection.execute(SQL["trust_keys"], {"kinds": [SIM_MOVED, MODEM_CHANGED]})


def _detail(row: Mapping[str, Any]) -> dict[str, object]:
    found = {"told": row["told"], "before": row["before"], "registered": row["registered"]}
    other = row["other_unit"]
    return {name: value for name, value in found.items() if value is not None} | (
        {} if other is None else {"was_in": f"{other:08x}"}
    )


def _seen(arrived: Arrived, beat: Heartbeat) -> Seen:
    status = beat.status or {}
    radio = None if beat.radio is None else min(beat.radio, _INT_MAX)
    return Seen(
        arrived.opened.keys.unit, beat.bearer, beat.operator, radio, status.get(STATUS_CELL), status.get(STATUS_TAC),
        arrived.at, told=not _CARDS.isdisjoint(status),
    )  # fmt: skip


def _proven(arrived: Arrived) -> Proven | None:
    """An alarm proves the bearer that it came on; an event says that the unit has proven a SIM by itself."""
    message, unit = arrived.opened.message, arrived.opened.keys.unit
    if isinstance(message, Alarm) and message.bearer in SLOT_OF_BEARER and message.bearer != BEARER_SMS:
        return Proven(unit, SLOT_OF_BEARER[message.bearer], arrived.at, f"alarm:{message.boot}/{message.seq}")
    if isinstance(message, Event) and message.kind == EVENT_SIM_PROVEN:
        data = message.data or {}
        slot = number(data, 1)
        if slot in (0, 1) and number(data, 2) == 1:
            return Proven(unit, slot + 1, arrived.at, f"own:{message.boot}/{message.seq}")
    return None
