"""Passkeys (WebAuthn): adding one, signing in with one alone, as second step after a password, and to step up.

A passkey alone counts as signing in only if the device has verified its user (a finger, a face, a code). The server
keeps public keys. A passkey belongs to the host name that the page was opened under, never to a bare address.
"""

from __future__ import annotations

import ipaddress
import json
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from webauthn import (
    generate_authentication_options,
    generate_registration_options,
    options_to_json,
    verify_authentication_response,
    verify_registration_response,
)
from webauthn.helpers import base64url_to_bytes
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from fleet.people.model import Actor
from fleet.store.pool import fetch_all
from fleet.web.access import open_to_all, require
from fleet.web.account_record import note
from fleet.web.cookies import TICKET, cookie_name, forget_cookie, set_cookie
from fleet.web.decide import safe_next
from fleet.web.entering import begin_session, remember_browser
from fleet.web.pages import Web, answering, json_for_page, may_keep_cookies, page, session_of
from fleet.web.passwords import Known
from fleet.web.problem import problem
from fleet.web.tickets import SQL, TICKET_LIFE_S, Ticket, TicketGone, make_ticket, take_ticket

router = APIRouter()
Anybody = Depends(open_to_all("whoever signs in is not signed in yet"))
Own = Annotated[Actor, Depends(require("account.own"))]
OwnNow = Annotated[Actor, Depends(require("account.own", step_up=True))]

_REFUSED = "this passkey was not accepted: try again, or sign in another way"
_NO_NAME = "passkeys need this page to be opened under a host name, not an address: ask whoever runs the server"
_MOST_PASSKEYS = 20


class Nothing(BaseModel):
    """An empty object, so that no form of another site can send it."""

    model_config = ConfigDict(extra="forbid")


class Answer(BaseModel):
    """What the browser's credential says, as the JSON form of a PublicKeyCredential."""

    model_config = ConfigDict(extra="forbid")
    credential: dict[str, Any]


class NewPasskey(Answer):
    """A new credential and what its owner calls it."""

    name: str = Field(default="", max_length=60)


@router.post("/sign-in/passkey/question", dependencies=[Anybody])
async def sign_in_question(request: Request, _body: Nothing, next: str = "") -> Response:
    """The challenge for signing in with a passkey that the device holds; no name is asked for."""
    if not may_keep_cookies(request):
        return problem(400, "sign in over https: the cookie would be readable on the way")
    return await _question(request, "passkey_sign_in", goal=safe_next(next, "/"), known=[])


@router.post("/sign-in/passkey", dependencies=[Anybody])
async def sign_in(request: Request, body: Answer) -> Response:
    """200 ``{"next": path}`` and the cookie, for a passkey alone or as the second step of a password; 401, 409."""
    try:
        ticket, person = await _verified(request, body.credential, ("passkey_sign_in", "passkey_second"))
    except TicketGone:
        return problem(409, "this took too long or was answered already: begin again")
    if person is None:
        return problem(401, _REFUSED)
    answer = JSONResponse({"next": ticket.goal})
    await begin_session(request, answer, person, "passkey")
    forget_cookie(request, answer, TICKET)
    return answer


@router.post("/step-up/passkey/question")
async def step_up_question(request: Request, actor: Own, _body: Nothing) -> Response:
    """The challenge for showing once more who one is."""
    session = await session_of(request)
    known = [key["credential_id"] for key in await passkeys_of(request, session.user)]
    return await _question(
        request, "passkey_step_up", person=actor.person_id, session_hash=session.token_hash, known=known
    )


@router.post("/step-up/passkey")
async def step_up(request: Request, actor: Own, body: Answer) -> Response:
    """204 and the session counts as stepped up for five minutes; 401, 409."""
    try:
        ticket, person = await _verified(request, body.credential, ("passkey_step_up",))
    except TicketGone:
        return problem(409, "this took too long or was answered already: begin again")
    if person is None or person != actor.person_id or ticket.session_hash is None:
        return problem(401, _REFUSED)
    async with answering():
        await Web.of(request).sessions.step_up(ticket.session_hash, person, "passkey")
    answer = Response(status_code=204)
    forget_cookie(request, answer, TICKET)
    return answer


