"""Alarm centres, the services that municipalities have of them, districts, and identity providers: read by whoever sees
centres, written by administrators; an alarm centre is the installation's. Where alarms are sent to, and the secrets of
that, are in `centre_setup.py`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends
from pydantic import Field, StringConstraints
from starlette.requests import Request
from starlette.responses import Response

from fleet.people import districts, providers
from fleet.people import store as people
from fleet.people.model import HOURS, INSTALLATION, SERVICES, Actor
from fleet.routines.model import Window
from fleet.store.pool import Connection, fetch_all
from fleet.store.sql_file import read_statements
from fleet.web.access import require
from fleet.web.api.parts import box_of
from fleet.web.api.serving import IdempotencyKey, answer, reading, write
from fleet.web.api.shapes import (
    LARGEST_NUMBER,
    LIMIT,
    Body,
    Cursor,
    Empty,
    Limit,
    Moment,
    Municipality,
    OfMunicipality,
    Refused,
    SmallKey,
    Word,
    cursor_values,
    listed,
    not_found,
    number_of,
)

router = APIRouter(tags=["services"])
SQL = read_statements("fleet.web.api", "services.sql")
Reads = Annotated[Actor, Depends(require("centres.read"))]
Writes = Annotated[Actor, Depends(require("centres.write"))]
Manages = Annotated[Actor, Depends(require("people.read"))]
Seals = Annotated[Actor, Depends(require("centres.write", step_up=True))]
Place = Annotated[int, Field(ge=0, le=LARGEST_NUMBER, description="0 is the installation: everybody's.")]
Name = Annotated[str, StringConstraints(min_length=1, max_length=60, pattern=r"^[^\x00-\x1f\x7f-\x9f]+$")]
Address = Annotated[str, StringConstraints(min_length=1, max_length=300, pattern=r"^[!-~]+$")]
MOST_SERVICES = 1000


class NewCentre(Body):
    """An organisation with people at consoles."""

    name: Name


class NewService(Body):
    """Which alarm centre gives a municipality a service at which hours, from then on. Rows of one `valid_from` are one
    version."""

    municipality: Municipality
    service: Literal["alarm_reception", "camera_supervision", "technicians", "on_call", "search"]
    centre: Name
    hours: Literal["any", "office", "on_call"] = "any"
    starts: int = Field(0, ge=0, le=10079, description="Minute of the week; 0 is Monday 00:00.")
    ends: int = Field(10080, ge=1, le=10080)
    valid_from: Moment | None = Field(None, description="Now without it; never before now.", strict=False)


class NewDistrict(Body):
    """A part of a municipality, by which recipients are grouped."""

    municipality: Municipality
    name: Name


class OtherName(Body):
    """What it is called from now on."""

    name: Name


class EndOfDistrict(Body):
    """The district that its recipients go into, if it has any."""

    into: int | None = Field(None, ge=1, le=LARGEST_NUMBER)


class NewProvider(Body):
    """A municipality's identity provider (OpenID Connect). The secret is sealed and never shown."""

    municipality: Place
    name: Name
    issuer: Address
    client_id: Address
    client_secret: Address | None = None
    acr: list[Address] = Field(default_factory=list, max_length=10)
    scopes: Word = "openid"
    subject_claim: Address = "sub"


assert set(SERVICES) == set(NewService.model_fields["service"].annotation.__args__)  # type: ignore[union-attr]
assert set(HOURS) == set(NewService.model_fields["hours"].annotation.__args__)  # type: ignore[union-attr]


@router.get("/alarm-centres", summary="Organisations with people at consoles")
async def list_centres(request: Request, actor: Reads, cursor: Cursor = None, limit: Limit = LIMIT) -> Response:
    """Those that serve a municipality of the caller; `doors` are the centres that their alarms are sent to."""
    (after,) = cursor_values(cursor, number_of)
    async with reading(request, actor) as connection:
        rows = await fetch_all(connection, SQL["alarm_centres"], {"after": after or 0, "most": limit + 1})
    return answer(listed(rows, limit, lambda row: [row["id"]]))


@router.post("/alarm-centres", status_code=201, summary="Add an alarm centre")
async def add_centre(request: Request, actor: Writes, body: NewCentre, key: IdempotencyKey = None) -> Response:
    """For whoever administers the installation. Adding it twice changes nothing."""
    if INSTALLATION not in actor.municipalities:
        raise Refused(403, "alarm centres are the installation's: ask whoever administers it")

    async def work(connection: Connection) -> Any:
        try:
            number = await people.add_alarm_centre(connection, body.name, actor=actor.name, at=datetime.now(UTC))
        except people.PeopleError as error:
            raise Refused(422, str(error)) from None
        return {"id": number, "name": body.name}

    return await write(request, actor, work, key=key, status=201)


@router.get("/services", summary="Which alarm centre gives which service at which hours")
async def list_services(request: Request, actor: Reads, municipality: OfMunicipality = None) -> Response:
    """All versions; `now` marks what holds, or is to come. The first 1,000."""
    values = {"municipality": municipality, "at": datetime.now(UTC), "most": MOST_SERVICES}
    async with reading(request, actor) as connection:
        rows = await fetch_all(connection, SQL["services"], values)
    return answer(listed(rows, MOST_SERVICES, lambda _row: []))


