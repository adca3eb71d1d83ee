"""When the unit reports itself, and by when the fleet may expect the next report.

Pure. The first report comes after a small random delay, so that a power cut in a district does not end in one burst;
every further one after the interval minus a random part of the jitter. The declared next due (s) is the full interval:
the fleet can hold the unit to it, and the unit is always a little early.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

SPREAD_MS = 5000
"""Upper bound of the random delay before the first report."""
JITTER_PARTS = 10
"""The jitter is at most this part of the interval."""


class Heartbeat:
    """`interval` in seconds; `random(n)` gives an integer in 0..n-1; `spread` is the longest first delay in ms."""

    def __init__(self, interval: int, random: "Callable[[int], int]", spread: int = SPREAD_MS) -> None:
        self.interval = interval
        self.random = random
        self.spread = spread
        self.due: "int | None" = None

    def start(self, now: int) -> None:
        """Called once at boot."""
        self.due = now + self.random(min(self.spread, self.interval * 1000) + 1)

    def sent(self, now: int) -> None:
        """A report has been made now; the next one is planned."""
        self.due = now + self.interval * 1000 - self.random(self.interval * 1000 // JITTER_PARTS + 1)

    def soon(self, now: int) -> None:
        """Something worth telling has changed: report now rather than at the planned time."""
        self.due = now

    def next_due(self) -> int:
        """Seconds from a report until the fleet may miss the next one."""
        return self.interval
