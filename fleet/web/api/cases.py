"""Cases: list, read, take, close. Who was first is decided by the alarms domain, in the database."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import Response

from fleet.alarms.model import TakeRefused
from fleet.alarms.store import case_by_id, case_history, case_view, close_case, take_case
from fleet.people.model import Actor
from fleet.store.pool import Connection, fetch_all
from fleet.store.sql_file import read_statements
from fleet.web.access import require
from fleet.web.api.serving import IdempotencyKey, IfMatch, answer, matches, reading, write
from fleet.web.api.shapes import (
    LIMIT,
    Body,
    Cursor,
    Empty,
    Key,
    Limit,
    OfMunicipality,
    Refused,
    cursor_values,
    listed,
    not_found,
    number_of,
)
from fleet.web.around import around_case

router = APIRouter(tags=["cases"])
SQL = read_statements("fleet.web.api", "cases.sql")
Reads = Annotated[Actor, Depends(require("cases.read"))]
Takes = Annotated[Actor, Depends(require("cases.take"))]


class Close(Body):
    """How it ended."""

    outcome: Literal["helped", "false_alarm", "test", "no_contact", "other"]


@router.get("/cases", summary="Cases, newest first")
async def list_cases(
    request: Request,
    actor: Reads,
    state: Annotated[Literal["open", "taken", "closed"] | None, Query(description="In this state only.")] = None,
    municipality: OfMunicipality = None,
    cursor: Cursor = None,
    limit: Limit = LIMIT,
) -> Response:
    """Tests are left out, as in the operators' queue."""
    (before,) = cursor_values(cursor, number_of)
    values = {"state": state, "municipality": municipality, "before": before, "most": limit + 1}
    async with reading(request, actor) as connection:
        rows = [case_view(row) for row in await fetch_all(connection, SQL["cases"], values)]
    return answer(listed(rows, limit, lambda case: [case["id"]]))


@router.get("/cases/{case}", summary="One case with its log and presses")
async def get_case(request: Request, actor: Reads, case: Key) -> Response:
    """With what stands around it: people told, next step, way and battery."""
    async with reading(request, actor) as connection:
        try:
            history = await case_history(connection, case)
        except LookupError:
            raise not_found("case") from None
        return answer({**history, "around": await around_case(connection, case)})


@router.post("/cases/{case}/take", summary="Take a case: the first wins")
async def take(
    request: Request, actor: Takes, case: Key, _body: Empty, key: IdempotencyKey = None, if_match: IfMatch = None
) -> Response:
    """409 with the case as it is where somebody else was first. If-Match takes the ETag of `case` in the list."""

    async def work(connection: Connection) -> Any:
        matches(if_match, await _seen(connection, case))
        return await take_case(connection, case, actor.name)

    return await _change(request, actor, work, key)


@router.post("/cases/{case}/close", summary="Close a taken case with its outcome")
async def close(
    request: Request, actor: Takes, case: Key, body: Close, key: IdempotencyKey = None, if_match: IfMatch = None
) -> Response:
    """409 with the case as it is where nobody has taken it, or it is closed."""

    async def work(connection: Connection) -> Any:
        matches(if_match, await _seen(connection, case))
        return await close_case(connection, case, actor.name, body.outcome)

    return await _change(request, actor, work, key)


async def _seen(connection: Connection, case: int) -> dict[str, Any]:
    """A case that may not be seen must not wait for the log's lock."""
    try:
        return await case_by_id(connection, case)
    except LookupError:
        raise not_found("case") from None


async def _change(request: Request, actor: Actor, work: Any, key: str | None) -> Response:
    try:
        return await write(request, actor, work, key=key)
    except TakeRefused as refused:
        state = refused.case["state"]
        why = "take the case before you close it" if state == "open" else f"the case is {state}"
        raise Refused(409, why, case=refused.case) from None
