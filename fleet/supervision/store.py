"""Supervision in PostgreSQL: what the watch needs to begin, what was heard since, and what it decided.

Functions work inside the caller's transaction and take the time as an argument. They name units, never persons.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from psycopg.types.json import Jsonb

from fleet.evidence.audit import record
from fleet.store.pool import Connection, fetch_all
from fleet.store.sql_file import read_statements
from fleet.supervision.cohorts import Kind
from fleet.supervision.incidents import Fate, Incident, LatePress, Member, Visit
from fleet.supervision.model import (
    HEARD,
    VERDICTS,
    Action,
    Cause,
    Change,
    Heard,
    State,
    UnitInfo,
    epoch_of,
)  # fmt: skip
from fleet.supervision.places import place_of, spare_of
from fleet.supervision.profiles import profile_in

SQL = read_statements("fleet.supervision")
ACTOR = "machine:supervision"

_MAINS_LOST, _NOT_WORN = 1, 4
_NEVER_HEARD_INTERVAL_S = 300


def milliseconds(at: datetime) -> int:
    """A moment as the watch counts it."""
    return round(at.timestamp() * 1000)


def moment(at_ms: int) -> datetime:
    """The other way."""
    return datetime.fromtimestamp(at_ms / 1000, UTC)


async def lead(connection: Connection) -> bool:
    """Whether this connection is now the one leader's; it is until the connection ends."""
    return bool((await fetch_all(connection, SQL["lead"]))[0]["mine"])


async def last_tick(connection: Connection) -> datetime | None:
    """Until when somebody supervised; None: nobody ever did."""
    rows = await fetch_all(connection, SQL["ticked"])
    return rows[0]["ticked_at"] if rows else None


async def keep_tick(connection: Connection, at: datetime, mark: int) -> None:
    """The leader's own sign of life."""
    await connection.execute(SQL["tick"], {"at": at, "mark": mark})


async def front_doors_mark(connection: Connection) -> int:
    """A number that the front doors raise every ten seconds while they live."""
    rows = await fetch_all(connection, SQL["mark"])
    return int(rows[0]["mark"]) if rows else 0


async def registry_marks(connection: Connection) -> dict[int, int]:
    """Everybody who is relied on, each with a number that changes when what the registry says of it does."""
    return {row["unit_id"]: row["mark"] for row in await fetch_all(connection, SQL["registry_marks"])}


async def units(connection: Connection, wanted: Iterable[int]) -> list[tuple[UnitInfo, Mapping[str, Any]]]:
    """Those of the wanted who are relied on, with the row that each was read from."""
    rows = await fetch_all(connection, SQL["units"], {"units": list(wanted)})
    return [(_info(row), row) for row in rows]


def _info(row: Mapping[str, Any]) -> UnitInfo:
    flags = row["flags"] or 0
    interval = _interval(row)
    decided = row["state"] is not None
    state = State[row["state"].upper()] if decided else None
    return UnitInfo(
        unit=row["unit_id"],
        profile=profile_in(row),
        place=place_of(row),
        spare=spare_of(row),
        priority=row["priority"],
        reference=row["reference"],
        seen_ms=None if row["seen_at"] is None else milliseconds(row["seen_at"]),
        interval_s=interval or _NEVER_HEARD_INTERVAL_S,
        epoch=-1 if row["boot"] is None else epoch_of(row["boot"], row["seq"] or 0),
        on_battery=row["on_battery"] or bool(flags & _MAINS_LOST),
        battery_low=row["battery_low"],
        not_worn=bool(flags & _NOT_WORN),
        absent=row["life"] == "absent",
        state=state if state in VERDICTS else None,
        cause=Cause(row["cause"]) if decided and state in VERDICTS else None,
        since_ms=milliseconds(row["since"]) if decided else None,
        incident=row["incident_id"],
        told=bool(row["told"]),
    )


def _interval(row: Mapping[str, Any]) -> int | None:
    # due_at may be of an earlier heartbeat than seen_at: then it says nothing about the next one.
    if row["due_at"] is None or row["seen_at"] is None or row["due_at"] <= row["seen_at"]:
        return None
    seconds: float = (row["due_at"] - row["seen_at"]).total_seconds()
    return max(1, round(seconds))


async def heard_since(connection: Connection, since: datetime) -> list[Mapping[str, Any]]:
    """Rows of the units that were heard after a moment, oldest first."""
    return list(await fetch_all(connection, SQL["heard_since"], {"since": since}))


class Said(NamedTuple):
    """What stays in a unit's row until a message says it anew, so that two readings tell what the newest one said."""

    due_at: datetime | None
    bearer: int | None
    operator: int | None
    tac: int | None
    version: str | None
    transport: str | None


