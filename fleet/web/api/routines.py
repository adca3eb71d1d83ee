"""Routines and the chain of a case: who would be told, in which order, with which limits. They are written by
``livlina routine set``, which shows first what a document changes."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import Response

from fleet.alarms.decide import MANUAL, priority_of
from fleet.people.model import Actor
from fleet.routines import store as routines
from fleet.routines.model import Subject
from fleet.store.pool import Connection, fetch_all
from fleet.store.sql_file import read_statements
from fleet.web.access import require
from fleet.web.api.serving import answer, reading
from fleet.web.api.shapes import (
    LARGEST_NUMBER,
    LIMIT,
    Cursor,
    Key,
    Limit,
    Moment,
    OfMunicipality,
    UnitPath,
    cursor_values,
    listed,
    not_found,
    number_of,
    unit_number,
)

router = APIRouter(tags=["routines"])
SQL = read_statements("fleet.web.api", "routines.sql")
Reads = Annotated[Actor, Depends(require("routines.read"))]
At = Annotated[Moment | None, Query(description="At this time, with its zone; now without it.")]
Priority = Annotated[int | None, Query(ge=1, le=9, description="1 acute .. 4; a press of its button without it.")]


@router.get("/routines", summary="Routines, newest versions first")
async def list_routines(
    request: Request, actor: Reads, municipality: OfMunicipality = None, cursor: Cursor = None, limit: Limit = LIMIT
) -> Response:
    """Versions are never changed; municipality 0 is shared by all."""
    (before,) = cursor_values(cursor, number_of)
    values = {"municipality": municipality, "before": before, "most": limit + 1}
    async with reading(request, actor) as connection:
        rows = await fetch_all(connection, SQL["routines"], values)
    return answer(listed(rows, limit, lambda row: [row["id"]]))


@router.get("/routines/{routine}", summary="One version of a routine")
async def get_routine(request: Request, actor: Reads, routine: Key) -> Response:
    """With its steps."""
    async with reading(request, actor) as connection:
        rows = await fetch_all(connection, SQL["routine"], {"routine_id": routine})
    if not rows:
        raise not_found("routine")
    return answer(rows[0])


@router.get("/units/{unit}/route", summary="The chain of a case that this unit would open")
async def explain_unit(
    request: Request, actor: Reads, unit: UnitPath, at: At = None, priority: Priority = None
) -> Response:
    """Centres, steps, who is on duty at each of them, time limits."""
    async with reading(request, actor) as connection:
        try:
            municipality, unit_type = await routines.unit_of(connection, unit_number(unit))
        except LookupError:
            raise not_found("unit") from None
        chain = await explained(connection, municipality, unit_type, at, priority)
    return answer({"unit": unit, **chain})


@router.get("/route", summary="The chain of a case of any unit of a kind")
async def explain_kind(
    request: Request,
    actor: Reads,
    municipality: Annotated[int, Query(ge=1, le=LARGEST_NUMBER)],
    type: Annotated[Literal["social", "personal", "tracker", "camera", "technical"], Query()] = "social",
    at: At = None,
    priority: Priority = None,
) -> Response:
    """As for a unit, by municipality and type."""
    if municipality not in actor.municipalities:
        raise not_found("municipality")
    async with reading(request, actor) as connection:
        return answer(await explained(connection, municipality, type, at, priority))


async def explained(
    connection: Connection, municipality: int, unit_type: str, at: datetime | None, priority: int | None
) -> dict[str, object]:
    """The chain as plain values."""
    urgent = priority if priority is not None else priority_of(unit_type, MANUAL)
    return await routines.explain(connection, Subject(municipality, unit_type, urgent), at or datetime.now(UTC))
