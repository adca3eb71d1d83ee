"""Routines as a page: the chain of a case drawn step by step, with who is on duty at each of them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from fleet.alarms.decide import MANUAL, priority_of
from fleet.people.model import Actor
from fleet.routines import store as routines
from fleet.routines.model import Subject
from fleet.store.pool import fetch_all
from fleet.web import texts
from fleet.web.access import as_actor, require
from fleet.web.api.routines import SQL
from fleet.web.api.shapes import plain
from fleet.web.decide import page_position
from fleet.web.pages import Web, answering, page
from fleet.web.technicians import chosen_municipality, municipalities

router = APIRouter()
Reader = Annotated[Actor, Depends(require("routines.read"))]
_MOST = 100


@router.get("/routines")
async def routines_page(
    request: Request, actor: Reader, municipality: str = "", type: str = "", priority: str = "", at: str = ""
) -> Response:
    """``at`` is a local time as a browser's field gives it; now without it."""
    web = Web.of(request)
    kind = type if type in texts.UNIT_TYPES else "social"
    level = page_position(priority) if priority else None
    urgent = level if level is not None and 1 <= level <= 9 else priority_of(kind, MANUAL)
    moment, wrong = _moment(at, web)
    async with answering(), as_actor(web.pool, actor) as connection:
        towns = [town for town in await municipalities(connection) if town["municipality_id"]]
        known = {town["municipality_id"] for town in towns}
        asked = chosen_municipality(municipality)
        chosen = asked if asked in known else towns[0]["municipality_id"] if towns else None
        chain = None
        if chosen is not None:
            chain = plain(await routines.explain(connection, Subject(chosen, kind, urgent), moment))
        values = {"municipality": None, "before": None, "most": _MOST}
        versions = plain(await fetch_all(connection, SQL["routines"], values))
    names = {town["municipality_id"]: town["name"] for town in towns}
    shown: dict[str, Any] = {"municipality": chosen, "type": kind, "priority": priority, "at": at if not wrong else ""}
    return page(
        request, "routines.html", chain=chain, versions=versions, towns=towns, names=names, chosen=shown, wrong=wrong,
        types=texts.UNIT_TYPES, priorities=texts.PRIORITIES,
    )  # fmt: skip


def _moment(text: str, web: Web) -> tuple[datetime, bool]:
    """(the moment that was chosen, whether what was typed is none)."""
    if not text:
        return datetime.now(UTC), False
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return datetime.now(UTC), True
    local = at if at.tzinfo is not None else at.replace(tzinfo=web.zone)
    return (local.astimezone(UTC), False) if 1971 <= at.year <= 2999 else (datetime.now(UTC), True)
