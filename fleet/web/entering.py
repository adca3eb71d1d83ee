"""The moment in which somebody is let in: a new session and its cookie, and what the browser is known by."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from fleet.web.cookies import COOKIE, cookie_name, session_token, set_cookie
from fleet.web.pages import Web, answering
from fleet.web.passwords import Known, browser_cookie

# Longer than any holiday; every sign-in renews it.
_KNOWN_S = 400 * 24 * 3600


async def begin_session(request: Request, answer: Response, person: int, method: str) -> None:
    """A new session for the person, its cookie on the answer; the browser's old session ends. Raises Away."""
    web = Web.of(request)
    old = session_token(request.cookies, request.url.scheme)[0]
    async with answering():
        token = await web.sessions.start(person, method, old_token=old)
    set_cookie(request, answer, cookie_name(COOKIE, request.url.scheme), token)


def remember_browser(request: Request, answer: Response, login: str, known: Known) -> None:
    """So that strangers who guess under this name do not keep this browser waiting."""
    set_cookie(request, answer, browser_cookie(login), known.browser, max_age=_KNOWN_S)
