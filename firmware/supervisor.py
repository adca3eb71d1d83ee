"""The unit's supervision of itself: feeds the watchdog, notes why it resets, and ends safe mode.

It decides nothing about alarms, but for one thing: it never restarts the board of its own will, nor because the fleet
has ordered it, while a press is open or something is about to become one. A task over its limit, a crash or a command
ends in a reset with a note on flash (boot.py, core.reboot).
"""

from firmware import boot
from firmware.core import reboot
from firmware.ports import breadcrumbs
from firmware.ports.console import say

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from firmware.ports.breadcrumbs import Crumbs
    from firmware.ports.flash import Flash
    from firmware.ports.watchdog import Mark, Watchdog

LEAVE_AGAIN_MS = 60000
"""How long safe mode goes on when it should end while a press is open, or flash refuses."""
PUT_OFF_MS = 60000
"""For so long at most what may be about to become a press puts a restart off: longer than any contact must be held, so
that only a broken one lasts. What is on its way then goes on flash as the unit's last word."""


class Supervisor:
    """`machine` is the board's module; `safe` whether this boot is a cautious one."""

    def __init__(
        self, flash: "Flash", machine: "Any", watchdog: "Watchdog", crumbs: "Crumbs", safe: bool, now: int
    ) -> None:
        self.safe = safe
        self.crumbs = crumbs
        self._flash = flash
        self._machine = machine
        self._watchdog = watchdog
        self._proof = reboot.Proof(safe, boot.stays(flash), now)
        self._leave: "int | None" = None
        self._ordered = False
        self._since: "int | None" = None  # since when a restart is put off

    def task(self, name: str) -> "Mark":
        """A mark by which one task shows its progress."""
        return self._watchdog.task(name)

    def receipt(self) -> None:
        """A receipt has come that is a sign of life (core.receipts)."""
        self._proof.receipt()

    def turn(self, now: int, is_open: bool, untold: "Callable[[], bool]", last_words: "Callable[[], None]") -> None:
        """The main loop has made a turn. `is_open`: a press is; `untold()`: something may be about to become one.
        `last_words` is called before a reset that does not wait for that."""
        if not self._watchdog.feed(now):
            name = self._watchdog.late(now)[0]
            say("task over its limit:", name)
            try:
                last_words()
                boot.bitten(self._flash, name, self.crumbs)
            finally:
                self._machine.reset()
        if self._proof.shown(now):
            self.crumbs.drop(breadcrumbs.PROVEN, now // 1000)
            if self.safe:
                self._leave = now
            else:
                boot.proven(self._flash)
        leaves = self._leave is not None and now >= self._leave
        if is_open:
            # An order that meets a press is dropped, as it is refused while one is open (core.obey).
            self._ordered = False
            self._since = None
            if leaves:
                self._leave = now + LEAVE_AGAIN_MS
        elif self._ordered or leaves:
            self._restart_if_quiet(now, untold, last_words)

    def next_wakeup(self) -> int:
        """When the main loop must make its next turn, even with nothing to do."""
        # What puts a restart off ends in a turn of its own; what does not end is over then.
        leave = self._leave if self._since is None else self._since + PUT_OFF_MS
        due = [self._watchdog.next_wakeup(), self._proof.next_wakeup(), leave]
        return min([at for at in due if at is not None])

    def restart(self) -> None:
        """The fleet has ordered it: with the next turn at which nothing is about to become a press."""
        self._ordered = True

    def _restart_if_quiet(self, now: int, untold: "Callable[[], bool]", last_words: "Callable[[], None]") -> None:
        """Does not return on a board, unless something is about to become a press: then flash is as it was before."""
        if not self._quiet(now, untold):
            return
        before = boot.state(self._flash)
        if self._ordered:
            boot.note(self._flash, reboot.USER_RESET)
            self.crumbs.save()
        elif not boot.leave(self._flash):
            self._leave = now + LEAVE_AGAIN_MS
            self._since = None
            return
        # Flash takes its time: is it still so?
        if not self._quiet(now, untold):
            boot.restore(self._flash, before)
            return
        say("restart on command" if self._ordered else "safe mode ends")
        self._ordered = False
        self._leave = None
        if untold():
            last_words()
        self._machine.reset()

    def _quiet(self, now: int, untold: "Callable[[], bool]") -> bool:
        """Whether nothing is about to become a press, or something has been so for too long."""
        if not untold():
            self._since = None
            return True
        if self._since is None:
            self._since = now
        return now >= self._since + PUT_OFF_MS

    def crashed(self, error: BaseException) -> None:
        """Nobody has handled this. Does not return on a board, whatever else fails here."""
        try:
            boot.crashed(self._flash, error, self.crumbs)
        finally:
            self._machine.reset()
