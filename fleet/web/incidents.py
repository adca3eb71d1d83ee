"""Outages and power cuts: what they are about, who is without a path, who came back, whose presses were late, and a
list of visits to print. Reads only.

A visit names a unit, a reference, a priority and a district. Whose reference it is stands in the care system, or on the
recipient's page for whoever may open that. While an incident goes on, its page looks again by itself
(`static/fresh.js`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from fleet.people.model import Actor
from fleet.store.pool import Connection, fetch_all
from fleet.store.sql_file import read_statements
from fleet.supervision import store
from fleet.supervision.incidents import Visit
from fleet.web import incident_words
from fleet.web.access import as_actor, require
from fleet.web.pages import Web, answering, page, times_as_text
from fleet.web.technicians import municipalities

router = APIRouter()
SQL = read_statements("fleet.web", "incidents.sql")
Who = Annotated[Actor, Depends(require("tasks.read"))]

_MOST: Final = 50
_HIGHEST: Final = 2**63 - 1
MOST_NAMED: Final = 200
"""So many of those who came back are named; all of them are counted."""
MOST_VISITS: Final = 500
"""So many visits stand on the page that looks again by itself; a nation's outage has more, and all of them to print."""


@router.get("/incidents")
async def incidents_page(request: Request, actor: Who) -> Response:
    """Open incidents first, then the latest that are over; and how many units are silent by themselves."""
    at = datetime.now(UTC)
    async with answering(), as_actor(Web.of(request).pool, actor) as connection:
        rows = await fetch_all(connection, SQL["incidents"], {"incident_id": None, "at": at, "most": _MOST})
        unheard = await fetch_all(connection, SQL["unheard"])
        towns = await _towns(connection)
    return page(
        request, "incidents.html", incidents=[times_as_text(row) for row in rows], unheard=unheard,
        incident_words=incident_words, towns=towns, at=at,
    )  # fmt: skip


@router.get("/incidents/{number}")
async def incident_page(request: Request, actor: Who, number: str, all: str = "") -> Response:
    """One incident: its figures, the visits in the order in which to go, late presses, who came back, its report.

    ``all``: every visit, on a page that stays as it is.
    """
    at = datetime.now(UTC)
    wanted = int(number) if number.isascii() and number.isdigit() and len(number) < 19 else 0
    async with answering(), as_actor(Web.of(request).pool, actor) as connection:
        place = {"incident_id": min(wanted, _HIGHEST), "at": at, "most": 1}
        rows = await fetch_all(connection, SQL["incidents"], place)
        if not rows:
            return page(request, "error.html", status=404, problem="no_incident")
        row = rows[0]
        towns = await _towns(connection)
        visits = [] if row["closed_at"] else await store.visits(connection, row["incident_id"], at)
        shown = await _shown(connection, visits if all == "1" else visits[:MOST_VISITS], towns)
        late = await fetch_all(connection, SQL["late_presses"], row)
        left = await fetch_all(connection, SQL["left_down"], row) if row["closed_at"] else []
        back = await fetch_all(connection, SQL["recovered"], {**row, "most": MOST_NAMED})
    return page(
        request, "incident.html", incident=times_as_text(row), visits=shown,
        late=[times_as_text(one) for one in late], left=left, back=[times_as_text(one) for one in back],
        lasted=((row["closed_at"] or at) - row["began_at"]).total_seconds(),
        longest_wait=max((one["age_s"] for one in late), default=None), incident_words=incident_words, towns=towns,
        total=len(visits), every=all == "1", at=at,
    )  # fmt: skip


async def _shown(connection: Connection, visits: Sequence[Visit], towns: Mapping[int, str]) -> list[dict[str, Any]]:
    """Visits as the template takes them; one read for what the list does not hold of its units."""
    rows = await fetch_all(connection, SQL["kinds"], {"units": [visit.unit for visit in visits]}) if visits else []
    units = {row["unit_id"]: row for row in rows}
    return [
        {
            **visit._asdict(), "since": store.moment(visit.since_ms).isoformat(),
            "unit_type": units[visit.unit]["unit_type"],
            "place": incident_words.district(visit.district, towns)
            or towns.get(units[visit.unit]["municipality_id"], ""),
        }
        for visit in visits
    ]  # fmt: skip


async def _towns(connection: Connection) -> dict[int, str]:
    return {row["municipality_id"]: row["name"] for row in await municipalities(connection)}
