"""People and roles: who may do what in the reader's municipalities, inviting somebody, giving and taking roles.

What is allowed is decided in `fleet/people`; row level security decides what is seen. Every change needs somebody who
has shown who they are within the last five minutes.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from fleet.people import store
from fleet.people.decide import may, may_grant, stepped_up
from fleet.people.model import INSTALLATION, ROLES, Actor
from fleet.people.store import PeopleError, Place
from fleet.store.pool import Connection, fetch_all
from fleet.web.access import as_actor, require
from fleet.web.decide import page_position
from fleet.web.pages import Web, answering, page
from fleet.web.person_doors import make_link, set_closed
from fleet.web.texts import language_of
from fleet.web.tickets import SQL

router = APIRouter()
Reader = Annotated[Actor, Depends(require("people.read"))]
Writer = Annotated[Actor, Depends(require("people.write", step_up=True))]

_PAGE = 50
_NUMBER_MOST = 0x7FFFFFFF


@router.get("/people")
async def people_page(request: Request, actor: Reader, find: str = "", after: str = "") -> Response:
    """Everybody with a role in the reader's municipalities, by sign-in name, and the form to invite somebody."""
    return await _people(request, actor, find=find[:80].replace("\0", ""), after=after[:80].replace("\0", ""))


@router.post("/people")
async def invite(
    request: Request,
    actor: Writer,
    login: Annotated[str, Form()] = "",
    display_name: Annotated[str, Form()] = "",
    role: Annotated[str, Form()] = "",
    place: Annotated[str, Form()] = "",
) -> Response:
    """Adds a person with one role and shows the one-time link, once."""
    web = Web.of(request)
    at = datetime.now(UTC)
    where = place_of(place)
    if where is None:
        return await _people(request, actor, wrong="place", status=422)
    try:
        async with answering(), as_actor(web.pool, actor) as connection:
            person = await store.add_person(
                connection, actor, login=login, display_name=display_name, language=language_of(request),
                municipality=where.municipality, at=at,
            )  # fmt: skip
            await store.grant(connection, actor, person, role, where, at)
        link = await make_link(request, actor, person, at)
    except LookupError:
        return await _people(request, actor, wrong="place", status=422, login=login, display_name=display_name)
    except PeopleError as error:
        return await _people(request, actor, wrong=error.reason, status=422, login=login, display_name=display_name)
    return await _person(request, actor, person, link=link)


@router.get("/people/{person}")
async def person_page(request: Request, actor: Reader, person: str, done: str = "", wrong: str = "") -> Response:
    """One person's roles with what each may do, and what an administrator can change."""
    return await _person(request, actor, _number(person), done=done, wrong=wrong)


@router.post("/people/{person}/roles")
async def grant_role(
    request: Request,
    actor: Writer,
    person: str,
    role: Annotated[str, Form()] = "",
    place: Annotated[str, Form()] = "",
) -> Response:
    """Gives a role in a place that the giver administers."""
    number, where = _number(person), place_of(place)
    if where is None:
        return _back(number, wrong="place")
    try:
        async with answering(), as_actor(Web.of(request).pool, actor) as connection:
            if not await store.people(connection, person=number):
                return page(request, "error.html", status=404, problem="no_person")
            await store.grant(connection, actor, number, role, where, datetime.now(UTC))
    except LookupError:
        return _back(number, wrong="place")
    except PeopleError as error:
        return _back(number, wrong=error.reason)
    return _back(number, done="granted")


@router.post("/people/{person}/roles/{person_role}/revoke")
async def revoke_role(request: Request, actor: Writer, person: str, person_role: str) -> Response:
    """Takes a role away; what the person sees follows within two seconds."""
    number = _number(person)
    try:
        async with answering(), as_actor(Web.of(request).pool, actor) as connection:
            await store.revoke(connection, actor, _number(person_role), datetime.now(UTC))
    except LookupError:
        return page(request, "error.html", status=404, problem="no_person")
    except PeopleError as error:
        return _back(number, wrong=error.reason)
    return _back(number, done="revoked")


