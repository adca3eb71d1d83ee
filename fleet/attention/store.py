"""The looks for what needs attention, in PostgreSQL. Functions work inside the caller's transaction, told the time.

A look finds the units of one concern, and only what differs from the last look is written.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from psycopg.types.json import Jsonb

from fleet.attention.cells import BY_TYPE
from fleet.attention.decide import doomed, low
from fleet.attention.model import CONCERNS, Concern, Noticed
from fleet.connectivity import sunset_store
from fleet.connectivity.classify import PROOF_LASTS, judge_all
from fleet.connectivity.decide import FRESH
from fleet.connectivity.sunset_model import Verdict
from fleet.store.pool import Connection, fetch_all
from fleet.store.sql_file import read_statements
from fleet.supervision.battery import BatteryError, Forecast, Reading, forecast
from fleet.supervision.battery_end import Cell
from fleet.supervision.choices import chosen_profiles
from fleet.supervision.decide import longest_interval
from fleet.technicians.store import open_task

SQL = read_statements("fleet.attention")
ACTOR: Final = "machine:attention"
BY_PROFILE: Final[frozenset[Concern]] = frozenset({"unproven_path", "seldom_heard"})
"""Those among ``BY_SQL`` that hold a unit to the reporting times that its municipality has chosen."""
BY_SQL: Final[frozenset[Concern]] = BY_PROFILE | {"silent", "single_path", "unproven_button", "unprotected"}
"""Concerns that one statement finds; the others are judged unit by unit, apart from the alarms' own loop."""
_KNOWN_SINCE: Final = frozenset({"silent", "unprotected", "unproven_path"})
_AT_ONCE: Final = 5_000


async def looked_at(connection: Connection) -> dict[Concern, datetime]:
    """When each concern was looked at last."""
    found = {row["concern"]: row["looked_at"] for row in await fetch_all(connection, SQL["looks"])}
    return {concern: found[concern] for concern in CONCERNS if concern in found}


async def may_look(connection: Connection) -> bool:
    """Whether nobody else looks at this moment; holds until the transaction ends."""
    return bool((await fetch_all(connection, SQL["lead"]))[0]["mine"])


async def look(connection: Connection, concern: Concern, at: datetime) -> int:
    """Looks for one concern that SQL finds; returns how many units have it. Raises KeyError for another one."""
    if concern not in BY_SQL:
        raise KeyError(concern)
    began = time.perf_counter()
    await _begin(connection)
    values: dict[str, Any] = {"at": at, "fresh": FRESH, "lasts": PROOF_LASTS}
    if concern in BY_PROFILE:
        values |= await _reporting_times(connection)
    found = (await connection.execute(SQL[f"find_{concern}"], values)).rowcount
    await _end(connection, concern, at, began)
    if concern == "silent":
        for name in ("count_units_away", "count_units"):
            await connection.execute(SQL[name])
    return found


async def _reporting_times(connection: Connection) -> dict[str, list[Any]]:
    """What municipalities have chosen for a type of unit, as columns. Where none has, nobody was promised anything."""
    found = await chosen_profiles(connection)
    return {
        "municipality_id": [municipality for municipality, _, _ in found],
        "unit_type": [unit_type for _, unit_type, _ in found],
        "profile": [profile.name for _, _, profile in found],
        "spare_s": [profile.spare_s for _, _, profile in found],
        "longest_s": [longest_interval(profile) for _, _, profile in found],
    }


async def note(connection: Connection, concern: Concern, noticed: Sequence[Noticed], at: datetime, began: float) -> int:
    """What a look that was made elsewhere has found, as all that there is of this concern. ``began`` is of
    ``time.perf_counter``."""
    await _begin(connection)
    for place in range(0, len(noticed), _AT_ONCE):
        part = noticed[place : place + _AT_ONCE]
        columns = {
            "unit_id": [one.unit for one in part], "rank": [one.rank for one in part],
            "since": [one.since for one in part], "detail": [Jsonb(one.detail) for one in part],
        }  # fmt: skip
        await connection.execute(SQL["find_given"], columns)
    await _end(connection, concern, at, began)
    return len(noticed)


async def _begin(connection: Connection) -> None:
    await connection.execute(SQL["begin"])
    await connection.execute(SQL["empty"])


async def _end(connection: Connection, concern: Concern, at: datetime, began: float) -> None:
    values = {"concern": concern, "known": concern in _KNOWN_SINCE, "at": at}
    await connection.execute("ANALYZE noticed_now")
    for name in ("take_away", "keep", "count_away", "count"):
        await connection.execute(SQL[name], values)
    took_ms = round((time.perf_counter() - began) * 1000)
    await connection.execute(SQL["looked"], {**values, "took_ms": took_ms})


