"""From a modem without power to a path for datagrams, and back to it after whatever happens. Pure.

    while True: name = link.order(now); None: nothing to do before `next_wakeup`, or before an event
                carry it out, then call `finished` or `failed`

Orders: "power_on", "power_cut", "start", "registration", "pdp_up". It never gives up, and it never tries faster than
its pauses, except for an alarm (`hurry`).
"""

from firmware.core.at_syntax import AtError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

OFF = "off"
ON = "on"
SEARCHING = "searching"
ATTACHED = "attached"
UP = "up"
DEAD = "dead"

# state -> ((event, next state), ...). The order that a state asks for is the event's name when it has succeeded.
TRANSITIONS = {
    OFF: (("power_on", ON),),
    ON: (("start", SEARCHING), ("hung", DEAD), ("too often", DEAD)),
    SEARCHING: (("registered", ATTACHED), ("boot", ON), ("hung", DEAD), ("too long", DEAD)),
    ATTACHED: (("pdp_up", UP), ("unregistered", SEARCHING), ("boot", ON), ("hung", DEAD), ("too often", DEAD)),
    UP: (
        ("pdp_lost", ATTACHED),
        ("doubted", ATTACHED),
        ("unregistered", SEARCHING),
        ("boot", ON),
        ("hung", DEAD),
        ("too often", DEAD),
    ),
    DEAD: (("power_cut", ON),),
}
_ORDERS = {OFF: "power_on", ON: "start", SEARCHING: "registration", ATTACHED: "pdp_up", UP: None, DEAD: "power_cut"}

MOST_FAILURES = 4
"""Of one order in a row, before the power is cut."""
SEARCH_MS = 600000
"""A search that lasts longer ends in a power cut."""
POLL_MS = 15000
"""The registration is asked for so often while it is awaited: its URC may be lost."""
MOST_DOUBTS = 5
"""Sockets that failed on a path that the modem calls good, in a row, before the power is cut."""
PAUSE_MS = 1000
LONGEST_PAUSE_MS = 60000


class Link:
    """Attributes: `state`; `registration`, the last one heard; `cuts`, how often the power was cut."""

    def __init__(self) -> None:
        self.state = OFF
        self.registration: "Any" = None
        self.cuts = 0
        self._failures = 0
        self._not_before = 0
        self._since = 0
        self._doubts = 0

    def order(self, now: int) -> "str | None":
        """What to do next, or None."""
        if self.state == SEARCHING and now - self._since >= SEARCH_MS:
            self._move("too long", now)
        if now < self._not_before:
            return None
        return _ORDERS[self.state]

    def next_wakeup(self) -> "int | None":
        """When to ask again without an event."""
        return None if self.state == UP else self._not_before

    def hurry(self) -> None:
        """An alarm is waiting: no pause."""
        self._not_before = 0

    def finished(self, order: str, value: "Any", now: int) -> None:
        """An order has been carried out."""
        self._failures = 0
        if order == "registration":
            if self.state == SEARCHING:
                self._not_before = now + POLL_MS
            self.event(("registration", value), now)
            return
        if order == "power_cut":
            self.cuts += 1
        self._move(order, now)

    def failed(self, order: str, error: AtError, now: int) -> None:
        """An order has failed."""
        if error.reason == "hung":
            self._move("hung", now)
            return
        if error.reason == "reset":
            self._move("boot", now)
        self._not_before = now + min(PAUSE_MS << min(self._failures, 10), LONGEST_PAUSE_MS)
        self._failures += 1
        if self._failures >= MOST_FAILURES:
            self._move("too often", now)

    def works(self) -> None:
        """Something has come over the path."""
        self._doubts = 0

    def doubt(self, now: int) -> None:
        """A socket has failed: the path may be gone without a word. The modem is asked, later each time."""
        if self.state != UP:
            return
        self._doubts += 1
        if self._doubts >= MOST_DOUBTS:
            self._doubts = 0
            self._move("too often", now)
            return
        self._move("doubted", now)
        if self._doubts > 1:
            self._not_before = now + (PAUSE_MS << self._doubts - 2)

    def event(self, event: "tuple[Any, ...]", now: int) -> None:
        """What the modem has said unasked (Dialect.event), or ("boot",), or ("hung",)."""
        kind = event[0]
        if kind == "registration":
            self.registration = event[1]
            self._move("registered" if event[1].registered else "unregistered", now)
        elif kind == "pdp":
            if not event[1]:
                self._move("pdp_lost", now)
        elif kind in ("boot", "hung"):
            self._move(kind, now)

    def _move(self, event: str, now: int) -> None:
        for name, state in TRANSITIONS[self.state]:
            if name == event:
                self.state = state
                self._since = now
                self._failures = 0
                self._not_before = now
                return
