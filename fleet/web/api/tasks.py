"""Technicians' tasks: what somebody must see to, and that it has been done."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import Response

from fleet.evidence.audit import record
from fleet.people.model import Actor
from fleet.store.pool import Connection, fetch_all
from fleet.store.sql_file import read_statements
from fleet.technicians.store import EndsByTheFact, close_task, task_view
from fleet.web.access import require
from fleet.web.api.serving import IdempotencyKey, answer, reading, write
from fleet.web.api.shapes import (
    LIMIT,
    Cursor,
    Empty,
    Key,
    Limit,
    OfMunicipality,
    Refused,
    Word,
    cursor_values,
    listed,
    moment_of,
    not_found,
    number_of,
)

router = APIRouter(tags=["tasks"])
SQL = read_statements("fleet.web", "technicians.sql")
NOTICES = read_statements("fleet.web.api", "tasks.sql")
Reads = Annotated[Actor, Depends(require("tasks.read"))]
Closes = Annotated[Actor, Depends(require("tasks.close"))]


@router.get("/tasks", summary="Open tasks, oldest first")
async def list_tasks(
    request: Request,
    actor: Reads,
    kind: Annotated[Word | None, Query(description="Of this kind only.")] = None,
    municipality: OfMunicipality = None,
    cursor: Cursor = None,
    limit: Limit = LIMIT,
) -> Response:
    """By the time when they were opened."""
    at, number = cursor_values(cursor, moment_of, number_of)
    values = {"kind": kind, "municipality": municipality, "after_at": at, "after_id": number, "most": limit + 1}
    async with reading(request, actor) as connection:
        rows = await fetch_all(connection, SQL["open_tasks"], values)
    found = [{**task_view(row), "municipality_id": row["municipality_id"]} for row in rows]
    keys = {task["id"]: (row["opened_at"], row["task_id"]) for task, row in zip(found, rows, strict=True)}
    return answer(listed(found, limit, lambda task: keys[task["id"]]))


@router.get("/security-notices", summary="What looked like somebody else in a unit's place, newest hour first")
async def list_notices(
    request: Request, actor: Reads, municipality: OfMunicipality = None, cursor: Cursor = None, limit: Limit = LIMIT
) -> Response:
    """One row a unit and hour: old frames, presses of doubtful age, doubles, and SIMs or modems that moved. Nothing was
    kept out for it."""
    at, number = cursor_values(cursor, moment_of, number_of)
    values = {"municipality": municipality, "before_at": at, "before_id": number, "most": limit + 1}
    async with reading(request, actor) as connection:
        rows = await fetch_all(connection, NOTICES["notices"], values)
    found = [{"unit": f"{row['unit_id']:08x}", **{k: v for k, v in row.items() if k != "unit_id"}} for row in rows]
    return answer(listed(found, limit, lambda one: [one["hour"], int(one["unit"], 16)]))


@router.post("/tasks/{task}/close", status_code=204, summary="Close a task: it has been seen to")
async def close(request: Request, actor: Closes, task: Key, _body: Empty, key: IdempotencyKey = None) -> Response:
    """404 for a task that is closed already, or of a municipality that the caller does not see; 409 for one that ends
    only with what it is about: a closed network."""

    async def work(connection: Connection) -> Any:
        at = datetime.now(UTC)
        rows = await fetch_all(
            connection, "SELECT municipality_id FROM technician_tasks WHERE task_id = %s AND closed_at IS NULL", [task]
        )
        if not rows:
            raise not_found("open task")
        try:
            await close_task(connection, task, actor.name, at)
        except EndsByTheFact as error:
            raise Refused(409, str(error)) from None
        await record(
            connection, actor=actor.name, action="task.closed", municipality_id=rows[0]["municipality_id"],
            subject=f"task:{task}", detail={}, at=at,
        )  # fmt: skip
        return None

    return await write(request, actor, work, key=key, status=204)
