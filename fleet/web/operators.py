"""The operators' side: the queue, closed cases, a case's history, and the API behind them.

A case that the session's municipalities do not hold does not exist here: 404, by row level security.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.websockets import WebSocket

from fleet.alarms.model import TakeRefused
from fleet.alarms.store import (
    case_by_id,
    case_history,
    cases_not_closed,
    close_case,
    closed_cases,
    last_position,
    take_case,
)
from fleet.people.decide import may
from fleet.people.model import Actor
from fleet.web.access import actor_of, as_actor, open_to_all, require, signature
from fleet.web.around import around_case
from fleet.web.decide import page_position
from fleet.web.pages import Web, answering, json_for_page, page, session_of
from fleet.web.problem import problem
from fleet.web.texts import Words, language_of

router = APIRouter()
Who = Annotated[Actor, Depends(require("cases.read"))]
Taker = Annotated[Actor, Depends(require("cases.take"))]

HOMES = (
    ("/operators", "cases.read"), ("/technicians", "tasks.read"), ("/people", "people.read"), ("/units", "units.read"),
)  # fmt: skip
"""Where somebody begins, by the first permission that they have."""

_CLOSED_PAGE = 25
_UNKNOWN = "there is no such case that you may see"


class Nothing(BaseModel):
    """The body of a take: an empty object, so that no form of another site can send it."""

    model_config = ConfigDict(extra="forbid")


class Close(BaseModel):
    """The body of a close."""

    model_config = ConfigDict(extra="forbid")
    outcome: Literal["helped", "false_alarm", "test", "no_contact", "other"]


@router.get("/", dependencies=[Depends(open_to_all("it leads to a page that asks"))])
async def home(request: Request) -> Response:
    """To the first page that one's roles allow; without any role, to one's own account."""
    actor = await actor_of(request)
    goal = next((path for path, permission in HOMES if may(actor, permission)), "/account")
    return RedirectResponse(goal, status_code=303)


@router.get("/operators")
async def queue_page(request: Request, _actor: Who) -> Response:
    """The shell of the queue; the stream fills it."""
    web = Web.of(request)
    session = await session_of(request)
    words = Words(language_of(request), web.zone)
    data = {
        "me": session.login,
        "language": words.language,
        "zone": web.zone.key,
        "session_ends": session.ends_at.isoformat(),
        "texts": words.for_scripts(),
    }
    return page(request, "operators.html", data=json_for_page(data))


@router.get("/operators/closed")
async def closed_page(request: Request, actor: Who, before: str = "") -> Response:
    """Closed cases, newest first; ``before`` is the last one of the page before. htmx gets the rows only."""
    web = Web.of(request)
    async with answering(), as_actor(web.pool, actor) as connection:
        cases = await closed_cases(connection, before=cursor_of(before), most=_CLOSED_PAGE + 1)
    more = cases[_CLOSED_PAGE - 1] if len(cases) > _CLOSED_PAGE else None
    older = f"{more['closed_at']},{more['id']}" if more else None
    template = "closed_rows.html" if request.headers.get("hx-request") == "true" else "closed.html"
    return page(request, template, cases=cases[:_CLOSED_PAGE], older=older, first=not before)


@router.get("/operators/cases/{case_id}")
async def case_page(request: Request, actor: Who, case_id: str) -> Response:
    """One case: what is known, its log and its presses."""
    try:
        found = await _whole_case(request, actor, case_id)
    except LookupError:
        return page(request, "error.html", status=404, problem="no_case")
    return page(request, "case.html", **found)


@router.get("/api/cases")
async def list_cases(request: Request, actor: Who) -> Response:
    """The queue and the cursor to follow it from; the position is read before the cases."""
    async with answering(), as_actor(Web.of(request).pool, actor) as connection:
        cursor = await last_position(connection)
        cases = await cases_not_closed(connection)
    return JSONResponse({"cursor": cursor, "cases": cases})


@router.get("/api/cases/{case_id}")
async def get_case(request: Request, actor: Who, case_id: str) -> Response:
    """One case with its log, its presses and what stands around it."""
    try:
        return JSONResponse(await _whole_case(request, actor, case_id))
    except LookupError:
        return problem(404, _UNKNOWN)


async def _whole_case(request: Request, actor: Actor, case_id: str) -> dict[str, Any]:
    """Raises LookupError for a case that there is not, or that is not the actor's to see."""
    number = page_position(case_id)
    async with answering(), as_actor(Web.of(request).pool, actor) as connection:
        history = await case_history(connection, number if number is not None else 0)
        return {**history, "around": await around_case(connection, history["case"]["id"])}


@router.post("/api/cases/{case_id}/take")
async def take(request: Request, actor: Taker, case_id: str, _body: Nothing) -> Response:
    """The first wins: 200 with the case, or 409 with the case as it is now."""
    return await _change(request, actor, case_id, None)


@router.post("/api/cases/{case_id}/close")
async def close(request: Request, actor: Taker, case_id: str, body: Close) -> Response:
    """Closes a taken case with an outcome: 200, or 409 with the case as it is now."""
    return await _change(request, actor, case_id, body.outcome)


@router.websocket("/ws")
async def stream(websocket: WebSocket) -> None:
    """The stream: see stream.py."""
    web = websocket.app.state.web
    assert isinstance(web, Web)
    await web.stream.serve(websocket)


async def _change(request: Request, actor: Actor, case_id: str, outcome: str | None) -> Response:
    number = page_position(case_id)
    if number is None:
        return problem(404, _UNKNOWN)
    name = signature(request, actor)
    try:
        async with answering(), as_actor(Web.of(request).pool, actor) as connection:
            await case_by_id(connection, number)  # a case that may not be seen must not wait for the log's lock
            if outcome is None:
                case = await take_case(connection, number, name)
            else:
                case = await close_case(connection, number, name, outcome)
    except TakeRefused as refused:
        return problem(409, _why(refused.case, outcome), case=refused.case)
    except LookupError:
        return problem(404, _UNKNOWN)
    return JSONResponse(case)


def _why(case: dict[str, object], outcome: str | None) -> str:
    if case["state"] == "closed":
        return f"{case['closed_by']} has closed the case"
    if outcome is None:
        return f"{case['taken_by']} was first"
    return "take the case before you close it"


def cursor_of(text: str) -> tuple[datetime, int] | None:
    """The (moment, number) that a page goes on from, or None for what is none."""
    at, _, number = text.rpartition(",")
    position = page_position(number)
    try:
        moment = datetime.fromisoformat(at)
    except ValueError:
        return None
    return (moment, position) if position is not None and moment.tzinfo is not None else None
