"""Routines and the chain of a case: who would be told, in which order, with which limits; and documents of routines, as
``livlina routine set`` takes them, which say first what they would change.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from fleet.alarms.decide import MANUAL, priority_of
from fleet.evidence.audit import record
from fleet.people.model import Actor
from fleet.routines import store as routines
from fleet.routines.document import Change, read_document
from fleet.routines.model import Subject
from fleet.store.pool import Connection, fetch_all
from fleet.store.sql_file import read_statements
from fleet.web.access import require
from fleet.web.api.serving import IdempotencyKey, answer, reading, write
from fleet.web.api.shapes import (
    LARGEST_NUMBER,
    LIMIT,
    Body,
    Cursor,
    Key,
    Limit,
    Moment,
    OfMunicipality,
    Refused,
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
Writes = Annotated[Actor, Depends(require("routines.write"))]
Rows = Annotated[list[dict[str, Any]], Field(default_factory=list, max_length=2000)]
At = Annotated[Moment | None, Query(description="At this time, with its zone; now without it.")]
Priority = Annotated[int | None, Query(ge=1, le=9, description="1 acute .. 4; a press of its button without it.")]


class Document(Body):
    """A document of routines ([routing](routing.md)); without `centre`, which is the installation's."""

    recipient: Rows
    role: Rows
    holder: Rows
    office_hours: Rows
    route: Rows
    routine: Rows


class _DryRun(Exception):
    """Ends a transaction whose changes were only wanted for looking at."""

    def __init__(self, result: dict[str, Any]) -> None:
        super().__init__("dry run")
        self.result = result


@router.post("/routines", summary="Apply a document of routines")
async def set_routines(
    request: Request,
    actor: Writes,
    body: Document,
    dry_run: Annotated[bool, Query(description="Write nothing; say what would change.")] = False,
    key: IdempotencyKey = None,
) -> Response:
    """All of it or nothing. What holds or has held is history: a new version begins later. 422 with the place in the
    document and what is wrong there. Addresses are written and never shown."""
    at = datetime.now(UTC)
    try:
        entries = read_document(body.model_dump(exclude_defaults=True))
    except ValueError as error:
        raise Refused(422, str(error)) from None

    async def work(connection: Connection) -> dict[str, Any]:
        try:
            changes = await routines.changes_of(connection, entries, at, addresses=False)
        except ValueError as error:
            raise Refused(422, str(error)) from None
        except LookupError as error:
            raise Refused(409, str(error.args[0])) from None
        await routines.apply(connection, changes, at)
        for place in sorted({int(change.key[0]) for change in changes}):
            here = sum(change.key[0] == place for change in changes)
            await record(
                connection, actor=actor.name, action="routine.set", municipality_id=place,
                subject=f"municipality:{place}", detail={"rows": here}, at=at,
            )  # fmt: skip
        result = {"dry_run": dry_run, "rows": len(changes), "changes": [_changed(change) for change in changes]}
        if dry_run:
            raise _DryRun(result)
        return result

    try:
        return await write(request, actor, work, key=None if dry_run else key)
    except _DryRun as ended:
        return answer(ended.result)


def _changed(change: Change) -> dict[str, Any]:
    def shown(values: Any) -> Any:
        return None if values is None else {name: value for name, value in values.items() if name != "address"}

    return {
        "kind": change.kind, "key": list(change.key), "before": shown(change.before), "after": shown(change.after),
    }  # fmt: skip


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
