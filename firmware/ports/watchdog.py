"""The hardware watchdog, fed by the progress of every task and by nothing else.

Each task that must not hang has a mark with a limit of its own (`LIMITS`) and says `alive` when it gets somewhere. One
task over its limit is enough: the board is not fed any more and resets. The main loop's own turns need no mark: a loop
that stands still feeds nothing. It decides nothing about what a task does, and it writes nothing to flash: whoever
sees a name in `late` notes it (boot.py) and resets at once, instead of waiting for the hardware.
"""

import machine

TIMEOUT_MS = 120000
"""The board resets when nothing has fed it for this long."""
FEED_MS = TIMEOUT_MS // 3

LIMITS = (
    # (task, ms without progress). The modem's is above its longest answer (COPS, 180 s) and its power cycle.
    ("coap", 120000),
    ("modem", 300000),
    ("mqtt", 180000),
    ("network", 120000),
    ("pendants", 120000),
    ("sensors", 120000),
)
"""How long each task may go without progress while it does not say that it waits (`Mark.pause`)."""

_UNSEEN = -1


def position(name: str) -> int:
    """Where a task stands in LIMITS, or -1; a numbered task ("coap2") stands where its kind does."""
    kind = name.rstrip("0123456789")
    for index, known in enumerate(LIMITS):
        if known[0] == kind:
            return index
    return -1


def limit(name: str) -> int:
    """The limit of a task in LIMITS (ms). Raises KeyError."""
    index = position(name)
    if index < 0:
        raise KeyError(name)
    return LIMITS[index][1]


class Mark:
    """How one task shows progress. It counts from the first `feed` after it was made, so a task that never starts is
    late too."""

    def __init__(self, name: str, limit_ms: int) -> None:
        self.name = name
        self.limit = limit_ms
        self._due: "int | None" = _UNSEEN

    def alive(self, now: int) -> None:
        """The task got somewhere."""
        self._due = now + self.limit

    def pause(self) -> None:
        """The task waits without end for something that need not come. The next `alive` ends that."""
        self._due = None

    def seen(self, now: int) -> None:
        """The watchdog looks at the mark for the first time."""
        if self._due == _UNSEEN:
            self._due = now + self.limit

    def late(self, now: int) -> bool:
        """Whether the task is over its limit."""
        return self._due is not None and self._due != _UNSEEN and now >= self._due

    def due(self) -> "int | None":
        """When the task is over its limit if it makes no progress."""
        return None if self._due == _UNSEEN else self._due


class Watchdog:
    """Starts the hardware watchdog; from then on `feed` must be called at least every TIMEOUT_MS."""

    def __init__(self) -> None:
        self._wdt = machine.WDT(timeout=TIMEOUT_MS)
        self._due = 0
        self._marks: "list[Mark]" = []

    def task(self, name: str, limit_ms: "int | None" = None) -> Mark:
        """A mark for one task; the limit is that of LIMITS unless given. Raises KeyError for an unknown name without
        a limit."""
        mark = Mark(name, limit(name) if limit_ms is None else limit_ms)
        self._marks.append(mark)
        return mark

    def late(self, now: int) -> "list[str]":
        """Names of the tasks that are over their limit."""
        return [mark.name for mark in self._marks if mark.late(now)]

    def feed(self, now: int) -> bool:
        """The main loop has made a turn. Feeds the hardware and returns True only if no task is over its limit."""
        for mark in self._marks:
            mark.seen(now)
        self._due = now + FEED_MS
        for mark in self._marks:
            if mark.late(now):
                return False
        self._wdt.feed()
        return True

    def next_wakeup(self) -> int:
        """When the main loop must make its next turn, even with nothing to do."""
        due = self._due
        for mark in self._marks:
            at = mark.due()
            if at is not None and at < due:
                due = at
        return due