def said_in(row: Mapping[str, Any]) -> Said:
    """What a unit's row says now."""
    return Said(*(row[name] for name in Said._fields))


def sign_of(row: Mapping[str, Any], known: Mapping[str, Any], before: Said) -> Heard:
    """A row as a sign of life; ``known`` is the unit's row at its start, for what a heartbeat does not say, and
    ``before`` what it said when it was last read.

    Only a heartbeat moves ``due_at``. Of a report or a press the row keeps the last heartbeat's flags and bearer, which
    the message has not said; an alarm on another bearer than before has said that."""
    said = said_in(row)
    beat = said.due_at is not None and said.due_at != before.due_at
    flags = row["flags"] if beat else None
    return Heard(
        unit=row["unit_id"],
        at_ms=milliseconds(row["seen_at"]),
        epoch=-1 if row["boot"] is None else epoch_of(row["boot"], row["seq"] or 0),
        next_due_s=_interval(row) if beat else None,
        place=place_of({**known, **row}) if said[1:] != before[1:] else None,
        bearer=(row["bearer"] or 0) if beat or said.bearer != before.bearer else None,
        on_battery=None if flags is None else bool(flags & _MAINS_LOST),
        not_worn=None if flags is None else bool(flags & _NOT_WORN),
    )


async def conditions_since(connection: Connection, since: datetime) -> list[Mapping[str, Any]]:
    """What events said of mains, battery and wearing after a moment."""
    return list(await fetch_all(connection, SQL["conditions_since"], {"since": since}))


async def closes_since(connection: Connection, since: datetime) -> list[tuple[int, datetime]]:
    """Units whose connection ended without a farewell, and when."""
    rows = await fetch_all(connection, SQL["closes_since"], {"since": since})
    return [(row["unit_id"], row["closed_at"]) for row in rows]


async def late_presses(connection: Connection, since: datetime, age_s: int, units: Iterable[int]) -> list[LatePress]:
    """Presses of these units that came late, received after a moment."""
    values = {"since": since, "age_s": age_s, "units": list(units)}
    found = []
    for row in await fetch_all(connection, SQL["late_presses"], values):
        received = milliseconds(row["received_at"])
        found.append(LatePress(row["unit_id"], received - row["age_s"] * 1000, received))
    return found


async def sim_views(connection: Connection, since: datetime) -> list[tuple[int, bool]]:
    """What SIM providers answered after a moment."""
    rows = await fetch_all(connection, SQL["answers"], {"since": since})
    return [(row["unit_id"], row["attached"]) for row in rows]


async def keep_changes(connection: Connection, changes: Sequence[Change]) -> None:
    """The newest state of each unit, and a line for each change that a timeline shows."""
    if not changes:
        return
    newest = {change.unit: change for change in changes}
    await connection.execute(SQL["keep_states"], _columns(list(newest.values())))
    shown = [c for c in changes if {c.state, c.was} & VERDICTS or (c.state in HEARD and c.was in HEARD)
             or State.ABSENT in (c.state, c.was)]  # fmt: skip
    if shown:
        await connection.execute(SQL["log_changes"], _columns(shown))


def _columns(changes: Sequence[Change]) -> dict[str, Any]:
    return {
        "unit_id": [c.unit for c in changes],
        "state": [c.state.name.lower() for c in changes],
        "was": [c.was.name.lower() for c in changes],
        "cause": [c.cause.value for c in changes],
        "at": [moment(c.at_ms) for c in changes],
        "told": [c.told for c in changes],
        "incident_id": [c.incident for c in changes],
    }


async def ask(connection: Connection, actions: Sequence[Action]) -> None:
    """Leaves steps for whoever can do them."""
    if actions:
        values = {
            "unit_id": [action.unit for action in actions],
            "step": [action.step.value for action in actions],
            "at": [moment(action.at_ms) for action in actions],
        }
        await connection.execute(SQL["ask_steps"], values)


async def close_task(connection: Connection, unit: int, kind: str, at: datetime) -> None:
    """Ends a unit's task of this kind, where one is open: the unit was heard."""
    await connection.execute(SQL["close_task"], {"unit_id": unit, "kind": kind, "at": at})


async def next_incident(connection: Connection) -> int:
    """The number of the next incident."""
    return int((await fetch_all(connection, SQL["next_incident"]))[0]["number"])


