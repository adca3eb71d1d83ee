"""When the unit may look for its position, and when it may tell it.

Pure. A tracker tells its position only in a search that the server has opened, and only until that ends; a personal
unit once after an alarm, when the alarm is stored (the radio is the alarm's before), however many stages come after
that. Any other unit never. A search does not survive a restart: who must know where somebody is asks again. It never
turns anything on itself.
"""

from firmware.core.profiles import POSITION_AFTER_ALARM, POSITION_IN_SEARCH

LONGEST_S = 86400
EVERY_S = 60
LEAST_EVERY_S = 5
AFTER_ALARM_MS = 180000
"""So long a position is looked for after an alarm: a cold start outdoors takes 30-60 s."""
MOST_LOOKED = 8
"""Alarms that are remembered as looked for. A stage of an older one looks once more: better than never."""


class Locate:
    """`rule` is a profile's position rule."""

    def __init__(self, rule: int) -> None:
        self.rule = rule
        self._until: "int | None" = None
        self._every = EVERY_S * 1000
        self._next = 0
        self._about: "tuple[int, int] | None" = None
        self._looked: "list[tuple[int, int]]" = []

    def search(self, seconds: int, every: int, now: int) -> None:
        """The server opens a search, or ends it with 0 seconds."""
        self._until = now + seconds * 1000 if seconds else None
        self._every = every * 1000
        self._next = now

    def stored(self, key: "tuple[int, int]", now: int) -> None:
        """An alarm is stored: whoever looks for its wearer will want to know where."""
        if self.rule == POSITION_AFTER_ALARM and key not in self._looked:
            self._looked = self._looked[1 - MOST_LOOKED :] + [key]
            self._about = key
            self._until = now + AFTER_ALARM_MS
            self._next = now

    def wanted(self, now: int) -> bool:
        """Whether to look for the position now."""
        return self._until is not None and now < self._until

    def takes(self, fixed: bool, now: int) -> bool:
        """Whether a position that was found now is told. One that is not `fixed`, the cell alone, ends nothing: it is
        told first, and what the satellites say comes behind it."""
        if not self.wanted(now) or (fixed and now < self._next):
            return False
        if not fixed:
            return True
        self._next = now + self._every
        if self.rule != POSITION_IN_SEARCH:
            self._until = None
        return True

    def about(self) -> "tuple[int, int] | None":
        """The press that a position belongs to, if any."""
        return self._about

    def next_wakeup(self) -> "int | None":
        """When the search ends."""
        return self._until
