"""What a person has to put right with a centre: a unit that it does not know, a password, a certificate, an option.

Each is one row while it lasts, with how often it was seen. A unit that is refused is a technician's task besides; the
task is closed when the centre has taken a press of the unit. Many units refused, and nothing taken meanwhile, are a
centre that refuses everybody: it counts as down. Functions work inside the caller's transaction.
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from datetime import datetime
from typing import Any

from psycopg.types.json import Jsonb

from fleet.forwarding.decide import refuses_all
from fleet.forwarding.model import Centre, Policy, TroubleKind
from fleet.store.pool import Connection, fetch_all
from fleet.store.sql_file import read_statements
from fleet.technicians.store import SQL as TASKS

log = logging.getLogger("livlina.forwarding")
SQL = read_statements("fleet.forwarding", "troubles.sql")

TASK = "unknown at centre"
"""The technician's task; its part is the centre's number, so that a unit has one for each centre."""


async def note(
    connection: Connection,
    centre: Centre,
    kind: TroubleKind,
    at: datetime,
    *,
    unit: int | None = None,
    code: str = "",
) -> None:
    """Counts one more of this kind. ``unit`` is whose press was refused, ``code`` what the centre said.

    Only the first of a kind is an error in the log; the rest is counted.
    """
    values = {"centre_id": centre.centre, "kind": kind.value, "unit_id": unit, "code": code[:100], "at": at}
    rows = await fetch_all(connection, SQL["note_trouble"], values)
    if rows and rows[0]["times"] == 1:
        whose = "" if unit is None else f", unit {unit:08x}"
        log.error("centre %s: %s%s: %s", centre.name, kind.value, whose, code or "see docs/centres.md")
    if kind is TroubleKind.UNIT and unit is not None:
        columns = {
            "unit_id": [unit], "kind": [TASK], "part": [centre.centre], "at": [at], "actor": [f"centre {centre.name}"],
            "detail": [Jsonb({"centre": centre.name, "said": code[:100]})],
        }  # fmt: skip
        await connection.execute(TASKS["open_tasks"], columns)


async def refuses_everybody(connection: Connection, centre: Centre, at: datetime, policy: Policy) -> bool:
    """Whether so many different units were refused, with nothing taken since, that it is about the centre. Noted."""
    values = {"centre_id": centre.centre, "at": at, "window_s": policy.refused_window_s}
    units = (await fetch_all(connection, SQL["refused_units"], values))[0]["units"]
    if not refuses_all(units, policy):
        return False
    await note(connection, centre, TroubleKind.REFUSING, at, code=f"{units} units")
    return True


async def end(connection: Connection, centre: Centre, units: Collection[int], at: datetime) -> None:
    """The centre has taken presses of these units."""
    values = {"centre_id": centre.centre, "units": sorted(units), "at": at}
    ended = [row for row in await fetch_all(connection, SQL["end_troubles"], values) if row["ended_at"] is not None]
    known = sorted({row["unit_id"] for row in ended if row["kind"] == TroubleKind.UNIT})
    if known:
        columns = {
            "unit_id": known, "kind": [TASK] * len(known), "part": [centre.centre] * len(known),
            "at": [at] * len(known), "actor": [f"centre {centre.name}"] * len(known),
        }  # fmt: skip
        await connection.execute(TASKS["close_tasks_of"], columns)
    for kind in sorted({row["kind"] for row in ended if row["unit_id"] is None}):
        log.warning("centre %s: %s is over", centre.name, kind)


async def end_after_probe(connection: Connection, centre: Centre, kinds: Collection[TroubleKind], at: datetime) -> None:
    """A probe has shown that these are over."""
    values = {"centre_id": centre.centre, "kinds": sorted(kind.value for kind in kinds), "at": at}
    await connection.execute(SQL["end_after_probe"], values)


async def still_open(connection: Connection) -> list[dict[str, Any]]:
    """Everything that waits for a person: ``{centre, kind, unit, code, times, since, last}``."""
    return [
        {
            "centre": row["centre"], "kind": row["kind"], "code": row["code"], "times": row["times"],
            "unit": None if row["unit_id"] is None else f"{row['unit_id']:08x}",
            "since": row["began_at"].isoformat(), "last": row["last_at"].isoformat(),
        }
        for row in await fetch_all(connection, SQL["open_troubles"])
    ]  # fmt: skip