@router.post("/account/passkeys/question")
async def add_question(request: Request, actor: OwnNow, _body: Nothing) -> Response:
    """The challenge and wishes for a new passkey of the one who asks."""
    host = relying_party(request)
    if host is None or actor.person_id is None:
        return problem(400, _NO_NAME)
    async with answering(), Web.of(request).login_pool.connection() as connection:
        person = (await fetch_all(connection, SQL["person"], {"user_id": actor.person_id}))[0]
    known = await passkeys_of(request, actor.person_id)
    if len(known) >= _MOST_PASSKEYS:
        return problem(409, f"you have {_MOST_PASSKEYS} passkeys: remove one first")
    options = generate_registration_options(
        rp_id=host,
        rp_name="Livlina",
        user_id=bytes(person["handle"]),
        user_name=person["login"],
        user_display_name=person["display_name"] or person["login"],
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED, user_verification=UserVerificationRequirement.REQUIRED
        ),
        exclude_credentials=[PublicKeyCredentialDescriptor(id=bytes(key["credential_id"])) for key in known],
    )
    session = await session_of(request)
    return await _asked(
        request, "passkey_add", options_to_json(options), options.challenge, person=actor.person_id,
        session_hash=session.token_hash,
    )  # fmt: skip


@router.post("/account/passkeys")
async def add(request: Request, actor: OwnNow, body: NewPasskey) -> Response:
    """201, and the passkey is one of this person's; 400 where the answer is none, 409 where it is known or late."""
    web = Web.of(request)
    name = " ".join(body.name.split()) or "Passkey"
    if not name.isprintable():
        return problem(422, "a passkey's name has at most 60 printable characters")
    try:
        async with answering(), web.login_pool.connection() as connection:
            ticket = await take_ticket(connection, _ticket_of(request), ("passkey_add",))
        made = verify_registration_response(
            credential=body.credential,
            expected_challenge=ticket.challenge,
            expected_rp_id=relying_party(request) or "",
            expected_origin=_origin(request),
            require_user_verification=True,
        )
    except TicketGone:
        return problem(409, "this took too long or was answered already: begin again")
    except (WebAuthnException, ValueError, KeyError, TypeError):
        return problem(400, _REFUSED)
    if ticket.person != actor.person_id:
        return problem(409, "this question was another person's: begin again")
    values = {
        "credential_id": made.credential_id, "user_id": actor.person_id, "public_key": made.credential_public_key,
        "sign_count": made.sign_count, "name": name,
    }  # fmt: skip
    async with answering(), web.login_pool.connection() as connection, connection.transaction():
        rows = await fetch_all(connection, SQL["add_passkey"], values)
        if rows:
            await note(connection, actor, "person.passkey_added", {"passkey": rows[0]["passkey_id"]})
    if not rows:
        return problem(409, "this passkey is known already")
    answer = JSONResponse({"passkey": rows[0]["passkey_id"]}, status_code=201)
    forget_cookie(request, answer, TICKET)
    return answer


@router.post("/account/passkeys/{passkey}/remove")
async def remove(request: Request, actor: OwnNow, passkey: int) -> Response:
    """The passkey signs nobody in any more. Without any left, the second step is off."""
    values = {"passkey_id": min(passkey, 0x7FFFFFFF), "user_id": actor.person_id}
    async with answering(), Web.of(request).login_pool.connection() as connection, connection.transaction():
        if await fetch_all(connection, SQL["remove_passkey"], values):
            await connection.execute(SQL["without_passkeys"], values)
            await note(connection, actor, "person.passkey_removed", {"passkey": passkey})
    return RedirectResponse("/account", status_code=303)


async def second_step(request: Request, known: Known, login: str, goal: str) -> Response:
    """The page that asks for a passkey after the right password. Nobody is signed in before it is answered."""
    keys = [key["credential_id"] for key in await passkeys_of(request, known.person)]
    question = await _question(request, "passkey_second", person=known.person, goal=goal, known=keys)
    if question.status_code != 200:
        return page(request, "login.html", status=400, next=goal, login=login, problem="no_host", wait=0, providers=[])
    data = json_for_page(json.loads(bytes(question.body)))
    answer = page(request, "second_step.html", data=data)
    answer.raw_headers.extend(header for header in question.raw_headers if header[0] == b"set-cookie")
    remember_browser(request, answer, login, known)
    return answer