@router.post("/services", status_code=201, summary="Choose a service of an alarm centre")
async def choose(request: Request, actor: Writes, body: NewService, key: IdempotencyKey = None) -> Response:
    """409 for a centre that the caller does not see, or a time that is past: what has held is history."""
    at = datetime.now(UTC)
    since = body.valid_from or at
    if body.municipality not in actor.municipalities:
        raise not_found("municipality")
    if since < at:
        raise Refused(409, "what has held is history: give a time that is still to come, or none")

    async def work(connection: Connection) -> Any:
        try:
            await people.choose_service(
                connection, municipality=body.municipality, service=body.service, centre=body.centre,
                hours=body.hours, window=Window(body.starts, body.ends), valid_from=since, actor=actor.name, at=at,
            )  # fmt: skip
        except people.PeopleError as error:
            raise Refused(409, str(error)) from None
        except ValueError as error:
            raise Refused(422, str(error)) from None
        return {"municipality": body.municipality, "service": body.service, "centre": body.centre, "valid_from": since}

    return await write(request, actor, work, key=key, status=201)


@router.get("/districts", summary="Districts, and how many recipients each has")
async def list_districts(
    request: Request, actor: Reads, municipality: OfMunicipality = None, cursor: Cursor = None, limit: Limit = LIMIT
) -> Response:
    """A district that a recipient is given begins by itself."""
    (after,) = cursor_values(cursor, number_of)
    values = {"municipality": municipality, "after": after or 0, "most": limit + 1}
    async with reading(request, actor) as connection:
        rows = await fetch_all(connection, SQL["districts"], values)
    return answer(listed(rows, limit, lambda row: [row["id"]]))


@router.post("/districts", status_code=201, summary="Add a district")
async def add_district(request: Request, actor: Writes, body: NewDistrict, key: IdempotencyKey = None) -> Response:
    """Adding it twice changes nothing."""
    if body.municipality not in actor.municipalities:
        raise not_found("municipality")

    async def work(connection: Connection) -> Any:
        try:
            number = await people.add_district(
                connection, body.municipality, body.name, actor=actor.name, at=datetime.now(UTC)
            )
        except people.PeopleError as error:
            raise Refused(422, str(error)) from None
        return {"id": number, "municipality": body.municipality, "name": body.name}

    return await write(request, actor, work, key=key, status=201)


@router.patch("/districts/{district}", summary="Give a district another name")
async def rename_district(request: Request, actor: Writes, district: SmallKey, body: OtherName) -> Response:
    """Its recipients keep standing in it. 409 for a name that another district has."""

    async def work(connection: Connection) -> Any:
        try:
            return await districts.rename(connection, district, body.name, actor=actor.name, at=datetime.now(UTC))
        except LookupError:
            raise not_found("district") from None
        except people.PeopleError as error:
            raise Refused(409, str(error)) from None

    return await write(request, actor, work)


@router.post("/districts/{district}/end", summary="Remove a district")
async def end_district(
    request: Request, actor: Writes, district: SmallKey, body: EndOfDistrict, key: IdempotencyKey = None
) -> Response:
    """Its recipients go into the district that `into` names; without one it must have none, else 409."""

    async def work(connection: Connection) -> Any:
        try:
            return await districts.remove(connection, district, into=body.into, actor=actor.name, at=datetime.now(UTC))
        except LookupError:
            raise not_found("district") from None
        except people.PeopleError as error:
            raise Refused(409, str(error)) from None

    return await write(request, actor, work, key=key)


@router.get("/identity-providers", summary="Municipalities' identity providers")
async def list_providers(request: Request, actor: Manages, cursor: Cursor = None, limit: Limit = LIMIT) -> Response:
    """Never a secret."""
    (after,) = cursor_values(cursor, number_of)
    async with reading(request, actor) as connection:
        rows = await fetch_all(connection, SQL["providers"], {"after": after or 0, "most": limit + 1})
    return answer(listed(rows, limit, lambda row: [row["id"]]))


@router.post("/identity-providers", status_code=201, summary="Add an identity provider")
async def add_provider(request: Request, actor: Seals, body: NewProvider) -> Response:
    """For a person who has just shown who they are. An Idempotency-Key is not taken."""
    if body.municipality not in actor.municipalities:
        raise not_found("municipality")
    box = box_of(request)

    async def work(connection: Connection) -> Any:
        try:
            number = await providers.add_provider(
                connection, box, municipality=body.municipality, name=body.name, issuer=body.issuer,
                client_id=body.client_id, client_secret=body.client_secret, acr=body.acr, scopes=body.scopes,
                subject_claim=body.subject_claim, actor=actor.name, at=datetime.now(UTC),
            )  # fmt: skip
        except ValueError as error:
            raise Refused(422, str(error)) from None
        return {"id": number, "name": body.name}

    return await write(request, actor, work, status=201, keep=False)


@router.post("/identity-providers/{provider}/end", status_code=204, summary="Remove an identity provider")
async def end_provider(
    request: Request, actor: Seals, provider: SmallKey, _body: Empty, key: IdempotencyKey = None
) -> Response:
    """It signs nobody in any more; its secret is gone."""

    async def work(connection: Connection) -> Any:
        try:
            await providers.remove_provider(connection, provider, actor=actor.name, at=datetime.now(UTC))
        except LookupError:
            raise not_found("identity provider") from None
        return None

    return await write(request, actor, work, key=key, status=204)
