"""Search sessions: the only time in which a tracker's position is kept, and the only way to read it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import psycopg
from fastapi import APIRouter, Depends, Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from fleet.people.model import Actor
from fleet.registry import searches as registry
from fleet.store.pool import Connection
from fleet.web.access import require
from fleet.web.api.serving import IdempotencyKey, answer, reading, write
from fleet.web.api.shapes import (
    LARGEST,
    LIMIT,
    Body,
    Cursor,
    Key,
    Limit,
    Refused,
    Sentence,
    cursor_values,
    listed,
    not_found,
    number_of,
    plain,
)

router = APIRouter(tags=["searches"])
Searches = Annotated[Actor, Depends(require("search.open"))]
Looks = Annotated[Actor, Depends(require("search.open", step_up=True))]


Running = Annotated[bool, Query(description="Only those that run now.")]


class End(Body):
    """How a search ends."""

    delete_now: bool = Field(False, description="Positions go now, and not within the hour.")


class NewSearch(Body):
    """A search for the wearer of a tracker: for an open case, with a reason and a note of consent."""

    case: int = Field(ge=1, le=LARGEST)
    reason: Sentence
    consent: Sentence
    minutes: int = Field(ge=1, le=24 * 60)


@router.get("/searches", summary="Searches, newest first")
async def list_searches(
    request: Request, actor: Searches, running: Running = False, cursor: Cursor = None, limit: Limit = LIMIT
) -> Response:
    """Why, on whose consent, until when; never a position."""
    (before,) = cursor_values(cursor, number_of)
    async with reading(request, actor) as connection:
        rows = await registry.listed(connection, running=running, at=datetime.now(UTC), before=before, most=limit + 1)
    rows = [{**row, "unit": f"{row.pop('unit_id'):08x}", "id": row.pop("search_id")} for row in rows]
    return answer(listed(rows, limit, lambda row: [row["id"]]))


@router.post("/searches", status_code=201, summary="Begin a search")
async def start(request: Request, actor: Searches, body: NewSearch, key: IdempotencyKey = None) -> Response:
    """409 where the case is not an open one of a tracker, or a search is running."""

    async def work(connection: Connection) -> Any:
        try:
            number = await registry.start_search(
                connection, case=body.case, reason=body.reason, consent=body.consent,
                lasts=timedelta(minutes=body.minutes), actor=actor.name, at=datetime.now(UTC),
            )  # fmt: skip
        except registry.SearchRefused as error:
            raise Refused(409, str(error)) from None
        except psycopg.errors.UniqueViolation:
            raise Refused(409, "a search for this wearer is running already") from None
        return {"id": number, "case": body.case, "minutes": body.minutes}

    return await write(request, actor, work, key=key, status=201)


@router.post("/searches/{search}/end", status_code=204, summary="End a search")
async def end(request: Request, actor: Searches, search: Key, body: End, key: IdempotencyKey = None) -> Response:
    """Its positions can be read no more, and are deleted within the hour, or now."""

    async def work(connection: Connection) -> Any:
        try:
            await registry.end_search(connection, search, actor.name, datetime.now(UTC), delete_now=body.delete_now)
        except LookupError:
            raise not_found("running search") from None
        return None

    return await write(request, actor, work, key=key, status=204)


@router.get("/searches/{search}/positions", summary="Positions of a running search, newest first")
async def positions(request: Request, actor: Looks, search: Key) -> Response:
    """Each look is recorded. 404 once the search is over."""
    async with reading(request, actor) as connection:
        try:
            rows = await registry.positions(connection, search, actor=actor.name, at=datetime.now(UTC))
        except LookupError:
            raise not_found("running search") from None
    return answer({"items": plain(rows), "next": None})