async def look_for_doomed(connection: Connection, at: datetime) -> list[Verdict]:
    """Judges every unit by the calendar; returns the verdicts of those that lose a network."""
    began = time.perf_counter()
    today = at.astimezone(sunset_store.HERE).date()
    verdicts = judge_all(await sunset_store.units(connection), await sunset_store.dates(connection), today)
    found = [one for one in verdicts if one.doomed and one.unit.active]
    rows = ((one.unit.number, one.stranded, one.what, one.deadline) for one in found)
    await note(connection, "doomed", doomed(rows, today), at, began)
    return found


async def keep_person_visits(connection: Connection, found: Iterable[Verdict], at: datetime) -> tuple[int, int]:
    """A task for each unit in use whose last network has closed, and none for any other; (opened, closed).

    Nobody who relies on a unit depends on a closed network without somebody being sent. A task ends by what it is
    about: the unit is on a network that stays, or nobody relies on it any more.
    """
    today = at.astimezone(sunset_store.HERE).date()
    cut_off = {one.unit.number: one for one in found if one.unit.active and sunset_store.is_cut_off(one, today)}
    kind = sunset_store.NETWORK_CLOSED
    rows = await fetch_all(connection, SQL["open_closed_network_tasks"], {"kind": kind})
    standing = {row["unit_id"] for row in rows}
    opened = [unit for unit in cut_off if unit not in standing]
    for unit in opened:
        detail = {"last_day": str(cut_off[unit].deadline), "what_helps": cut_off[unit].what}
        await open_task(connection, unit, kind, None, detail, at, by=ACTOR)
    over = [row["task_id"] for row in rows if row["unit_id"] not in cut_off]
    if over:
        await connection.execute(SQL["end_tasks"], {"tasks": over, "at": at, "actor": ACTOR})
    return len(opened), len(over)


async def look_at_batteries(connection: Connection, at: datetime) -> int:
    """Takes a sample of each battery, forecasts all of them, and notices the low ones; returns how many are low."""
    began = time.perf_counter()
    await connection.execute(SQL["sample_batteries"], {"at": at, "types": list(BY_TYPE)})
    await connection.execute(SQL["forget_samples"], {"at": at})
    found: list[tuple[int, float, float, float]] = []
    after = 0
    while rows := await fetch_all(connection, SQL["samples"], {"at": at, "after": after, "most": _AT_ONCE}):
        after = rows[-1]["unit_id"]
        made = [(row["unit_id"], row["percent"], said) for row in rows if (said := _forecast(row, at)) is not None]
        found += [(unit, said.days, said.least, said.most) for unit, _, said in made]
        columns = {
            "unit_id": [unit for unit, _, _ in made], "percent": [percent for _, percent, _ in made],
            "days": [said.days for _, _, said in made], "least": [said.least for _, _, said in made],
            "most": [said.most for _, _, said in made], "sigma": [said.sigma for _, _, said in made],
            "share": [said.left for _, _, said in made],
        }  # fmt: skip
        await connection.execute(SQL["keep_forecasts"], {**columns, "at": at})
    await connection.execute(SQL["forget_forecasts"], {"at": at})
    return await note(connection, "low_battery", low(found, at), at, began)


def _forecast(row: dict[str, Any], at: datetime) -> Forecast | None:
    readings = [
        Reading(-(at - when) / timedelta(days=1), mv, celsius, signal)
        for when, mv, celsius, signal in zip(row["at"], row["mv"], row["celsius"], row["signal"], strict=True)
    ]
    try:
        return forecast(BY_TYPE[row["unit_type"]], readings)
    except (BatteryError, KeyError):
        return None


async def cells(connection: Connection, at: datetime, *, municipality: int | None = None) -> list[Cell]:
    """Batteries as they were last forecast, brought to ``at``: for the list before a weekend."""
    found = []
    for row in await fetch_all(connection, SQL["cells"], {"municipality": municipality}):
        gone = max(0.0, (at - row["at"]) / timedelta(days=1))
        said = Forecast(
            max(0.0, row["days"] - gone), max(0.0, row["least"] - gone), max(0.0, row["most"] - gone), row["sigma"],
            row["share"],
        )  # fmt: skip
        found.append(
            Cell(
                row["unit_id"],
                said,
                row["percent"],
                row["unit_type"],
                row["district"],
                row["lives_alone"],
                row["priority"],
            )
        )
    return found
