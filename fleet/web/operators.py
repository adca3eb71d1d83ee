"""The operators' side: the queue, closed cases, a case's history, and the API behind them.

A case that the session's municipalities do not hold does not exist here: 404, by row level security.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

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
from fleet.store.pool import tenant_transaction
from fleet.web.around import around_case
from fleet.web.decide import page_position
from fleet.web.model import Session
from fleet.web.pages import Web, answering, json_for_page, page, session_of
from fleet.web.problem import problem
from fleet.web.texts import Words, language_of

router = APIRouter()
Who = Annotated[Session, Depends(session_of)]

_CLOSED_PAGE = 25
_UNKNOWN = "there is no such case that you may see"


class Nothing(BaseModel):
    """The body of a take: an empty object, so that no form of another site can send it."""

    model_config = ConfigDict(extra="forbid")


class Close(BaseModel):
    """The body of a close."""

    model_config = ConfigDict(extra="forbid")
    outcome: Literal["helped", "false_alarm", "test", "no_contact", "other"]


@router.get("/")
async def home() -> Response:
    """The operators' queue is the home page."""
    return RedirectResponse("/operators", status_code=303)


@router.get("/operators")
async def queue_page(request: Request, session: Who) -> Response:
    """The shell of the queue; the stream fills it."""
    web = Web.of(request)
    words = Words(language_of(request), web.zone)
    data = {
        "me": session.login,
        "language": words.language,
        "zone": web.zone.key,
        "session_ends": session.ends_at.isoformat(),
        "texts": words.for_scripts(),
    }
    return page(request, "operators.html", session=session, data=json_for_page(data))


@router.get("/operators/closed")
async def closed_page(request: Request, session: Who, before: str = "") -> Response:
    """Closed cases, newest first; ``before`` is the last one of the page before. htmx gets the rows only."""
    web = Web.of(request)
    async with answering(), tenant_transaction(web.pool, session.municipalities) as connection:
        cases = await closed_cases(connection, before=cursor_of(before), most=_CLOSED_PAGE + 1)
    more = cases[_CLOSED_PAGE - 1] if len(cases) > _CLOSED_PAGE else None
    older = f"{more['closed_at']},{more['id']}" if more else None
    template = "closed_rows.html" if request.headers.get("hx-request") == "true" else "closed.html"
    return page(request, template, session=session, cases=cases[:_CLOSED_PAGE], older=older, first=not before)


@router.get("/operators/cases/{case_id}")
async def case_page(request: Request, session: Who, case_id: str) -> Response:
    """One case: what is known, its log and its presses."""
    number = page_position(case_id)
    try:
        async with answering(), tenant_transaction(Web.of(request).pool, session.municipalities) as connection:
            history = await case_history(connection, number if number is not None else 0)
            around = await around_case(connection, history["case"]["id"])
    except LookupError:
        return page(request, "error.html", status=404, session=session, problem="no_case")
    return page(request, "case.html", session=session, around=around, **history)


@router.get("/api/cases")
async def list_cases(request: Request, session: Who) -> Response:
    """The queue and the cursor to follow it from; the position is read before the cases."""
    async with answering(), tenant_transaction(Web.of(request).pool, session.municipalities) as connection:
        cursor = await last_position(connection)
        cases = await cases_not_closed(connection)
    return JSONResponse({"cursor": cursor, "cases": cases})


@router.get("/api/cases/{case_id}")
async def get_case(request: Request, session: Who, case_id: str) -> Response:
    """One case with its log, its presses and what stands around it."""
    number = page_position(case_id)
    try:
        async with answering(), tenant_transaction(Web.of(request).pool, session.municipalities) as connection:
            history = await case_history(connection, number if number is not None else 0)
            around = await around_case(connection, history["case"]["id"])
    except LookupError:
        return problem(404, _UNKNOWN)
    return JSONResponse({**history, "around": around})


@router.post("/api/cases/{case_id}/take")
async def take(request: Request, session: Who, case_id: str, _body: Nothing) -> Response:
    """The first wins: 200 with the case, or 409 with the case as it is now."""
    return await _change(request, session, case_id, None)


@router.post("/api/cases/{case_id}/close")
async def close(request: Request, session: Who, case_id: str, body: Close) -> Response:
    """Closes a taken case with an outcome: 200, or 409 with the case as it is now."""
    return await _change(request, session, case_id, body.outcome)


@router.websocket("/ws")
async def stream(websocket: WebSocket) -> None:
    """The stream: see stream.py."""
    web = websocket.app.state.web
    assert isinstance(web, Web)
    await web.stream.serve(websocket)


async def _change(request: Request, session: Session, case_id: str, outcome: str | None) -> Response:
    number = page_position(case_id)
    if number is None:
        return problem(404, _UNKNOWN)
    try:
        async with answering(), tenant_transaction(Web.of(request).pool, session.municipalities) as connection:
            await case_by_id(connection, number)  # a case that may not be seen must not wait for the log's lock
            if outcome is None:
                case = await take_case(connection, number, session.login)
            else:
                case = await close_case(connection, number, session.login, outcome)
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
