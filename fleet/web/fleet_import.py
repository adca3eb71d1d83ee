"""Units and recipients as a file, on a page: looked at first, then written. The server keeps no file: whoever writes
chooses it again, and it must be the one that was looked at.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import psycopg
from fastapi import APIRouter, Depends, File, Form, UploadFile
from starlette.requests import Request
from starlette.responses import Response

from fleet.people.decide import stepped_up
from fleet.people.model import Actor
from fleet.registry.bulk_run import DryRun, Import
from fleet.web import import_words
from fleet.web.access import require
from fleet.web.api.fleet import written
from fleet.web.api.shapes import Refused
from fleet.web.pages import Web, page

router = APIRouter()
Owner = Annotated[Actor, Depends(require("import.write"))]
PATH: Final = "/import"
MOST_SHOWN: Final = 200


@router.get(PATH)
async def import_page(request: Request, actor: Owner) -> Response:
    """The form, and where the fleet is had as a file."""
    return _page(request, actor)


@router.post(PATH)
async def look_or_write(
    request: Request,
    actor: Owner,
    file: Annotated[UploadFile | None, File()] = None,
    looked: Annotated[str, Form(max_length=64)] = "",
    write: Annotated[str, Form()] = "",
    partial: Annotated[str, Form()] = "",
    in_use: Annotated[str, Form()] = "",
    persons: Annotated[str, Form()] = "",
) -> Response:
    """What would be written and what is wrong with which row; written only where this very file was looked at."""
    name = (file.filename or "").lower() if file is not None else ""
    data = await file.read() if file is not None else b""
    if not data or not name.endswith((".csv", ".json")):
        return _page(request, actor, wrong="file", status=422)
    box = Web.of(request).box if persons == "1" else None
    if persons == "1" and box is None:
        return _page(request, actor, wrong="key", status=409)
    wishes = {"partial": partial == "1", "in_use": in_use == "1", "persons": persons == "1"}
    digest = hashlib.sha256(repr(sorted(wishes.items())).encode() + data).hexdigest()
    wanted = Import(
        data, f"fleet.{name.rpartition('.')[2]}", actor.name, "page", actor.municipalities,
        dry_run=write != "1" or looked != digest, partial=wishes["partial"],
        whole=wishes["in_use"] or wishes["persons"], box=box,
    )  # fmt: skip
    try:
        result = await written(request, actor, wanted)
    except DryRun as ended:
        result = ended.result
    except Refused as refused:
        return _page(request, actor, said=refused.detail, status=refused.status, wishes=wishes)
    except psycopg.Error:
        return _page(request, actor, wrong="database", status=409, wishes=wishes)
    another = write == "1" and looked != digest
    return _page(request, actor, result=result, looked=digest, wishes=wishes, wrong="another" if another else "")


def _page(
    request: Request,
    actor: Actor,
    *,
    status: int = 200,
    result: dict[str, Any] | None = None,
    looked: str = "",
    wrong: str = "",
    said: str = "",
    wishes: dict[str, bool] | None = None,
) -> Response:
    ready = result is not None and result["dry_run"] and "units_added" in result
    return page(
        request, "import.html", status=status, result=result, looked=looked if ready else "", wrong=wrong, said=said,
        wishes=wishes or {}, most=MOST_SHOWN, import_words=import_words, fresh=stepped_up(actor, datetime.now(UTC)),
    )  # fmt: skip
