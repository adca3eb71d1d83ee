"""Outages and power cuts: what they are about, who is without a path, and the visits in the order in which to go."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from fleet.people.model import Actor
from fleet.store.pool import fetch_all
from fleet.store.sql_file import read_statements
from fleet.supervision import store
from fleet.web.access import require
from fleet.web.api.serving import answer, reading
from fleet.web.api.shapes import LIMIT, Key, Limit, listed, not_found

router = APIRouter(tags=["incidents"])
SQL = read_statements("fleet.web", "incidents.sql")
Who = Annotated[Actor, Depends(require("tasks.read"))]


@router.get("/incidents", summary="Open incidents first, then the latest that are over")
async def list_incidents(request: Request, actor: Who, limit: Limit = LIMIT) -> Response:
    """Those with a unit of the caller's municipalities, whose units alone are counted."""
    values = {"incident_id": None, "at": datetime.now(UTC), "most": limit}
    async with reading(request, actor) as connection:
        rows = await fetch_all(connection, SQL["incidents"], values)
    return answer(listed([_shown(row) for row in rows], limit, lambda _row: []))


@router.get("/incidents/{incident}", summary="One incident with its visits and late presses")
async def show(request: Request, actor: Who, incident: Key) -> Response:
    """A visit names a unit, a reference, a priority and a district; no person."""
    at = datetime.now(UTC)
    async with reading(request, actor) as connection:
        rows = await fetch_all(connection, SQL["incidents"], {"incident_id": incident, "at": at, "most": 1})
        if not rows:
            raise not_found("incident")
        visits = [] if rows[0]["closed_at"] else await store.visits(connection, incident, at)
        late = await fetch_all(connection, SQL["late_presses"], rows[0])
    went = [{**visit._asdict(), "since": store.moment(visit.since_ms)} for visit in visits]
    return answer({**_shown(rows[0]), "visits": went, "late_presses": [_with_unit(one) for one in late]})


def _shown(row: Mapping[str, Any]) -> dict[str, Any]:
    rest = {name: value for name, value in row.items() if name != "incident_id"}
    return {"id": row["incident_id"], **rest}


def _with_unit(row: Mapping[str, Any]) -> dict[str, Any]:
    rest = {name: value for name, value in row.items() if name != "unit_id"}
    return {"unit": f"{row['unit_id']:08x}", **rest}