async def keep_incident(connection: Connection, incident: Incident, now_ms: int) -> None:
    """An incident as it is, and its members that changed. The record is told where it begins and ends."""
    place = {"incident_id": incident.number, "over": False}
    before = {row["municipality_id"] for row in await fetch_all(connection, SQL["incident_places"], place)}
    report = incident.report(now_ms)
    late = report.pop("late_presses")
    await connection.execute(
        SQL["keep_incident"],
        {
            "incident_id": incident.number,
            "kind": "power" if incident.power else "outage",
            "scopes": Jsonb([[int(kind), name] for kind, name in incident.scopes]),
            "began_at": moment(incident.began_ms),
            "opened_at": moment(incident.opened_ms),
            "closed_at": None if incident.closed_ms is None else moment(incident.closed_ms),
            "stage": incident.stage,
            "report": Jsonb({**report, "late_presses": len(late)}),
            "late_presses": Jsonb(late),
        },
    )
    changed = [incident.members[unit] for unit in incident.dirty if unit in incident.members]
    gone = [unit for unit in incident.dirty if unit not in incident.members]
    if changed:
        await connection.execute(SQL["keep_members"], {"incident_id": incident.number, **_member_columns(changed)})
    if gone:
        await connection.execute(SQL["release_members"], {"incident_id": incident.number, "units": gone})
    incident.dirty.clear()
    await _tell(connection, incident, before, now_ms)


async def _tell(connection: Connection, incident: Incident, before: set[int], now_ms: int) -> None:
    """Events for subscribers: ``before`` are the municipalities in which it was open."""
    rows = await fetch_all(connection, SQL["incident_places"], {"incident_id": incident.number, "over": True})
    now = {row["municipality_id"]: row["units"] for row in rows}
    over = set(before) if incident.closed_ms is not None else before - set(now)
    begun = set() if incident.closed_ms is not None else set(now) - before
    kind = "power" if incident.power else "outage"
    for action, places in (("incident.opened", begun), ("incident.closed", over)):
        for municipality in sorted(places):
            await record(
                connection, actor=ACTOR, action=action, municipality_id=municipality,
                subject=f"incident:{incident.number}", detail={"kind": kind, "units": now.get(municipality, 0)},
                at=moment(now_ms),
            )  # fmt: skip


def _member_columns(members: Sequence[Member]) -> dict[str, Any]:
    return {
        "unit_id": [m.unit for m in members],
        "fate": [m.fate.value for m in members],
        "fate_at": [moment(m.fate_ms) for m in members],
        "since": [moment(m.since_ms) for m in members],
        "single": [m.single for m in members],
        "switch_by": [moment(m.switch_by_ms) for m in members],
        "was_down": [m.was_down for m in members],
        "priority": [m.priority for m in members],
        "district": [m.district for m in members],
        "reference": [m.reference for m in members],
    }


async def open_incidents(connection: Connection) -> list[Incident]:
    """Incidents that were open when the last leader ended."""
    found = []
    for row in await fetch_all(connection, SQL["open_incidents"]):
        report = row["report"]
        scopes = [(Kind(kind), name) for kind, name in row["scopes"]]
        incident = Incident(
            row["incident_id"], row["kind"] == "power", scopes, milliseconds(row["opened_at"]),
            milliseconds(row["began_at"]), stage=row["stage"], due=report["due"], missed=report["missed"],
            sigmas=report["sigmas"], recovering=report["recovering"],
            log=[(line["at_ms"], line["what"]) for line in report["log"]],
            late=[LatePress(**press) for press in row["late_presses"]],
        )  # fmt: skip
        if report["total"]:
            incident.out = set(scopes)
        for m in await fetch_all(connection, SQL["members"], {"incident_id": incident.number}):
            incident.members[m["unit_id"]] = Member(
                m["unit_id"], milliseconds(m["since"]), Fate(m["fate"]), m["single"], milliseconds(m["switch_by"]),
                m["priority"], m["district"], m["reference"], milliseconds(m["fate_at"]), m["was_down"],
            )  # fmt: skip
        touched = [m.fate_ms for m in incident.members.values() if m.fate in (Fate.DOWN, Fate.ON_BATTERY)]
        back = [m.fate_ms for m in incident.members.values() if m.fate is Fate.BACK]
        incident.last_touched_ms = max(touched, default=incident.opened_ms)
        incident.last_return_ms = max(back, default=None)
        found.append(incident)
    return found


async def visits(connection: Connection, incident: int, at: datetime) -> list[Visit]:
    """The visit list of an incident, for pages and print: by care priority, then district."""
    rows = await fetch_all(connection, SQL["visits"], {"incident_id": incident, "at": at})
    return [
        Visit(r["priority"], r["district"], r["reference"], r["unit_id"], milliseconds(r["since"]), r["presumed"])
        for r in rows
    ]
