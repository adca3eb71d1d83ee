"""The fleet as a document, out and in. What comes in here is in nobody's use yet: units that are made, in stock or
assigned, and recipients by reference. A fleet that is in use comes in by the installation's command: it puts units into
use on other grounds than a pairing, which no page and no token may.
"""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal

import psycopg
from fastapi import APIRouter, Depends, Query
from pydantic import Field
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from fleet.people.model import Actor
from fleet.registry import bulk
from fleet.registry.bulk_document import FORMAT, BulkError, Rows, as_csv, as_json, read_bulk
from fleet.store.pool import Connection
from fleet.web.access import require
from fleet.web.api.serving import IdempotencyKey, answer, reading, write
from fleet.web.api.shapes import Body, Refused

router = APIRouter(tags=["fleet"])
Exports = Annotated[Actor, Depends(require("export.read"))]
Imports = Annotated[Actor, Depends(require("import.write"))]

LARGEST_IMPORT: Final = 16_000_000
"""Octets of a request's body: some twenty thousand units with their recipients."""
MOST_ROWS: Final = 30_000
MOST_FAULTS: Final = 1000
PATIENCE_S: Final = 120.0


class Fleet(Body):
    """A document as the export gives it. Its rows are looked at one by one: the answer says what is wrong in which."""

    format: Literal["livlina-fleet-1"]
    units: list[dict[str, Any]] = Field(default_factory=list, max_length=MOST_ROWS)
    recipients: list[dict[str, Any]] = Field(default_factory=list, max_length=MOST_ROWS)
    hash: str | None = Field(None, max_length=200)


class _DryRun(Exception):
    """Ends a transaction whose changes were only wanted for looking at."""

    def __init__(self, result: dict[str, Any]) -> None:
        super().__init__("dry run")
        self.result = result


@router.get("/fleet/export", summary="Units and recipients by reference, as an import takes them")
async def export_fleet(
    request: Request, actor: Exports, format: Annotated[Literal["json", "csv"], Query()] = "json"
) -> Response:
    """Without persons and without keys. The hash in the JSON is the same for an equal fleet."""
    async with reading(request, actor, PATIENCE_S) as connection:
        document = await bulk.export(connection)
    text = await run_in_threadpool(as_json if format == "json" else as_csv, document)
    kind = "application/json" if format == "json" else "text/csv; charset=utf-8"
    return Response(text, media_type=kind, headers={"Content-Disposition": f'attachment; filename="fleet.{format}"'})


def _read(body: Fleet) -> tuple[bytes, Rows]:
    """The document's octets and its rows; apart from the event loop, on which alarms come in."""
    data = json.dumps(body.model_dump(exclude={"hash"}), sort_keys=True).encode()
    return data, read_bulk(data, name=f"{FORMAT}.json")


@router.post("/fleet/import", summary="Add units and recipients, and mend known ones")
async def import_fleet(
    request: Request,
    actor: Imports,
    body: Fleet,
    dry_run: Annotated[bool, Query(description="Write nothing; say what would be written.")] = False,
    partial: Annotated[bool, Query(description="Write the sound rows although others are wrong.")] = False,
    key: IdempotencyKey = None,
) -> Response:
    """`faults` names line (a place in the document, recipients first), field and what to do. Without `partial` one
    wrong row keeps all from being written. A known unit's life is never changed, and no unit comes into use here."""
    try:
        data, rows = await run_in_threadpool(_read, body)
    except BulkError as error:
        raise Refused(422, str(error)) from None
    grounds = f"api:{hashlib.sha256(data).hexdigest()[:12]}"

    async def work(connection: Connection) -> dict[str, Any]:
        await bulk.check(connection, rows)
        bulk.hold_to_stock(rows)
        faults = sorted(rows.faults, key=lambda fault: fault.line)
        counted: dict[str, int] = {}
        if not faults or partial:
            try:
                counted = await bulk.put(connection, rows, actor=actor.name, at=datetime.now(UTC), grounds=grounds)
            except bulk.TakenElsewhere as error:
                raise Refused(409, str(error)) from None
            except psycopg.errors.InsufficientPrivilege as error:
                if "row-level security" not in (error.diag.message_primary or ""):
                    raise
                raise Refused(409, "a unit of this document is another municipality's: look at the numbers") from None
        result = {
            "written": bool(counted) and not dry_run,
            "dry_run": dry_run,
            **counted,
            "rows_wrong": len({fault.line for fault in faults}),
            "faults": [{"line": one.line, "field": one.field, "why": one.why} for one in faults[:MOST_FAULTS]],
        }
        if dry_run:
            raise _DryRun(result)
        return result

    try:
        return await write(request, actor, work, key=None if dry_run else key, patience=PATIENCE_S)
    except _DryRun as ended:
        return answer(ended.result)
