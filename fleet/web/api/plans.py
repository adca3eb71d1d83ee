"""Plans for the sunset: the calendar, asking for a plan, the plan with its document, and its visits."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from pydantic import AfterValidator, Field
from starlette.requests import Request
from starlette.responses import Response

from fleet.attention import plans
from fleet.attention.plans import Wish
from fleet.connectivity import sunset_store
from fleet.evidence.audit import record
from fleet.people.model import INSTALLATION, Actor
from fleet.store.pool import Connection
from fleet.web.access import require
from fleet.web.api.serving import IdempotencyKey, answer, reading, write
from fleet.web.api.shapes import (
    LARGEST,
    LARGEST_NUMBER,
    LIMIT,
    Body,
    Cursor,
    Key,
    Limit,
    Refused,
    Sentence,
    Word,
    cursor_values,
    listed,
    not_found,
    number_of,
)
from fleet.web.pages import Web
from fleet.web.planner import LONGEST_SOURCE, closing, move_of

router = APIRouter(tags=["sunset"])
Reads = Annotated[Actor, Depends(require("tasks.read"))]
Makes = Annotated[Actor, Depends(require("units.write"))]
Moves = Annotated[Actor, Depends(require("sunset.write"))]


def _within(day: date) -> date:
    if not 2020 <= day.year <= 2100:
        raise ValueError("a day between the years 2020 and 2100")
    return day


Day = Annotated[date, Field(strict=False), AfterValidator(_within)]


class Moved(Body):
    """A network that closes on another day than the calendar says; what if."""

    operator: Word
    technology: Word
    region: Word = "SE"
    last_day: Day


class NewDate(Moved):
    """A network that closes on another day than the calendar says, for good."""

    source: Sentence = Field(max_length=LONGEST_SOURCE, description="Who says so: a letter, a page, a person.")


class Asked(Body):
    """What a plan is to be made with."""

    installers: int = Field(ge=1, le=plans.MOST_INSTALLERS)
    per_day: int = Field(ge=1, le=plans.MOST_PER_DAY, description="Visits of one installer in a day.")
    start: Day
    closed: list[Day] = Field(default_factory=list, max_length=plans.MOST_CLOSED)
    moves: list[Moved] = Field(default_factory=list, max_length=plans.MOST_MOVES)
    municipality: int | None = Field(None, ge=1, le=LARGEST_NUMBER, description="Of this one only.")
    based_on: int | None = Field(None, ge=1, le=LARGEST, description="A plan to be compared with.")


@router.get("/sunset/calendar", summary="The last day of each network, and what was moved")
async def calendar(request: Request, actor: Reads) -> Response:
    """Shipped rows with this installation's changes; a technology without a row has no end that we know of."""
    async with reading(request, actor) as connection:
        dates = await sunset_store.dates(connection)
    rows = [_row(row) for row in dates.rows.values()]
    changes = [{**_row(one.row), "at": one.at, "actor": one.actor} for one in dates.changes]
    return answer({"items": rows, "changes": changes, "next": None})


@router.post("/sunset/calendar", status_code=201, summary="Move a date for good")
async def move_date(request: Request, actor: Moves, body: NewDate, key: IdempotencyKey = None) -> Response:
    """For everybody, and recorded; plans that were made keep their days. 403 for whoever does not own the fleet of the
    whole installation."""
    if INSTALLATION not in actor.municipalities:
        raise Refused(403, "a date is everybody's: who owns the fleet of the whole installation moves it")
    try:
        row = closing(body.operator, body.technology, body.region, body.last_day, body.source)
    except ValueError as error:
        wrong = {"source": "say who says so: a letter, a page, a person"}
        raise Refused(422, wrong.get(str(error), "that is no network: see GET /sunset/calendar for names")) from None

    async def work(connection: Connection) -> Any:
        await sunset_store.move_date(connection, row, actor.name, datetime.now(UTC))
        return _row(row)

    return await write(request, actor, work, key=key, status=201)


