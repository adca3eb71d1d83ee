"""The fleet as a document. Bringing one in is a command of the installation: it can put units into use on other grounds
than a pairing, which no page and no token may."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from fleet.people.model import Actor
from fleet.registry.bulk import export
from fleet.registry.bulk_document import as_csv, as_json
from fleet.web.access import require
from fleet.web.api.serving import reading

router = APIRouter(tags=["fleet"])
Exports = Annotated[Actor, Depends(require("export.read"))]


@router.get("/fleet/export", summary="Units and recipients by reference, as `livlina fleet import` takes them")
async def export_fleet(
    request: Request, actor: Exports, format: Annotated[Literal["json", "csv"], Query()] = "json"
) -> Response:
    """Without persons and without keys. The hash in the JSON is the same for an equal fleet."""
    async with reading(request, actor) as connection:
        document = await export(connection)
    text = await run_in_threadpool(as_json if format == "json" else as_csv, document)
    kind = "application/json" if format == "json" else "text/csv; charset=utf-8"
    return Response(text, media_type=kind, headers={"Content-Disposition": f'attachment; filename="fleet.{format}"'})
