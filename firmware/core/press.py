"""From the bouncing contact of a button to one press.

Pure: edges with their times in, presses out. A press counts once the contact has stayed closed for `settle` ms; it can
count again only after the contact has stayed open for `release` ms. So a bounce makes no second press, a spike on the
line none at all, and a held or stuck contact exactly one.
"""

SETTLE_MS = 20
RELEASE_MS = 60

IDLE, CLOSING, HELD, OPENING = 0, 1, 2, 3
STATES = ("idle", "closing", "held", "opening")
# What happens: edges of the contact, and the passing of the state's time.
OPEN, CLOSED, SETTLED = 0, 1, 2
EVENTS = ("open", "closed", "settled")
# State, what happens, state after it, row by row. One string of octets: rows would each be an object on the heap.
# fmt: off
TRANSITIONS = bytes((
    IDLE, CLOSED, CLOSING,
    CLOSING, OPEN, IDLE,
    CLOSING, SETTLED, HELD,
    HELD, OPEN, OPENING,
    OPENING, CLOSED, HELD,
    OPENING, SETTLED, IDLE,
))
# fmt: on


class Contact:
    """One button's contact. Times are ms of a clock that never goes back."""

    def __init__(self, settle: int = SETTLE_MS, release: int = RELEASE_MS) -> None:
        self.settle = settle
        self.release = release
        self.state = IDLE
        self.since = 0

    def _step(self, what: int, now: int) -> bool:
        for row in range(0, len(TRANSITIONS), 3):
            if TRANSITIONS[row] == self.state and TRANSITIONS[row + 1] == what:
                self.state = TRANSITIONS[row + 2]
                self.since = now
                return True
        return False

    def edge(self, closed: bool, now: int) -> bool:
        """The contact is now closed or open. True if the time before this edge has established a press."""
        pressed = self.timeout(now)
        self._step(CLOSED if closed else OPEN, now)
        return pressed

    def timeout(self, now: int) -> bool:
        """Let time pass. True if a press is established."""
        due = self.next_wakeup()
        if due is None or now < due:
            return False
        # The settled state began when it was due, however late we were woken.
        self._step(SETTLED, due)
        return self.state == HELD

    def next_wakeup(self) -> "int | None":
        """When `timeout` has something to decide, or None."""
        if self.state == CLOSING:
            return self.since + self.settle
        if self.state == OPENING:
            return self.since + self.release
        return None
