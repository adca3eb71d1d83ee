"""How a wearer takes a press back while its cancel window is open: a short tap, or a dedicated contact.

Pure. Two contacts can do it. The unit's own button, where a press of it must be held (a worn unit): a tap shorter than
the hold time takes back what *another* input has begun, a fall for example; held, it is a press of its own. And the
contact `CANCEL`, where the board has one: a tap takes back whatever may be, and held for `FORCED_MS` it does the same
for the eye and sends a silent alarm, for who is forced to. It decides nothing about the windows: `core.contact` does.

Events: ("edge", closed, now) by `edge`, time by `time`. Action: None, or whether the cancel was forced.
"""

from firmware.core.press import HELD, IDLE, Contact

FORCED_MS = 2000
"""Held for this long the wearer has been forced to cancel."""


class Tap:
    """One contact that cancels. Shorter than `within` ms is a tap; `forced` says whether holding it on is a cancel
    under duress, or simply something else."""

    def __init__(self, within: int = FORCED_MS, forced: bool = True) -> None:
        self.within = within
        self.forced = forced
        self._contact = Contact()
        self._closed: "int | None" = None

    def edge(self, closed: bool, now: int) -> "bool | None":
        """The contact is closed or open now."""
        made = self.time(now)
        self._contact.edge(closed, now)
        return made

    def time(self, now: int) -> "bool | None":
        """Let time pass: False for a cancel, True for a forced one, None for neither."""
        contact = self._contact
        if contact.timeout(now) and self._closed is None:
            self._closed = contact.since - contact.settle
        if self._closed is None:
            return None
        if contact.state == IDLE:
            length = contact.since - contact.release - self._closed
            self._closed = None
            if length < self.within:
                return False
        elif contact.state == HELD and self.forced and now >= self._closed + self.within:
            # Told once: this closing is over.
            self._closed = None
            return True
        return None

    def next_wakeup(self) -> "int | None":
        """When `time` has something to decide, or None."""
        due = self._contact.next_wakeup()
        if self._contact.state == HELD and self.forced and self._closed is not None:
            return self._closed + self.within
        return due
