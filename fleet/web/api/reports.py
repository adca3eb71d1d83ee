"""Reports: a municipality's month and a case, as JSON, CSV or PDF."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from fleet.evidence.case_report import case_report
from fleet.evidence.month import Prices, ReportError, month_csv, month_report
from fleet.people.model import Actor
from fleet.web.access import require
from fleet.web.api.serving import answer, reading
from fleet.web.api.shapes import Key, Refused, SmallKey, not_found

router = APIRouter(tags=["reports"])
Reads = Annotated[Actor, Depends(require("reports.read"))]
Language = Annotated[Literal["sv", "en"], Query(description="Of the PDF.")]
Money = Annotated[int | None, Query(ge=0, le=10**9)]
Month = Annotated[
    str, Path(pattern=r"^20[0-9]{2}-(0[1-9]|1[0-2])$", description="YYYY-MM, by the municipality's clocks.")
]


@router.get("/reports/months/{municipality}/{month}", summary="A municipality's month")
async def month(
    request: Request,
    actor: Reads,
    municipality: SmallKey,
    month: Month,
    format: Annotated[Literal["json", "csv", "pdf"], Query()] = "json",
    language: Language = "sv",
    availability: Annotated[
        bool, Query(description="Reckoned from every heartbeat: too slow for a large fleet.")
    ] = False,
    unit_a_month: Money = None,
    alarm_each: Money = None,
) -> Response:
    """Alarms, both response times, availability, tests, late alarms, costs. PDF and CSV hold the same."""
    if municipality not in actor.municipalities:
        raise not_found("municipality")
    async with reading(request, actor) as connection:
        try:
            report = await month_report(
                connection, municipality, month, datetime.now(UTC), prices=Prices(unit_a_month, alarm_each),
                availability=availability,
            )  # fmt: skip
        except LookupError:
            raise not_found("municipality") from None
        except ReportError as error:
            raise Refused(422, str(error)) from None
    name = f"{municipality}-{month}"
    if format == "csv":
        return _file(month_csv(report).encode(), "text/csv; charset=utf-8", f"{name}.csv")
    if format == "pdf":
        octets = await run_in_threadpool(_month_pdf, report, language)
        return _file(octets, "application/pdf", f"{name}.{language}.pdf")
    return answer(report)


@router.get("/reports/cases/{case}", summary="A case: what happened, and who had the alarm when")
async def case(
    request: Request,
    actor: Reads,
    case: Key,
    format: Annotated[Literal["json", "pdf"], Query()] = "json",
    language: Language = "sv",
) -> Response:
    """Units, centres and accounts by their names; never the person whose alarm it was."""
    async with reading(request, actor) as connection:
        try:
            report = await case_report(connection, case, datetime.now(UTC))
        except LookupError:
            raise not_found("case") from None
    if format == "pdf":
        octets = await run_in_threadpool(_case_pdf, report, language)
        return _file(octets, "application/pdf", f"case-{case}.{language}.pdf")
    return answer(report)


def _month_pdf(report: dict[str, Any], language: str) -> bytes:
    # Here and not above: what lays out paper is the slowest to load of all that a server has.
    from fleet.evidence.report_pdf import month_pdf

    return month_pdf(report, language)


def _case_pdf(report: dict[str, Any], language: str) -> bytes:
    from fleet.evidence.report_pdf import case_pdf

    return case_pdf(report, language)


def _file(octets: bytes, kind: str, name: str) -> Response:
    return Response(octets, media_type=kind, headers={"Content-Disposition": f'attachment; filename="{name}"'})
