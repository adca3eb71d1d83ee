"""How long what waits for a receipt keeps a unit from its rest, and how long it sleeps where nothing is heard.

Pure. Without coverage waiting helps nobody: what is on flash goes with a later wake, and a battery that is empty sends
nothing at all. It decides nothing about a press: one that is open keeps its unit awake whatever this says.

Event source: the unit's brain (`note`, `heard`). Sink: `firmware.repose`, `core.rest`.
"""

WATCH_MS = 300000
"""From the first message that waits, or the last receipt, until the unit rests all the same. Both cards have had their
chance by then: 60 s on the first, a change of 10 s, and 3 min for a first registration (boaks) on the second. Waking so
for hourly heartbeats a tracker's battery of 500 mAh lasts 3.8 days without any coverage (core.power.barren); with a
watch that has no end it lasts one."""
LONGEST_SLEEP_MS = 1800000
"""So far apart at most are the wakes of a unit whose heartbeats come faster: the governor lets a card register 48 times
a day, and they are to be spread over it."""


class Vigil:
    """`silent` is for how many seconds nothing had been heard when this boot began (0 after a power-up)."""

    def __init__(self, silent: int, now: int) -> None:
        self._heard = now - silent * 1000
        self._since: "int | None" = None

    def note(self, waits: bool, now: int) -> None:
        """Whether something waits for its receipt now."""
        if not waits:
            self._since = None
        elif self._since is None:
            self._since = now

    def heard(self, now: int) -> None:
        """A verified receipt has come."""
        self._heard = now
        self._since = None

    def holds(self, now: int) -> bool:
        """Whether what waits keeps the unit awake."""
        return self._since is not None and now < self._since + WATCH_MS

    def silent(self, now: int) -> int:
        """Seconds since something was heard, over deep sleeps too."""
        return (now - self._heard) // 1000

    def least_sleep(self, now: int) -> int:
        """The shortest sleep (ms) that is worth it: 0 but where the watch was in vain; then it grows with the silence,
        so that a unit in a lift is back soon."""
        if self._since is None or self.holds(now):
            return 0
        return min((now - self._heard) // 2, LONGEST_SLEEP_MS)

    def next_wakeup(self, now: int) -> "int | None":
        """When the watch ends."""
        return self._since + WATCH_MS if self._since is not None and self.holds(now) else None
