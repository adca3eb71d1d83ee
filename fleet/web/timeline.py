"""A unit's timeline: presses and receipts, what it said, states with their cause, ways and SIMs, incidents, tasks.

Reads only, and only what the session's municipalities hold. It never shows an event's data: a position may stand there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from fleet.people.model import Actor
from fleet.store.pool import Connection, fetch_all
from fleet.store.sql_file import read_statements
from fleet.web import timeline_words
from fleet.web.access import as_actor, require
from fleet.web.chart import Chart, line_chart
from fleet.web.pages import Web, answering, page, times_as_text

router = APIRouter()
SQL = read_statements("fleet.web", "timeline.sql")
Who = Annotated[Actor, Depends(require("units.read"))]

DAYS: Final = 14
RECENT_DAYS: Final = 7
_PAGE: Final = 30
_RECENT: Final = 12
_STEP_S: Final = 21600
_LONGEST_KEY: Final = 60
Place = tuple[datetime, str, str]


@router.get("/units/{unit_id}/timeline")
async def timeline_page(request: Request, actor: Who, unit_id: str, after: str = "") -> Response:
    """What has happened to one unit, newest first; ``after`` is the last entry of the page before. htmx gets rows."""
    number = int(unit_id, 16) if len(unit_id) == 8 and unit_id.isalnum() and _is_hex(unit_id) else 0
    at = datetime.now(UTC)
    place = place_of(after)
    async with answering(), as_actor(Web.of(request).pool, actor) as connection:
        if not await fetch_all(connection, SQL["known"], {"unit_id": number}):
            return page(request, "error.html", status=404, problem="no_unit")
        entries = await entries_of(connection, number, place, _PAGE + 1, at)
        first = place is None
        buckets = await buckets_of(connection, number, at) if first else []
    older = None
    if len(entries) > _PAGE:
        last = entries[_PAGE - 1]
        older = urlencode({"after": f"{last['at'].isoformat()},{last['source']},{last['key']}"})
    template = "timeline_rows.html" if request.headers.get("hx-request") == "true" else "timeline.html"
    return page(
        request, template, unit=f"{number:08x}", entries=[times_as_text(entry) for entry in entries[:_PAGE]],
        older=older, first=first, timeline=timeline_words, at=at, **charts_of(buckets, at, DAYS),
    )  # fmt: skip


async def recent_of(connection: Connection, unit: int, at: datetime) -> dict[str, Any]:
    """The last days of a timeline, as the unit's own page shows them: two reads, however much has happened.

    ``more``: whether the days hold entries besides those that are shown.
    """
    entries = await entries_of(connection, unit, None, _RECENT + 1, at, since=at - timedelta(days=RECENT_DAYS))
    buckets = await buckets_of(connection, unit, at, RECENT_DAYS)
    return {
        "entries": [times_as_text(entry) for entry in entries[:_RECENT]], "more": len(entries) > _RECENT,
        "timeline": timeline_words, **charts_of(buckets, at, RECENT_DAYS),
    }  # fmt: skip


async def entries_of(
    connection: Connection, unit: int, place: Place | None, most: int, at: datetime, *, since: datetime | None = None
) -> list[dict[str, Any]]:
    """Entries before ``place`` and after ``since``, newest first."""
    before, source, key = place or (at + timedelta(days=1), "", "")
    values = {"unit_id": unit, "before": before, "source": source, "key": key, "most": most, "since": since}
    return [dict(row) for row in await fetch_all(connection, SQL["timeline"], values)]


async def buckets_of(connection: Connection, unit: int, at: datetime, days: int = DAYS) -> list[dict[str, Any]]:
    """Battery and signal of these days, in steps of six hours; a step in which nothing was heard is not there."""
    values = {"unit_id": unit, "since": at - timedelta(days=days)}
    return [dict(row) for row in await fetch_all(connection, SQL["readings"], values)]


def charts_of(buckets: Sequence[Mapping[str, Any]], at: datetime, days: int) -> dict[str, Any]:
    """Both charts and their figures, as templates take them."""
    return {
        "buckets": [times_as_text(bucket) for bucket in buckets], "days": days,
        "battery": chart_of(buckets, "battery", 0, 100, at, days),
        "signal": chart_of(buckets, "signal", -120, -50, at, days),
    }  # fmt: skip


def chart_of(
    buckets: Sequence[Mapping[str, Any]], name: str, low: float, high: float, at: datetime, days: int = DAYS
) -> Chart | None:
    """The line of one measure; None where the unit never said it."""
    points = [(bucket["at"].timestamp(), bucket[name]) for bucket in buckets]
    if all(value is None for _, value in points):
        return None
    first = at - timedelta(days=days)
    ends = (f"{first:%m-%d}", f"{at:%m-%d}")
    span = (first.timestamp(), at.timestamp())
    return line_chart([points], span=span, low=low, high=high, ends=ends, apart=1.5 * _STEP_S)


def place_of(text: str) -> Place | None:
    """The entry that a page goes on from; None for what is none."""
    moment, _, rest = text.partition(",")
    source, _, key = rest.partition(",")
    try:
        at = datetime.fromisoformat(moment)
    except ValueError:
        return None
    if at.tzinfo is None or not 1971 <= at.year <= 2999 or source not in timeline_words.SOURCES:
        return None
    return (at, source, key) if len(key) <= _LONGEST_KEY and key.isprintable() else None


def _is_hex(text: str) -> bool:
    return all(sign in "0123456789abcdefABCDEF" for sign in text)
