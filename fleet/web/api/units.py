"""Units: search, read, what they are made of, their life, and revocation. `fleet.registry` decides every change."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from fleet.people.decide import stepped_up
from fleet.people.model import Actor
from fleet.registry import units as registry
from fleet.store.pool import Connection, fetch_all
from fleet.store.sql_file import read_statements
from fleet.web.access import require
from fleet.web.api.serving import IdempotencyKey, IfMatch, answer, matches, reading, write
from fleet.web.api.shapes import (
    LARGEST,
    LIMIT,
    Body,
    Cursor,
    Empty,
    Limit,
    Moment,
    OfMunicipality,
    Refused,
    UnitPath,
    cursor_values,
    listed,
    moment_of,
    not_found,
    number_of,
    unit_number,
)
from fleet.web.pages import StepUpNeeded
from fleet.web.timeline import SQL as TIMELINE
from fleet.web.timeline import buckets_of, entries_of
from fleet.web.timeline_words import SOURCES

router = APIRouter(tags=["units"])
SQL = read_statements("fleet.web.api", "units.sql")
Reads = Annotated[Actor, Depends(require("units.read"))]
Writes = Annotated[Actor, Depends(require("units.write"))]
UnitType = Literal["social", "personal", "tracker", "camera", "technical"]
LifeState = Literal[
    "made", "in_stock", "assigned", "pairing", "active", "absent", "replaced", "returned", "cleaned", "retired"
]


class LifeEvent(Body):
    """A change of a unit's life. Becoming active is no event of the API: a pairing with a proof for every button does
    that."""

    event: Literal["receive", "assign", "unassign", "leave", "come_back", "return", "clean", "restock", "retire"]
    until: Moment | None = Field(None, strict=False, description="Of `leave`: when the unit is expected back.")
    recipient: int | None = Field(None, ge=1, le=LARGEST, description="Of `assign`: who it is meant for.")


@router.get("/units", summary="Units by number")
async def list_units(
    request: Request,
    actor: Reads,
    municipality: OfMunicipality = None,
    life: Annotated[LifeState | None, Query(description="In this state of its life.")] = None,
    type: Annotated[UnitType | None, Query(description="Of this type.")] = None,
    overdue: Annotated[bool, Query(description="Only those whose heartbeat is late.")] = False,
    cursor: Cursor = None,
    limit: Limit = LIMIT,
) -> Response:
    """Stable under inserts: pages go by the unit's number."""
    (after,) = cursor_values(cursor, number_of)
    values = {
        "municipality": municipality, "life": life, "unit_type": type, "overdue": overdue, "at": datetime.now(UTC),
        "after": after or 0, "most": limit + 1,
    }  # fmt: skip
    async with reading(request, actor) as connection:
        rows = await fetch_all(connection, SQL["units"], values)
    return answer(listed([_view(row) for row in rows], limit, lambda unit: [int(unit["id"], 16)]))


@router.get("/units/{unit}", summary="One unit, its buttons, cards and newest proofs")
async def get_unit(request: Request, actor: Reads, unit: UnitPath) -> Response:
    """Whom it belongs to is in `recipients`, and only for who may read those."""
    async with reading(request, actor) as connection:
        return answer(await _unit(connection, unit_number(unit)))


@router.get("/units/{unit}/timeline", summary="What has happened around a unit, newest first")
async def unit_timeline(
    request: Request, actor: Reads, unit: UnitPath, cursor: Cursor = None, limit: Limit = LIMIT
) -> Response:
    """Presses, receipts, what it said, states with their cause, ways, incidents, life, orders and tasks. What `detail`
    holds depends on `source`. A position is never in it."""
    at, source, key = cursor_values(cursor, moment_of, _source, _key)
    place = None if at is None else (at, source, key)
    async with reading(request, actor) as connection:
        await _known(connection, unit)
        found = await entries_of(connection, unit_number(unit), place, limit + 1, datetime.now(UTC))
    return answer(listed(found, limit, lambda row: [row["at"], row["source"], row["key"]]))


