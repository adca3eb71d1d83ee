"""What needs attention now: counts by concern and municipality, the units behind them, and one's own filters."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from fleet.attention.model import SHOWN, UNITS, Concern
from fleet.attention.weekend import weekend
from fleet.people.model import Actor
from fleet.store.pool import Connection, fetch_all
from fleet.web.access import require
from fleet.web.api.serving import SQL as SERVING
from fleet.web.api.serving import IdempotencyKey, answer, reading, write
from fleet.web.api.shapes import (
    LARGEST_NUMBER,
    LIMIT,
    Body,
    Cursor,
    Key,
    Limit,
    OfMunicipality,
    Refused,
    Word,
    cursor_values,
    listed,
    not_found,
    number_of,
)
from fleet.web.api.units import UnitType
from fleet.web.attention import LONGEST_NAME, MOST_FILTERS, SQL, by_town, save_filter
from fleet.web.pages import Web

router = APIRouter(tags=["fleet"])
Reads = Annotated[Actor, Depends(require("units.read"))]
Tasks = Annotated[Actor, Depends(require("tasks.read"))]
OfType = Annotated[UnitType | None, Query(description="Of this type only.")]


class Filter(Body):
    """A filter and its name; a name is used once."""

    name: Word = Field(max_length=LONGEST_NAME)
    concern: Concern
    municipality: int | None = Field(None, ge=1, le=LARGEST_NUMBER)
    type: UnitType | None = None


@router.get("/fleet/attention", summary="How many units have which concern, by municipality")
async def attention(request: Request, actor: Reads, type: OfType = None) -> Response:
    """Kept by batch: `looked_at` says when each concern was looked at last, null: never."""
    async with reading(request, actor) as connection:
        rows = await fetch_all(connection, SQL["counts"], {"unit_type": type})
        looks = {row["concern"]: row["looked_at"] for row in await fetch_all(connection, SQL["looks"])}
    towns = by_town(rows)
    return answer(
        {
            "counts": {name: sum(t["counts"].get(name, 0) for t in towns) for name in (UNITS, *SHOWN)},
            "looked_at": {name: looks.get(name) for name in SHOWN},
            "municipalities": towns,
        }
    )


@router.get("/fleet/attention/{concern}/units", summary="Units with a concern, the most urgent first")
async def attention_units(
    request: Request,
    actor: Reads,
    concern: Annotated[Concern, Path(description="One of the concerns.")],
    municipality: OfMunicipality = None,
    type: OfType = None,
    cursor: Cursor = None,
    limit: Limit = LIMIT,
) -> Response:
    """What `detail` holds depends on the concern; no person is named in any."""
    rank, unit = cursor_values(cursor, _rank_of, number_of)
    values = {
        "concern": concern, "municipality": municipality, "unit_type": type, "after_rank": rank, "after_unit": unit,
        "most": limit + 1,
    }  # fmt: skip
    async with reading(request, actor) as connection:
        rows = await fetch_all(connection, SQL["units"], values)
    keys = {f"{row['unit_id']:08x}": (row["rank"], row["unit_id"]) for row in rows}
    return answer(listed([_view(row) for row in rows], limit, lambda one: keys[one["unit"]]))


@router.get("/fleet/weekend", summary="Units whose battery is likely to be empty before Monday 08:00")
async def weekend_list(
    request: Request,
    actor: Tasks,
    municipality: OfMunicipality = None,
    stops: Annotated[int | None, Query(ge=1, le=10_000, description="How many visits fit before it.")] = None,
) -> Response:
    """In visiting order; the forecasts are those of the last look, at most an hour old."""
    async with reading(request, actor) as connection:
        at = datetime.now(UTC)
        found = await weekend(connection, at, Web.of(request).zone, municipality=municipality, stops=stops)
    document = asdict(found)
    rows = [{**stop, "unit": f"{stop['unit']:08x}"} for stop in document.pop("stops")]
    return answer({**document, "items": rows, "next": None})


@router.get("/fleet/filters", summary="One's own filters, each with how many units it holds now")
async def list_filters(request: Request, actor: Reads) -> Response:
    """Of the person or token that asks, and nobody else's."""
    async with reading(request, actor) as connection:
        await connection.execute(SERVING["act_as"], {"actor": actor.name})
        rows = await fetch_all(connection, SQL["filters"])
    return answer(listed(rows, MOST_FILTERS, lambda _row: []))


@router.post("/fleet/filters", status_code=201, summary="Keep a filter under a name")
async def keep_filter(request: Request, actor: Reads, body: Filter, key: IdempotencyKey = None) -> Response:
    """409 where the name is in use, or where there are enough."""

    async def work(connection: Connection) -> Any:
        await connection.execute(SERVING["act_as"], {"actor": actor.name})
        at = datetime.now(UTC)
        done = await save_filter(connection, body.name, body.concern, body.municipality, body.type, at)
        if done != "yes":
            detail = "you have enough filters: forget one first" if done == "full" else "you have one of this name"
            raise Refused(409, detail)
        rows = await fetch_all(connection, SQL["filters"])
        return next(row for row in rows if row["name"] == body.name)

    return await write(request, actor, work, key=key, status=201)


@router.delete("/fleet/filters/{filter}", status_code=204, summary="Forget a filter")
async def forget_filter(request: Request, actor: Reads, filter: Key) -> Response:
    """404 for one that is somebody else's."""

    async def work(connection: Connection) -> Any:
        await connection.execute(SERVING["act_as"], {"actor": actor.name})
        if not await fetch_all(connection, SQL["drop_filter"], {"filter_id": filter}):
            raise not_found("filter")
        return None

    return await write(request, actor, work)


def _rank_of(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e300:
        raise ValueError
    return float(value)


def _view(row: dict[str, Any]) -> dict[str, Any]:
    rest = {name: value for name, value in row.items() if name not in ("unit_id", "rank")}
    return {"unit": f"{row['unit_id']:08x}", **rest}
