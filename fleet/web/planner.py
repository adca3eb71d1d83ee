"""The planner of the sunset: calendar, classes, waves, shortage, costs, what-if beside another plan, and work lists.

A plan is asked for here and reckoned elsewhere (`plan_work.py`), by the code of ``livlina plan sunset``. A page that is
shown again reckons nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Annotated, Any, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Form
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from fleet.attention import plans
from fleet.attention.plans import Move, Wish
from fleet.connectivity import sunset_store
from fleet.connectivity.calendar import TECHNOLOGIES, Calendar, CalendarError, Row
from fleet.connectivity.sunset_model import CLASSES
from fleet.evidence.audit import record
from fleet.people.decide import within_permission
from fleet.people.model import INSTALLATION, Actor
from fleet.store.pool import Connection
from fleet.web import planner_words
from fleet.web.access import actor_of, as_actor, require
from fleet.web.chart import Chart, line_chart
from fleet.web.decide import page_position
from fleet.web.pages import Web, answering, page, times_as_text
from fleet.web.technicians import chosen_municipality, municipalities

router = APIRouter()
Reads = Annotated[Actor, Depends(require("tasks.read"))]
Makes = Annotated[Actor, Depends(require("units.write"))]
Moves = Annotated[Actor, Depends(require("sunset.write"))]
Short = Annotated[str, Form(max_length=40)]

_SHOWN: Final = 20
_LARGEST: Final = 2**31 - 1
MOST_VISITS: Final = 1_000
LONGEST_SOURCE: Final = 300


@router.get("/planner")
async def planner_page(request: Request, actor: Reads, fault: str = "", moved: str = "") -> Response:
    """The calendar, the plans that were made, a form for another one; for the installation's owner one for dates."""
    at = datetime.now(UTC)
    async with answering(), as_actor(Web.of(request).pool, actor) as connection:
        dates = await sunset_store.dates(connection)
        made = await plans.plans(connection, at, most=_SHOWN)
        towns = await municipalities(connection)
    return page(
        request, "planner.html", rows=_rows(dates), changes=_changes(dates), plans=[times_as_text(one) for one in made],
        towns=[town for town in towns if town["municipality_id"] != INSTALLATION], plan_words=planner_words,
        today=_today(request).isoformat(), fault=fault, moved=moved == "1", technologies=TECHNOLOGIES, at=at,
        everywhere=INSTALLATION in within_permission(await actor_of(request), "sunset.write").municipalities,
    )  # fmt: skip


@router.post("/planner/calendar")
async def move(
    request: Request, actor: Moves, operator: Short = "", technology: Short = "", region: Short = "SE",
    last_day: Short = "", source: Annotated[str, Form(max_length=LONGEST_SOURCE)] = "",
) -> Response:  # fmt: skip
    """A network closes on another day than the calendar says, for good and for everybody; in the evidence."""
    if INSTALLATION not in actor.municipalities:
        return _faulty("installation")
    try:
        row = closing(operator, technology, region, _day(last_day, "date"), source)
    except ValueError as error:
        return _faulty(str(error))
    async with answering(), as_actor(Web.of(request).pool, actor) as connection:
        await sunset_store.move_date(connection, row, actor.name, datetime.now(UTC))
    return RedirectResponse("/planner?moved=1", status_code=303)


@router.post("/planner")
async def make(
    request: Request, actor: Makes, installers: Annotated[str, Form()] = "", per_day: Annotated[str, Form()] = "",
    start: Annotated[str, Form()] = "", closed: Annotated[str, Form()] = "", municipality: Annotated[str, Form()] = "",
    based_on: Annotated[str, Form()] = "", network: Annotated[str, Form()] = "", moved_to: Annotated[str, Form()] = "",
) -> Response:  # fmt: skip
    """Asks for a plan and goes to it; with ``based_on`` its moves hold too, and the two are shown side by side."""
    at = datetime.now(UTC)
    async with answering(), as_actor(Web.of(request).pool, actor) as connection:
        base = await plans.plan_of(connection, page_position(based_on) or 0, at)
    try:
        wish = _wish(installers, per_day, start or _today(request).isoformat(), closed, network, moved_to, base)
    except ValueError as error:
        back = f"/planner/{base['plan_id']}" if base else "/planner"
        return RedirectResponse(f"{back}?{urlencode({'fault': str(error)})}", status_code=303)
    chosen = chosen_municipality(municipality)
    places = [one for one in actor.municipalities if one != INSTALLATION and chosen in (None, one)]
    if base is not None and set(base["municipalities"]) <= set(places):
        places = base["municipalities"]
    if not places:
        return _faulty("nowhere")
    try:
        number = await asked(request, actor, wish, places, at, base["plan_id"] if base else None)
    except plans.Busy:
        return _faulty("busy")
    return RedirectResponse(f"/planner/{number}", status_code=303)


