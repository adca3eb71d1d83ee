"""The hardware watchdog, fed by progress of the main loop and by nothing else."""

import machine

TIMEOUT_MS = 120000
"""The board resets when the main loop has made no turn for this long."""
FEED_MS = TIMEOUT_MS // 3


class Watchdog:
    """Starts the watchdog; from then on `feed` must be called at least every TIMEOUT_MS."""

    def __init__(self) -> None:
        self._wdt = machine.WDT(timeout=TIMEOUT_MS)
        self._due = 0

    def feed(self, now: int) -> None:
        """The main loop has made a turn."""
        self._wdt.feed()
        self._due = now + FEED_MS

    def next_wakeup(self) -> int:
        """When the main loop must make its next turn, even with nothing to do."""
        return self._due
