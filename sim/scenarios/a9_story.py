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
    span, municipalities = numbers["hours"] * 3600, int(numbers["municipalities"])
    if municipalities < 1 or units < 2 * municipalities + 2:
        raise ScenarioError("municipalities are at least 1, and --units at least twice as many and two")
    if span < 1800:
        raise ScenarioError("hours=... is at least 0.5")
    # A small fleet has fewer of both: a unit presses once in ten minutes at most.
    stay = min(int(numbers["open_cases"]), max(units // 6, 2))
    side = min(int(numbers["alarms"]), int(span * (units - stay) / (IDLE_S * 3)))
    if stay < 2 or side < 2 * stay + municipalities:
        raise ScenarioError(
            f"open_cases are at least 2, and alarms at least {2 * stay + municipalities} on each side of midnight"
        )
    drawn = chance.sample(range(1, units + 1), units)
    first = {unit % municipalities: unit for unit in reversed(drawn)}  # in each municipality somebody presses as usual
    staying = [unit for unit in drawn if unit not in first.values()][:stay]
    usual = [unit for unit in drawn if unit not in staying]
    presses: list[Press] = []
    for place, unit in enumerate(staying):
        at = chance.uniform(*OPEN_S)
        presses.append(Press(at, unit, Part.OPEN, at))
        if place % 2:
            presses.append(Press(chance.uniform(*AGAIN_S), unit, Part.AGAIN, at))
    for since, until in ((-span, 0.0), (0.0, span)):
        left = side - sum(since <= one.at < until for one in presses)
        presses += _usual(left, since, until, usual, presses, chance, municipalities)
    return sorted(presses, key=lambda one: one.at)


def _usual(
    count: int, since: float, until: float, units: list[int], before: list[Press], chance: random.Random,
    municipalities: int,
) -> list[Press]:  # fmt: skip
    """Each of a unit that has been idle for long enough, every municipality once before any comes again."""
    unheard = set(range(municipalities))
    last = {one.unit: one.at for one in before}
    made = []
    for drawn in sorted(chance.uniform(since, until) for _ in range(count)):
        at = max(drawn, min(last.get(unit, since - IDLE_S) for unit in units) + IDLE_S + 1)
        idle = [unit for unit in units if at - last.get(unit, -1e9) > IDLE_S]
        if at >= until:
            raise ScenarioError("too many alarms for so few units: more --units, more hours, or fewer alarms")
        unit = chance.choice([unit for unit in idle if unit % municipalities in unheard] or idle)
        unheard.discard(unit % municipalities)
        last[unit] = at
        made.append(Press(at, unit, Part.USUAL, at))
    return made
