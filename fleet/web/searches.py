"""Searches for wearers of trackers: begun for an open case with a reason, a consent and an end; where the wearer is,
for whoever has just shown who they are; and the end, with the positions deleted at once where that is wanted.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import psycopg
from fastapi import APIRouter, Depends, Form
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from fleet.people.model import Actor
from fleet.registry import searches as registry
from fleet.web.access import as_actor, require
from fleet.web.decide import page_position
from fleet.web.pages import Web, answering, page, times_as_text

router = APIRouter()
Searches = Annotated[Actor, Depends(require("search.open"))]
Looks = Annotated[Actor, Depends(require("search.open", step_up=True))]
Text = Annotated[str, Form(max_length=500)]
_PAGE = 25
_HOURS = (1, 2, 4, 8, 24)


@router.get("/searches")
async def searches_page(
    request: Request, actor: Searches, case: str = "", before: str = "", refused: str = ""
) -> Response:
    """What runs, the form for another one, and what was. ``case`` is chosen in the form."""
    now = datetime.now(UTC)
    async with answering(), as_actor(Web.of(request).pool, actor) as connection:
        rows = await registry.listed(connection, running=False, at=now, before=page_position(before), most=_PAGE + 1)
        cases = await registry.candidates(connection)
    older = rows[_PAGE - 1]["search_id"] if len(rows) > _PAGE else None
    return page(
        request, "searches.html", rows=[_row(row) for row in rows[:_PAGE]], older=older,
        cases=[_row(row) for row in cases], chosen=page_position(case), refused=refused == "1", hours=_HOURS,
    )  # fmt: skip


@router.post("/searches")
async def start(
    request: Request,
    actor: Searches,
    case: Annotated[int, Form(ge=1, le=2**63 - 1)],
    reason: Text = "",
    consent: Text = "",
    hours: Annotated[int, Form(ge=1, le=24)] = 1,
) -> Response:
    """Begins it, and to its positions; back to the form where it cannot begin."""
    words = [" ".join(text.replace("\0", "").split()) for text in (reason, consent)]
    try:
        async with answering(), as_actor(Web.of(request).pool, actor) as connection:
            number = await registry.start_search(
                connection, case=case, reason=words[0], consent=words[1], lasts=timedelta(hours=hours),
                actor=actor.name, at=datetime.now(UTC),
            )  # fmt: skip
    except (registry.SearchRefused, psycopg.errors.UniqueViolation):
        return RedirectResponse("/searches?refused=1", status_code=303)
    return RedirectResponse(f"/searches/{number}", status_code=303)


@router.get("/searches/{search}")
async def positions_page(request: Request, actor: Looks, search: str) -> Response:
    """Where the wearer is, newest first. Each look is recorded."""
    number, now = page_position(search) or 0, datetime.now(UTC)
    try:
        async with answering(), as_actor(Web.of(request).pool, actor) as connection:
            found = await registry.positions(connection, number, actor=actor.name, at=now)
            rows = await registry.listed(connection, running=True, at=now, before=number + 1, most=1)
    except LookupError:
        return page(request, "error.html", status=404, problem="no_search")
    if not rows or rows[0]["search_id"] != number:
        return page(request, "error.html", status=404, problem="no_search")
    shown = [{**_row(one), "place": f"{one['latitude']:.6f}, {one['longitude']:.6f}"} for one in found]
    return page(request, "search.html", one=_row(rows[0]), positions=shown, at=now)


@router.post("/searches/{search}/end")
async def end(request: Request, actor: Searches, search: str, delete_now: Annotated[str, Form()] = "") -> Response:
    """Ends it, and back to the list."""
    try:
        async with answering(), as_actor(Web.of(request).pool, actor) as connection:
            await registry.end_search(
                connection, page_position(search) or 0, actor.name, datetime.now(UTC), delete_now=delete_now == "1"
            )
    except LookupError:
        return page(request, "error.html", status=404, problem="no_search")
    return RedirectResponse("/searches", status_code=303)


def _row(row: dict[str, Any]) -> dict[str, Any]:
    plain = times_as_text(row)
    return {**plain, "unit": f"{row['unit_id']:08x}"} if "unit_id" in row else plain
