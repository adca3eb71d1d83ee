"""What the wearer meant by a contact: hold time, cancel window, repeated presses, and a contact that is stuck.

Pure. Built on `core.press`, which says when a contact is settled; this file decides whether that is a press, when it
is told, and when the contact itself is the news. It never decides how a press travels and never drops one: what is not
told at once is told later with a higher count. Each input is a machine of its own: a stuck one holds up no other.

Event source: the board's pins (`ports/pins.py`) and, for pendants, `core.pendants`. Action sink: `core.unit`.

Events: ("edge", code, closed); ("press", code) of an input without a contact here (a pendant's frame);
("cancel", code, duress); ("taken", code, calm) when somebody has taken a press, `calm` if no other one of this input is
open; ("time",).

Actions: ("pending", code, ms) opens a cancel window: it belongs in the journal before it is shown, and a window that a
restart finds open is a press; ("pressed", code, kind, flags, count, age, ago) with `count` presses so far in this run,
`age` seconds since its first and `ago` since its last; ("cancelled", code), directly behind the silent alarm of who was
forced to; ("test", code, flags, at) in place of all that for the one press that a drill takes; ("stuck", code, why) and
("released", code) are events about the input and no alarms.

What one input may say, so that neither a panicking wearer is muted nor a broken contact heard all night: the first
press of a run at once; repeats at once up to `BURST`, refilled by one every `QUIET_MS`; then the count every
`QUIET_MS`. A stuck contact is flagged once, and from the flag on until it has been open for `CLEAR_MS` it tells at most
one message in `QUIET_MS`. The press and its flag are thus two messages: to be told at once and flagged within a minute
takes both. Once somebody has taken the case of a stuck contact, its wobbling is no press any more but the flag once
again: only a press after a clean release (`CLEAR_MS`) is one (docs/decisions/0014-a-contact-that-wobbles.md).
"""

from firmware.core.alarm import REPEAT_MS
from firmware.core.press import CLOSING, HELD, IDLE, Contact
from protocols.wire import messages

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from firmware.core.drill import Drill

    Actions = list[tuple[Any, ...]]

STUCK_MS = 30000
"""Closed for this long is stuck. It must be flagged within 60 s (scenario A5), the way to the fleet included."""
LASTING = (messages.KIND_MAN_DOWN, messages.KIND_NO_MOVEMENT)
"""Who has fallen lies, however long: a contact of these kinds is stuck only when it chatters. Flagged so, the case
of somebody who cannot get up would look like a broken button."""
CHATTER = 60
"""So many presses within `CHATTER_MS` are a broken contact and no finger: six a second (unconfirmed, a guess)."""
CHATTER_MS = 10000
CLEAR_MS = 5000
"""A stuck contact is released once it has stayed open for this long; a broken wire wobbles faster."""
QUIET_MS = 300000
"""A stuck input tells at most one message in this time (scenario A5)."""
BURST = 8
"""Repeated presses that are told at once before the count alone travels (scenario A5: 8 in 29 min, none muted)."""

FREE, CLOSED, CHATTERS = 0, 1, 2
"""Whether an input is stuck, and why."""


