"""Who of many units may not be at rest, and who wants to go on first. Both are asked at every step of the lock-step, so
neither may cost a look at everybody.

A unit comes to rest by its own declaration, and leaves it only by what the sim does to it: whoever does that says
`stir`. It decides nothing; a unit's own books do (`sim.lockstep.VirtualUnit.at_rest`).
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping
from typing import Protocol


class Resting(Protocol):
    """A unit, as far as it is asked here; `due` in seconds of the world, None where it wants nothing by itself."""

    @property
    def number(self) -> int: ...

    def at_rest(self) -> bool: ...

    def due(self) -> float | None: ...


class Restless:
    """`units` by number is the world's own, and may grow."""

    def __init__(self, units: Mapping[int, Resting]) -> None:
        self._units = units
        self._stirred: set[int] = set()
        self._due: list[tuple[float, int]] = []

    def stir(self, unit: int) -> None:
        """Something was done to it, or it has done something: its books are looked at again."""
        self._stirred.add(unit)

    def wants(self, unit: Resting) -> None:
        """It has declared until when it waits."""
        due = unit.due()
        if due is not None:
            heapq.heappush(self._due, (due, unit.number))

    def over(self) -> bool:
        """Whether all are at rest."""
        for number in tuple(self._stirred):
            if number in self._units and not self._units[number].at_rest():
                return False
            self._stirred.discard(number)
        return True

    def first(self) -> tuple[float, int] | None:
        """(when, which unit) goes on by itself next. What a unit has declared before is believed no more."""
        while self._due:
            due, number = self._due[0]
            if self._units[number].due() == due:
                return due, number
            heapq.heappop(self._due)
        return None
