"""The record as a page: who did what, by whom, about what; how far it is signed; and the same as a file."""

from __future__ import annotations

import csv
import io
import json
from datetime import datetime
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from fleet.evidence.view import entries_before
from fleet.people.model import Actor
from fleet.store.pool import fetch_all
from fleet.web import record_words
from fleet.web.access import as_actor, require
from fleet.web.api.shapes import plain
from fleet.web.decide import page_position
from fleet.web.pages import Web, answering, page
from fleet.web.technicians import chosen_municipality, municipalities

router = APIRouter()
Reader = Annotated[Actor, Depends(require("audit.read"))]

_PAGE = 50
_MOST_IN_A_FILE = 20_000
_LONGEST = 100
_STATE = (
    "SELECT (SELECT max(position) FROM audit_chain) AS last, h.position, h.at, h.key_id AS key, "
    "(SELECT count(*) FROM audit_chain a WHERE a.position > h.position) AS unsigned "
    "FROM (SELECT 1) one LEFT JOIN LATERAL "
    "(SELECT position, at, key_id FROM audit_heads ORDER BY position DESC LIMIT 1) h ON true"
)


@router.get("/record")
async def record_page(
    request: Request,
    actor: Reader,
    municipality: str = "",
    source: str = "",
    action: str = "",
    by: str = "",
    about: str = "",
    before: str = "",
    format: str = "",
) -> Response:
    """Entries, newest first; ``format=csv`` gives up to 20,000 of them as a file."""
    filters = {
        "municipality": municipality, "source": source if source in record_words.SOURCES else "",
        "action": _text(action), "by": _text(by), "about": _text(about),
    }  # fmt: skip
    wanted: dict[str, Any] = {
        "municipality": chosen_municipality(municipality), "source": filters["source"] or None,
        "action": filters["action"] or None, "actor": filters["by"] or None, "subject": filters["about"] or None,
    }  # fmt: skip
    most = _MOST_IN_A_FILE if format == "csv" else _PAGE
    async with answering(), as_actor(Web.of(request).pool, actor) as connection:
        rows = await entries_before(connection, page_position(before) if before else None, most + 1, **wanted)
        state = (await fetch_all(connection, _STATE))[0]
        towns = await municipalities(connection)
    if format == "csv":
        return _file(rows[:most])
    entries = [{**plain(row), "detail": _detail(row["detail"])} for row in rows[:most]]
    older = urlencode({**filters, "before": rows[most - 1]["position"]}) if len(rows) > most else None
    return page(
        request, "record.html", entries=entries, older=older, towns=towns, filters=filters, first=not before,
        state=plain(state), record_words=record_words, file=urlencode({**filters, "format": "csv"}),
    )  # fmt: skip


def _text(text: str) -> str:
    return "".join(one for one in text if one.isprintable())[:_LONGEST].strip()


def _detail(detail: Any) -> str:
    return ", ".join(f"{name} {_value(value)}" for name, value in (detail or {}).items() if value not in (None, "", []))


def _value(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(plain(value), ensure_ascii=False)


def _file(rows: list[dict[str, Any]]) -> Response:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    names = (
        "position",
        "municipality_id",
        "source",
        "key",
        "at",
        "action",
        "actor",
        "subject",
        "detail",
        "digest",
        "hash",
    )
    writer.writerow(names)
    for row in rows:
        cells = {**plain(row), "detail": json.dumps(plain(row["detail"]), ensure_ascii=False) if row["detail"] else ""}
        writer.writerow(["" if cells[name] is None else cells[name] for name in names])
    name = f"record-{datetime.now().astimezone():%Y%m%d}.csv"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(out.getvalue(), media_type="text/csv; charset=utf-8", headers=headers)
