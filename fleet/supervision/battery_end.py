"""Who is visited before a weekend, how good the list was, and what a unit that fell silent died of. Pure.

`before` lists units that are likely to be dead at a moment. `score` holds a list against what has happened, and puts
the rule of a fixed percentage beside it. `cause_of_silence` tells a dead battery from a lost network by the last gasp.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from fleet.supervision.battery import Forecast

LIKELY: Final = 0.025
"""A unit that is dead by then with this likelihood is visited: one visit for nothing costs less than a dead button."""
FIXED_PERCENT: Final = 20
EMPTY_DAYS: Final = 2.0
"""A unit whose forecast said less than this has died of its battery even without a word."""
MONDAY, FRIDAY = 0, 4
OPENS_H: Final = 8

Cause = Literal["battery", "network", "unknown"]


@dataclass(frozen=True, slots=True)
class Cell:
    """A unit with its forecast. ``percent``: what the unit itself says. ``care_priority``: 1 is the highest."""

    unit: int
    forecast: Forecast
    percent: int
    unit_type: str = "social"
    district: str = ""
    lives_alone: bool = False
    care_priority: int = 3


@dataclass(frozen=True, slots=True)
class Stop:
    """A visit. ``likely``: how likely the unit is dead by then. ``order`` counts from 1; ``fits``: within capacity."""

    order: int
    unit: int
    district: str
    days: float
    least: float
    most: float
    likely: float
    fits: bool


@dataclass(frozen=True, slots=True)
class Score:
    """``right``: listed and died. Recall and precision are shares; None without a death or a listed unit."""

    listed: int
    died: int
    right: int

    @property
    def recall(self) -> float | None:
        return self.right / self.died if self.died else None

    @property
    def precision(self) -> float | None:
        return self.right / self.listed if self.listed else None


def monday_after(now: datetime) -> datetime:
    """08:00 on the next Monday, in the zone of ``now``."""
    ahead = (MONDAY - now.weekday()) % 7
    found = (now + timedelta(days=ahead)).replace(hour=OPENS_H, minute=0, second=0, microsecond=0)
    return found if found > now else found + timedelta(days=7)


def before(cells: Iterable[Cell], days: float, *, stops: int | None = None, likely: float = LIKELY) -> list[Stop]:
    """Units that are likely to be dead in so many days, in visiting order: risk first, then districts together.

    Risk is how likely it is, more for who lives alone, wears a personal alarm or has a high care priority. The first
    ``stops`` fit an evening; within these, and within the rest, districts are kept together.
    """
    found = [(cell, cell.forecast.dies_within(days)) for cell in cells]
    listed = sorted((one for one in found if one[1] >= likely), key=lambda one: (-_risk(*one), one[0].unit))
    fit = len(listed) if stops is None else stops
    made: list[Stop] = []
    for part, fits in ((listed[:fit], True), (listed[fit:], False)):
        first: dict[str, float] = {}
        for cell, chance in part:
            first[cell.district] = max(first.get(cell.district, 0.0), _risk(cell, chance))
        for cell, chance in sorted(part, key=lambda one: (-first[one[0].district], one[0].district, -_risk(*one))):
            of = cell.forecast
            made.append(
                Stop(len(made) + 1, cell.unit, cell.district, of.days, of.least, of.most, chance, fits)
            )  # fmt: skip
    return made


def _risk(cell: Cell, chance: float) -> float:
    weight = 1.0 + 0.5 * cell.lives_alone + 0.5 * (cell.unit_type == "personal") + 0.1 * (5 - cell.care_priority)
    return chance * weight


def by_percent(cells: Iterable[Cell], percent: int = FIXED_PERCENT) -> list[int]:
    """The rule that most platforms have: whatever says that it is at this percentage or below."""
    return [cell.unit for cell in cells if cell.percent <= percent]


def score(listed: Collection[int], died: Collection[int]) -> Score:
    """A list beside what happened."""
    return Score(len(set(listed)), len(set(died)), len(set(listed) & set(died)))


def beside(cells: Collection[Cell], days: float, died: Collection[int]) -> Mapping[str, Score]:
    """The forecast and the fixed percentage on the same data."""
    return {
        "forecast": score([stop.unit for stop in before(cells, days)], died),
        f"fixed {FIXED_PERCENT} %": score(by_percent(cells), died),
    }


def cause_of_silence(last_gasp: bool, forecast: Forecast | None, path_of_others: bool | None) -> Cause:
    """Why a unit is silent. ``last_gasp``: it said that its battery ends, as the last that was heard of it.
    ``path_of_others``: whether its neighbours on the same network are heard; None where it has none.

    A network that is lost is the cohort's to find; a unit that is nearly empty beside neighbours that are heard has
    died, and one with days to spare beside silent neighbours has not.
    """
    if last_gasp:
        return "battery"
    if path_of_others is False:
        return "network"
    if forecast is not None and forecast.least <= EMPTY_DAYS:
        return "battery"
    return "network" if path_of_others else "unknown"
