"""Pure decisions of the fleet's page: how old a figure may be, whose battery is low, and who is doomed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Final

from fleet.attention.model import Concern, Noticed

LOW_DAYS: Final = 5.0
"""A battery that may end within five days is low: Easter is the longest time without a technician."""

PERIODS: Final[Mapping[Concern, timedelta]] = {
    "silent": timedelta(seconds=15),
    "unprotected": timedelta(seconds=15),
    "unproven_button": timedelta(minutes=5),
    "single_path": timedelta(minutes=5),
    "unproven_path": timedelta(minutes=5),
    "seldom_heard": timedelta(minutes=5),
    "low_battery": timedelta(hours=1),
    "doomed": timedelta(hours=1),
}
"""How often each concern is looked at."""
OLD: Final = 4
"""A figure that is older than so many of its periods is shown as old."""


def due(concern: Concern, looked_at: datetime | None, at: datetime) -> bool:
    """Whether it is time to look again. A look that lies ahead of the clock counts for nothing."""
    return looked_at is None or looked_at > at or at - looked_at >= PERIODS[concern]


def is_old(concern: Concern, looked_at: datetime | None, at: datetime) -> bool:
    """Whether a page must say that this figure is old: nobody looks, or looks too slowly."""
    return looked_at is None or at - looked_at > OLD * PERIODS[concern]


def low(forecasts: Iterable[tuple[int, float, float, float]], at: datetime) -> list[Noticed]:
    """Units out of (unit, days, least, most) whose battery may end within `LOW_DAYS`, by days left."""
    return [
        Noticed(unit, days, at, {"days": round(days, 1), "least": round(least, 1), "most": round(most, 1)})
        for unit, days, least, most in forecasts
        if least <= LOW_DAYS
    ]


def rank_of_day(day: date | None) -> float:
    """Doomed units are ordered by their last day; one whose day nobody knows comes last."""
    return float((day or date.max).toordinal())


def doomed(verdicts: Iterable[tuple[int, bool, str, date | None]], today: date) -> list[Noticed]:
    """Units out of (unit, stranded, what helps, last day) that lose a network; *cut off* where the last has gone."""
    at = datetime.combine(today, datetime.min.time(), UTC)
    return [
        Noticed(
            unit,
            rank_of_day(last_day),
            at,
            {
                "last_day": None if last_day is None else last_day.isoformat(),
                "what_helps": what,
                "stranded": stranded,
                "cut_off": stranded and last_day is not None and last_day < today,
            },
        )
        for unit, stranded, what, last_day in verdicts
    ]
