"""A1's story: who there is, and whose path is out. Pure, from the seed."""

from __future__ import annotations

import random
from collections.abc import Collection, Mapping, Sequence
from typing import Final, Protocol

from fleet.supervision.decide import grace_s
from sim.scenarios.crowd import DISTRICTS, SIM_1, SIM_2, One, Way
from sim.scenarios.scenario import ScenarioError

OUT, OTHER, SPARE = 24001, 24002, 24002
BEFORE_S: Final = 900.0
AREAS: Final = 40
HIT_AREAS: Final = 4
PROFILE: Final = ("DP2", 1800, 90_000)
"""What heartbeats every five minutes can keep: a fault is known within half an hour."""
LEAST: Final = 20
VISITS_AT_S: Final = 120.0
AREA_SHOWS: Final = 3
"""So many units that are overdue show that a cell area is out, when others of the operator are."""
SHOWS: Final = 10
"""So many show that something is; of one cohort ``SHOWS_ALONE`` do."""
SHOWS_ALONE: Final = 8
LOOK_S: Final = 10.0
"""How often an open incident is looked at again."""


class Beats(Protocol):
    """Whose heartbeats are known beforehand."""

    def overdue(self, since: float, units: Collection[int], grace_s: float) -> list[float]: ...


class Story:
    """``numbers`` are the scenario's: part, by_issuer, dual, others, heartbeat_s, minutes. Times are its seconds."""

    def __init__(self, units: int, numbers: Mapping[str, float], chance: random.Random) -> None:
        self.units = units
        self.hit = round(units * numbers["part"])
        if self.hit < LEAST:
            raise ScenarioError(f"an outage needs at least {LEAST} units: more --units, or a greater part")
        if numbers["by_issuer"] not in (0, 1):
            raise ScenarioError("by_issuer is 0, by cell area, or 1")
        self.begins = BEFORE_S
        self.ends = BEFORE_S + numbers["minutes"] * 60
        self.interval_s = int(numbers["heartbeat_s"])
        self.by_area = numbers["by_issuer"] == 0 and self.hit < units
        self.by_issuer = numbers["by_issuer"] == 1 and self.hit < units
        self._numbers = numbers
        self._chance = chance

    def people(self) -> list[One]:
        """So many that are hit, and beside them those that are not: of another operator, area or issuer."""
        made = []
        for unit in range(1, self.units + round(self.units * self._numbers["others"]) + 1):
            here = unit <= self.units
            operator = OUT if here else OTHER
            area = unit % AREAS if self.by_area or not here else self._chance.randrange(AREAS)
            issuer = ("issuer A", "issuer C")[here and self.by_issuer and unit > self.hit]
            if here and self.by_area:
                area = unit % HIT_AREAS if unit <= self.hit else HIT_AREAS + unit % (AREAS - HIT_AREAS)
            ways = [Way(SIM_1, operator, area, issuer if here else "issuer D")]
            if self._chance.random() < self._numbers["dual"]:
                ways.append(Way(SIM_2, SPARE if here else OUT + 7, area, "issuer B"))
            district, priority = f"D{self._chance.randrange(DISTRICTS):02d}", self._chance.randrange(1, 6)
            made.append(One(unit, ways, district, priority))
        return made

    def out(self, one: One, way: Way, at: float) -> bool:
        """Whether this way is out now."""
        if not self.begins <= at < self.ends or way.operator != OUT or way.bearer != SIM_1:
            return False
        if self.hit == self.units:
            return True
        return way.issuer == "issuer A" if self.by_issuer else way.tac < HIT_AREAS

    def shown_after(self, crowd: Beats) -> float:
        """Seconds from the beginning until enough units that are hit are overdue and somebody has looked: nobody can
        know of an outage from fewer."""
        wanted = SHOWS if self.by_area else SHOWS_ALONE
        return self._overdue(crowd, range(1, self.hit + 1), wanted) + LOOK_S

    def visits_at(self, crowd: Beats) -> float:
        """When the visit list is held against the truth: after two minutes, or when enough units are overdue, in each
        area that is out, for two looks."""
        if self.by_area:
            areas = [[unit for unit in range(1, self.hit + 1) if unit % HIT_AREAS == area] for area in range(HIT_AREAS)]
            shown = max(self._overdue(crowd, units, AREA_SHOWS) for units in areas) + 2 * LOOK_S
        else:
            shown = self._overdue(crowd, range(1, self.hit + 1), SHOWS) + LOOK_S
        return self.begins + max(VISITS_AT_S, shown)

    def _overdue(self, crowd: Beats, units: Sequence[int], wanted: int) -> float:
        """Seconds from the beginning until so many of these are overdue, or all of them."""
        late = crowd.overdue(self.begins, units, grace_s(self.interval_s))
        return late[min(wanted, len(late)) - 1] - self.begins