@router.post("/people/{person}/link")
async def new_link(request: Request, actor: Writer, person: str) -> Response:
    """A new one-time link for somebody who cannot get in; shown once."""
    number = _number(person)
    try:
        link = await make_link(request, actor, number, datetime.now(UTC))
    except LookupError:
        return page(request, "error.html", status=404, problem="no_person")
    except PeopleError as error:
        return _back(number, wrong=error.reason)
    return await _person(request, actor, number, link=link)


@router.post("/people/{person}/close")
async def close_person(request: Request, actor: Writer, person: str, open: Annotated[str, Form()] = "") -> Response:
    """Somebody who has left signs in no more; all their sessions end. For administrators of the installation only.

    A closed person can be opened again (``open=1``); their roles stay as they were.
    """
    number = _number(person)
    try:
        await set_closed(request, actor, number, open != "1", datetime.now(UTC))
    except PeopleError as error:
        return _back(number, wrong=error.reason)
    except LookupError:
        return page(request, "error.html", status=404, problem="no_person")
    return _back(number, done="opened" if open == "1" else "closed")


def place_of(text: str) -> Place | None:
    """The place of a form's field: ``m17`` is a municipality, ``c3`` an alarm centre; None for what is none."""
    number = page_position(text[1:])
    if number is None or number > _NUMBER_MOST:
        return None
    if text[0] == "m":
        return Place(number)
    return Place(INSTALLATION, number) if text[0] == "c" else None


async def _people(
    request: Request, actor: Actor, *, status: int = 200, find: str = "", after: str = "", wrong: str = "",
    login: str = "", display_name: str = "",
) -> Response:  # fmt: skip
    async with answering(), as_actor(Web.of(request).pool, actor) as connection:
        found = await store.people(connection, find=find, after=after, most=_PAGE + 1)
        choices = await _choices(connection, actor)
    more = found[_PAGE - 1]["login"] if len(found) > _PAGE else None
    return page(
        request, "people.html", status=status, people=found[:_PAGE], more=more, find=find, first=not after, wrong=wrong,
        login=login, display_name=display_name, **choices,
    )  # fmt: skip


async def _person(
    request: Request, actor: Actor, person: int, *, done: str = "", wrong: str = "", link: str | None = None
) -> Response:
    async with answering(), as_actor(Web.of(request).pool, actor) as connection:
        found = await store.people(connection, person=person)
        choices = await _choices(connection, actor)
    if not found:
        return page(request, "error.html", status=404, problem="no_person")
    async with answering(), Web.of(request).login_pool.connection() as connection:
        way_in = await fetch_all(connection, SQL["ways_in"], {"user_id": person})
    roles = [
        {**row, "takes": may_grant(actor, row["role"], Place(row["municipality"], row["centre"]).administered_from)}
        for row in found[0]["roles"]
    ]
    return page(
        request, "person.html", person=found[0], roles=roles, done=done, wrong=wrong, link=link, ways=way_in[0],
        himself=person == actor.person_id, whole=may_grant(actor, "administrator", INSTALLATION),
        closed=found[0]["closed_at"] is not None, **choices,
    )  # fmt: skip


async def _choices(connection: Connection, actor: Actor) -> dict[str, Any]:
    """What a form may offer: places that the reader administers, and roles."""
    places = [
        {"value": f"m{row['municipality_id']}", "name": row["name"], "whole": row["municipality_id"] == INSTALLATION}
        for row in await store.places(connection)
        if may_grant(actor, "administrator", row["municipality_id"])
    ]
    if may_grant(actor, "administrator", None):
        places += [
            {"value": f"c{row['alarm_centre_id']}", "name": row["name"], "whole": False}
            for row in await store.alarm_centres(connection)
        ]
    return {
        "places": places, "all_roles": ROLES, "writes": may(actor, "people.write"),
        "fresh": stepped_up(actor, datetime.now(UTC)),
    }  # fmt: skip


def _back(person: int, *, done: str = "", wrong: str = "") -> Response:
    query = f"done={done}" if done else f"wrong={wrong}"
    return RedirectResponse(f"/people/{person}?{query}", status_code=303)


def _number(text: str) -> int:
    number = page_position(text)
    return number if number is not None and number <= _NUMBER_MOST else 0
