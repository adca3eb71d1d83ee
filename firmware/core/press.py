"""From the bouncing contact of a button to one press.

Pure: edges with their times in, presses out. A press counts once the contact has stayed closed for `settle` ms; it can
count again only after the contact has stayed open for `release` ms. So a bounce makes no second press, a spike on the
line none at all, and a held or stuck contact exactly one.
"""

SETTLE_MS = 20
RELEASE_MS = 60

IDLE, CLOSING, HELD, OPENING = 0, 1, 2, 3
STATES = ("idle", "closing", "held", "opening")
# (state, input) -> state; inputs are edges of the contact and the passing of the state's time.
TRANSITIONS = (
    (IDLE, "closed", CLOSING),
    (CLOSING, "open", IDLE),
    (CLOSING, "settled", HELD),
    (HELD, "open", OPENING),
    (OPENING, "closed", HELD),
    (OPENING, "settled", IDLE),
)


class Contact:
    """One button's contact. Times are ms of a clock that never goes back."""

    def __init__(self, settle: int = SETTLE_MS, release: int = RELEASE_MS) -> None:
        self.settle = settle
        self.release = release
        self.state = IDLE
        self.since = 0

    def _step(self, what: str, now: int) -> bool:
        for state, given, after in TRANSITIONS:
            if state == self.state and given == what:
                self.state = after
                self.since = now
                return True
        return False

    def edge(self, closed: bool, now: int) -> bool:
        """The contact is now closed or open. True if the time before this edge has established a press."""
        pressed = self.timeout(now)
        self._step("closed" if closed else "open", now)
        return pressed

    def timeout(self, now: int) -> bool:
        """Let time pass. True if a press is established."""
        due = self.next_wakeup()
        if due is None or now < due:
            return False
        # The settled state began when it was due, however late we were woken.
        self._step("settled", due)
        return self.state == HELD

    def next_wakeup(self) -> "int | None":
        """When `timeout` has something to decide, or None."""
        if self.state == CLOSING:
            return self.since + self.settle
        if self.state == OPENING:
            return self.since + self.release
        return None