class Input:
    """One input. `kind` and `flags` are what its presses carry (protocols.wire.messages), `hold` the ms it must be
    held, `cancel` the ms in which the wearer may take it back; 0 for none. A silent input has no cancel window."""

    def __init__(
        self, code: int, kind: int = messages.KIND_MANUAL, hold: int = 0, cancel: int = 0, flags: int = 0
    ) -> None:
        if cancel and (kind == messages.KIND_DURESS or flags & messages.ALARM_SILENT):
            raise ValueError("a silent alarm shows no cancel window: set cancel to 0")
        if hold >= STUCK_MS:
            raise ValueError("an input that must be held until it counts as stuck can never be a clean press")
        self.code = code
        self.kind = kind
        self.hold = hold
        self.cancel = cancel
        self.flags = flags
        self.drill: "Drill | None" = None
        self.stuck = FREE
        self._contact = Contact()
        self._held: "int | None" = None  # since when the contact has been closed, bounces overlooked
        self._counted = False  # whether this closing has been counted as a press
        self._window: "int | None" = None  # end of the open cancel window
        self._count = 0
        self._told = 0  # the part of the count that has been told
        self._first = 0  # when this run of presses began
        self._last = 0
        self._fast = 0  # presses since `_fast_from`
        self._fast_from = 0
        self._tokens = BURST
        self._refill = 0
        self._flag_told = FREE
        self._flag_at: "int | None" = None
        self._said: "int | None" = None  # when this input last told anything
        self._taken = False  # whether somebody has taken all that was told
        self._wobbled = False  # whether a stuck contact has moved since then

    def edge(self, closed: bool, now: int) -> "Actions":
        """The contact is closed or open now."""
        actions = self.time(now)
        self._contact.edge(closed, now)
        return actions

    def press(self, now: int) -> "Actions":
        """A press that somebody else has established."""
        return self.time(now) + self._press(now, now) + self._tell(now)

    def cancel_window(self, duress: bool, now: int) -> "Actions":
        """The wearer takes the press back, or is forced to: then it looks the same and a silent alarm goes out."""
        actions = self.time(now)
        if self._window is None:
            return actions
        self._window = None
        if duress:
            # Before the end of the other one: a power cut between the two must not leave neither.
            actions.append(self._pressed(messages.KIND_DURESS, self.flags | messages.ALARM_SILENT, now))
            self._said = now
        actions.append(("cancelled", self.code))
        self._count = self._told = 0
        return actions

    def taken(self, calm: bool, now: int) -> "Actions":
        """Somebody has taken the case: the next press is a new one, and so is what has not been told yet. Of a stuck
        contact that is its wobbling."""
        actions = self.time(now)
        if self._window is None:
            self._count -= self._told
            self._told = 0
            self._taken = calm
            if calm and self.stuck and self._count:
                self._count = 0
                self._wobbled = True
        return actions + self._tell(now)

    def resume(self, count: int, age: int, now: int) -> None:
        """An earlier boot has told `count` presses, `age` ms ago at least, that nobody has taken: the count goes on."""
        if age < REPEAT_MS and count > self._count:
            self._count = self._told = count
            self._first = self._last = now - age

    def _pressed(self, kind: int, flags: int, now: int) -> "tuple[Any, ...]":
        age, ago = (now - self._first) // 1000, (now - self._last) // 1000
        return ("pressed", self.code, kind, flags, self._count, age, ago)

    def begun(self) -> bool:
        """Whether it is closed and may become a press, and has not been counted as one. A stuck contact never is."""
        if self.stuck or self._contact.state == IDLE:
            return False
        return self._contact.state == CLOSING or not self._counted

    def time(self, now: int) -> "Actions":
        """Let time pass."""
        contact = self._contact
        if contact.timeout(now) and self._held is None:
            self._held = contact.since
            self._counted = False
        actions: "Actions" = []
        if contact.state == IDLE:
            self._held = None
            if self.stuck and now >= contact.since + CLEAR_MS:
                self.stuck = FREE
        elif contact.state == HELD and self._held is not None:
            if not self._counted and now >= self._held + self.hold:
                self._counted = True
                if self.stuck and self._taken:
                    self._wobbled = True
                else:
                    actions += self._press(self._held + self.hold, self._held - contact.settle)
            if not self.stuck and now >= self._held + STUCK_MS and self.kind not in LASTING:
                self.stuck = CLOSED
        if self._window is not None and now >= self._window:
            self._window = None
        return actions + self._tell(now)

    def next_wakeup(self, now: int) -> "int | None":
        """When ("time",) is to be handled next."""
        contact = self._contact
        due = [contact.next_wakeup(), self._window]
        if contact.state == HELD and self._held is not None:
            if not self._counted:
                due.append(self._held + self.hold)
            if not self.stuck and self.kind not in LASTING:
                due.append(self._held + STUCK_MS)
        if contact.state == IDLE and self.stuck:
            due.append(contact.since + CLEAR_MS)
        if self._window is None and self._count > self._told:
            due.append(self._press_due(now))
        if self.stuck != self._flag_told or self._wobbled:
            due.append(self._flag_due(now))
        known = [at for at in due if at is not None]
        return min(known) if known else None

    def _press(self, at: int, began: int) -> "Actions":
        """A press was made at `at`, by a finger that came at `began`."""
        clear = not self.stuck and self._window is None and self.kind != messages.KIND_DURESS
        if self.drill is not None and self.drill.takes(self.code, began, clear):
            return [("test", self.code, self.flags | messages.ALARM_TEST, at)]
        if not self._count or at - self._last >= REPEAT_MS:
            # A window or a count that is still owed is kept: it is told with this press.
            self._count -= self._told
            self._told = 0
            if not self._count:
                self._first = at
        self._count += 1
        self._last = at
        if at - self._fast_from >= CHATTER_MS:
            self._fast_from = at
            self._fast = 0
        self._fast += 1
        if self._fast >= CHATTER and not self.stuck:
            self.stuck = CHATTERS
        if self._window is not None:
            # Whoever presses again does not want it cancelled.
            self._window = None
        elif self.cancel and self._count == 1 and not self._told:
            self._window = at + self.cancel
            return [("pending", self.code, self.cancel)]
        return []

    def _press_due(self, now: int) -> int:
        """When a count that is owed may be told."""
        if self._said is None:
            return now
        quiet = self._said + QUIET_MS
        if self.stuck and self._flag_told:
            return quiet
        return now if not self._told or self._tokens else min(quiet, self._refill + QUIET_MS)

    def _flag_due(self, now: int) -> int:
        """When the flag may be told: `QUIET_MS` after the last message of the stuck contact. A press after the release
        puts nothing off."""
        return now if self._flag_at is None else self._flag_at + QUIET_MS

    def _tell(self, now: int) -> "Actions":
        """Say what is owed and may be said."""
        actions: "Actions" = []
        while self._tokens < BURST and now >= self._refill + QUIET_MS:
            self._tokens += 1
            self._refill += QUIET_MS
        if self._window is None and self._count > self._told and now >= self._press_due(now):
            if self._told:
                if self._tokens == BURST:
                    self._refill = now
                self._tokens = max(self._tokens - 1, 0)
            self._told = self._count
            self._said = now
            self._taken = False
            if self.stuck and self._flag_told:
                self._flag_at = now
            actions.append(self._pressed(self.kind, self.flags, now))
        if (self.stuck != self._flag_told or self._wobbled) and now >= self._flag_due(now):
            self._flag_told = self.stuck
            self._wobbled = False
            self._flag_at = self._said = now
            actions.append(("stuck", self.code, self.stuck) if self.stuck else ("released", self.code))
        return actions


