"""API tokens: a program's key, with one role, for some municipalities, until a day. Shown once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from fleet.people import store
from fleet.people.decide import may_grant, stepped_up
from fleet.people.model import INSTALLATION, ROLES, Actor
from fleet.people.store import LONGEST_TOKEN_LIFE, PeopleError
from fleet.web.access import as_actor, require
from fleet.web.decide import page_position
from fleet.web.pages import Web, answering, page, times_as_text

router = APIRouter()
Reader = Annotated[Actor, Depends(require("tokens.write"))]
Writer = Annotated[Actor, Depends(require("tokens.write", step_up=True))]

DAYS = (30, 90, 365)
_NUMBER_MOST = 0x7FFFFFFF


@router.get("/tokens")
async def tokens_page(request: Request, actor: Reader, done: str = "") -> Response:
    """Tokens of the reader's municipalities: by what they are known, what they may do, when they were used last."""
    return await _page(request, actor, done=done)


@router.post("/tokens")
async def make_token(
    request: Request,
    actor: Writer,
    name: Annotated[str, Form()] = "",
    role: Annotated[str, Form()] = "",
    place: Annotated[str, Form()] = "",
    days: Annotated[str, Form()] = "",
) -> Response:
    """A new token; this answer is the only one that ever shows it."""
    life, where = page_position(days), page_position(place)
    if life is None or life > LONGEST_TOKEN_LIFE.days or where is None or where > _NUMBER_MOST:
        return await _page(request, actor, wrong="life", status=422)
    try:
        async with answering(), as_actor(Web.of(request).pool, actor) as connection:
            _, token = await store.make_token(
                connection, actor, name=name, role=role, municipalities=[where], life=timedelta(days=life),
                at=datetime.now(UTC),
            )  # fmt: skip
    except PeopleError as error:
        return await _page(request, actor, wrong=error.reason, status=422)
    return await _page(request, actor, token=token)


@router.post("/tokens/{token}/revoke")
async def revoke_token(request: Request, actor: Writer, token: str) -> Response:
    """The token opens nothing from now on."""
    number = page_position(token)
    try:
        async with answering(), as_actor(Web.of(request).pool, actor) as connection:
            await store.revoke_token(connection, actor, min(number or 0, _NUMBER_MOST), datetime.now(UTC))
    except LookupError:
        return RedirectResponse("/tokens?done=gone", status_code=303)
    return RedirectResponse("/tokens?done=revoked", status_code=303)


async def _page(
    request: Request, actor: Actor, *, status: int = 200, token: str | None = None, wrong: str = "", done: str = ""
) -> Response:
    async with answering(), as_actor(Web.of(request).pool, actor) as connection:
        found = await store.tokens(connection)
        towns = [
            row for row in await store.places(connection) if may_grant(actor, "administrator", row["municipality_id"])
        ]
    names = {row["municipality_id"]: row["name"] for row in towns}
    at = datetime.now(UTC)
    return page(
        request, "tokens.html", status=status, tokens=[_token(row, names, at) for row in found], towns=towns,
        wrong=wrong, done=done, token=token, days=DAYS, all_roles=ROLES, installation=INSTALLATION,
        fresh=stepped_up(actor, at),
    )  # fmt: skip


def _token(row: dict[str, Any], names: dict[int, str], at: datetime) -> dict[str, Any]:
    state = "revoked" if row["revoked_at"] is not None else "expired" if row["expires_at"] <= at else "good"
    return {
        **times_as_text(row),
        "state": state,
        "places": [None if place == INSTALLATION else names.get(place, str(place)) for place in row["municipalities"]],
    }
