"""What happens in A9: who presses when, around a midnight at which the guard company changes. Pure, from a seed.

Times are seconds from midnight by Swedish clocks; before it they are negative.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from sim.scenarios.scenario import ScenarioError

IDLE_S = 600.0
"""After a press its case is closed within this time, so the next press opens another one."""
TAKEN_S = (4.0, 45.0)
CLOSED_S = (60.0, 200.0)
OPEN_S = (-170.0, -20.0)
"""When those press whose case nobody takes until `FOUND_S` after midnight."""
FOUND_S = 420.0
AGAIN_S = (30.0, 240.0)
"""After midnight, when half of those press once more."""
QUIET_S = 1500.0
"""Until then those units do nothing else."""


class Part(StrEnum):
    """Why somebody presses."""

    USUAL = "usual"
    OPEN = "open over midnight"
    AGAIN = "again"


@dataclass(frozen=True, slots=True)
class Press:
    """Somebody presses. `opened_at` is when the case began that this press belongs to."""

    at: float
    unit: int
    part: Part
    opened_at: float


def story(units: int, numbers: Mapping[str, float], chance: random.Random) -> list[Press]:
    """All presses in order: as many before midnight as after. Raises ScenarioError for numbers without room."""
    side, span = int(numbers["alarms"]), numbers["hours"] * 3600
    stay = int(numbers["open_cases"])
    if side < 2 * stay or units < 3 * stay or stay < 2:
        raise ScenarioError("open_cases are at least 2; alarms twice as many on each side, units three times as many")
    if span < 1800 or side * IDLE_S * 1.3 > span * (units - stay):
        raise ScenarioError("hours=... is at least 0.5, and long enough that a unit presses once in 10 minutes at most")
    numbers_of_units = chance.sample(range(1, units + 1), units)
    staying, usual = numbers_of_units[:stay], numbers_of_units[stay:]
    presses: list[Press] = []
    for place, unit in enumerate(staying):
        at = chance.uniform(*OPEN_S)
        presses.append(Press(at, unit, Part.OPEN, at))
        if place % 2:
            presses.append(Press(chance.uniform(*AGAIN_S), unit, Part.AGAIN, at))
    for since, until in ((-span, 0.0), (0.0, span)):
        left = side - sum(since <= one.at < until for one in presses)
        presses += _usual(left, since, until, usual, presses, chance)
    return sorted(presses, key=lambda one: one.at)


def _usual(
    count: int, since: float, until: float, units: list[int], before: list[Press], chance: random.Random
) -> list[Press]:
    """Each of a unit that has been idle for long enough."""
    last = {one.unit: one.at for one in before}
    made = []
    for at in sorted(chance.uniform(since, until) for _ in range(count)):
        idle = [unit for unit in units if at - last.get(unit, -1e9) > IDLE_S]
        if not idle:
            raise ScenarioError("too many alarms for so few units: more --units, more hours, or fewer alarms")
        unit = chance.choice(idle)
        last[unit] = at
        made.append(Press(at, unit, Part.USUAL, at))
    return made
