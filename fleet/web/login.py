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
from fleet.web.sessions import TooManyAttempts
from fleet.web.stream import COOKIE

router = APIRouter()


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
            token = await Web.of(request).sessions.log_in(login, password, request.cookies.get(COOKIE))
    except TooManyAttempts as error:
        answer = page(request, "login.html", status=429, next=goal, login=login, problem="wait", wait=error.retry_after)
        answer.headers["Retry-After"] = str(error.retry_after)
        return answer
    if token is None:
        return page(request, "login.html", status=401, next=goal, login=login, problem="wrong", wait=0)
    answer = RedirectResponse(goal, status_code=303)
    set_cookie(request, answer, COOKIE, token)
    return answer


@router.post("/api/login")
async def login_api(request: Request, body: LogIn) -> Response:
    """204 and the cookie, or a problem."""
    if not may_keep_cookies(request):
        return problem(400, "log in over https: the cookie would be readable on the way")
    try:
        async with answering():
            token = await Web.of(request).sessions.log_in(body.login, body.password, request.cookies.get(COOKIE))
    except TooManyAttempts as error:
        return problem(429, str(error), headers={"Retry-After": str(error.retry_after)})
    if token is None:
        return problem(401, "this name and password do not belong together")
    answer = Response(status_code=204)
    set_cookie(request, answer, COOKIE, token)
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
