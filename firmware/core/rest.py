"""When the unit may rest: whether the modem may save power, and whether the whole board may go into deep sleep.

Pure, `now` in ms. It decides from what the profile allows and from what is going on; it never decides when the next
heartbeat is, and nothing here can hold up a press: a press is `("busy", "alarm", True)` and ends every rest at once.

Event source: the driver. Action sink: the modem's task (`Cellular.tell(("rest", allowed, s))`) and `ports.sleep`.
Events:
("busy", why, on), why one of `REASONS`: "alarm" while a press is not taken or the journal holds one that is not;
    "pending" while a message waits for its receipt; "search" while the server searches; "drill" while a drill's window
    is open; "mains" while there is mains or the charger charges; "working" for whatever else needs the processor;
("next", at) when the next heartbeat is due; ("barren", ms): nothing is heard, and sleep is no shorter than this
(core.vigil; 0 at first);
("modem", "idle"), or "psm", or "off": what the modem does now, where there is one; ("awake",) after a deep sleep that
was refused; ("time",).
Actions: ("modem_rest", allowed, s) with the period in which the modem will be woken at the latest (0 when not allowed);
("deep_sleep", ms): everything off but the clock and the button. Then the processor starts over; if it cannot sleep
now, the driver says ("awake",).

What a profile allows (`core.profiles`): one that is to be reached at any time (psm 0) never lets its modem rest, worn
by staff too: off duty it is on its charger and has power. One that reports on its own (1) always. Only where the modem
may rest does the board sleep, since who sleeps cannot be reached either. A unit with pendants never sleeps: it listens
to them.
"""

from firmware.core.profiles import PSM_ALWAYS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from firmware.core.setup import Profile

    Actions = list[tuple[Any, ...]]

AWAKE, LINGERING, RESTING, ASLEEP = 0, 1, 2, 3
STATES = ("awake", "lingering", "resting", "asleep")
# (state, what, state): busy and quiet are what is going on, the rest is time and the driver's answer.
TRANSITIONS = (
    (AWAKE, "quiet", LINGERING),
    (LINGERING, "busy", AWAKE),
    (LINGERING, "lingered", RESTING),
    (RESTING, "busy", AWAKE),
    (RESTING, "slept", ASLEEP),
    (ASLEEP, "busy", AWAKE),
    (ASLEEP, "refused", AWAKE),
)
REASONS = ("alarm", "pending", "search", "drill", "mains", "working")

LINGER_MS = 10000
"""So long after the last thing that went on all stays awake: what the server has to say comes behind a receipt."""
BRIEF_MS = 2000
"""The same where a modem is awake: its own active time comes after that, and all of it is listened to."""
SETTLE_MS = 3000
"""From the modem's leave to rest to the board's sleep, at least: it is told its settings meanwhile."""
DROWSY_MS = 60000
"""So long at most the board waits for its modem to fall asleep: what the server has to say is heard until then, and a
key that wakes a modem must not meet one that is awake. A network that grants no PSM keeps nobody up."""
WORTH_MS = 60000
"""A deep sleep shorter than this costs more than it saves: a start of the board takes seconds."""
EARLY_MS = 5000
"""The board wakes this much before the heartbeat is due, so that it goes in time."""
LONGEST_MS = 43200000


class Rest:
    """`profile` is one of core.profiles. Attribute: `state`. It is awake at first, with "working" on until the driver
    says otherwise, so that a start is not taken for quiet."""

    def __init__(self, profile: "Profile", now: int) -> None:
        self.state = AWAKE
        self._psm = profile.psm
        self._sleeps = profile.psm == PSM_ALWAYS and not profile.pendants
        self._busy = ["working"]
        self._next: "int | None" = None
        self._least = 0
        self._drowsy = False
        self._since = now

    def handle(self, event: "tuple[Any, ...]", now: int) -> "Actions":
        """What is to be done now that this has happened."""
        actions: "Actions" = []
        if event[0] == "busy":
            if event[2] and event[1] not in self._busy:
                self._busy.append(event[1])
            elif not event[2] and event[1] in self._busy:
                self._busy.remove(event[1])
            if event[2] and self.state == LINGERING:
                # Each thing that goes on begins the lingering anew, however short it was.
                actions += self._step("busy", now)
        elif event[0] == "next":
            self._next = event[1]
        elif event[0] == "barren":
            self._least = event[1]
        elif event[0] == "modem":
            self._drowsy = event[1] == "idle"
        elif event[0] == "awake":
            actions += self._step("refused", now)
        return actions + self._time(now)

    def next_wakeup(self, now: int) -> "int | None":
        """When ("time",) is to be handled next; None when nothing changes by itself."""
        if self.state == LINGERING:
            return self._lingered()
        if self.state == RESTING and self._worth(max(now, self._settled())):
            return self._settled()
        return None

    def allowed(self) -> bool:
        """Whether the modem may rest where nothing goes on: what the profile says."""
        return self._psm == PSM_ALWAYS

    def _time(self, now: int) -> "Actions":
        actions: "Actions" = []
        if self._busy:
            return self._step("busy", now)
        actions += self._step("quiet", now)
        if self.state == LINGERING and now >= self._lingered():
            actions += self._step("lingered", now)
        if self.state == RESTING and now >= self._settled() and self._worth(now):
            actions += self._step("slept", now)
        return actions

    def _lingered(self) -> int:
        return self._since + (BRIEF_MS if self._drowsy else LINGER_MS)

    def _settled(self) -> int:
        return self._since + (DROWSY_MS if self._drowsy else SETTLE_MS)

    def _worth(self, now: int) -> bool:
        """Whether the board may sleep now, and for long enough."""
        return self._sleeps and self.allowed() and self._next is not None and self._span(now) >= WORTH_MS

    def _span(self, now: int) -> int:
        left = LONGEST_MS if self._next is None else self._next - EARLY_MS - now
        return min(max(left, self._least), LONGEST_MS)

    def _step(self, what: str, now: int) -> "Actions":
        for state, given, after in TRANSITIONS:
            if state == self.state and given == what:
                return self._enter(after, now)
        return []

    def _enter(self, state: int, now: int) -> "Actions":
        before, self.state = self.state, state
        self._since = now
        if state == ASLEEP:
            return [("deep_sleep", self._span(now))]
        if state == RESTING and self.allowed():
            period = LONGEST_MS if self._next is None else max(self._next - now, 0)
            return [("modem_rest", True, period // 1000)]
        if state == AWAKE and before in (RESTING, ASLEEP) and self._psm:
            return [("modem_rest", False, 0)]
        return []
