"""Plans for the sunset that were asked for: kept with what was asked, made in a process of their own.

The plan is `fleet.connectivity`'s, the same as of ``livlina plan sunset``: nothing is reckoned here. A plan is seen by
whoever sees all of its municipalities.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from psycopg.types.json import Jsonb

from fleet.connectivity import sunset_store
from fleet.connectivity.plan_model import Capacity, Visit
from fleet.connectivity.plan_report import Asked, calendar_of, make
from fleet.connectivity.swap import state as swap_state
from fleet.store.pool import Connection, fetch_all
from fleet.store.sql_file import read_statements

SQL = read_statements("fleet.attention", "plans.sql")
MOST_PLANS: Final = 20
"""Of each person or token; the oldest goes."""
MOST_RUNNING: Final = 2
LONGEST: Final = timedelta(minutes=10)
"""A plan that is not there after so long is not coming: its process has ended."""
MOST_INSTALLERS: Final = 1_000
MOST_PER_DAY: Final = 50
MOST_MOVES: Final = 20
MOST_CLOSED: Final = 60
_AT_ONCE: Final = 5_000

Move = tuple[str, str, str, date]


class Busy(RuntimeError):
    """Whoever asks has plans that are being reckoned."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What a plan is asked for. ``moves`` are (operator, technology, region, last day)."""

    installers: int
    per_day: int
    start: date
    closed: tuple[date, ...] = ()
    moves: tuple[Move, ...] = ()

    def plain(self) -> dict[str, Any]:
        """As it is kept."""
        return {
            "installers": self.installers, "per_day": self.per_day, "start": self.start.isoformat(),
            "closed": [day.isoformat() for day in self.closed],
            "moves": [[*where, day.isoformat()] for *where, day in self.moves],
        }  # fmt: skip


def wish_of(kept: Mapping[str, Any]) -> Wish:
    """Out of what was kept."""
    return Wish(
        kept["installers"],
        kept["per_day"],
        date.fromisoformat(kept["start"]),
        tuple(date.fromisoformat(day) for day in kept["closed"]),
        tuple((one[0], one[1], one[2], date.fromisoformat(one[3])) for one in kept["moves"]),
    )  # fmt: skip


async def ask(
    connection: Connection, wish: Wish, municipalities: Sequence[int], actor: str, at: datetime, *,
    based_on: int | None = None,
) -> int:  # fmt: skip
    """Keeps the wish, to be done by `work` in a process of its own; returns the plan's number. Raises Busy."""
    rows = await fetch_all(connection, SQL["running"], {"made_by": actor, "since": at - LONGEST})
    if rows[0]["plans"] >= MOST_RUNNING:
        raise Busy
    values = {
        "municipalities": list(municipalities), "made_by": actor, "at": at, "based_on": based_on,
        "asked": Jsonb(wish.plain()),
    }  # fmt: skip
    number = int((await fetch_all(connection, SQL["add"], values))[0]["plan_id"])
    await connection.execute(SQL["drop_old"], {"made_by": actor, "most": MOST_PLANS})
    return number


async def work(connection: Connection, number: int) -> None:
    """Reckons a plan that was asked for, inside a transaction that sees its municipalities. Raises LookupError."""
    rows = await fetch_all(connection, SQL["plan"], {"plan_id": number})
    if not rows:
        raise LookupError(f"there is no plan {number}")
    row = rows[0]
    began = time.perf_counter()
    wish = wish_of(row["asked"])
    at = datetime.now(UTC)
    own = frozenset(row["municipalities"])
    units = [unit for unit in await sunset_store.units(connection) if unit.municipality in own]
    dates = calendar_of(await sunset_store.dates(connection), (), wish.moves, row["made_by"], at)
    capacity = Capacity(wish.installers, wish.per_day, wish.start, frozenset(wish.closed))
    document, plan = make(units, dates, Asked(capacity, wish.moves))
    for place in range(0, len(plan.visits), _AT_ONCE):
        await connection.execute(SQL["add_visits"], _columns(number, place, plan.visits[place : place + _AT_ONCE]))
    seconds = round(time.perf_counter() - began, 2)
    values = {"plan_id": number, "document": Jsonb(document), "seconds": seconds}
    await connection.execute(SQL["done"], values)


def _columns(number: int, first: int, visits: Sequence[Visit]) -> dict[str, Any]:
    names = ("municipality", "unit", "unit_type", "what", "day", "on", "installer", "wave", "district", "deadline",
             "late", "person")  # fmt: skip
    columns: dict[str, Any] = {name: [getattr(visit, name) for visit in visits] for name in names}
    return {"plan_id": number, "place": list(range(first + 1, first + 1 + len(visits))), **columns}


async def plan_of(connection: Connection, number: int, at: datetime) -> dict[str, Any] | None:
    """A plan with its document; None where there is none that the session may see."""
    rows = await fetch_all(connection, SQL["plan"], {"plan_id": number})
    return _judged(rows[0], at) if rows else None


async def plans(connection: Connection, at: datetime, *, before: int | None = None, most: int) -> list[dict[str, Any]]:
    """The plans that the session may see, newest first, without their documents."""
    rows = await fetch_all(connection, SQL["plans"], {"before": before, "most": most})
    return [_judged(row, at) for row in rows]


def _judged(row: Mapping[str, Any], at: datetime) -> dict[str, Any]:
    lost = row["state"] == "running" and at - row["made_at"] > LONGEST
    return {**row, "state": "failed" if lost else row["state"]}


async def visits(
    connection: Connection, number: int, *, day: int | None = None, installer: int | None = None,
    after: int | None = None, most: int,
) -> list[dict[str, Any]]:  # fmt: skip
    """Visits in the order in which to make them, each with how far its swap has come (`fleet.connectivity.swap`)."""
    values = {"plan_id": number, "day": day, "installer": installer, "after": after, "most": most}
    found = []
    for row in await fetch_all(connection, SQL["visits"], values):
        proof = "proven" if row["swapped"] else None
        rest = {name: value for name, value in row.items() if name not in ("swapped", "life", "plan_id")}
        found.append({**rest, "swap": swap_state(proof, row["life"])})
    return found
