"""Signing in with name and password, for people (forms) and for programs (JSON), and signing out."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form
from pydantic import BaseModel, ConfigDict
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from fleet.store.pool import fetch_all
from fleet.web.access import open_to_all
from fleet.web.cookies import COOKIE, forget_cookie, session_token
from fleet.web.decide import safe_next
from fleet.web.entering import begin_session, remember_browser
from fleet.web.pages import Away, Web, answering, may_keep_cookies, page
from fleet.web.passkeys import second_step
from fleet.web.passwords import Known, TooManyAttempts, browser_cookie
from fleet.web.problem import problem
from fleet.web.tickets import SQL

router = APIRouter(dependencies=[Depends(open_to_all("whoever signs in is not signed in yet"))])

# How long the form waits for the names of identity providers; without them it is shown all the same.
_PROVIDERS_S = 1.5


class LogIn(BaseModel):
    """The body of POST /api/login."""

    model_config = ConfigDict(extra="forbid")
    login: str
    password: str


@router.get("/login")
async def login_page(request: Request) -> Response:
    """The form. Whoever is signed in already is shown the form too: it ends the old session."""
    return await _form(request, next=safe_next(request.query_params.get("next"), "/"))


@router.post("/login")
async def login_form(
    request: Request,
    login: Annotated[str, Form()] = "",
    password: Annotated[str, Form()] = "",
    next: Annotated[str, Form()] = "",
) -> Response:
    """Leads to ``next`` with a new session, to the second step, or shows the form again and says what was wrong."""
    goal = safe_next(next, "/")
    if not may_keep_cookies(request):
        return await _form(request, status=400, next=goal, login=login, problem="insecure")
    try:
        async with answering():
            known = await _check(request, login, password)
    except TooManyAttempts as error:
        answer = await _form(request, status=429, next=goal, login=login, problem="wait", wait=error.retry_after)
        answer.headers["Retry-After"] = str(error.retry_after)
        return answer
    if known is None:
        return await _form(request, status=401, next=goal, login=login, problem="wrong")
    if known.second_step:
        return await second_step(request, known, login, goal)
    answer = RedirectResponse(goal, status_code=303)
    await begin_session(request, answer, known.person, "password")
    remember_browser(request, answer, login, known)
    return answer


@router.post("/api/login")
async def login_api(request: Request, body: LogIn) -> Response:
    """204 and the cookie, or a problem."""
    if not may_keep_cookies(request):
        return problem(400, "log in over https: the cookie would be readable on the way")
    try:
        async with answering():
            known = await _check(request, body.login, body.password)
    except TooManyAttempts as error:
        return problem(429, str(error), headers={"Retry-After": str(error.retry_after)})
    if known is None:
        return problem(401, "this name and password do not belong together")
    if known.second_step:
        return problem(403, "this person signs in with a passkey too: use the page, or an API token for a program")
    answer = Response(status_code=204)
    await begin_session(request, answer, known.person, "password")
    remember_browser(request, answer, body.login, known)
    return answer


@router.post("/logout")
async def logout(request: Request) -> Response:
    """Ends the session and its streams."""
    web = Web.of(request)
    async with answering():
        token_hash = await web.sessions.log_out(session_token(request.cookies, request.url.scheme)[0])
    if token_hash is not None:
        web.receipts.end(token_hash)
    answer = RedirectResponse("/login", status_code=303)
    forget_cookie(request, answer, COOKIE)
    return answer


async def _check(request: Request, login: str, password: str) -> Known | None:
    return await Web.of(request).passwords.check(login, password, browser=request.cookies.get(browser_cookie(login)))


async def _form(
    request: Request, *, status: int = 200, next: str, login: str = "", problem: str | None = None, wait: int = 0
) -> Response:
    providers: list[dict[str, Any]] = []
    with suppress(Away):
        async with answering(), asyncio.timeout(_PROVIDERS_S), Web.of(request).login_pool.connection() as connection:
            providers = await fetch_all(connection, SQL["providers"])
    return page(
        request, "login.html", status=status, next=next, login=login, problem=problem, wait=wait, providers=providers
    )
