"""The unit's supervision of itself: feeds the watchdog, notes why it resets, and ends safe mode.

It decides nothing about alarms, but for one thing: it never restarts the board of its own will while a press is open.
A task over its limit, a crash or a command ends in a reset with a note on flash (boot.py, core.reboot).
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

    def task(self, name: str) -> "Mark":
        """A mark by which one task shows its progress."""
        return self._watchdog.task(name)

    def receipt(self) -> None:
        """A verified receipt has come."""
        self._proof.receipt()

    def turn(self, now: int, is_open: bool, last_words: "Callable[[], None]") -> None:
        """The main loop has made a turn. `is_open`: a press is. `last_words` is called before a task that hangs costs
        the unit a reset."""
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
            if not self.safe:
                boot.proven(self._flash)
                return
            self._leave = now
        if self._leave is not None and now >= self._leave:
            self._leave = now + LEAVE_AGAIN_MS
            if not is_open and boot.leave(self._flash):
                say("safe mode ends")
                self._machine.reset()

    def next_wakeup(self) -> int:
        """When the main loop must make its next turn, even with nothing to do."""
        due = [self._watchdog.next_wakeup(), self._proof.next_wakeup(), self._leave]
        return min([at for at in due if at is not None])

    def restart(self) -> None:
        """The fleet has ordered it. Does not return on a board."""
        boot.note(self._flash, reboot.USER_RESET)
        self.crumbs.save()
        self._machine.reset()

    def crashed(self, error: BaseException) -> None:
        """Nobody has handled this. Does not return on a board, whatever else fails here."""
        try:
            boot.crashed(self._flash, error, self.crumbs)
        finally:
            self._machine.reset()
