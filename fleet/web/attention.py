"""The fleet's page: what needs attention now, by concern and municipality, and the units behind each count.

Counts are kept by batch (`fleet.attention`): the page reads a few rows a municipality, and says how old they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Form
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from fleet.attention.decide import is_old
from fleet.attention.model import CONCERNS, SHOWN, UNITS
from fleet.people.model import Actor
from fleet.store.pool import Connection, fetch_all
from fleet.store.sql_file import read_statements
from fleet.web import attention_words, town_map
from fleet.web.access import as_actor, require
from fleet.web.decide import page_position
from fleet.web.pages import Web, answering, page
from fleet.web.technicians import chosen_municipality
from fleet.web.texts import UNIT_TYPES

router = APIRouter()
SQL = read_statements("fleet.web", "attention.sql")
ACT_AS = read_statements("fleet.web.api", "serving.sql")["act_as"]
Who = Annotated[Actor, Depends(require("units.read"))]

_PAGE: Final = 50
MOST_FILTERS: Final = 30
LONGEST_NAME: Final = 60


@router.get("/fleet")
async def fleet_page(
    request: Request, actor: Who, municipality: str = "", type: str = "", concern: str = "unprotected"
) -> Response:
    """Tiles with counts, own filters, and a map and table of municipalities; ``concern`` is what the map shows."""
    at = datetime.now(UTC)
    kind = type if type in UNIT_TYPES else None
    shown = concern if concern in CONCERNS else SHOWN[0]
    async with answering(), as_actor(Web.of(request).pool, actor) as connection:
        await connection.execute(ACT_AS, {"actor": actor.name})
        rows = await fetch_all(connection, SQL["counts"], {"unit_type": kind})
        looks = {row["concern"]: row["looked_at"] for row in await fetch_all(connection, SQL["looks"])}
        filters = await fetch_all(connection, SQL["filters"])
    towns = by_town(rows)
    chosen = chosen_municipality(municipality)
    counted = [town for town in towns if chosen is None or town["municipality_id"] == chosen]
    picture = town_map.draw(
        [(town["municipality_id"], town["name"]) for town in counted],
        {town["municipality_id"]: (town["counts"].get(shown, 0), town["counts"].get(UNITS, 0)) for town in counted},
    )
    return page(
        request, "fleet.html", towns=towns, counted=counted, filters=filters, picture=picture, shown=shown,
        order=SHOWN, sums={name: sum(town["counts"].get(name, 0) for town in counted) for name in (UNITS, *SHOWN)},
        looks={name: _iso(looks.get(name)) for name in SHOWN},
        old={name for name in SHOWN if is_old(name, looks.get(name), at)},
        concerns=attention_words, municipality="" if chosen is None else str(chosen), type=kind or "",
        query=urlencode({"municipality": "" if chosen is None else chosen, "type": kind or ""}), at=at,
    )  # fmt: skip


@router.get("/fleet/units")
async def units_page(
    request: Request, actor: Who, concern: str = "", municipality: str = "", type: str = "", after: str = "",
    saved: str = "",
) -> Response:  # fmt: skip
    """Units with one concern, the most urgent first; ``after`` is the last one of the page before. htmx gets rows."""
    if concern not in CONCERNS:
        return RedirectResponse("/fleet", status_code=303)
    at = datetime.now(UTC)
    chosen = chosen_municipality(municipality)
    kind = type if type in UNIT_TYPES else None
    rank, unit = cursor(after)
    values = {
        "concern": concern, "municipality": chosen, "unit_type": kind, "after_rank": rank, "after_unit": unit,
        "most": _PAGE + 1,
    }  # fmt: skip
    async with answering(), as_actor(Web.of(request).pool, actor) as connection:
        rows = await fetch_all(connection, SQL["units"], values)
        towns = by_town(await fetch_all(connection, SQL["counts"], {"unit_type": kind}))
        looks = {row["concern"]: row["looked_at"] for row in await fetch_all(connection, SQL["looks"])}
    same: dict[str, Any] = {
        "concern": concern,
        "municipality": "" if chosen is None else str(chosen),
        "type": kind or "",
    }
    older = None
    if len(rows) > _PAGE:
        older = urlencode({**same, "after": f"{rows[_PAGE - 1]['rank']!r},{rows[_PAGE - 1]['unit_id']}"})
    template = "fleet_unit_rows.html" if request.headers.get("hx-request") == "true" else "fleet_units.html"
    total = sum(t["counts"].get(concern, 0) for t in towns if chosen is None or t["municipality_id"] == chosen)
    return page(
        request, template, units=[shown_unit(row) for row in rows[:_PAGE]], older=older, towns=towns, total=total,
        concerns=attention_words, order=SHOWN, looked=_iso(looks.get(concern)), first=not after,
        old=is_old(concern, looks.get(concern), at), saved=saved, at=at, **same,
    )  # fmt: skip


@router.post("/fleet/filters")
async def save(
    request: Request, actor: Who, concern: Annotated[str, Form()] = "", name: Annotated[str, Form()] = "",
    municipality: Annotated[str, Form()] = "", type: Annotated[str, Form()] = "",
) -> Response:  # fmt: skip
    """Keeps a filter under a name of one's own, and goes back to its list."""
    if concern not in CONCERNS:
        return RedirectResponse("/fleet", status_code=303)
    wanted = "".join(sign for sign in name.strip() if sign.isprintable())[:LONGEST_NAME]
    chosen, kind = chosen_municipality(municipality), type if type in UNIT_TYPES else None
    done = "no"
    if wanted:
        async with answering(), as_actor(Web.of(request).pool, actor) as connection:
            await connection.execute(ACT_AS, {"actor": actor.name})
            done = await save_filter(connection, wanted, concern, chosen, kind, datetime.now(UTC))
    query = {"concern": concern, "municipality": "" if chosen is None else chosen, "type": kind or "", "saved": done}
    return RedirectResponse(f"/fleet/units?{urlencode(query)}", status_code=303)


