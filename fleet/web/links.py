"""One-time links: how the first administrator, and everybody who is invited, gets in for the first time.

Looking at a link uses nothing up, because mail programs look too; the form does. A link opens once, for three days.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Form
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from fleet.people.model import Actor
from fleet.people.store import secret_hash
from fleet.store.pool import fetch_all
from fleet.web.access import open_to_all
from fleet.web.account_record import note
from fleet.web.entering import begin_session
from fleet.web.pages import Web, answering, may_keep_cookies, page
from fleet.web.passwords import SHORTEST_PASSWORD
from fleet.web.tickets import SQL

router = APIRouter(dependencies=[Depends(open_to_all("the link is what lets somebody in"))])

_LONGEST_LINK = 100


class _LinkGone(RuntimeError):
    """The link was used, is too old, or never was one."""


@router.get("/welcome")
async def welcome_page(request: Request, link: str = "") -> Response:
    """Whose link it is, and the form for a password."""
    async with answering(), Web.of(request).login_pool.connection() as connection:
        rows = await fetch_all(connection, SQL["link"], {"link_hash": _hash(link)})
    if not rows:
        return page(request, "error.html", status=404, problem="no_link")
    return _form(request, link, rows[0]["login"], None)


@router.post("/welcome")
async def welcome(
    request: Request, link: Annotated[str, Form()] = "", password: Annotated[str, Form()] = ""
) -> Response:
    """Uses the link up: sets the password, or none for whoever goes on with a passkey; ends the person's other
    sessions and links, and signs in."""
    web = Web.of(request)
    if not may_keep_cookies(request):
        return page(request, "error.html", status=400, problem="insecure")
    try:
        person = await _use(request, link, password)
    except _LinkGone:
        return page(request, "error.html", status=404, problem="no_link")
    except ValueError:
        async with answering(), web.login_pool.connection() as connection:
            rows = await fetch_all(connection, SQL["link"], {"link_hash": _hash(link)})
        return _form(request, link, rows[0]["login"] if rows else "", "short", status=400)
    async with answering():
        for token_hash in await web.sessions.log_out_everywhere(person):
            web.receipts.end(token_hash)
    answer = RedirectResponse("/account?done=welcome", status_code=303)
    await begin_session(request, answer, person, "link")
    return answer


async def _use(request: Request, link: str, password: str) -> int:
    web = Web.of(request)
    async with answering(), web.login_pool.connection() as connection, connection.transaction():
        rows = await fetch_all(connection, SQL["use_link"], {"link_hash": _hash(link)})
        if not rows:
            raise _LinkGone
        person = int(rows[0]["user_id"])
        actor = Actor(f"person:{person}", frozenset(), (), person_id=person)
        if password:
            await web.passwords.set_password(connection, actor, person, password)
        await connection.execute(SQL["end_links"], {"user_id": person})
        await note(connection, actor, "person.link_used", {"password": bool(password)})
    return person


def _form(request: Request, link: str, login: str, wrong: str | None, status: int = 200) -> Response:
    return page(request, "welcome.html", status=status, link=link, login=login, wrong=wrong, shortest=SHORTEST_PASSWORD)


def _hash(link: str) -> bytes:
    return secret_hash(link if len(link) <= _LONGEST_LINK else "")
