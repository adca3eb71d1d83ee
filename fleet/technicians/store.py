"""Technicians' tasks and units' conditions in PostgreSQL. Functions work inside the caller's transaction.

Every function that judges time is told it: ``at`` is an aware moment of the server's clock.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from psycopg.types.json import Jsonb

from fleet.store.pool import Connection, fetch_all
from fleet.store.sql_file import read_statements
from fleet.technicians.decide import ENDED_BY_TECHNICIAN, FLAG_CONDITIONS, consequence_of
from fleet.technicians.model import WHOLE_UNIT, Condition, Consequence, Step, UnitEvent

SQL = read_statements("fleet.technicians")
MOST_TASKS: Final = 10_000

RELEASED_NOTE: Final = "released"


class EndsByTheFact(ValueError):
    """The task is about something that is still so; the message says what ends it."""


class Flags(NamedTuple):
    """What a heartbeat's flags say, and when; (boot, seq) is the heartbeat's key."""

    unit: int
    municipality: int
    flags: int
    at: datetime
    boot: int
    seq: int


class Decided(NamedTuple):
    """An event with what it means."""

    event: UnitEvent
    consequence: Consequence


async def open_task(
    connection: Connection,
    unit: int,
    kind: str,
    part: int | None,
    detail: Mapping[str, object],
    at: datetime,
    *,
    by: str | None = None,
) -> int:
    """Opens a task, or joins the open one of this unit, kind and part; returns its number.

    ``part`` is an input, a SIM slot or a fault's code. ``by`` names who says so; without it the unit itself. Raises
    LookupError for an unknown unit.
    """
    columns = {
        "unit_id": [unit], "kind": [kind], "part": [part], "detail": [Jsonb(dict(detail))], "at": [at],
        "actor": [by or actor_of(unit)],
    }  # fmt: skip
    rows = await fetch_all(connection, SQL["open_tasks"], columns)
    if not rows:
        raise LookupError(f"unit {unit:08x} is unknown: no task can be opened for it")
    return int(rows[0]["task_id"])


async def close_task(connection: Connection, task_id: int, actor: str, at: datetime) -> dict[str, Any]:
    """Closes an open task; a condition that ends by no event of its own ends with it. Returns the task.

    Raises LookupError where there is no such task, or where it is closed: then it says who was first. Raises
    EndsByTheFact where a closed network is still the unit's last: no click changes that.
    """
    standing = await fetch_all(connection, SQL["ends_by_the_fact"], {"task_id": task_id})
    if standing:
        raise EndsByTheFact(
            f"task {task_id} ends when unit {standing[0]['unit_id']:08x} is proven on a network that stays, or when "
            "its new unit is proven and this one is returned"
        )
    closed = await fetch_all(connection, SQL["close_task"], {"task_id": task_id, "actor": actor, "at": at})
    rows = await fetch_all(connection, SQL["task"], {"task_id": task_id})
    if not rows:
        raise LookupError(f"there is no task {task_id}: `livlina technician tasks` lists them")
    if not closed:
        raise LookupError(
            f"task {task_id} was closed by {rows[0]['closed_by']} at {rows[0]['closed_at']:%Y-%m-%d %H:%M}"
        )
    if closed[0]["kind"] in ENDED_BY_TECHNICIAN:
        await connection.execute(SQL["end_condition"], {**closed[0], "at": at})
    return task_view(rows[0])


async def tasks(connection: Connection, *, unit: int | None = None, closed: bool = False) -> list[dict[str, Any]]:
    """Open tasks, oldest first; with ``closed`` the closed ones behind them; ``unit`` narrows to one."""
    values = {"unit_id": unit, "closed": closed, "most": MOST_TASKS}
    return [task_view(row) for row in await fetch_all(connection, SQL["tasks"], values)]


async def conditions(connection: Connection, unit: int) -> list[dict[str, Any]]:
    """How the unit and its parts are: ``{condition, part, active, since, detail}``; part None is the whole unit."""
    rows = await fetch_all(connection, SQL["conditions"], {"unit_id": unit})
    return [
        {
            "condition": row["condition"],
            "part": None if row["part"] == WHOLE_UNIT else row["part"],
            "active": row["active"],
            "since": row["at"].isoformat(),
            "detail": row["detail"],
        }
        for row in rows
    ]


async def note_events(connection: Connection, events: Sequence[UnitEvent]) -> list[Decided]:
    """Conditions and tasks after these events; returns those that count, with what they mean.

    The order of arrival does not matter: an event that is older than what is known of its condition changes neither
    condition nor task, so a missed pendant that is reported late does not undo its return. Within a boot the unit's
    own sequence says what is older, across boots the server's clock.
    """
    began: dict[tuple[int, int], datetime] = {}
    for event in events:
        boot = event.unit, event.boot
        began[boot] = min(event.at, began.get(boot, event.at))
    ordered = sorted(events, key=lambda event: (event.unit, began[event.unit, event.boot], event.boot, event.seq))
    decided = [Decided(event, consequence_of(event.kind, event.data)) for event in ordered]
    current = await _change_conditions(connection, decided)
    counting = [one for one in decided if _counts(one, current)]
    await _change_tasks(connection, counting)
    return counting


async def note_flags(connection: Connection, flags: Sequence[Flags]) -> None:
    """What heartbeats say of mains and of being worn: written only where it differs from what is known."""
    latest: dict[int, Flags] = {}
    for one in sorted(flags, key=lambda said: (said.at, said.boot, said.seq)):
        latest[one.unit] = one
    rows = [
        (one.unit, name, one.municipality, bool(one.flags & bit), one.at, one.boot, one.seq)
        for one in latest.values()
        for bit, name in FLAG_CONDITIONS
    ]
    if rows:
        names = ("unit_id", "condition", "municipality_id", "active", "at", "boot", "seq")
        columns = {name: [row[place] for row in rows] for place, name in enumerate(names)}
        await connection.execute(SQL["end_or_begin_conditions"], columns)


def actor_of(unit: int) -> str:
    """The name of a unit where an actor is named."""
    return f"unit {unit:08x}"


def task_view(row: Mapping[str, Any]) -> dict[str, Any]:
    """A task as lists and pages show it: the unit as its 8-digit id, times in ISO 8601 UTC."""
    times = ("opened_at", "last_at", "noted_at", "closed_at")
    shown = ("municipality_id", "kind", "part", "detail", "reports", "opened_by", "note", "closed_by")
    return {
        "id": row["task_id"],
        "unit": f"{row['unit_id']:08x}",
        **{name: row[name] for name in shown},
        **{name: row[name].isoformat() if row[name] is not None else None for name in times},
    }


Place = tuple[int, str, int]


async def _change_conditions(connection: Connection, decided: Sequence[Decided]) -> set[Place]:
    """Writes the newest word on each condition. Returns those that were applied."""
    newest: dict[Place, tuple[UnitEvent, Condition]] = {}
    for event, consequence in decided:
        if consequence.condition is not None:
            newest[event.unit, consequence.condition.name, consequence.condition.part] = event, consequence.condition
    if not newest:
        return set()
    columns = {
        "unit_id": [unit for unit, _, _ in newest],
        "condition": [name for _, name, _ in newest],
        "part": [part for _, _, part in newest],
        "municipality_id": [event.municipality for event, _ in newest.values()],
        "active": [condition.active for _, condition in newest.values()],
        "at": [event.at for event, _ in newest.values()],
        "boot": [event.boot for event, _ in newest.values()],
        "seq": [event.seq for event, _ in newest.values()],
        "detail": [Jsonb(dict(condition.detail)) for _, condition in newest.values()],
    }
    rows = await fetch_all(connection, SQL["change_conditions"], columns)
    return {(row["unit_id"], row["condition"], row["part"]) for row in rows}


def _counts(one: Decided, applied: set[Place]) -> bool:
    """Whether an event's task follows: its condition was applied, or it names no part and stands for itself."""
    condition = one.consequence.condition
    if condition is None:
        return True
    return (one.event.unit, condition.name, condition.part) in applied


