"""Alarm centres and municipalities as the caller sees them. Addresses and secrets are not shown by any interface."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from fleet.people.model import Actor
from fleet.store.pool import fetch_all
from fleet.store.sql_file import read_statements
from fleet.web.access import require
from fleet.web.api.serving import answer, reading
from fleet.web.api.shapes import LIMIT, Cursor, Limit, cursor_values, listed, number_of

router = APIRouter(tags=["centres"])
SQL = read_statements("fleet.web.api", "centres.sql")
Reads = Annotated[Actor, Depends(require("centres.read"))]
Anybody = Annotated[Actor, Depends(require("units.read"))]  # every role has it


@router.get("/centres", summary="Alarm centres, how they are, and what they are owed")
async def list_centres(request: Request, actor: Reads, cursor: Cursor = None, limit: Limit = LIMIT) -> Response:
    """`owed` counts alarms of the caller's municipalities that wait for this centre."""
    (after,) = cursor_values(cursor, number_of)
    async with reading(request, actor) as connection:
        rows = await fetch_all(connection, SQL["centres"], {"after": after or 0, "most": limit + 1})
    return answer(listed(rows, limit, lambda row: [row["id"]]))


@router.get("/municipalities", summary="The municipalities that the caller sees")
async def list_municipalities(
    request: Request, actor: Anybody, cursor: Cursor = None, limit: Limit = LIMIT
) -> Response:
    """By number."""
    (after,) = cursor_values(cursor, number_of)
    async with reading(request, actor) as connection:
        rows = await fetch_all(connection, SQL["municipalities"], {"after": after or 0, "most": limit + 1})
    return answer(listed(rows, limit, lambda row: [row["id"]]))


@router.get("/me", summary="Who the caller is, and where which role holds")
async def who(request: Request, actor: Anybody) -> Response:
    """Roles by municipality; 0 is the installation itself."""
    held = [{"municipality": place, "roles": sorted(roles)} for place, roles in actor.held]
    return answer({"name": actor.name, "roles": sorted(actor.roles), "held": held})
