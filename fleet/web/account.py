"""One's own account: password, passkeys, sessions, connected providers; and showing once more who one is."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from fleet.people.decide import stepped_up
from fleet.people.model import INSTALLATION, Actor
from fleet.people.store import places
from fleet.store.pool import fetch_all
from fleet.web.access import actor_of, as_actor, require
from fleet.web.account_record import note
from fleet.web.decide import safe_next
from fleet.web.pages import Web, answering, page, session_of
from fleet.web.passkeys import relying_party
from fleet.web.passwords import TooManyAttempts, browser_cookie
from fleet.web.tickets import SQL

router = APIRouter()
Own = Annotated[Actor, Depends(require("account.own"))]
OwnNow = Annotated[Actor, Depends(require("account.own", step_up=True))]


@router.get("/account")
async def account_page(request: Request, _actor: Own, done: str = "", wrong: str = "") -> Response:
    """Who I am here, what I may do where, and every way in that is mine."""
    web = Web.of(request)
    session = await session_of(request)
    whole = await actor_of(request)
    async with answering(), web.login_pool.connection() as connection:
        me = (await fetch_all(connection, SQL["person"], {"user_id": session.user}))[0]
        passkeys = await fetch_all(connection, SQL["passkeys_of"], {"user_id": session.user})
        links = await fetch_all(connection, SQL["links_of"], {"user_id": session.user})
        providers = await fetch_all(connection, SQL["providers"])
    sessions = await web.sessions.of_person(session.user)
    async with answering(), as_actor(web.pool, whole) as connection:
        names = {row["municipality_id"]: row["name"] for row in await places(connection)}
    everywhere = dict(session.held).get(INSTALLATION, frozenset())
    held = [
        (place, names.get(place, str(place)), sorted(roles if place == INSTALLATION else roles - everywhere))
        for place, roles in session.held
        if place == INSTALLATION or roles - everywhere
    ]
    linked = {row["provider_id"] for row in links}
    return page(
        request, "account.html", me=_plain(me), passkeys=[_plain(row) for row in passkeys],
        sessions=[{**_plain(row), "this": bytes(row["token_hash"]) == session.token_hash} for row in sessions],
        links=[_plain(row) for row in links], providers=[one for one in providers if one["provider_id"] not in linked],
        held=held, fresh=stepped_up(whole, datetime.now(UTC)), done=done, wrong=wrong,
        named=relying_party(request) is not None,
    )  # fmt: skip


@router.post("/account/password")
async def change_password(request: Request, actor: OwnNow, password: Annotated[str, Form()] = "") -> Response:
    """A new password; every other session of this person ends."""
    web = Web.of(request)
    session = await session_of(request)
    try:
        async with answering(), web.login_pool.connection() as connection, connection.transaction():
            await web.passwords.set_password(connection, actor, session.user, password)
    except ValueError:
        return _back(wrong="password")
    await _end_others(request, session.user, session.token_hash)
    return _back(done="password")


@router.post("/account/second-step")
async def change_second_step(request: Request, actor: OwnNow, on: Annotated[str, Form()] = "") -> Response:
    """Whether the password alone is enough. It needs a passkey to be switched on."""
    values = {"user_id": actor.person_id, "second_step": on == "1"}
    async with answering(), Web.of(request).login_pool.connection() as connection, connection.transaction():
        rows = await fetch_all(connection, SQL["set_second_step"], values)
        if rows:
            await note(connection, actor, "person.second_step_set", {"on": on == "1"})
    return _back(done="second_step") if rows else _back(wrong="no_passkey")


@router.post("/account/log-out-everywhere")
async def log_out_everywhere(request: Request, _actor: Own) -> Response:
    """Ends every session of mine but this one, on every device, and cuts their streams."""
    session = await session_of(request)
    await _end_others(request, session.user, session.token_hash)
    return _back(done="sessions")


@router.get("/step-up")
async def step_up_page(request: Request, _actor: Own, next: str = "") -> Response:
    """Asks once more who one is: by password, passkey or provider."""
    return await _step_up_form(request, next=safe_next(next, "/account"))


@router.post("/step-up")
async def step_up(
    request: Request, _actor: Own, password: Annotated[str, Form()] = "", next: Annotated[str, Form()] = ""
) -> Response:
    """The right password leads to ``next``, for five minutes; the wrong ones are counted as at signing in."""
    web = Web.of(request)
    goal = safe_next(next, "/account")
    session = await session_of(request)
    try:
        async with answering():
            known = await web.passwords.check(
                session.login, password, browser=request.cookies.get(browser_cookie(session.login))
            )
    except TooManyAttempts as error:
        answer = await _step_up_form(request, status=429, next=goal, wrong="wait", wait=error.retry_after)
        answer.headers["Retry-After"] = str(error.retry_after)
        return answer
    if known is None or known.person != session.user:
        return await _step_up_form(request, status=401, next=goal, wrong="wrong")
    async with answering():
        await web.sessions.step_up(session.token_hash, session.user, "password")
    return RedirectResponse(goal, status_code=303)


async def _step_up_form(
    request: Request, *, next: str, status: int = 200, wrong: str | None = None, wait: int = 0
) -> Response:
    session = await session_of(request)
    async with answering(), Web.of(request).login_pool.connection() as connection:
        me = (await fetch_all(connection, SQL["person"], {"user_id": session.user}))[0]
        passkeys = await fetch_all(connection, SQL["passkeys_of"], {"user_id": session.user})
        links = await fetch_all(connection, SQL["links_of"], {"user_id": session.user})
    return page(
        request, "step_up.html", status=status, next=next, wrong=wrong, wait=wait, links=links,
        has_password=me["has_password"], has_passkey=bool(passkeys) and relying_party(request) is not None,
    )  # fmt: skip


async def _end_others(request: Request, person: int, but: bytes) -> None:
    web = Web.of(request)
    async with answering():
        ended = await web.sessions.log_out_everywhere(person, but=but)
    for token_hash in ended:
        web.receipts.end(token_hash)


def _back(*, done: str = "", wrong: str = "") -> Response:
    query = f"done={done}" if done else f"wrong={wrong}"
    return RedirectResponse(f"/account?{query}", status_code=303)


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value.isoformat() if hasattr(value, "isoformat") else value for name, value in row.items()}