@router.get("/sunset/plans", summary="Plans, newest first, without their documents")
async def list_plans(request: Request, actor: Reads, cursor: Cursor = None, limit: Limit = LIMIT) -> Response:
    """Those whose municipalities the caller sees, all of them."""
    (before,) = cursor_values(cursor, number_of)
    async with reading(request, actor) as connection:
        found = await plans.plans(connection, datetime.now(UTC), before=before, most=limit + 1)
    return answer(listed(found, limit, lambda plan: [plan["plan_id"]]))


@router.post("/sunset/plans", status_code=201, summary="Ask for a plan")
async def make_plan(request: Request, actor: Makes, body: Asked, key: IdempotencyKey = None) -> Response:
    """Reckoned in a process of its own: `state` is `running` where that takes longer than some seconds; read it again.
    409 while two of the caller's plans are being reckoned."""
    at = datetime.now(UTC)
    places = [one for one in actor.municipalities if one != INSTALLATION and body.municipality in (None, one)]
    if not places:
        raise not_found("municipality")
    try:
        moves = tuple(move_of(one.operator, one.technology, one.region, one.last_day) for one in body.moves)
    except ValueError:
        raise Refused(422, "a moved network is none: see GET /sunset/calendar for their names") from None
    wish = Wish(body.installers, body.per_day, body.start, tuple(body.closed), moves)
    begun: list[int] = []

    async def work(connection: Connection) -> Any:
        try:
            number = await plans.ask(connection, wish, places, actor.name, at, based_on=body.based_on)
        except plans.Busy:
            raise Refused(409, "two plans of yours are being reckoned: wait for them") from None
        for place in places:
            await record(
                connection, actor=actor.name, action="plan.made", municipality_id=place, subject=f"plan:{number}",
                detail={"installers": wish.installers, "per_day": wish.per_day}, at=at,
            )  # fmt: skip
        begun.append(number)
        return {"plan_id": number, "state": "running", "municipalities": places, "asked": wish.plain()}

    made = await write(request, actor, work, key=key, status=201)
    for number in begun:
        await Web.of(request).plan_work.begin(number, places)
    return made


@router.get("/sunset/plans/{plan}", summary="A plan with its document")
async def get_plan(request: Request, actor: Reads, plan: Key) -> Response:
    """`document` is that of `livlina plan sunset --json`, and null until `state` is `done`."""
    async with reading(request, actor) as connection:
        found = await plans.plan_of(connection, plan, datetime.now(UTC))
    if found is None:
        raise not_found("plan")
    return answer(found)


@router.get("/sunset/plans/{plan}/visits", summary="A plan's visits in the order in which to make them")
async def list_visits(
    request: Request,
    actor: Reads,
    plan: Key,
    day: Annotated[int | None, Query(ge=1, le=LARGEST_NUMBER, description="Of this working day only.")] = None,
    installer: Annotated[int | None, Query(ge=1, le=LARGEST_NUMBER, description="Of this installer only.")] = None,
    cursor: Cursor = None,
    limit: Limit = LIMIT,
) -> Response:
    """`swap` says how far it has come: open, old unit out, closed. Nothing that somebody clicks closes one."""
    (after,) = cursor_values(cursor, number_of)
    if after is not None and after > LARGEST_NUMBER:
        raise Refused(422, "that is no cursor of this list: begin without one")
    async with reading(request, actor) as connection:
        if await plans.plan_of(connection, plan, datetime.now(UTC)) is None:
            raise not_found("plan")
        rows = await plans.visits(connection, plan, day=day, installer=installer, after=after, most=limit + 1)
    found = [{**row, "unit": f"{row.pop('unit_id'):08x}"} for row in rows]
    return answer(listed(found, limit, lambda one: [one["place"]]))


def _row(row: Any) -> dict[str, Any]:
    return {
        "operator": row.operator, "technology": row.technology, "region": row.region, "last_day": row.last_day,
        "source": row.source,
    }  # fmt: skip
