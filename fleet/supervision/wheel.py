"""A time wheel: which units to look at in which second. It knows no unit; an entry may be out of date, which costs one
look. Setting a later time for a unit that has an entry needs no change here."""

from __future__ import annotations

from heapq import heappop, heappush
from typing import Final

SLOT_MS: Final = 1000


class Wheel:
    """Entries by slots of a second; empty slots cost nothing."""

    def __init__(self) -> None:
        self._slots: dict[int, list[int]] = {}
        self._order: list[int] = []

    def put(self, item: int, at_ms: int) -> None:
        """Has the item come up at or within a second after ``at_ms``."""
        slot = -(-at_ms // SLOT_MS)
        found = self._slots.get(slot)
        if found is None:
            self._slots[slot] = [item]
            heappush(self._order, slot)
        else:
            found.append(item)

    def take(self, now_ms: int) -> list[int]:
        """Everything that has come up, each entry once."""
        last = now_ms // SLOT_MS
        taken: list[int] = []
        while self._order and self._order[0] <= last:
            taken += self._slots.pop(heappop(self._order))
        return taken

    def next_ms(self) -> int | None:
        """When something comes up next; None: nothing waits."""
        return self._order[0] * SLOT_MS if self._order else None
