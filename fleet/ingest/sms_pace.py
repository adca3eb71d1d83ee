"""Pure: which receipts go out by SMS, and when. An SMS costs money, and a unit needs the newest stage only.

`now` is monotonic seconds. At most ``most`` messages a unit within a minute; what would be more waits and is joined,
newest stage by press, in one message. A unit is known for an hour after a fresh press of it came by SMS.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

Item = tuple[int, int, int]
"""(boot, seq, stage)"""

MINUTE_S: Final = 60.0
REMEMBERED_S: Final = 3600.0
MOST_ITEMS: Final = 8
MOST_PRESSES: Final = 32
"""Presses of a unit that are kept in mind; the oldest go first. The unit's own query is for the rest."""


class Route(NamedTuple):
    """The gateway that brought a unit's SMS, and the number that it came from."""

    gateway: str
    number: str


class Due(NamedTuple):
    """A receipt that is to be sent now."""

    unit: int
    route: Route
    items: list[Item]


@dataclass(slots=True)
class _Unit:
    route: Route
    heard: float
    waiting: OrderedDict[tuple[int, int], int] = field(default_factory=OrderedDict)
    told: OrderedDict[tuple[int, int], int] = field(default_factory=OrderedDict)
    sent: deque[float] = field(default_factory=deque)


class Pace:
    """The units that were heard by SMS, and what they are still to be told."""

    def __init__(self, *, most: int = 3, units: int = 10_000) -> None:
        self._most = most
        self._limit = units
        self._units: OrderedDict[int, _Unit] = OrderedDict()

    def heard(self, unit: int, route: Route, now: float) -> None:
        """A fresh press of this unit came this way: receipts go there from now on."""
        known = self._units.get(unit)
        if known is None:
            self._units[unit] = _Unit(route, now)
        else:
            known.route, known.heard = route, now
        self._units.move_to_end(unit)
        while len(self._units) > self._limit:
            self._units.popitem(last=False)

    def knows(self, unit: int, now: float) -> bool:
        """Whether receipts of this unit may go by SMS."""
        known = self._units.get(unit)
        return known is not None and now - known.heard < REMEMBERED_S

    def answer(self, unit: int, items: Iterable[Item]) -> None:
        """The unit has just sent these presses, so it needs their stages, told before or not."""
        self._add(unit, items, again=True)

    def grown(self, unit: int, items: Iterable[Item]) -> None:
        """The stages of these presses may have grown; what was told before is not told again."""
        self._add(unit, items, again=False)

    def due(self, now: float) -> list[Due]:
        """What is to be sent now; it counts as sent. Units that were not heard for long are forgotten."""
        found = []
        for unit, known in list(self._units.items()):
            if now - known.heard >= REMEMBERED_S:
                del self._units[unit]
                continue
            while known.sent and now - known.sent[0] >= MINUTE_S:
                known.sent.popleft()
            if known.waiting and len(known.sent) < self._most:
                found.append(Due(unit, known.route, self._take(known)))
                known.sent.append(now)
        return found

    def next_wakeup(self, now: float) -> float | None:
        """When `due` has something again, or None while nothing waits."""
        waiting = [known for known in self._units.values() if known.waiting]
        if not waiting:
            return None
        return min(now if len(known.sent) < self._most else known.sent[0] + MINUTE_S for known in waiting)

    def _add(self, unit: int, items: Iterable[Item], *, again: bool) -> None:
        known = self._units.get(unit)
        if known is None:
            return
        for boot, seq, stage in items:
            key = boot, seq
            if not again and stage <= known.told.get(key, 0):
                continue
            known.waiting[key] = max(stage, known.waiting.get(key, 0))
            known.waiting.move_to_end(key)
            if len(known.waiting) > MOST_PRESSES:
                known.waiting.popitem(last=False)

    def _take(self, known: _Unit) -> list[Item]:
        """The newest presses first: they matter most to the wearer."""
        items: list[Item] = []
        while known.waiting and len(items) < MOST_ITEMS:
            (boot, seq), stage = known.waiting.popitem()
            items.append((boot, seq, stage))
            known.told[boot, seq] = max(stage, known.told.get((boot, seq), 0))
            known.told.move_to_end((boot, seq))
            if len(known.told) > MOST_PRESSES:
                known.told.popitem(last=False)
        return items
