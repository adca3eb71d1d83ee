"""Reports as a page: the figures of a municipality's month, and the files for whoever needs them on paper."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from fleet.evidence.month import ReportError, month_report
from fleet.people.model import Actor
from fleet.web import record_words
from fleet.web.access import as_actor, require
from fleet.web.decide import page_position
from fleet.web.pages import Web, answering, page
from fleet.web.technicians import chosen_municipality, municipalities

router = APIRouter()
Reader = Annotated[Actor, Depends(require("reports.read"))]


@router.get("/reports")
async def reports_page(
    request: Request, actor: Reader, municipality: str = "", month: str = "", case: str = ""
) -> Response:
    """The month of one municipality, the last whole one where none is chosen. Availability is in the files of
    a fleet that is not too large for a request."""
    at = datetime.now(UTC)
    last = (at.astimezone(Web.of(request).zone).replace(day=1) - timedelta(days=1)).strftime("%Y-%m")
    wrong = None
    report = None
    async with answering(), as_actor(Web.of(request).pool, actor) as connection:
        towns = [town for town in await municipalities(connection) if town["municipality_id"]]
        known = {town["municipality_id"] for town in towns}
        chosen = chosen_municipality(municipality) or (towns[0]["municipality_id"] if towns else None)
        if chosen in known and chosen is not None:
            try:
                report = await month_report(connection, chosen, month or last, at, availability=False)
            except ReportError:
                wrong = "month"
        elif municipality:
            wrong = "municipality"
    return page(
        request, "reports.html", report=report, towns=towns, chosen=chosen, month=month[:7] or last, wrong=wrong,
        case=page_position(case) if case else None, record_words=record_words,
    )  # fmt: skip