@router.get("/units/{unit}/readings", summary="Battery and signal in steps of six hours, oldest first")
async def unit_readings(
    request: Request,
    actor: Reads,
    unit: UnitPath,
    days: Annotated[int, Query(ge=1, le=31, description="Of so many days.")] = 14,
) -> Response:
    """A step in which nothing was heard is left out."""
    async with reading(request, actor) as connection:
        await _known(connection, unit)
        found = await buckets_of(connection, unit_number(unit), datetime.now(UTC), days)
    return answer({"items": found, "next": None})


@router.get("/units/{unit}/log", summary="What has happened to a unit, newest first")
async def unit_log(request: Request, actor: Reads, unit: UnitPath, limit: Limit = LIMIT) -> Response:
    """The unit's life; what it said of itself is in the record."""
    async with reading(request, actor) as connection:
        await _unit(connection, unit_number(unit))
        rows = await registry.life_log(connection, unit_number(unit), limit)
    return answer(listed(rows, limit, lambda _row: []))


@router.post("/units/{unit}/life", summary="Move a unit on in its life")
async def change_life(
    request: Request,
    actor: Writes,
    unit: UnitPath,
    body: LifeEvent,
    key: IdempotencyKey = None,
    if_match: IfMatch = None,
) -> Response:
    """409 for a move that its present state does not allow; the detail says what to do instead."""

    async def work(connection: Connection) -> Any:
        number = unit_number(unit)
        matches(if_match, await _unit(connection, number))
        try:
            life = await registry.change_life(
                connection, number, body.event, actor.name, datetime.now(UTC), until=body.until,
                recipient=body.recipient,
            )  # fmt: skip
        except LookupError:
            raise not_found("unit") from None
        except ValueError as error:
            raise Refused(409, str(error)) from None
        return {"unit": unit, "life": life.state, "until": life.until}

    return await write(request, actor, work, key=key)


@router.post("/units/{unit}/revoke", summary="End a unit's keys, on every pipe")
async def revoke(request: Request, actor: Writes, unit: UnitPath, _body: Empty, key: IdempotencyKey = None) -> Response:
    """Effective within 60 seconds, open connections included. It cannot be undone: make the unit anew. A person must
    have shown who they are within the last minutes; a token is asked for nothing more."""
    if actor.person_id is not None and not stepped_up(actor, datetime.now(UTC)):
        raise StepUpNeeded

    async def work(connection: Connection) -> Any:
        try:
            await registry.revoke(connection, unit_number(unit), actor.name, datetime.now(UTC))
        except LookupError:
            raise not_found("unit") from None
        return await _unit(connection, unit_number(unit))

    return await write(request, actor, work, key=key)


async def _unit(connection: Connection, number: int) -> dict[str, Any]:
    rows = await fetch_all(connection, SQL["unit"], {"unit_id": number})
    if not rows:
        raise not_found("unit")
    proofs = await fetch_all(connection, SQL["proofs"], {"unit_id": number})
    inputs = [
        {"input": one.input, "kind": one.kind, "serial": one.serial}
        for one in await registry.inputs_of(connection, number)
    ]
    sims = [
        {"slot": one.slot, "iccid": one.iccid, "issuer": one.issuer}
        for one in await registry.sims_of(connection, number)
    ]
    return {**_view(rows[0]), "inputs": inputs, "sims": sims, "proofs": proofs}


async def _known(connection: Connection, unit: str) -> None:
    if not await fetch_all(connection, TIMELINE["known"], {"unit_id": unit_number(unit)}):
        raise not_found("unit")


def _source(value: Any) -> str:
    if value not in SOURCES:
        raise ValueError
    return str(value)


def _key(value: Any) -> str:
    if not isinstance(value, str) or len(value) > 60 or not value.isprintable():
        raise ValueError
    return value


def _view(row: dict[str, Any]) -> dict[str, Any]:
    rest = {name: value for name, value in row.items() if name != "unit_id"}
    return {"id": f"{row['unit_id']:08x}", **rest}
