"""The technicians' page: what somebody must see to, oldest first, and that it has been done.

It closes a task through `fleet.technicians` and decides nothing about it. A task that the session's municipalities do
not hold does not exist here.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Form
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from fleet.evidence.audit import record
from fleet.people.model import Actor
from fleet.store.pool import Connection, fetch_all
from fleet.store.sql_file import read_statements
from fleet.technicians.store import EndsByTheFact, close_task, task_view
from fleet.web.access import as_actor, require, signature
from fleet.web.decide import page_position
from fleet.web.operators import cursor_of
from fleet.web.pages import Web, answering, page

router = APIRouter()
Who = Annotated[Actor, Depends(require("tasks.read"))]
Closer = Annotated[Actor, Depends(require("tasks.close"))]
SQL = read_statements("fleet.web", "technicians.sql")

_PAGE = 25
_HIGHEST_MUNICIPALITY = 0x7FFFFFFF


@router.get("/technicians")
async def tasks_page(
    request: Request, actor: Who, kind: str = "", municipality: str = "", after: str = "", done: str = ""
) -> Response:
    """Open tasks by kind and municipality; ``after`` is the last one of the page before. htmx gets the rows only.

    ``done`` names what the person has just closed, or ``gone``: somebody else was first.
    """
    chosen = chosen_municipality(municipality)
    kind = kind.replace("\0", "")
    cursor = cursor_of(after)
    values = {
        "kind": kind or None, "municipality": chosen, "most": _PAGE + 1,
        "after_at": cursor[0] if cursor else None, "after_id": cursor[1] if cursor else None,
    }  # fmt: skip
    async with answering(), as_actor(Web.of(request).pool, actor) as connection:
        found = [_task(row) for row in await fetch_all(connection, SQL["open_tasks"], values)]
        counts = await fetch_all(connection, SQL["task_counts"], {"municipality": chosen})
        towns = await municipalities(connection)
    filters = {"kind": kind, "municipality": "" if chosen is None else str(chosen)}
    more = found[_PAGE - 1] if len(found) > _PAGE else None
    older = urlencode({**filters, "after": f"{more['opened_at']},{more['id']}"}) if more else None
    template = "task_rows.html" if request.headers.get("hx-request") == "true" else "tasks.html"
    return page(
        request, template, tasks=found[:_PAGE], older=older, counts=counts, towns=towns, done=done,
        first=not after, at=datetime.now(UTC), kind=kind, municipality=filters["municipality"],
    )  # fmt: skip


@router.post("/technicians/tasks/{task_id}/close")
async def close(
    request: Request,
    actor: Closer,
    task_id: str,
    kind: Annotated[str, Form()] = "",
    municipality: Annotated[str, Form()] = "",
) -> Response:
    """Closes a task in the name of who is logged in, and goes back to the list as it was filtered."""
    number = page_position(task_id)
    done = f"{number}"
    try:
        async with answering(), as_actor(Web.of(request).pool, actor) as connection:
            by = signature(request, actor)
            at = datetime.now(UTC)
            closed = await close_task(connection, number if number is not None else 0, by, at)
            await record(
                connection, actor=actor.name, action="task.closed", municipality_id=closed["municipality_id"],
                subject=f"task:{number}", detail={"unit": closed["unit"]}, at=at,
            )  # fmt: skip
    except EndsByTheFact:
        done = "fact"
    except LookupError:
        done = "gone"
    query = urlencode({"kind": kind, "municipality": municipality, "done": done})
    return RedirectResponse(f"/technicians?{query}", status_code=303)


async def municipalities(connection: Connection) -> list[dict[str, Any]]:
    """Those of the session, by name."""
    return await fetch_all(connection, SQL["municipalities"])


def chosen_municipality(text: str) -> int | None:
    """A municipality's number out of a query string, or None for all of them and for what is none."""
    number = page_position(text)
    return number if number is not None and number <= _HIGHEST_MUNICIPALITY else None


def _task(row: dict[str, Any]) -> dict[str, Any]:
    return {**task_view(row), "municipality": row["municipality"]}