async def passkeys_of(request: Request, person: int) -> list[dict[str, Any]]:
    """A person's passkeys in the order they were added. Raises Away."""
    async with answering(), Web.of(request).login_pool.connection() as connection:
        return await fetch_all(connection, SQL["passkeys_of"], {"user_id": person})


def relying_party(request: Request) -> str | None:
    """The host name that passkeys belong to; None for a bare address, under which browsers make none."""
    host = (request.url.hostname or "").lower()
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return host or None
    return None


async def _question(
    request: Request, purpose: str, *, known: list[bytes], person: int | None = None,
    session_hash: bytes | None = None, goal: str = "",
) -> Response:  # fmt: skip
    host = relying_party(request)
    if host is None:
        return problem(400, _NO_NAME)
    # As a second step the device need not verify its user again: the password has.
    wish = (
        UserVerificationRequirement.PREFERRED if purpose == "passkey_second" else UserVerificationRequirement.REQUIRED
    )
    options = generate_authentication_options(
        rp_id=host,
        allow_credentials=[PublicKeyCredentialDescriptor(id=bytes(one)) for one in known],
        user_verification=wish,
    )
    return await _asked(
        request, purpose, options_to_json(options), options.challenge, person=person, session_hash=session_hash,
        goal=goal,
    )  # fmt: skip


async def _asked(
    request: Request, purpose: str, options: str, challenge: bytes, *, person: int | None = None,
    session_hash: bytes | None = None, goal: str = "",
) -> Response:  # fmt: skip
    async with answering():
        ticket = await make_ticket(
            Web.of(request).login_pool, purpose, person=person, session_hash=session_hash, challenge=challenge,
            goal=goal,
        )  # fmt: skip
    answer = JSONResponse(json.loads(options))
    set_cookie(request, answer, cookie_name(TICKET, request.url.scheme), ticket, max_age=TICKET_LIFE_S)
    return answer


async def _verified(
    request: Request, credential: dict[str, Any], purposes: tuple[str, ...]
) -> tuple[Ticket, int | None]:
    """The ticket, used up now, and whose passkey answered it; None for an answer that does not hold."""
    pool = Web.of(request).login_pool
    async with answering(), pool.connection() as connection:
        ticket = await take_ticket(connection, _ticket_of(request), purposes)
    host = relying_party(request)
    if host is None:
        return ticket, None
    async with answering(), pool.connection() as connection, connection.transaction():
        try:
            credential_id = base64url_to_bytes(str(credential.get("id", "")))
            rows = await fetch_all(connection, SQL["passkey"], {"credential_id": credential_id})
            if not rows or (ticket.person is not None and ticket.person != rows[0]["user_id"]):
                return ticket, None
            row = rows[0]
            handle = (credential.get("response") or {}).get("userHandle")
            if handle and base64url_to_bytes(str(handle)) != bytes(row["handle"]):
                return ticket, None
            done = verify_authentication_response(
                credential=credential,
                expected_challenge=ticket.challenge,
                expected_rp_id=host,
                expected_origin=_origin(request),
                credential_public_key=bytes(row["public_key"]),
                credential_current_sign_count=row["sign_count"],
                require_user_verification=ticket.purpose != "passkey_second",
            )
        except (WebAuthnException, ValueError, KeyError, TypeError, AttributeError):
            return ticket, None
        # A counter that two answers carry on from the same place belongs to a copied key: the second one is refused.
        values = {"passkey_id": row["passkey_id"], "before": row["sign_count"], "sign_count": done.new_sign_count}
        cursor = await connection.execute(SQL["use_passkey"], values)
        return ticket, row["user_id"] if cursor.rowcount == 1 else None


def _ticket_of(request: Request) -> str | None:
    return request.cookies.get(cookie_name(TICKET, request.url.scheme))


def _origin(request: Request) -> str:
    return f"{request.url.scheme}://{request.headers.get('host', '')}"
