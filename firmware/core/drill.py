"""Drills: which press is a test, and when the unit tests its own way to the fleet.

Pure. A drill is an alarm of kind 9 with the flag test. It goes the whole way of a press, and its answer shows at the
lamp. What it proves depends on who made it, and the message says so:

* with an input, it was made by a finger: it proves that button, the bearer, and (to its wearer) the lamp;
* without an input nobody pressed: it proves the bearer alone, and shows nothing.

By a finger: the fleet's command opens a window of `WINDOW_MS` in which the next press of that input is the test, or the
pendant itself sends a test frame. Only one press is: a second one, any press under duress, and every press after a
stuck contact's flag is a real alarm. So is a press that began before the command, one that may still be taken back when
the command comes, and every press after a real alarm of that input has been told: in doubt a press is real. It is
`core.contact` that asks, as soon as a press is established: a test waits for no cancel window and is part of no run.
Nothing but a command opens a window, and no window survives a restart.
Without a finger: every `EVERY_S`, at a time that chance spreads over the fleet.

It never decides how a drill travels. Kept over restarts: the seconds until the next one.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

WINDOW_MS = 120000
EVERY_S = 30 * 86400
"""A month: Swedish practice for the whole way of a social alarm."""
FIRST_S = 86400
SAVE_MS = 6 * 3600000
GIVE_UP_MS = 3600000
"""A drill without a finger is followed for so long. If it is not stored by then it has failed, and a fault is told."""


class Drill:
    """`state` is what was kept last, or None; `random(n)` gives 0..n-1."""

    def __init__(self, state: "Any", random: "Callable[[int], int]", now: int) -> None:
        self._random = random
        self._windows: "dict[int, int]" = {}
        known = isinstance(state, int) and not isinstance(state, bool) and 0 <= state <= EVERY_S
        # Within the month, wherever the fleet's others are; the first day is the installer's, who presses himself.
        left = state if known else FIRST_S + random(EVERY_S - FIRST_S)
        self._due = now + left * 1000
        self._saved = now

    def open(self, code: int, now: int) -> None:
        """The fleet has ordered a drill: the next press of this input is the test."""
        self._windows[code] = now

    def takes(self, code: int, began: int, clear: bool) -> bool:
        """Whether this press, begun then, is the test that was ordered; `clear` unless its input says that it cannot be
        one. Whatever it is, the window is over."""
        opened = self._windows.pop(code, None)
        return opened is not None and clear and opened <= began < opened + WINDOW_MS

    def over(self, code: int) -> None:
        """The next press of this input is a real alarm."""
        self._windows.pop(code, None)

    def is_open(self, now: int) -> bool:
        """Whether a window is open in which a press is a test."""
        return any([now < self._windows[code] + WINDOW_MS for code in self._windows])

    def left(self, now: int) -> int:
        """Seconds until the next drill without a finger."""
        return max(self._due - now, 0) // 1000

    def due(self, now: int) -> bool:
        """Whether a drill without a finger is due now; the next one is planned."""
        if now < self._due:
            return False
        self._due = now + (EVERY_S - self._random(EVERY_S // 10)) * 1000
        self._saved = now - SAVE_MS
        return True

    def keep(self, now: int) -> "int | None":
        """What is to be kept now, or None if it is not time yet."""
        if now < self._saved + SAVE_MS:
            return None
        self._saved = now
        return self.left(now)

    def next_wakeup(self) -> int:
        """When `due` or `keep` has something to say."""
        return min(self._due, self._saved + SAVE_MS)
