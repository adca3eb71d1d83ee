"""Where alarms are sent to, as a page for whoever administers the installation: the API's, one centre a form.
A secret is typed in and never shown.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Form
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from fleet.forwarding.centre_options import OPTIONS, WAYS_TO_REPORT
from fleet.forwarding.centre_setup import LONGEST_SECRET, UNIT_TYPES, settings_of
from fleet.people.model import INSTALLATION, Actor
from fleet.web.access import as_actor, require
from fleet.web.api import centre_setup as api
from fleet.web.api.shapes import LARGEST_NUMBER, Refused
from fleet.web.decide import page_position
from fleet.web.pages import Web, answering, page
from fleet.web.technicians import chosen_municipality, municipalities

router = APIRouter()
SetsUp = Annotated[Actor, Depends(require("centres.write", step_up=True))]
PROTOCOLS: Final = ("dc09", "scaip", "sosaccess", "webhook")
PATH: Final = "/centres/setup"
_LONGEST: Final = 4000


@router.get(PATH)
async def setup_page(request: Request, actor: SetsUp, done: str = "") -> Response:
    """All centres as they are set up, and the form for a new one or a change."""
    return await _page(request, actor, done=done)


@router.post(PATH)
async def put(
    request: Request,
    actor: SetsUp,
    name: Annotated[str, Form(max_length=100)] = "",
    to: Annotated[str, Form(max_length=1000)] = "",
    protocol: Annotated[str, Form()] = "",
    municipality: Annotated[list[str] | None, Form()] = None,
    rank: Annotated[str, Form()] = "1",
    unit_type: Annotated[str, Form()] = "",
    reports_taken: Annotated[str, Form()] = "",
    options: Annotated[str, Form(max_length=_LONGEST)] = "",
    secret: Annotated[str, Form(max_length=LONGEST_SECRET)] = "",
) -> Response:
    """Adds or changes one; this answer is the only one that shows a token."""
    places = [place for text in municipality or () if (place := chosen_municipality(text)) is not None]
    typed = {"name": name, "to": to, "options": options, "protocol": protocol}
    if not places or protocol not in PROTOCOLS or rank not in ("1", "2"):
        return await _page(request, actor, wrong="form", typed=typed, status=422)
    try:
        made = await api.put(
            request, actor, name=name.strip(), to=to.strip(), municipalities=places, protocol=protocol, rank=int(rank),
            unit_type=unit_type or None, reports_taken=reports_taken or None, options=_options(options),
            secret=secret or None,
        )  # fmt: skip
    except Refused as refused:
        return await _page(request, actor, said=refused.detail, typed=typed, status=refused.status)
    return await _page(request, actor, done="set", token=made.get("token"))


@router.post("/centres/setup/{centre}/token")
async def make_token(request: Request, actor: SetsUp, centre: str) -> Response:
    """A new token to report *taken* with; shown in this answer and never again."""
    try:
        token = await api.token(request, actor, min(page_position(centre) or 0, LARGEST_NUMBER))
    except Refused as refused:
        return await _page(request, actor, said=refused.detail, status=refused.status)
    return await _page(request, actor, done="token", token=token)


@router.post("/centres/setup/{centre}/end")
async def end(request: Request, actor: SetsUp, centre: str) -> Response:
    """Ends a centre that no route leads to and that is owed nothing."""
    try:
        await api.remove(request, actor, min(page_position(centre) or 0, LARGEST_NUMBER))
    except Refused as refused:
        return await _page(request, actor, said=refused.detail, status=refused.status)
    return RedirectResponse(f"{PATH}?done=ended", status_code=303)


def _options(text: str) -> dict[str, str]:
    """NAME=VALUE, one a line. Raises Refused."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        if line.strip():
            name, equals, value = line.strip().partition("=")
            if not equals or name in found or name in ("url", "file"):
                raise Refused(422, "options: write NAME=VALUE, each once, one a line")
            found[name] = value
    return found


async def _page(
    request: Request,
    actor: Actor,
    *,
    status: int = 200,
    done: str = "",
    wrong: str = "",
    said: str = "",
    token: str | None = None,
    typed: dict[str, Any] | None = None,
) -> Response:
    if INSTALLATION not in actor.municipalities:
        return page(request, "error.html", status=403, problem="not_allowed")
    centres = await api.acting(request, actor, lambda c: settings_of(c, datetime.now(UTC)))
    async with answering(), as_actor(Web.of(request).pool, actor) as connection:
        towns = [town for town in await municipalities(connection) if town["municipality_id"] != INSTALLATION]
    return page(
        request, "centre_setup.html", status=status, centres=centres, towns=towns, done=done, wrong=wrong, said=said,
        token=token, typed=typed or {}, protocols=PROTOCOLS, unit_types=UNIT_TYPES[1:], reports=WAYS_TO_REPORT,
        options=OPTIONS,
    )  # fmt: skip
