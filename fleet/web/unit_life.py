"""What a person does with a unit's life on its page: moves it on, says how long its wearer is away, revokes its keys.

`fleet.registry.life` decides; a page can make no unit active.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, time, timedelta
from typing import Annotated, Any, cast

from fastapi import APIRouter, Depends, Form
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from fleet.pairing.store import pairings_of
from fleet.people.model import Actor
from fleet.registry import recipients
from fleet.registry import units as registry
from fleet.registry.label import label_of
from fleet.registry.life import Event, Life, Moved, move
from fleet.store.pool import Connection
from fleet.web.access import as_actor, require
from fleet.web.life_words import BY_HAND
from fleet.web.pages import Web, answering, page, times_as_text

router = APIRouter()
Writes = Annotated[Actor, Depends(require("units.write"))]
Revokes = Annotated[Actor, Depends(require("units.write", step_up=True))]

_UNIT = re.compile(r"[0-9a-f]{8}")


@router.post("/units/{unit_id}/life")
async def change(
    request: Request, actor: Writes, unit_id: str, event: Annotated[str, Form()], until: Annotated[str, Form()] = ""
) -> Response:
    """One event of `BY_HAND`, or `leave` with the last day away; back to the unit's page."""
    at = datetime.now(UTC)
    if not _UNIT.fullmatch(unit_id) or event not in (*BY_HAND, "leave"):
        return page(request, "error.html", status=404, problem="no_unit")
    try:
        end = _day_over(until, Web.of(request)) if event == "leave" else None
        async with answering(), as_actor(Web.of(request).pool, actor) as connection:
            await registry.change_life(connection, int(unit_id, 16), cast(Event, event), actor.name, at, until=end)
    except LookupError:
        return page(request, "error.html", status=404, problem="no_unit")
    except (ValueError, OverflowError):  # a move that is not drawn, or no date
        return RedirectResponse(f"/units/{unit_id}?refused=1", status_code=303)
    return RedirectResponse(f"/units/{unit_id}", status_code=303)


@router.post("/units/{unit_id}/assign")
async def assign(
    request: Request, actor: Writes, unit_id: str, reference: Annotated[str, Form(max_length=40)]
) -> Response:
    """Prepares a unit for a recipient of its municipality, by reference; pairing proves it later."""
    if not _UNIT.fullmatch(unit_id):
        return page(request, "error.html", status=404, problem="no_unit")
    number = int(unit_id, 16)
    try:
        async with answering(), as_actor(Web.of(request).pool, actor) as connection:
            place = await registry.municipality_of(connection, number)
            found = [
                row for row in await recipients.by_reference(connection, reference) if row["municipality_id"] == place
            ]
            if not found:
                raise registry.LifeError("there is no such recipient of the unit's municipality")
            await registry.change_life(
                connection, number, "assign", actor.name, datetime.now(UTC), recipient=found[0]["recipient_id"]
            )
    except LookupError:
        return page(request, "error.html", status=404, problem="no_unit")
    except ValueError:  # no reference, nobody's, or a unit that is not in stock
        return RedirectResponse(f"/units/{unit_id}?refused=1", status_code=303)
    return RedirectResponse(f"/units/{unit_id}", status_code=303)


@router.post("/units/{unit_id}/revoke")
async def revoke(request: Request, actor: Revokes, unit_id: str) -> Response:
    """Ends the unit's keys on every way in; for whoever has just shown who they are."""
    if not _UNIT.fullmatch(unit_id):
        return page(request, "error.html", status=404, problem="no_unit")
    try:
        async with answering(), as_actor(Web.of(request).pool, actor) as connection:
            await registry.revoke(connection, int(unit_id, 16), actor.name, datetime.now(UTC))
    except LookupError:
        return page(request, "error.html", status=404, problem="no_unit")
    return RedirectResponse(f"/units/{unit_id}", status_code=303)


async def life_of(connection: Connection, row: dict[str, Any]) -> dict[str, Any]:
    """What the unit's page shows of its life: label, buttons, cards, history, pairings, and what may come next.

    ``row`` holds unit_id, life and life_until.
    """
    unit, at = row["unit_id"], datetime.now(UTC)
    now = Life(row["life"], row["life_until"])
    return {
        "label": label_of(unit),
        "inputs": await registry.inputs_of(connection, unit),
        "sims": await registry.sims_of(connection, unit),
        "log": [times_as_text(one) for one in await registry.life_log(connection, unit)],
        "pairings": [times_as_text(one) for one in await pairings_of(connection, unit)],
        "events": [one for one in BY_HAND if isinstance(move(now, cast(Event, one), at), Moved)],
        "may_leave": row["life"] in ("active", "absent"),
        "may_assign": isinstance(move(now, "assign", at), Moved),
    }


def _day_over(day: str, web: Web) -> datetime:
    """The end of a day by the installation's clocks. Raises ValueError for what is no date."""
    return datetime.combine(datetime.fromisoformat(day).date() + timedelta(days=1), time(), web.zone)
