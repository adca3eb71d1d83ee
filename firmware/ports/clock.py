"""The unit's two clocks: milliseconds that only grow, and the wall clock, which is told but never trusted."""

import time

_EPOCH_2000 = 946684800
_LARGEST = 0xFFFFFFFF
_BUILT = 1767225600
"""January 2026: a clock that shows less has never been set."""


class Clock:
    """`now` never wraps, provided that it is asked at least once in six days (half the period of `ticks_ms`)."""

    def __init__(self) -> None:
        self._last = time.ticks_ms()
        self._total = 0
        self._hint = 0
        # The ESP32 counts from 2000, the unix port from 1970.
        self._offset = _EPOCH_2000 if time.gmtime(0)[0] == 2000 else 0

    def now(self) -> int:
        """Milliseconds since boot."""
        ticks = time.ticks_ms()
        self._total += time.ticks_diff(ticks, self._last)
        self._last = ticks
        return self._total

    def at(self, ticks: int) -> int:
        """The `now` of a recent `time.ticks_ms()` value."""
        now = self.now()
        return now + time.ticks_diff(ticks, self._last)

    def board(self) -> int:
        """The board's own clock in unix seconds, as it happens to be set: 1970 or 2000 when nobody has set it. It runs
        on in deep sleep."""
        return min(max(int(time.time()) + self._offset, 0), _LARGEST)

    def unix(self) -> int:
        """The wall clock in unix seconds: the board's own, or what a network has said where that was never set."""
        return min(self.board() + self._hint, _LARGEST)

    def hint(self, unix: int) -> None:
        """A network says what time it is. It is told with presses and in the status, by which nothing is decided."""
        if self.board() < _BUILT and unix <= _LARGEST:
            self._hint = max(unix - self.board(), 0)
