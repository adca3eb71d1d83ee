"""How the alarm centres are doing that take the alarms of the session's municipalities. Reads only."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from fleet.people.model import Actor
from fleet.store.pool import fetch_all
from fleet.store.sql_file import read_statements
from fleet.web.access import as_actor, require
from fleet.web.pages import Web, answering, page, times_as_text

router = APIRouter()
SQL = read_statements("fleet.web", "centres.sql")


@router.get("/centres")
async def centres_page(request: Request, actor: Annotated[Actor, Depends(require("centres.read"))]) -> Response:
    """Each centre's health and since when, what it is owed, and how it says that a person has taken an alarm."""
    async with answering(), as_actor(Web.of(request).pool, actor) as connection:
        rows = await fetch_all(connection, SQL["centres"])
    centres = [times_as_text(row) for row in rows]
    return page(request, "centres.html", centres=centres, at=datetime.now(UTC))
