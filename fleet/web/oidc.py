"""Signing in at the municipality's identity provider, connecting a person with it, and stepping up there.

The browser goes there with a ticket in a cookie and comes back to ``/sign-in/oidc/callback``. That cookie is
SameSite=Lax, the only one: the way back begins on another site, where our other cookies are not sent. So the answer to
the way back is a page of ours that goes on by itself.
"""

from __future__ import annotations

import hmac
import logging
import time
from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from fleet.people.model import Actor
from fleet.registry.secret_box import SecretBox, SecretBoxError
from fleet.store.pool import fetch_all
from fleet.web.access import open_to_all, require
from fleet.web.account_record import note
from fleet.web.cookies import WAY, cookie_name, forget_cookie, set_cookie
from fleet.web.decide import page_position, safe_next
from fleet.web.entering import begin_session
from fleet.web.oidc_client import Provider, ProviderError, Secrets
from fleet.web.pages import Web, answering, may_keep_cookies, page, session_of
from fleet.web.tickets import SQL, WAY_LIFE_S, Ticket, TicketGone, make_ticket, take_ticket

log = logging.getLogger(__name__)

router = APIRouter()
Anybody = Depends(open_to_all("whoever signs in is not signed in yet"))
Own = Annotated[Actor, Depends(require("account.own"))]
OwnNow = Annotated[Actor, Depends(require("account.own", step_up=True))]

CALLBACK = "/sign-in/oidc/callback"
_PURPOSES = ("oidc_sign_in", "oidc_step_up", "oidc_link")


@router.get(CALLBACK, dependencies=[Anybody])
async def callback(request: Request, code: str = "", state: str = "", iss: str = "") -> Response:
    """The way back. What does not hold, for whatever reason, is the sign-in page with one sentence."""
    ticket_text = request.cookies.get(cookie_name(WAY, request.url.scheme), "")
    secrets = Secrets.of(ticket_text)
    try:
        if not hmac.compare_digest(state.encode(), secrets.state.encode()):
            raise ProviderError("state: this is the way back of another sign-in")
        async with answering(), Web.of(request).login_pool.connection() as connection:
            ticket = await take_ticket(connection, ticket_text, _PURPOSES)
        provider = await _provider(request, ticket.provider or 0)
        if provider is None or (iss and iss != provider.issuer):
            raise ProviderError("iss: another provider answers")
        if not code or len(code) > 4096:
            raise ProviderError("the provider gave no code: the person said no, or it refused")
        since = ticket.ends - WAY_LIFE_S if ticket.purpose == "oidc_step_up" else None
        subject = await Web.of(request).providers.subject(
            provider, secrets, _back(request), code, now=time.time(), since=since
        )
    except (ProviderError, TicketGone) as error:
        log.info("a way back from an identity provider was refused: %s", error or "the ticket is gone")
        answer = page(request, "login.html", status=401, next="/", login="", problem="way", wait=0, providers=[])
    else:
        answer = await _arrived(request, ticket, provider, _subject_hash(request, provider, subject))
    forget_cookie(request, answer, WAY)
    return answer


@router.get("/sign-in/oidc/{provider}", dependencies=[Anybody])
async def sign_in(request: Request, provider: str, next: str = "") -> Response:
    """Sends the browser to the provider."""
    if not may_keep_cookies(request):
        return page(request, "error.html", status=400, problem="insecure")
    return await _send_there(request, provider, "oidc_sign_in", goal=safe_next(next, "/"))


@router.get("/step-up/oidc/{provider}")
async def step_up(request: Request, actor: Own, provider: str, next: str = "") -> Response:
    """Sends the browser to the provider, which must ask the person again."""
    session = await session_of(request)
    return await _send_there(
        request, provider, "oidc_step_up", goal=safe_next(next, "/account"), person=actor.person_id,
        session_hash=session.token_hash,
    )  # fmt: skip


@router.get("/account/oidc/{provider}")
async def connect(request: Request, actor: OwnNow, provider: str) -> Response:
    """Sends the browser to the provider; whoever comes back is this person from then on."""
    session = await session_of(request)
    return await _send_there(
        request, provider, "oidc_link", goal="/account?done=connected", person=actor.person_id,
        session_hash=session.token_hash,
    )  # fmt: skip


