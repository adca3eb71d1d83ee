"""Alarm centres, which municipality has which service of them at which hours, districts, and identity providers. Reads
only; what an administrator changes here goes through `service_edits.py`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import Response

from fleet.people.decide import may, stepped_up, within_permission
from fleet.people.model import INSTALLATION, Actor
from fleet.store.pool import fetch_all
from fleet.web.access import as_actor, require
from fleet.web.api.services import SQL
from fleet.web.pages import Web, answering, page
from fleet.web.technicians import municipalities

router = APIRouter()
_MOST = 500
_DAY = 1440


@router.get("/services")
async def services_page(
    request: Request,
    actor: Annotated[Actor, Depends(require("centres.read"))],
    done: Annotated[str, Query(max_length=40)] = "",
    wrong: Annotated[str, Query(max_length=40)] = "",
) -> Response:
    """What holds now and what is to come, municipality by municipality, and what an administrator may change."""
    mine = set(within_permission(actor, "centres.write").municipalities)
    whole: dict[str, Any] = {"after": 0, "most": _MOST, "municipality": None, "at": datetime.now(UTC)}
    async with answering(), as_actor(Web.of(request).pool, actor) as connection:
        centres = await fetch_all(connection, SQL["alarm_centres"], whole)
        services = await fetch_all(connection, SQL["services"], whole)
        districts = await fetch_all(connection, SQL["districts"], whole)
        providers = await fetch_all(connection, SQL["providers"], whole) if may(actor, "people.read") else []
        names = {town["municipality_id"]: town["name"] for town in await municipalities(connection)}
    shown = [
        {**row, "valid_from": row["valid_from"].isoformat(), "from": _minute(row["starts"]), "to": _minute(row["ends"])}
        for row in services
        if row["now"]
    ]
    return page(
        request, "services.html", centres=centres, services=shown, districts=districts,
        providers=[row for row in providers if row["removed_at"] is None], names=names,
        mine={place: name for place, name in names.items() if place in mine and place != INSTALLATION},
        everywhere=INSTALLATION in mine, fresh=stepped_up(actor, datetime.now(UTC)), done=done, wrong=wrong,
    )  # fmt: skip


def _minute(minute: int) -> tuple[int, str]:
    """(day of the week from 0, HH:MM); the end of the week is Sunday 24:00."""
    day = min(minute // _DAY, 6)
    rest = minute - day * _DAY
    return day, f"{rest // 60:02d}:{rest % 60:02d}"
