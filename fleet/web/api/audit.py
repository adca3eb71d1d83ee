"""The record: who did what, in the order of the chain, and the signed heads to hold it against."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import StringConstraints
from starlette.requests import Request
from starlette.responses import Response

from fleet.evidence.view import entries_before
from fleet.people.model import Actor
from fleet.store.pool import fetch_all
from fleet.web.access import require
from fleet.web.api.serving import answer, reading
from fleet.web.api.shapes import (
    LIMIT,
    Cursor,
    Limit,
    Moment,
    OfMunicipality,
    cursor_values,
    listed,
    number_of,
)

router = APIRouter(tags=["audit"])
Reads = Annotated[Actor, Depends(require("audit.read"))]
Identifier = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.:/ -]{1,100}$")]
Source = Literal["audit", "case_log", "press", "receipt", "delivery", "unit_event"]


@router.get("/audit", summary="Entries of the record, newest first")
async def list_entries(
    request: Request,
    actor: Reads,
    municipality: OfMunicipality = None,
    source: Annotated[Source | None, Query(description="From this source only.")] = None,
    action: Annotated[Identifier | None, Query(description="Actions beginning so, for example `unit.`.")] = None,
    by: Annotated[Identifier | None, Query(description="By this actor, for example `person:17`.")] = None,
    subject: Annotated[Identifier | None, Query(description="About this, for example `case:5`.")] = None,
    since: Annotated[Moment | None, Query(description="From this time on.")] = None,
    until: Annotated[Moment | None, Query(description="Before this time.")] = None,
    cursor: Cursor = None,
    limit: Limit = LIMIT,
) -> Response:
    """Position, digest and hash are the chain's. What was pruned has its link and no content."""
    (before,) = cursor_values(cursor, number_of)
    wanted: dict[str, Any] = {
        "municipality": municipality, "source": source, "action": action, "actor": by, "subject": subject,
        "since": since, "until": until,
    }  # fmt: skip
    async with reading(request, actor) as connection:
        rows = await entries_before(connection, before, limit + 1, **wanted)
    return answer(listed(rows, limit, lambda row: [row["position"]]))


@router.get("/audit/heads", summary="Signed heads, newest first")
async def list_heads(request: Request, actor: Reads, cursor: Cursor = None, limit: Limit = LIMIT) -> Response:
    """Keep these: whoever has a signed head can tell whether the chain up to it is still the same."""
    (before,) = cursor_values(cursor, number_of)
    async with reading(request, actor) as connection:
        rows = await fetch_all(
            connection,
            "SELECT position, hash, at, key_id AS key, signature FROM audit_heads "
            "WHERE %(before)s::bigint IS NULL OR position < %(before)s::bigint ORDER BY position DESC LIMIT %(most)s",
            {"before": before, "most": limit + 1},
        )
    return answer(listed(rows, limit, lambda row: [row["position"]]))