@router.get("/planner/{number}")
async def plan_page(request: Request, actor: Reads, number: str, beside: str = "", fault: str = "") -> Response:
    """One plan, beside the one it is based on or another; while it is reckoned, a page that says so."""
    at = datetime.now(UTC)
    async with answering(), as_actor(Web.of(request).pool, actor) as connection:
        plan = await plans.plan_of(connection, page_position(number) or 0, at)
        if plan is None:
            return page(request, "error.html", status=404, problem="no_plan")
        other = await _other(connection, plan, page_position(beside), at)
        days = await _days(connection, plan["plan_id"])
        dates = await sunset_store.dates(connection)
    document = plan["document"]
    return page(
        request, "plan.html", plan=times_as_text(plan), days=days,
        other=None if other is None else times_as_text(other),
        chart=None if document is None else burn_down(document, other), rows=_rows(dates), classes=CLASSES,
        figures=[] if document is None else planner_words.figures(document, other and other["document"]),
        plan_words=planner_words, fault=fault, at=at,
    )  # fmt: skip


@router.get("/planner/{number}/work")
async def work_page(request: Request, actor: Reads, number: str, day: str = "1", installer: str = "") -> Response:
    """The visits of a day, of one installer or of all, in order: to be printed."""
    at = datetime.now(UTC)
    place, who = _small(day) or 1, _small(installer)
    async with answering(), as_actor(Web.of(request).pool, actor) as connection:
        plan = await plans.plan_of(connection, page_position(number) or 0, at)
        if plan is None:
            return page(request, "error.html", status=404, problem="no_plan")
        found = await plans.visits(connection, plan["plan_id"], day=place, installer=who, most=MOST_VISITS)
        days = await _days(connection, plan["plan_id"])
    lists: dict[int, list[dict[str, Any]]] = {}
    for visit in found:
        lists.setdefault(visit["installer"], []).append(visit)
    return page(
        request, "plan_work.html", plan=times_as_text(plan), lists=sorted(lists.items()), days=days, day=place,
        on=next((one["on_date"] for one in days if one["day"] == place), None), installer="" if who is None else who,
        plan_words=planner_words, at=at,
    )  # fmt: skip


async def asked(
    request: Request, actor: Actor, wish: Wish, places: list[int], at: datetime, based_on: int | None
) -> int:
    """Keeps the wish and has it reckoned; comes back when it is done or after some seconds. Raises Busy."""
    web = Web.of(request)
    async with answering(), as_actor(web.pool, actor) as connection:
        number = await plans.ask(connection, wish, places, actor.name, at, based_on=based_on)
        for place in places:
            await record(
                connection, actor=actor.name, action="plan.made", municipality_id=place, subject=f"plan:{number}",
                detail={"installers": wish.installers, "per_day": wish.per_day}, at=at,
            )  # fmt: skip
    await web.plan_work.begin(number, places)
    return number


def burn_down(document: Mapping[str, Any], other: Mapping[str, Any] | None) -> Chart | None:
    """Visits left by day, of this plan and of the one beside it."""
    series = [_left(document)] + ([_left(other["document"])] if other and other["document"] else [])
    if not any(series):
        return None
    days = [where for points in series for where, _ in points]
    most = max(value or 0.0 for points in series for _, value in points)
    ends = tuple(date.fromordinal(int(day)).isoformat() for day in (min(days), max(days)))
    return line_chart(series, span=(min(days), max(days)), low=0, high=most or 1, ends=(ends[0], ends[1]))


