"""The fleet as a document, out and in. What comes in is in nobody's use: units that are made, in stock or assigned, and
recipients by reference. A fleet that is in use, and persons, come in by somebody who has just shown who they are: it
puts units into use on other grounds than a pairing, which no token may.

An import is read and written apart from the loop on which alarms come in.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial as bound
from typing import Annotated, Any, Final, Literal

import psycopg
from fastapi import APIRouter, Depends, Query
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from fleet.people.decide import stepped_up
from fleet.people.model import Actor
from fleet.registry import bulk, bulk_run
from fleet.registry.bulk_document import BulkError, as_csv, as_json
from fleet.store.pool import Connection
from fleet.web.access import require
from fleet.web.apart import apart
from fleet.web.api.parts import box_of
from fleet.web.api.serving import IdempotencyKey, act, answer, reading
from fleet.web.api.shapes import Refused
from fleet.web.pages import StepUpNeeded, Web, answering

router = APIRouter(tags=["fleet"])
Exports = Annotated[Actor, Depends(require("export.read"))]
Imports = Annotated[Actor, Depends(require("import.write"))]

LARGEST_IMPORT: Final = 16_000_000
"""Octets of a request's body: some twenty thousand units with their recipients."""
PATIENCE_S: Final = 120.0
_ROWS: Final = {"type": "array", "items": {"type": "object"}, "default": []}
_BODY: Final = {
    "required": True,
    "content": {
        "application/json": {
            "schema": {
                "type": "object",
                "description": "As the export gives it. Rows are looked at one by one: the answer says what is wrong.",
                "required": ["format"],
                "properties": {
                    "format": {"const": "livlina-fleet-1"},
                    "units": _ROWS,
                    "recipients": _ROWS,
                    "hash": {"type": "string", "description": "Of the export; not looked at."},
                },
                "additionalProperties": False,
            }
        },
        "text/csv": {"schema": {"type": "string", "description": "UTF-8; the first line names the columns."}},
    },
}


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


@router.post(
    "/fleet/import", summary="Add units and recipients, and mend known ones", openapi_extra={"requestBody": _BODY}
)
async def import_fleet(
    request: Request,
    actor: Imports,
    dry_run: Annotated[bool, Query(description="Write nothing; say what would be written.")] = False,
    partial: Annotated[bool, Query(description="Write the sound rows although others are wrong.")] = False,
    in_use: Annotated[
        bool, Query(description="Units may be in use, on these grounds. For a person who has just stepped up.")
    ] = False,
    persons: Annotated[
        bool, Query(description="Names and addresses are sealed as they come. For a person who has just stepped up.")
    ] = False,
    key: IdempotencyKey = None,
) -> Response:
    """`faults` names line (a place in the document, recipients first), field and what to do. Without `partial` one
    wrong row keeps all from being written. A known unit's life is never changed. With `in_use` or `persons` an
    Idempotency-Key is not taken."""
    wanted = bulk_run.Import(
        await request.body(), f"fleet.{_kind(request)}", actor.name, "api", actor.municipalities, dry_run, partial,
        in_use or persons, box_of(request) if persons else None,
    )  # fmt: skip
    return await imported(request, actor, wanted, key)


def _kind(request: Request) -> str:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in ("application/json", "text/csv"):
        raise Refused(422, "a fleet is application/json or text/csv: say which in Content-Type")
    return "json" if kind == "application/json" else "csv"


async def imported(request: Request, actor: Actor, wanted: bulk_run.Import, key: str | None = None) -> Response:
    """The answer to an import. Raises Refused, StepUpNeeded, Away."""
    try:
        if wanted.whole:
            return answer(await written(request, actor, wanted))
        async with answering(PATIENCE_S + 10):
            return await apart(
                Web.of(request).url, "web",
                lambda c: act(c, request, actor, bound(_work, wanted), key=None if wanted.dry_run else key),
                municipalities=actor.municipalities, patience=PATIENCE_S,
            )  # fmt: skip
    except bulk_run.DryRun as ended:
        return answer(ended.result)


async def written(request: Request, actor: Actor, wanted: bulk_run.Import) -> dict[str, Any]:
    """What became of an import. Raises Refused, StepUpNeeded, Away, and DryRun with what would have become of it."""
    if wanted.whole and not stepped_up(actor, datetime.now(UTC)):
        raise StepUpNeeded
    async with answering(PATIENCE_S + 10):
        return await apart(
            Web.of(request).url, "registry" if wanted.whole else "web", bound(_work, wanted),
            municipalities=actor.municipalities, patience=PATIENCE_S,
        )  # fmt: skip


async def _work(wanted: bulk_run.Import, connection: Connection) -> dict[str, Any]:
    try:
        return await bulk_run.run(connection, wanted, datetime.now(UTC))
    except BulkError as error:
        raise Refused(422, str(error)) from None
    except bulk.TakenElsewhere as error:
        raise Refused(409, str(error)) from None
    except psycopg.errors.InsufficientPrivilege as error:
        if "row-level security" not in (error.diag.message_primary or ""):
            raise
        raise Refused(409, "a unit of this document is another municipality's: look at the numbers") from None
