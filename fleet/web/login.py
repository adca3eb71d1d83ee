"""Log-in and log-out, for people (forms) and for programs (JSON)."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form
from pydantic import BaseModel, ConfigDict
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from fleet.web.decide import safe_next
from fleet.web.pages import Web, answering, may_keep_cookies, page, set_cookie
from fleet.web.problem import problem
from fleet.web.sessions import LoggedIn, TooManyAttempts, browser_cookie
from fleet.web.stream import COOKIE

router = APIRouter()

# Longer than any holiday; every log-in renews it.
_KNOWN_S = 400 * 24 * 3600


class LogIn(BaseModel):
    """The body of POST /api/login."""

    model_config = ConfigDict(extra="forbid")
    login: str
    password: str


@router.get("/login")
async def login_page(request: Request) -> Response:
    """The form. Whoever is logged in already is shown the form too: it ends the old session."""
    return page(request, "login.html", next=safe_next(request.query_params.get("next")), login="", problem=None, wait=0)


@router.post("/login")
async def login_form(
    request: Request,
    login: Annotated[str, Form()] = "",
    password: Annotated[str, Form()] = "",
    next: Annotated[str, Form()] = "",
) -> Response:
    """Leads to ``next`` with a new session, or shows the form again and says what was wrong."""
    goal = safe_next(next)
    if not may_keep_cookies(request):
        return page(request, "login.html", status=400, next=goal, login=login, problem="insecure", wait=0)
    try:
        async with answering():
            inside = await _log_in(request, login, password)
    except TooManyAttempts as error:
        answer = page(request, "login.html", status=429, next=goal, login=login, problem="wait", wait=error.retry_after)
        answer.headers["Retry-After"] = str(error.retry_after)
        return answer
    if inside is None:
        return page(request, "login.html", status=401, next=goal, login=login, problem="wrong", wait=0)
    answer = RedirectResponse(goal, status_code=303)
    _keep(request, answer, login, inside)
    return answer


@router.post("/api/login")
async def login_api(request: Request, body: LogIn) -> Response:
    """204 and the cookie, or a problem."""
    if not may_keep_cookies(request):
        return problem(400, "log in over https: the cookie would be readable on the way")
    try:
        async with answering():
            inside = await _log_in(request, body.login, body.password)
    except TooManyAttempts as error:
        return problem(429, str(error), headers={"Retry-After": str(error.retry_after)})
    if inside is None:
        return problem(401, "this name and password do not belong together")
    answer = Response(status_code=204)
    _keep(request, answer, body.login, inside)
    return answer


@router.post("/logout")
async def logout(request: Request) -> Response:
    """Ends the session and its streams."""
    web = Web.of(request)
    async with answering():
        token_hash = await web.sessions.log_out(request.cookies.get(COOKIE))
    if token_hash is not None:
        web.receipts.end(token_hash)
    answer = RedirectResponse("/login", status_code=303)
    answer.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict", secure=request.url.scheme == "https")
    return answer


async def _log_in(request: Request, login: str, password: str) -> LoggedIn | None:
    return await Web.of(request).sessions.log_in(
        login, password, old_token=request.cookies.get(COOKIE), browser=request.cookies.get(browser_cookie(login))
    )


def _keep(request: Request, answer: Response, login: str, inside: LoggedIn) -> None:
    set_cookie(request, answer, COOKIE, inside.token)
    set_cookie(request, answer, browser_cookie(login), inside.browser, max_age=_KNOWN_S)
