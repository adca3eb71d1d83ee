"""The list before a weekend as a page to print: whose battery is likely to be empty before Monday 08:00."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Final

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from fleet.attention.weekend import weekend
from fleet.people.model import Actor
from fleet.store.pool import fetch_all
from fleet.store.sql_file import read_statements
from fleet.web.access import as_actor, require
from fleet.web.decide import page_position
from fleet.web.pages import Web, answering, page
from fleet.web.technicians import chosen_municipality, municipalities

router = APIRouter()
SQL = read_statements("fleet.web", "attention.sql")
Who = Annotated[Actor, Depends(require("tasks.read"))]
MOST_STOPS: Final = 10_000


@router.get("/fleet/weekend")
async def weekend_page(request: Request, actor: Who, municipality: str = "", stops: str = "") -> Response:
    """In visiting order; ``stops`` draws a line where the capacity ends."""
    at = datetime.now(UTC)
    chosen, most = chosen_municipality(municipality), page_position(stops)
    fits = most if most is not None and 1 <= most <= MOST_STOPS else None
    async with answering(), as_actor(Web.of(request).pool, actor) as connection:
        found = await weekend(connection, at, Web.of(request).zone, municipality=chosen, stops=fits)
        towns = await municipalities(connection)
        rows = await fetch_all(connection, SQL["references"], {"units": [stop.unit for stop in found.stops]})
    return page(
        request, "weekend.html", found=found, until=found.until.isoformat(), towns=towns, stops=fits or "",
        municipality="" if chosen is None else str(chosen), whom={row["unit_id"]: row for row in rows}, at=at,
    )  # fmt: skip
