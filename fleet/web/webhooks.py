"""Subscriptions to events as a page: who is told what, whether it arrives, a new one with its secret, and the end."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from fleet.people.model import Actor
from fleet.store.pool import fetch_all
from fleet.web import record_words
from fleet.web.access import as_actor, require
from fleet.web.api.shapes import LARGEST_NUMBER, plain
from fleet.web.api.webhooks import SQL, address, end_subscription, make_subscription
from fleet.web.decide import page_position
from fleet.web.pages import Web, answering, page
from fleet.web.technicians import chosen_municipality, municipalities

router = APIRouter()
Manager = Annotated[Actor, Depends(require("webhooks.write"))]
_MOST = 200
_LONGEST_ADDRESS = 500


@router.get("/webhooks")
async def webhooks_page(request: Request, actor: Manager, done: str = "") -> Response:
    """Secrets are never shown here again."""
    return await _page(request, actor, done=done == "ended")


@router.post("/webhooks")
async def subscribe(
    request: Request,
    actor: Manager,
    municipality: Annotated[str, Form()] = "",
    url: Annotated[str, Form()] = "",
    events: Annotated[list[str] | None, Form()] = None,
) -> Response:
    """A new subscription; this answer is the only one that shows its secret."""
    place = chosen_municipality(municipality)
    kinds = [kind for kind in events or () if kind in record_words.EVENTS]
    box = Web.of(request).box
    try:
        receiver = address(url.strip())
    except ValueError:
        receiver = ""
    plain_address = receiver.isascii() and receiver.isprintable() and " " not in receiver
    if not receiver or not plain_address or len(receiver) > _LONGEST_ADDRESS:
        return await _page(request, actor, wrong="address", status=422)
    if place not in actor.municipalities or place is None:
        return await _page(request, actor, wrong="municipality", status=422)
    if not kinds:
        return await _page(request, actor, wrong="events", status=422)
    if box is None:
        return await _page(request, actor, wrong="key", status=409)
    async with answering(), as_actor(Web.of(request).pool, actor) as connection:
        made = await make_subscription(connection, box, actor, place, receiver, kinds, datetime.now(UTC))
    return await _page(request, actor, secret=made["secret"])


@router.post("/webhooks/{subscription}/end")
async def end(request: Request, actor: Manager, subscription: str) -> Response:
    """Nothing more is sent."""
    number = page_position(subscription)
    async with answering(), as_actor(Web.of(request).pool, actor) as connection:
        await end_subscription(connection, actor, min(number or 0, LARGEST_NUMBER), datetime.now(UTC))
    return RedirectResponse("/webhooks?done=ended", status_code=303)


async def _page(
    request: Request,
    actor: Actor,
    *,
    wrong: str | None = None,
    secret: str | None = None,
    done: bool = False,
    status: int = 200,
) -> Response:
    async with answering(), as_actor(Web.of(request).pool, actor) as connection:
        rows: list[dict[str, Any]] = await fetch_all(connection, SQL["subscriptions"], {"after": 0, "most": _MOST})
        towns = [town for town in await municipalities(connection) if town["municipality_id"]]
    names = {town["municipality_id"]: town["name"] for town in towns}
    return page(
        request, "webhooks.html", status=status, rows=plain(rows), towns=towns, names=names, wrong=wrong, secret=secret,
        done=done, record_words=record_words,
    )  # fmt: skip