@router.post("/fleet/filters/{number}/drop")
async def drop(request: Request, actor: Who, number: str) -> Response:
    """Forgets one of one's own filters."""
    async with answering(), as_actor(Web.of(request).pool, actor) as connection:
        await connection.execute(ACT_AS, {"actor": actor.name})
        await fetch_all(connection, SQL["drop_filter"], {"filter_id": page_position(number) or 0})
    return RedirectResponse("/fleet", status_code=303)


async def save_filter(
    connection: Connection, name: str, concern: str, municipality: int | None, unit_type: str | None, at: datetime
) -> str:
    """``yes``; ``full`` where there are enough; ``taken`` where the name is in use. Acts for ``livlina.actor``."""
    rows = await fetch_all(connection, SQL["filter_count"])
    if rows[0]["filters"] >= MOST_FILTERS:
        return "full"
    values = {"name": name, "concern": concern, "municipality": municipality, "unit_type": unit_type, "at": at}
    return "yes" if await fetch_all(connection, SQL["save_filter"], values) else "taken"


def by_town(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Counts by municipality, in the order of the rows."""
    found: dict[int, dict[str, Any]] = {}
    for row in rows:
        town = found.setdefault(
            row["municipality_id"], {"municipality_id": row["municipality_id"], "name": row["name"], "counts": {}}
        )
        town["counts"][row["concern"]] = row["units"]
    return list(found.values())


def cursor(text: str) -> tuple[float | None, int | None]:
    """(rank, unit) that a page goes on from; both None for what is no cursor."""
    rank, _, unit = text.rpartition(",")
    number = page_position(unit)
    try:
        value = float(rank)
    except ValueError:
        return None, None
    return (value, number) if number is not None and abs(value) < 1e300 else (None, None)


def shown_unit(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row as templates and the API's documents have it."""
    return {
        "unit": f"{row['unit_id']:08x}",
        **{name: _iso(value) if isinstance(value, datetime) else value for name, value in row.items()},
    }


def _iso(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()
