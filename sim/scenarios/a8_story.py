"""What happens in A8: who is ordered to test and presses, whose test silently fails, who needs help meanwhile. Pure.

Times are seconds from the beginning of the day's twelve hours.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from sim.scenarios.scenario import ScenarioError

SECOND_BUTTONS = 20 / 11000
"""Of the fleet: these test the hub's own button and a pendant, so that buttons are more than hubs."""
PRESS_S = (3.0, 60.0)
"""After the unit was seen to be ready: its window is two minutes."""
WAKES_S = (20.0, 290.0)
"""Before its order a unit was last heard so long ago: the order goes out behind its next heartbeat."""
SECOND_S = (420.0, 700.0)
"""Between the two buttons of a hub."""
LAST_S = 1200.0
"""No first order in the last minutes."""
FEWEST = 20
QUICK_S, QUICK = 60.0, 0.975
SLOW_S, SLOW = 180.0, 0.99
"""The bars: so many of the real alarms are taken so soon."""
SPARE = 0.005
"""A day is one for these bars if its operators, without a single test, would be over them by so much."""
DAYS = 20
AT_DESK_S = 0.5
"""From the finger to the queue."""
OWN, PENDANT = 0, 1


class Silent(StrEnum):
    """How a test fails so that nobody notices."""

    DEAD_BUTTON = "the button is dead"
    NO_WAY = "the unit has lost its way"
    NOT_HEARD = "the order does not reach the unit"


@dataclass(frozen=True, slots=True)
class Drill:
    """At `at` a unit, heard since `wakes_at`, is ordered to test `button`; whoever stands there presses `after_s`
    seconds after he has seen that the unit has taken the order. `silent` says how it fails."""

    wakes_at: float
    at: float
    unit: int
    button: int
    after_s: float
    silent: Silent | None = None


@dataclass(frozen=True, slots=True)
class Day:
    """`alarms` are (at, unit) of those who need help; they are not among the testers."""

    drills: tuple[Drill, ...]
    alarms: tuple[tuple[float, int], ...]
    ends: float

    @property
    def paired(self) -> frozenset[int]:
        """Units with a pendant that is tested."""
        return frozenset(one.unit for one in self.drills if one.button == PENDANT)


def day(units: int, numbers: Mapping[str, float], chance: random.Random) -> Day:
    """Everything, drawn from chance. Raises ScenarioError for numbers without room."""
    span = numbers["hours"] * 3600
    testers, second = round(units * numbers["obey"]), max(round(units * SECOND_BUTTONS), 1)
    if span < 2 * LAST_S:
        raise ScenarioError("hours=... is at least 0.7")
    # A small fleet has fewer of everything; nobody presses twice.
    silent = min(int(numbers["silent"]), max(testers // 2, len(Silent)))
    alarms = min(round(numbers["real_per_min"] * numbers["hours"] * 60), units - testers)
    if silent < len(Silent) or testers <= silent + second or alarms < 1:
        raise ScenarioError(
            f"{testers} of {units} units test, {silent} of them in vain and {second} with two buttons, and {alarms} "
            f"need help: --units is at least {FEWEST}, silent=... at least {len(Silent)}, obey=... well below 1"
        )
    drawn = chance.sample(range(1, units + 1), testers + alarms)
    testing, calling = drawn[:testers], drawn[testers:]
    drills = []
    for place, unit in enumerate(testing):
        at = chance.uniform(0, span - LAST_S)
        how = list(Silent)[place % len(Silent)] if place < silent else None
        wakes = at - chance.uniform(*WAKES_S)
        drills.append(Drill(wakes, at, unit, OWN, chance.uniform(*PRESS_S), how))
        if place >= testers - second:
            again = at + chance.uniform(*SECOND_S)
            drills.append(Drill(wakes, again, unit, PENDANT, chance.uniform(*PRESS_S)))
    pressed = sorted(chance.uniform(0, span) for _ in calling)
    return Day(tuple(sorted(drills, key=lambda one: one.at)), tuple(zip(pressed, calling, strict=True)), span)


def handling(numbers: Mapping[str, float], seed: int) -> Callable[[], float]:
    """How long each real alarm keeps an operator, in the order in which they are taken."""
    chance = random.Random(f"operators {seed}")
    return lambda: chance.expovariate(1 / (numbers["handling_min"] * 60))


def waits_alone(alarms: Sequence[tuple[float, int]], operators: int, busy_s: Callable[[], float]) -> list[float]:
    """How long each alarm would wait for an operator if nothing else were in the queue: first come, first served."""
    free = [float("-inf")] * operators
    waits = []
    for at, _ in alarms:
        begins = max(at + AT_DESK_S, heapq.heappop(free))
        waits.append(begins - at)
        heapq.heappush(free, begins + busy_s())
    return waits


def share(waits: Sequence[float], limit: float, count: int) -> float:
    """Which part of so many waited no longer than that."""
    return round(sum(wait <= limit for wait in waits) / max(count, 1), 4)


def answerable_day(units: int, numbers: Mapping[str, float], seed: int) -> tuple[Day, float]:
    """The seed's day, and which part of its real alarms its operators would take within 60 s if nobody tested.

    By chance alone one day in forty has more calls at once than four operators answer in time. Such a day says nothing
    about tests, and another one is drawn. Where none is found the first one stands, and fails: there are too few
    operators. Raises ScenarioError for numbers without room.
    """
    first: tuple[Day, float] | None = None
    for again in range(DAYS):
        drawn = day(units, numbers, random.Random(f"day {seed}" if again == 0 else f"day {seed} again {again}"))
        waits = waits_alone(drawn.alarms, max(int(numbers["operators"]), 1), handling(numbers, seed))
        quick, slow = (share(waits, limit, len(waits)) for limit in (QUICK_S, SLOW_S))
        first = first or (drawn, quick)
        if quick >= QUICK + SPARE and slow >= SLOW + SPARE:
            return drawn, quick
    assert first is not None
    return first
