"""Which presses are owed: established at a contact, or told by a pendant, and not on flash yet.

For the case that memory fails: what it tells is all that the unit's last words have. A small machine of its own for
every contact that makes presses, fed before the brain is; of pendants, whose frames come one at a time, the input of
the frame in hand. What is on flash is owed no longer, whatever became of the brain. It sends and writes nothing.

It allocates nothing, but for numbers beyond 2^30 ms (12.4 days on a board): `last`, `begun` and `made` never do.
"""

from firmware.core.alarm import MOST_INPUTS
from firmware.core.press import CLOSED, CLOSING, HELD, OPEN, Contact
from firmware.core.profiles import OWN
from protocols.wire import messages

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from firmware.core.contact import Input

OWED_MS = 10000
"""For so long after its end a press counts that nothing on flash has come of: it was part of a run whose count travels
later, or too short for its hold time."""


class Sentinel(Contact):
    """One contact: what it stands for, and since when a press of it is owed, or None."""

    def __init__(self, code: int, kind: int) -> None:
        super().__init__()
        self.code = code
        self.kind = kind
        self.owed: "int | None" = None

    def settle_by(self, now: int) -> None:
        """Let time pass. A press is owed before the contact counts as settled, whatever fails between the two."""
        if self.state == CLOSING and now >= self.since + self.settle:
            self.owed = now
        self.timeout(now)

    def move(self, closed: bool) -> None:
        """The contact is closed or open now; when, nobody asks."""
        self._step(CLOSED if closed else OPEN, self.since)

    def owes(self) -> bool:
        """Whether a press is owed. One that has only begun counts: nobody will be there to see its end."""
        return self.owed is not None or self.state == CLOSING


class Owed:
    """What this unit owes. Attributes: `contacts`, the sentinels; `pendant`, the input of a pendant's press in hand."""

    def __init__(self, inputs: "Iterable[Input]") -> None:
        self.contacts = [Sentinel(one.code, one.kind) for one in inputs if one.code == OWN or one.code > MOST_INPUTS]
        self.pendant: "int | None" = None

    def find(self, code: int) -> "Sentinel | None":
        """The sentinel of this contact."""
        for one in self.contacts:
            if one.code == code:
                return one
        return None

    def edge(self, code: int, closed: bool, at: int) -> None:
        """A contact is closed or open now. One that makes no presses changes nothing."""
        one = self.find(code)
        if one is not None:
            one.settle_by(at)
            one.edge(closed, at)

    def time(self, now: int) -> None:
        """Let time pass."""
        for one in self.contacts:
            one.settle_by(now)
            if one.owed is not None and one.state != HELD and now >= one.owed + OWED_MS:
                one.owed = None

    def begun(self, code: int, at: int = 0) -> None:
        """A press of this contact is owed, whatever its sentinel has seen."""
        one = self.find(code)
        if one is not None:
            one.owed = at

    def last(self, code: int, closed: bool) -> None:
        """An edge that nobody looks at any more but the last words, without its time: every closing is a press, unless
        the contact was closed already."""
        one = self.find(code)
        if one is not None:
            if closed and one.state != HELD:
                one.owed = 0
            one.move(closed)

    def made(self, kind: int, code: int) -> None:
        """A press of this kind and input, as the journal names them, is on flash."""
        if code == OWN:
            for one in self.contacts:
                # A drill that was ordered takes the press of any input but a duress.
                if kind == one.kind or (kind == messages.KIND_TEST and one.kind != messages.KIND_DURESS):
                    one.owed = None
        elif code == self.pendant:
            self.pendant = None

    def any(self) -> bool:
        """Whether anything is owed."""
        return self.pendant is not None or any([one.owes() for one in self.contacts])

    def moving(self) -> bool:
        """Whether a contact has moved and is not settled yet."""
        return any([one.state == CLOSING for one in self.contacts])
