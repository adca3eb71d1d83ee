"""What happens in A4: who installs which unit at whom, what goes wrong, and when. Pure; all of it from the seed.

Times are seconds from the beginning of the day. Units of an install are `new`, and `old` where the person has had one.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from sim.scenarios.scenario import ScenarioError

HALLWAY = 0
"""The place of the install that is told in full: a hallway with poor coverage."""
APART_S = 1.5
"""Many assistants are at work: one install begins so long after another."""
PENDANTS = (1, 1, 1, 2)
"""How many pendants an install has, drawn from these."""
OLD_SHARE = 0.3
ALARM_SHARE = 0.02
"""Of the installs in which somebody really needs help while the pairing is under way."""


class Fault(StrEnum):
    """What goes wrong in an install."""

    UNREAD = "a pendant that the unit does not hear"
    WRONG_PICK = "another person is picked, with this person's order in the hand"
    WRONG_PAPER = "the orders of two persons are mixed up"
    DOUBLE = "the unit is paired a second time, with somebody else"
    AGAIN = "the unit is paired a second time, with the same person"
    TOGETHER = "two assistants at once, with two units"


@dataclass(frozen=True, slots=True)
class Install:
    """`place` is the order in which installs begin; `person` is the right one. `other` is the person that is taken for
    him, and `second` the unit of the second assistant, where the fault has one."""

    place: int
    begins_at: float
    new: int
    old: int | None
    person: int
    pendants: int
    fault: Fault | None = None
    other: int | None = None
    second: int | None = None
    alarm: bool = False

    @property
    def buttons(self) -> tuple[int, ...]:
        """The unit's own button and its pendants."""
        return tuple(range(self.pendants + 1))


FAULTS: Final = ("unread", "swapped", "double", "together")
LEAST: Final = 2
"""Installs: the hallway and another one."""


def fitted(installs: int, numbers: Mapping[str, float]) -> dict[str, float]:
    """The numbers with so few faults as there is room for: the kind that has most gives way first."""
    fit = dict(numbers)
    while sum(int(fit[name]) for name in FAULTS) > max(0, installs - 2) // 2:
        fit[max(FAULTS, key=lambda name: fit[name])] -= 1
    return fit


def story(installs: int, numbers: Mapping[str, float], chance: random.Random) -> tuple[Install, ...]:
    """The day. Raises ScenarioError where there is no room for the faults."""
    faults = _faults({name: int(numbers[name]) for name in FAULTS})
    if installs < 2 * len(faults) + 2:
        raise ScenarioError(f"{len(faults)} faults need at least {2 * len(faults) + 2} installs")
    places = dict(zip(chance.sample(range(1, installs), len(faults)), faults, strict=True))
    # The units of a mixed-up order have to be there: who is taken for somebody has an old unit.
    must_have_old = {place for place, fault in places.items() if fault is Fault.WRONG_PAPER}
    others = [place for place in range(1, installs) if place not in places]
    found = []
    for place in range(installs):
        fault = places.get(place)
        new = 1 + 3 * place
        other = None
        if fault in (Fault.WRONG_PICK, Fault.WRONG_PAPER, Fault.DOUBLE):
            other = 1 + others.pop(chance.randrange(len(others)))
            if fault is Fault.WRONG_PAPER:
                must_have_old.add(other - 1)
        found.append(
            Install(
                place, place * APART_S, new, None, 1 + place, 2 if place == HALLWAY else chance.choice(PENDANTS),
                fault, other, new + 2 if fault is Fault.TOGETHER else None,
                fault is None and place != HALLWAY and chance.random() < ALARM_SHARE,
            )
        )  # fmt: skip
    has_old = {one.place for one in found if one.place == HALLWAY or chance.random() < OLD_SHARE} | must_have_old
    return tuple(
        Install(
            one.place, one.begins_at, one.new, one.new + 1 if one.place in has_old else None, one.person, one.pendants,
            one.fault, one.other, one.second, one.alarm,
        )
        for one in found
    )  # fmt: skip


def _faults(counts: Mapping[str, int]) -> list[Fault]:
    found = [Fault.UNREAD] * counts["unread"] + [Fault.TOGETHER] * counts["together"]
    for kinds, count in (((Fault.WRONG_PICK, Fault.WRONG_PAPER), counts["swapped"]),
                         ((Fault.DOUBLE, Fault.AGAIN), counts["double"])):  # fmt: skip
        found += [kinds[number % 2] for number in range(count)]
    return found
