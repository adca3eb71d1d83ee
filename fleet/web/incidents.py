"""Outages and power cuts: what they are about, who is without a path, and a list of visits to print. Reads only.

A visit names a unit, a reference, a priority and a district. Whose reference it is stands in the care system, or on the
recipient's page for whoever may open that.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Final

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from fleet.people.model import Actor
from fleet.store.pool import fetch_all
from fleet.store.sql_file import read_statements
from fleet.supervision import store
from fleet.web.access import as_actor, require
from fleet.web.pages import Web, answering, page, times_as_text
from fleet.web.texts import N_, Table

router = APIRouter()
SQL = read_statements("fleet.web", "incidents.sql")
Who = Annotated[Actor, Depends(require("tasks.read"))]

_MOST: Final = 50
_HIGHEST: Final = 2**63 - 1

KINDS: Table = {"outage": N_("Outage"), "power": N_("Power cut")}
SCOPES: Table = {
    "operator": N_("operator"), "issuer": N_("SIM issuer"), "network": N_("radio network"), "apn": N_("APN"),
    "district": N_("district"), "cell": N_("cell area"), "firmware": N_("version"), "link": N_("front door"),
    "fleet": N_("all units"), "path": N_("operator and SIM issuer"),
}  # fmt: skip
UNHEARD: Table = {
    "silent": N_("silent"), "off": N_("switched off or empty"), "no_power": N_("without power"),
    "no_network": N_("without network"),
}  # fmt: skip


@router.get("/incidents")
async def incidents_page(request: Request, actor: Who) -> Response:
    """Open incidents first, then the latest that are over; and how many units are silent by themselves."""
    at = datetime.now(UTC)
    async with answering(), as_actor(Web.of(request).pool, actor) as connection:
        rows = await fetch_all(connection, SQL["incidents"], {"incident_id": None, "at": at, "most": _MOST})
        unheard = await fetch_all(connection, SQL["unheard"])
    return page(
        request, "incidents.html", incidents=[times_as_text(row) for row in rows], unheard=unheard, kinds=KINDS,
        scopes=SCOPES, unheard_words=UNHEARD, at=at,
    )  # fmt: skip


@router.get("/incidents/{number}")
async def incident_page(request: Request, actor: Who, number: str) -> Response:
    """One incident with its visits, in the order in which to go, and presses that came late."""
    at = datetime.now(UTC)
    wanted = int(number) if number.isascii() and number.isdigit() and len(number) < 19 else 0
    async with answering(), as_actor(Web.of(request).pool, actor) as connection:
        place = {"incident_id": min(wanted, _HIGHEST), "at": at, "most": 1}
        rows = await fetch_all(connection, SQL["incidents"], place)
        if not rows:
            return page(request, "error.html", status=404, problem="no_incident")
        row = rows[0]
        visits = [] if row["closed_at"] else await store.visits(connection, row["incident_id"], at)
        late = await fetch_all(connection, SQL["late_presses"], row)
    shown = [{**visit._asdict(), "since": store.moment(visit.since_ms).isoformat()} for visit in visits]
    return page(
        request, "incident.html", incident=times_as_text(row), visits=shown,
        late=[times_as_text(one) for one in late], kinds=KINDS, scopes=SCOPES, at=at,
    )  # fmt: skip