@router.post("/account/oidc/{provider}/remove")
async def disconnect(request: Request, actor: OwnNow, provider: str) -> Response:
    """The provider signs this person in no more."""
    values = {"provider_id": _number(provider), "user_id": actor.person_id}
    async with answering(), Web.of(request).login_pool.connection() as connection, connection.transaction():
        if await fetch_all(connection, SQL["unlink_person"], values):
            await note(connection, actor, "person.provider_disconnected", {"provider": values["provider_id"]})
    return RedirectResponse("/account", status_code=303)


async def _send_there(
    request: Request, number: str, purpose: str, *, goal: str, person: int | None = None,
    session_hash: bytes | None = None,
) -> Response:  # fmt: skip
    provider = await _provider(request, _number(number))
    if provider is None:
        return page(request, "error.html", status=404, problem="no_page")
    async with answering():
        ticket = await make_ticket(
            Web.of(request).login_pool, purpose, person=person, session_hash=session_hash, provider=provider.number,
            goal=goal, life_s=WAY_LIFE_S,
        )  # fmt: skip
    try:
        there = await Web.of(request).providers.way_there(
            provider, Secrets.of(ticket), _back(request), fresh=purpose == "oidc_step_up"
        )
    except ProviderError as error:
        log.warning("identity provider %d cannot be used: %s", provider.number, error)
        return page(request, "login.html", status=503, next=goal, login="", problem="way", wait=0, providers=[])
    answer = RedirectResponse(there, status_code=303)
    name = cookie_name(WAY, request.url.scheme)
    set_cookie(request, answer, name, ticket, max_age=WAY_LIFE_S, cross_site=True)
    return answer


async def _arrived(request: Request, ticket: Ticket, provider: Provider, subject_hash: bytes) -> Response:
    web = Web.of(request)
    values = {"provider_id": provider.number, "subject_hash": subject_hash, "user_id": ticket.person}
    async with answering(), web.login_pool.connection() as connection, connection.transaction():
        linked = await fetch_all(connection, SQL["linked_person"], values)
        if ticket.purpose == "oidc_link" and not linked and ticket.person is not None:
            if await fetch_all(connection, SQL["live_session"], {"token_hash": ticket.session_hash, **values}):
                await fetch_all(connection, SQL["link_person"], values)
                who = Actor(f"person:{ticket.person}", frozenset(), (), person_id=ticket.person)
                await note(connection, who, "person.provider_connected", {"provider": provider.number})
            return page(request, "onward.html", goal=ticket.goal)
    person = int(linked[0]["user_id"]) if linked else None
    if person is None or (ticket.person is not None and ticket.person != person):
        return page(request, "login.html", status=401, next="/", login="", problem="unlinked", wait=0, providers=[])
    answer = page(request, "onward.html", goal=ticket.goal)
    if ticket.purpose == "oidc_step_up" and ticket.session_hash is not None:
        async with answering():
            await web.sessions.step_up(ticket.session_hash, person, "oidc")
    elif ticket.purpose == "oidc_sign_in":
        await begin_session(request, answer, person, "oidc")
    return answer


async def _provider(request: Request, number: int) -> Provider | None:
    box = Web.of(request).box
    async with answering(), Web.of(request).login_pool.connection() as connection:
        rows = await fetch_all(connection, SQL["provider"], {"provider_id": number})
    if not rows or box is None:
        return None
    row = rows[0]
    return Provider(
        row["provider_id"], row["issuer"], row["client_id"], _secret(box, row["client_secret"], row["provider_id"]),
        tuple(row["acr"]), row["scopes"], row["subject_claim"],
    )  # fmt: skip


def _secret(box: SecretBox, sealed: bytes | None, provider: int) -> str | None:
    if sealed is None:
        return None
    try:
        return box.open_for_provider(bytes(sealed), provider).decode()
    except SecretBoxError as error:
        raise ProviderError(str(error)) from error


def _subject_hash(request: Request, provider: Provider, subject: str) -> bytes:
    box = Web.of(request).box
    assert box is not None  # _provider gave none without it
    return box.keyed_hash(f"{provider.issuer}\0{subject}", "identity subject")


def _back(request: Request) -> str:
    return f"{request.url.scheme}://{request.headers.get('host', '')}{CALLBACK}"


def _number(text: str) -> int:
    number = page_position(text)
    return number if number is not None and number <= 0x7FFFFFFF else 0
