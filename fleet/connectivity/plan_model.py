"""What the planner is given and what it says, as plain frozen values. Day 1 is the first working day of the plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final

BANDS: Final = (
    "cut off already",
    "no other path, and a personal alarm or living alone",
    "no other path, or a personal alarm",
    "loses its second path, lives alone",
    "loses its second path",
)
"""Why a wave comes when it does, by its place."""


@dataclass(frozen=True, slots=True)
class Capacity:
    """Who can be sent. ``closed``: days on which nobody is, besides weekends and Swedish holidays."""

    installers: int
    per_day: int
    start: date
    closed: frozenset[date] = frozenset()

    def __post_init__(self) -> None:
        if self.installers < 1 or self.per_day < 1:
            raise ValueError("a plan needs at least one installer and one visit a day")


@dataclass(frozen=True, slots=True)
class Visit:
    """A place in an installer's day. ``late``: after the unit's deadline; ``person``: its person has no path from then
    until the visit, so somebody sees to him besides."""

    unit: int
    unit_type: str
    what: str
    day: int
    on: date
    installer: int
    wave: int
    band: int
    municipality: int
    district: str
    deadline: date | None
    late: bool
    person: bool


@dataclass(frozen=True, slots=True)
class Wave:
    """Visits of the same urgency and deadline. ``why`` is of `BANDS`."""

    number: int
    why: str
    deadline: date | None
    units: int
    late: int
    first: date
    last: date
    districts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Shortage:
    """Of one deadline: visits due by then, those that fit, heads that it would take, and when all are made otherwise.

    ``heads`` is None where no working day is left.
    """

    deadline: date
    working_days: int
    due: int
    possible: int
    short: int
    heads: float | None
    finish_day: int
    finish: date

    @property
    def sentence(self) -> str:
        if not self.short:
            return f"in time for {self.deadline}: {self.due} visits, room for {self.possible}"
        heads = "no working day is left" if self.heads is None else f"{self.heads:.1f} installers needed"
        return f"{self.short} short, {heads} or finish day {self.finish_day}"


@dataclass(frozen=True, slots=True)
class Stage:
    """A step of what is done over the air; the next begins when it has proven itself. ``late``: of it, so many begin
    after their deadline."""

    number: int
    begins: date
    units: tuple[int, ...]
    late: int


@dataclass(frozen=True, slots=True)
class Plan:
    """``doomed``: units that lose a network, ``stranded``: those among them that lose the last. ``surveys``: units that
    a test alarm has to tell about. ``parts``: how many of what. ``burn_down``: visits left after each working day.
    ``travel``: (installers' stays in a district, the fewest that there could be). ``overdue``: visits whose deadline
    had gone by when the plan begins."""

    capacity: Capacity
    units: int
    classes: Mapping[str, int]
    doomed: int
    stranded: int
    visits: tuple[Visit, ...]
    waves: tuple[Wave, ...]
    shortages: tuple[Shortage, ...]
    stages: tuple[Stage, ...]
    surveys: tuple[int, ...]
    parts: Mapping[str, int]
    burn_down: tuple[tuple[int, date, int], ...]
    travel: tuple[int, int]
    overdue: int = 0

    @property
    def person_visits(self) -> tuple[int, ...]:
        """Units whose persons have no path for a while: somebody sees to each, from its deadline until its visit."""
        return tuple(visit.unit for visit in self.visits if visit.person)

    @property
    def shortage(self) -> Shortage | None:
        """The deadline with the most visits short; None where nothing has a deadline ahead."""
        return max(self.shortages, key=lambda one: one.short, default=None)