async def _change_tasks(connection: Connection, decided: Sequence[Decided]) -> None:
    """In order of time, neighbours of one step together, each task once a statement."""
    run: dict[tuple[int, str, int | None], Decided] = {}
    step: Step | None = None
    for one in decided:
        task = one.consequence.task
        if task is None:
            continue
        key = one.event.unit, task.kind, task.part
        if run and (task.step != step or key in run):
            await _do(connection, list(run.values()))
            run = {}
        step = task.step
        run[key] = one
    if run:
        await _do(connection, list(run.values()))


async def _do(connection: Connection, together: Sequence[Decided]) -> None:
    tasks_ = [(event, consequence.task) for event, consequence in together if consequence.task is not None]
    columns: dict[str, list[Any]] = {
        "unit_id": [event.unit for event, _ in tasks_],
        "kind": [task.kind for _, task in tasks_],
        "part": [task.part for _, task in tasks_],
        "at": [event.at for event, _ in tasks_],
    }
    actors = [actor_of(event.unit) for event, _ in tasks_]
    step = tasks_[0][1].step
    if step == "open":
        details = [Jsonb(dict(task.detail)) for _, task in tasks_]
        await connection.execute(SQL["open_tasks"], {**columns, "detail": details, "actor": actors})
    elif step == "close":
        await connection.execute(SQL["close_tasks_of"], {**columns, "actor": actors})
    else:
        await connection.execute(SQL["note_tasks"], {**columns, "note": [RELEASED_NOTE for _ in tasks_]})
