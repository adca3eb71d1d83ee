"""The page of reporting times: what each municipality has chosen for a type of unit, and a form to choose."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Form
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from fleet.people.decide import within_permission
from fleet.people.model import INSTALLATION, Actor
from fleet.supervision import choices
from fleet.supervision.choices import LEAST_S, LONGEST, MOST_S
from fleet.web.access import actor_of, as_actor, require
from fleet.web.pages import Web, answering, page, times_as_text
from fleet.web.technicians import chosen_municipality, municipalities
from fleet.web.texts import N_, Table

router = APIRouter()
Reads = Annotated[Actor, Depends(require("tasks.read"))]
Chooses = Annotated[Actor, Depends(require("supervision.write"))]
Short = Annotated[str, Form(max_length=100)]

OWN: Final = "own"
FAULTS: Table = {
    "profile": N_("Choose a profile; figures of your own need a name, seconds from 5 to 10,000,000 and who says so."),
    "nowhere": N_("You may choose reporting times in no such municipality."),
}
SOURCES: Table = {
    one: one
    for one in (
        N_("EN 50136-1, reporting time of the category; the table itself was not read: check before a contract"),
        N_("EN 50136-1, as quoted by a public load test of the norm"),
        N_("SOS Access supervision level; agrees with a maker's public table of levels: check against the contract"),
    )
}
"""Of the profiles with a name; a source that somebody wrote is shown as it is."""


@router.get("/profiles")
async def profiles_page(request: Request, actor: Reads, fault: str = "", done: str = "") -> Response:
    """What was chosen, what holds until then, the profiles that there are; a form where the reader may choose."""
    mine = set(within_permission(await actor_of(request), "supervision.write").municipalities)
    async with answering(), as_actor(Web.of(request).pool, actor) as connection:
        found = await choices.choices(connection)
        names = {town["municipality_id"]: town["name"] for town in await municipalities(connection)}
    return page(
        request, "profiles.html", chosen=[times_as_text(row) for row in found["chosen"]],
        until_then=found["until_then"], profiles=found["profiles"], names=names, sources=SOURCES, faults=FAULTS,
        fault=fault, done=done == "1", own=OWN, least=LEAST_S, most=MOST_S,
        mine={place: name for place, name in names.items() if place in mine and place != INSTALLATION},
    )  # fmt: skip


@router.post("/profiles")
async def choose(
    request: Request, actor: Chooses, municipality: Short = "", unit_type: Short = "", profile: Short = "",
    name: Short = "", report_s: Short = "", spare_s: Short = "",
    source: Annotated[str, Form(max_length=LONGEST)] = "",
) -> Response:  # fmt: skip
    """A named profile; or ``own`` with a name, figures and who says so. In the evidence."""
    try:
        place, at = chosen_municipality(municipality), datetime.now(UTC)
        if not place:
            raise LookupError
        if profile == OWN:
            times = [int(text) if text.isascii() and text.isdigit() else None for text in (report_s, spare_s)]
            if times[0] is None or (spare_s and times[1] is None):
                raise ValueError
            found = choices.profile_of(name.strip(), times[0], times[1], source.strip())
        else:
            found = choices.profile_of(profile)
        async with answering(), as_actor(Web.of(request).pool, actor) as connection:
            await choices.choose(connection, place, unit_type, found, actor=actor.name, at=at)
    except LookupError:
        return _back(fault="nowhere")
    except ValueError:
        return _back(fault="profile")
    return _back(done="1")


def _back(**said: str) -> Response:
    return RedirectResponse(f"/profiles?{urlencode(said)}", status_code=303)
