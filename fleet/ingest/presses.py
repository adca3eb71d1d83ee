"""The alarms' own commit loop: authentic alarm frames into presses and cases (fleet.alarms decides what they mean).

A genuine press is never refused: a value that the database could not hold is left out and the press is marked.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final, NamedTuple

import psycopg

from fleet.alarms import decide
from fleet.alarms.model import Press, PressKey, StoredPress
from fleet.alarms.store import store_presses
from fleet.ingest.database import commit_apart
from fleet.ingest.database_mark import DatabaseMark
from fleet.ingest.freshness import Mark, is_behind, is_doubted, is_unproven
from fleet.ingest.outcome import Arrived
from fleet.store.borrow import borrow
from fleet.store.pool import Connection, Pool, fetch_all
from fleet.store.sql_file import read_statements

log = logging.getLogger("livlina.ingest")
SQL = read_statements("fleet.ingest")

INT_MAX: Final = 0x7FFFFFFF
"""The greatest value of PostgreSQL's int; the wire's integers may be twice as great."""

FIELD_DROPPED: Final = "field_dropped"
_KIND_FIELD: Final = 3
_BARE: Final = {"input": None, "count": None, "age_s": None, "attempt": None, "bearer": None, "battery": None}


def press_of(arrived: Arrived, *, behind: bool) -> Press:
    """The press that an alarm frame tells of. An absent kind is a manual press, marked."""
    opened, way, at = arrived
    alarm, unit = opened.message, opened.keys
    dropped = list(alarm.dropped)
    if alarm.kind is None and _KIND_FIELD not in dropped:
        dropped.append(_KIND_FIELD)
    kind = decide.MANUAL if alarm.kind is None else alarm.kind
    flags = alarm.flags or 0
    small: dict[str, int | None] = {}
    for number, name in ((4, "input"), (5, "count"), (7, "attempt"), (8, "bearer")):
        value = getattr(alarm, name)
        if value is not None and value > INT_MAX:
            dropped.append(number)
            value = None
        small[name] = value
    marks = decide.marks_of(
        received_at=at,
        kind=kind,
        age_s=alarm.age,
        flags=flags,
        clock=alarm.clock,
        dropped=(*dropped, *([_KIND_FIELD] if kind > INT_MAX or flags > INT_MAX else [])),
        unknown=tuple(alarm.extra),
        behind=behind,
    )
    return Press(
        key=PressKey(unit.unit, alarm.boot, alarm.seq),
        municipality=unit.municipality,
        unit_type=unit.unit_type,
        received_at=at,
        pressed_at=decide.pressed_at(at, alarm.age),
        transport=way.transport,
        generation=opened.generation,
        counter=opened.counter,
        kind=min(kind, INT_MAX),
        input=small["input"],
        count=small["count"],
        age_s=alarm.age,
        attempt=small["attempt"],
        bearer=small["bearer"],
        battery=alarm.battery,
        flags=flags & INT_MAX,
        clock=alarm.clock,
        marks=marks,
        priority=decide.priority_of(unit.unit_type, kind, flags),
        raw=opened.raw,
    )


def bare(press: Press) -> Press:
    """The same press with nothing but what makes it one; its frame is kept whole in ``raw``."""
    marks = tuple(dict.fromkeys((*press.marks, FIELD_DROPPED)))
    kind = press.kind if press.kind in decide.KNOWN_KINDS else decide.MANUAL
    changes: dict[str, Any] = {**_BARE, "clock": None, "pressed_at": None, "flags": 0, "kind": kind, "marks": marks}
    return replace(press, **changes)


class Pressed(NamedTuple):
    """A press's committed fate, or why it cannot be stored; ``behind``: its counter does not prove that it is fresh;
    ``unproven``: it may be a recording."""

    fate: StoredPress | psycopg.Error
    behind: bool
    unproven: bool


class PressCommit:
    """Commits batches of alarm frames; call it from one Batcher only, so that presses keep their order.

    ``mark`` is asked before anything else whether the database came out of a backup.
    """

    def __init__(self, pool: Pool, mark: DatabaseMark | None = None) -> None:
        self._pool = pool
        self._mark = mark

    async def __call__(self, arrived: Sequence[Arrived]) -> Sequence[Pressed]:
        """The fate of each press, committed. Raises one of database.AWAY: then none may be acknowledged."""
        async with borrow(self._pool) as connection:
            if self._mark is not None:
                await self._mark.checked(connection)
            marks = await counters(connection, arrived)
            unproven = [is_unproven(item, marks) for item in arrived]
            presses = [press_of(item, behind=doubted) for item, doubted in zip(arrived, unproven, strict=True)]
            fates = await store_apart(connection, presses)
            behind = [is_behind(item, marks) or is_doubted(item, marks) for item in arrived]
            return [Pressed(*one) for one in zip(fates, behind, unproven, strict=True)]


async def store_apart(connection: Connection, presses: Sequence[Press]) -> list[StoredPress | psycopg.Error]:
    """Stores presses so that one which the database refuses takes no other with it; it is tried bare before it fails.

    An error in the result means that this press is not stored. Raises one of database.AWAY.
    """

    async def commit(batch: Sequence[Press]) -> Sequence[StoredPress]:
        return await store_presses(connection, batch)

    fates = await commit_apart(commit, presses)
    for place, fate in enumerate(fates):
        if isinstance(fate, psycopg.Error):
            log.error("press %s is stored without its details: %s", presses[place].key.reference, type(fate).__name__)
            fates[place] = (await commit_apart(commit, [bare(presses[place])]))[0]
    return fates


async def counters(
    connection: Connection, arrived: Sequence[Arrived], *, lock: bool = False
) -> dict[tuple[int, int], Mark]:
    """(unit, generation) -> what proves freshness, for all keys that these frames were sealed with.

    With ``lock`` the marks stay as they are until the caller's transaction ends; else it is one of its own.
    """
    keys = sorted({(item.opened.keys.unit, item.opened.generation) for item in arrived})
    columns = {"unit_id": [unit for unit, _ in keys], "generation": [generation for _, generation in keys]}
    if lock:
        rows = await fetch_all(connection, SQL["lock_counters"], columns)
    else:
        async with connection.transaction():
            rows = await fetch_all(connection, SQL["counters"], columns)
    return {
        (row["unit_id"], row["generation"]): Mark(
            row["counter_high"], row["window_from"], row["restored_at"], row["shared"]
        )
        for row in rows
    }