class Inputs:
    """All inputs of a unit; `drill` says which press is a test."""

    def __init__(self, inputs: "Iterable[Input]", drill: "Drill | None" = None) -> None:
        self._inputs: "dict[int, Input]" = {}
        for one in inputs:
            if one.code in self._inputs:
                raise ValueError("input " + str(one.code) + " is there twice")
            self._inputs[one.code] = one
            one.drill = drill

    def stuck(self) -> "list[int]":
        """Codes of the inputs that are stuck now."""
        return sorted([one.code for one in self._inputs.values() if one.stuck])

    def begun(self) -> bool:
        """Whether any may be about to become a press."""
        return any([one.begun() for one in self._inputs.values()])

    def find(self, code: int) -> "Input | None":
        """The input with this code."""
        return self._inputs.get(code)

    def handle(self, event: "tuple[Any, ...]", now: int) -> "Actions":
        """What is to be done now that this has happened. An input that is not there changes nothing."""
        name = event[0]
        actions: "Actions" = []
        if name != "time":
            one = self._inputs.get(event[1])
            if one is None:
                return actions
            if name == "edge":
                actions = one.edge(event[2], now)
            elif name == "press":
                actions = one.press(now)
            elif name == "cancel":
                actions = one.cancel_window(event[2], now)
            elif name == "taken":
                actions = one.taken(event[2], now)
        for code in sorted(self._inputs):
            actions += self._inputs[code].time(now)
        return actions

    def next_wakeup(self, now: int) -> "int | None":
        """When ("time",) is to be handled next."""
        due = [one.next_wakeup(now) for one in self._inputs.values()]
        known = [at for at in due if at is not None]
        return min(known) if known else None
