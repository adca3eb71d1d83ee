"""People, their roles, and API tokens. `fleet.people` decides what may be given to whom."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends
from pydantic import Field, StringConstraints
from starlette.requests import Request
from starlette.responses import Response

from fleet.people import store as people
from fleet.people.model import Actor
from fleet.store.pool import Connection, fetch_all
from fleet.store.sql_file import read_statements
from fleet.web.access import require
from fleet.web.api.serving import IdempotencyKey, answer, reading, write
from fleet.web.api.shapes import (
    LARGEST_NUMBER,
    LIMIT,
    Body,
    Cursor,
    Empty,
    Limit,
    Refused,
    SmallKey,
    Word,
    cursor_values,
    listed,
    not_found,
    number_of,
)
from fleet.web.person_doors import make_link, set_closed

router = APIRouter(tags=["people"])
SQL = read_statements("fleet.web.api", "people.sql")
Reads = Annotated[Actor, Depends(require("people.read"))]
Writes = Annotated[Actor, Depends(require("people.write", step_up=True))]
Tokens = Annotated[Actor, Depends(require("tokens.write"))]
MakesTokens = Annotated[Actor, Depends(require("tokens.write", step_up=True))]
Role = Literal["care_assistant", "technician", "operator", "shift_lead", "fleet_owner", "auditor", "administrator"]
Place = Annotated[int, Field(ge=0, le=LARGEST_NUMBER, description="0 is the installation: every municipality.")]


class NewPerson(Body):
    """Somebody who is to sign in. How they do is theirs: they are given a one-time link."""

    login: Annotated[str, StringConstraints(pattern=r"^[a-z0-9._-]{1,64}$")]
    name: Annotated[str, StringConstraints(max_length=80, pattern=r"^[^\x00-\x1f\x7f-\x9f]*$")] = ""
    language: Literal["sv", "en"] = "sv"
    municipality: Place


class Closed(Body):
    """False lets the person in again, with the roles that they had."""

    closed: bool = True


class NewRole(Body):
    """A role in a municipality, or at an alarm centre."""

    role: Role
    municipality: Place = 0
    centre: int | None = Field(None, ge=1, le=LARGEST_NUMBER)


class NewToken(Body):
    """A token for a program: one role in some municipalities."""

    name: Word
    role: Role
    municipalities: list[Place] = Field(min_length=1, max_length=500)
    days: int = Field(ge=1, le=366)


@router.get("/people", summary="People with a role that the caller sees")
async def list_people(request: Request, actor: Reads, cursor: Cursor = None, limit: Limit = LIMIT) -> Response:
    """With their roles; how they sign in is theirs."""
    (after,) = cursor_values(cursor, number_of)
    async with reading(request, actor) as connection:
        rows = await fetch_all(connection, SQL["people"], {"after": after or 0, "most": limit + 1})
    return answer(listed(rows, limit, lambda row: [row["id"]]))


@router.post("/people", status_code=201, summary="Add a person, without roles yet")
async def add_person(request: Request, actor: Writes, body: NewPerson, key: IdempotencyKey = None) -> Response:
    """409 where the sign-in name is taken, or the caller does not administer the municipality."""

    async def work(connection: Connection) -> Any:
        try:
            number = await people.add_person(
                connection, actor, login=body.login, display_name=body.name, language=body.language,
                municipality=body.municipality, at=datetime.now(UTC),
            )  # fmt: skip
        except people.PeopleError as error:
            raise Refused(409, str(error)) from None
        except LookupError:
            raise not_found("municipality") from None
        return (await fetch_all(connection, SQL["person"], {"person_id": number}))[0]

    return await write(request, actor, work, key=key, status=201)


@router.post("/people/{person}/roles", status_code=201, summary="Give a person a role")
async def grant(
    request: Request, actor: Writes, person: SmallKey, body: NewRole, key: IdempotencyKey = None
) -> Response:
    """409 for a role that the caller may not give, or would give to himself."""

    async def work(connection: Connection) -> Any:
        if not await fetch_all(connection, SQL["person"], {"person_id": person}):
            raise not_found("person")
        place = people.Place(body.municipality, body.centre)
        try:
            await people.grant(connection, actor, person, body.role, place, datetime.now(UTC))
        except people.PeopleError as error:
            raise Refused(409, str(error)) from None
        except LookupError:
            raise not_found("person or place") from None
        return (await fetch_all(connection, SQL["person"], {"person_id": person}))[0]

    return await write(request, actor, work, key=key, status=201)


@router.post("/people/{person}/link", status_code=201, summary="A one-time link for somebody who cannot get in")
async def new_link(request: Request, actor: Writes, person: SmallKey, _body: Empty) -> Response:
    """The answer holds the link, this once: it opens once, within three days. An Idempotency-Key is not taken."""
    try:
        return answer({"id": person, "link": await make_link(request, actor, person, datetime.now(UTC))}, 201)
    except LookupError:
        raise not_found("person") from None
    except people.PeopleError as error:
        raise Refused(409, str(error)) from None


@router.post("/people/{person}/close", status_code=204, summary="Let somebody who has left sign in no more")
async def close(request: Request, actor: Writes, person: SmallKey, body: Closed) -> Response:
    """For administrators of the installation. All sessions end; roles and history stay."""
    try:
        await set_closed(request, actor, person, body.closed, datetime.now(UTC))
    except LookupError:
        raise not_found("person") from None
    except people.PeopleError as error:
        raise Refused(409, str(error)) from None
    return answer(None)


@router.post("/people/roles/{role}/end", status_code=204, summary="Take a role back")
async def end_role(
    request: Request, actor: Writes, role: SmallKey, _body: Empty, key: IdempotencyKey = None
) -> Response:
    """`role` is the number of the role that a person holds. What it opened ends at once."""

    async def work(connection: Connection) -> Any:
        try:
            await people.revoke(connection, actor, role, datetime.now(UTC))
        except people.PeopleError as error:
            raise Refused(409, str(error)) from None
        except LookupError:
            raise not_found("role") from None
        return None

    return await write(request, actor, work, key=key, status=204)


@router.get("/tokens", summary="API tokens that the caller sees")
async def list_tokens(request: Request, actor: Tokens, cursor: Cursor = None, limit: Limit = LIMIT) -> Response:
    """Never a token itself, nor its hash."""
    (after,) = cursor_values(cursor, number_of)
    async with reading(request, actor) as connection:
        rows = await fetch_all(connection, SQL["tokens"], {"after": after or 0, "most": limit + 1})
    return answer(listed(rows, limit, lambda row: [row["id"]]))


@router.post("/tokens", status_code=201, summary="Make an API token")
async def make_token(request: Request, actor: MakesTokens, body: NewToken) -> Response:
    """The answer holds the token, this once, and is never stored: an Idempotency-Key is not taken."""

    async def work(connection: Connection) -> Any:
        try:
            number, token = await people.make_token(
                connection, actor, name=body.name, role=body.role, municipalities=body.municipalities,
                life=timedelta(days=body.days), at=datetime.now(UTC),
            )  # fmt: skip
        except people.PeopleError as error:
            raise Refused(409, str(error)) from None
        return {"id": number, "token": token}

    return await write(request, actor, work, status=201, keep=False)


@router.post("/tokens/{token}/end", status_code=204, summary="End an API token")
async def end_token(
    request: Request, actor: Tokens, token: SmallKey, _body: Empty, key: IdempotencyKey = None
) -> Response:
    """At once, on every request that follows."""

    async def work(connection: Connection) -> Any:
        try:
            await people.revoke_token(connection, actor, token, datetime.now(UTC))
        except LookupError:
            raise not_found("token in force") from None
        return None

    return await write(request, actor, work, key=key, status=204)
