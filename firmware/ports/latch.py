"""The unit's contacts from the first moment: to load the firmware takes seconds, and a press meanwhile is a press.

The first thing that `main` imports, before everything else. The only module that acts when it is imported: it arms an
interrupt for each contact that the board has. Whoever reads a contact later takes its latch with all that it has seen.
Decides nothing; allocates nothing in an interrupt.
"""

import time

import machine
from board import PINS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

CONTACTS = ("button", "man_down", "duress", "cancel")
RING = 64
"""Edges of the button that are kept between two looks. Of more than these the latest count, so that a press at the end
of a storm is seen."""
SHORT = 16
"""The same of other contacts."""


class Latch:
    """One contact to ground. Attributes: `pin`; `ticks` and `closed`, rings of its edges with the interrupt's time, and
    `written`, how many there were; `flag`, which each of them sets, or None."""

    def __init__(self, name: str) -> None:
        ring = RING if name == "button" else SHORT
        self.flag: "Any" = None
        self.ticks = [0] * ring
        self.closed = bytearray(ring)
        self.written = 0
        self.pin = machine.Pin(PINS[name], machine.Pin.IN, machine.Pin.PULL_UP)
        self.pin.irq(self._edge, machine.Pin.IRQ_FALLING | machine.Pin.IRQ_RISING)
        if not self.pin.value() and not self.written:
            # One that is closed already at the start is a press too.
            self._edge(self.pin)

    def _edge(self, pin: "machine.Pin") -> None:
        at = self.written % len(self.ticks)
        self.ticks[at] = time.ticks_ms()
        self.closed[at] = not pin.value()
        self.written += 1
        if self.flag is not None:
            self.flag.set()


_armed = {name: Latch(name) for name in CONTACTS if name in PINS}


def take(name: str) -> Latch:
    """The latch of this contact, which has been armed since the start; a new one if that has been taken."""
    return _armed.pop(name, None) or Latch(name)


def drop() -> None:
    """Contacts that nobody has taken are no inputs of this unit."""
    for name in list(_armed):
        _armed.pop(name).pin.irq(None)
