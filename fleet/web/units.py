"""Units: a list with the latest state of each, and one unit with its life, orders and proven buttons.

Reads only: `unit_life.py` moves a unit on. Orders to units are given on the command line (docs/commands.md).
"""

from __future__ import annotations

import contextlib
import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from fleet.people.model import Actor
from fleet.registry.label import LabelError, unit_of
from fleet.registry.life import STATES
from fleet.registry.reference import normal
from fleet.store.pool import fetch_all
from fleet.store.sql_file import read_statements
from fleet.supervision.decide import longest_interval
from fleet.supervision.profiles import profile_in
from fleet.technicians.store import conditions, tasks
from fleet.web import attention_words
from fleet.web.access import as_actor, narrowed, require
from fleet.web.pages import NotAllowed, Web, answering, page, times_as_text
from fleet.web.technicians import chosen_municipality, municipalities
from fleet.web.timeline import recent_of
from fleet.web.unit_life import life_of

router = APIRouter()
Who = Annotated[Actor, Depends(require("units.read"))]
SQL = read_statements("fleet.web", "units.sql")

_PAGE = 25
_UNIT = re.compile(r"[0-9A-Fa-f]{8}")


@router.get("/units")
async def units_page(
    request: Request,
    actor: Who,
    municipality: str = "",
    overdue: str = "",
    life: str = "",
    after: str = "",
    find: str = "",
) -> Response:
    """Units by number; ``after`` is the last one of the page before, ``find`` a unit's id, its label, or the reference
    of who has it. htmx gets the rows only."""
    there = await _found(actor, find.strip())
    if there is not None:
        return RedirectResponse(there, status_code=303)
    at = datetime.now(UTC)
    chosen = chosen_municipality(municipality)
    values = {
        "after": _number(after) or 0, "municipality": chosen, "overdue": overdue == "1",
        "life": life if life in STATES else None, "at": at, "most": _PAGE + 1,
    }  # fmt: skip
    async with answering(), as_actor(Web.of(request).pool, actor) as connection:
        found = [_unit(row) for row in await fetch_all(connection, SQL["units"], values)]
        towns = await municipalities(connection)
    older = found[_PAGE - 1]["unit"] if len(found) > _PAGE else None
    template = "unit_rows.html" if request.headers.get("hx-request") == "true" else "units.html"
    return page(
        request, template, units=found[:_PAGE], older=older, towns=towns,
        municipality="" if chosen is None else str(chosen), overdue=overdue, life=life, find=find, first=not after,
        at=at,
    )  # fmt: skip


@router.get("/units/{unit_id}")
async def unit_page(request: Request, actor: Who, unit_id: str, refused: str = "") -> Response:
    """One unit: what it last said, what is wrong with it, its orders, and which buttons are proven."""
    number = _number(unit_id)
    place = {"unit_id": number or 0}
    async with answering(), as_actor(Web.of(request).pool, actor) as connection:
        rows = await fetch_all(connection, SQL["unit"], place)
        if not rows:
            return page(request, "error.html", status=404, problem="no_unit")
        todo = await tasks(connection, unit=rows[0]["unit_id"])
        told = {(task["kind"], task["part"]) for task in todo}
        active = [
            one
            for one in await conditions(connection, rows[0]["unit_id"])
            if one["active"] and (one["condition"], one["part"]) not in told
        ]
        orders = [times_as_text(row) for row in await fetch_all(connection, SQL["orders"], place)]
        proofs = [times_as_text(row) for row in await fetch_all(connection, SQL["proofs"], place)]
        life = await life_of(connection, rows[0])
        at = datetime.now(UTC)
        recent = await recent_of(connection, rows[0]["unit_id"], at)
    return page(
        request, "unit.html", unit=_unit(rows[0]), conditions=active, tasks=todo, orders=orders,
        reporting=_reporting(rows[0]), proofs=proofs, life=life, refused=refused == "1", older=None,
        attention_words=attention_words, at=at, **recent,
    )  # fmt: skip


async def _found(actor: Actor, find: str) -> str | None:
    """The page of what was looked for: a unit by id or label, or, for who may see these, a recipient's reference."""
    if _UNIT.fullmatch(find):
        return f"/units/{find.lower()}"
    with contextlib.suppress(LabelError):
        return f"/units/{unit_of(find):08x}"
    with contextlib.suppress(NotAllowed, ValueError):
        if find:
            normal(find)
            narrowed(actor, "recipients.read")
            return f"/recipients?find={quote(find)}"
    return None


def _number(text: str) -> int | None:
    return int(text, 16) if _UNIT.fullmatch(text) else None


def _reporting(row: dict[str, Any]) -> dict[str, Any]:
    """What a profile that was chosen asks of a unit in use: by when its other path is due, and how its heartbeats are
    too far apart; None: nothing."""
    profile, begins, interval = profile_in(row), row["other_begins_at"], row["interval_s"]
    if row["life"] != "active" or row["profile"] is None:
        return {"other_due": None, "seldom": None}
    due = None if begins is None or profile.spare_s is None else begins + timedelta(seconds=profile.spare_s)
    longest = longest_interval(profile)
    seldom = {"profile": profile.name, "every_s": interval, "longest_s": longest}
    return {
        "profile": profile.name, "other_due": due, "seldom": seldom if (interval or 0) > longest else None,
    }  # fmt: skip


def _unit(row: dict[str, Any]) -> dict[str, Any]:
    return {"unit": f"{row['unit_id']:08x}", **times_as_text(row)}