def _left(document: Mapping[str, Any]) -> list[tuple[float, float | None]]:
    if not document["visits"]:
        return []
    first = date.fromisoformat(document["start"]).toordinal() - 1
    made: list[tuple[float, float | None]] = [(first, document["visits"])]
    return made + [(date.fromisoformat(one["date"]).toordinal(), one["left"]) for one in document["burn_down"]]


async def _other(connection: Connection, plan: Mapping[str, Any], beside: int | None, at: datetime) -> Any:
    wanted = beside or plan["based_on"]
    found = await plans.plan_of(connection, wanted, at) if wanted and wanted != plan["plan_id"] else None
    return found if found is not None and found["document"] is not None else None


async def _days(connection: Connection, number: int) -> list[dict[str, Any]]:
    rows = await (await connection.execute(plans.SQL["days"], {"plan_id": number})).fetchall()
    return [{**row, "on_date": row["on_date"].isoformat()} for row in rows]


def _wish(
    installers: str, per_day: str, start: str, closed: str, network: str, moved_to: str, base: Mapping[str, Any] | None
) -> Wish:
    """Raises ValueError with the word for what is wrong."""
    heads, visits = _small(installers), _small(per_day)
    if heads is None or not 1 <= heads <= plans.MOST_INSTALLERS:
        raise ValueError("installers")
    if visits is None or not 1 <= visits <= plans.MOST_PER_DAY:
        raise ValueError("per_day")
    before = plans.wish_of(base["asked"]) if base else None
    moves = before.moves if before else ()
    if network and moved_to:
        moved = move_of(*_network(network), _day(moved_to, "date"))
        moves = (*(one for one in moves if one[:3] != moved[:3]), moved)
    shut = tuple(_day(word, "closed") for word in closed.replace(",", " ").split())
    if len(shut) > plans.MOST_CLOSED or len(moves) > plans.MOST_MOVES:
        raise ValueError("many")
    return Wish(heads, visits, _day(start, "date"), shut, moves)


def _faulty(word: str) -> Response:
    return RedirectResponse(f"/planner?{urlencode({'fault': word})}", status_code=303)


def closing(operator: str, technology: str, region: str, last_day: date, source: str) -> Row:
    """A row of the calendar as it was typed. Raises ValueError with the word for what is wrong."""
    if not source.strip() or not source.isprintable():
        raise ValueError("source")
    try:
        return Row(operator.strip().lower(), technology, region.strip().upper(), last_day, source.strip())
    except CalendarError:
        raise ValueError("network") from None


def _network(text: str) -> tuple[str, str, str]:
    parts = text.split(":")
    if len(parts) != 3:
        raise ValueError("network")
    return parts[0], parts[1], parts[2]


def _day(text: str, what: str) -> date:
    try:
        found = date.fromisoformat(text)
    except ValueError:
        raise ValueError(what) from None
    if not 2020 <= found.year <= 2100:
        raise ValueError(what)
    return found


def _small(text: str) -> int | None:
    number = page_position(text)
    return number if number is not None and number <= _LARGEST else None


def _today(request: Request) -> date:
    return datetime.now(Web.of(request).zone).date()


def _rows(dates: Calendar) -> list[dict[str, str]]:
    return [
        {"operator": row.operator, "technology": row.technology, "region": row.region, "last_day": str(row.last_day),
         "source": row.source, "key": f"{row.operator}:{row.technology}:{row.region}"}
        for row in sorted(dates.rows.values(), key=lambda row: (row.last_day, row.operator, row.technology))
    ]  # fmt: skip


def _changes(dates: Calendar) -> list[dict[str, str]]:
    return [
        {"operator": one.row.operator, "technology": one.row.technology, "last_day": str(one.row.last_day),
         "source": one.row.source, "actor": one.actor, "at": one.at.isoformat()}
        for one in dates.changes
    ]  # fmt: skip


def move_of(operator: str, technology: str, region: str, last_day: date) -> Move:
    """A move as plans keep it. Raises ValueError for what is no network."""
    try:
        Row(operator, technology, region, last_day, "what if")
    except CalendarError:
        raise ValueError("network") from None
    return operator, technology, region, last_day
