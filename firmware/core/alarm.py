"""The presses that are open on this unit: how old, how often, how far, and what the wearer is shown.

Pure. A press is open until somebody has taken it (or nobody asks for it any more). It never decides when something is
sent: that is the courier's. It never counts presses: that is `core.contact`'s, except that it never drops an open press
either: when `MOST` are not stored, further presses are counted into the newest of the same input and kind; the first
of another input or kind is one more.

A press whose cancel window is open is here and in the journal already, so that a restart makes it a press; it is only
not sent yet. A silent press and a drill that nobody pressed are never shown.
"""

from firmware.core import records, stages
from protocols.wire import messages

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    Key = tuple[int, int]

MOST = 12
"""Presses that are not stored, each with a message of its own: what the heap of a full unit holds beside all else, also
when it starts with them."""
REPEAT_MS = 600000
"""A press of the same input within this time after the last one is a repetition: the count goes on."""
FINGER_MS = 2000
"""For this long after a press the wearer is shown that it was noticed, even if an older one is not delivered."""
COUNTED = 255
"""Numbers that only count are not told beyond this: it keeps frames short (docs/wire.md, Sizes)."""
FIRST_AGE = 60
"""Age (s) at which an undelivered press first has its age put into the journal; then at every doubling."""
LATE = 300
"""A press that is this old (s) when it is sent says that it is late."""
MOST_INPUTS = 255
NO_INPUT = 0xFFFF
"""In place of an input: a drill that nobody's finger made, and that names none on the wire."""


def wire_input(code: int) -> int:
    """The input on the wire of an input of this unit: sensors of its own are the unit's own, 0."""
    return code if code <= MOST_INPUTS or code == NO_INPUT else 0


class Press:
    """One open press. `since` is when it was made, or when this boot began if an earlier boot made it; `code` is the
    input as core.contact names it; `window` while it may still be taken back."""

    __slots__ = ("base", "code", "count", "flags", "key", "kind", "mark", "shown", "since", "stage", "window")

    def __init__(self, key: "Key", kind: int, code: int, flags: int, count: int, since: int) -> None:
        self.key = key
        self.kind = kind
        self.code = code
        self.flags = flags
        self.count = count
        self.since = since
        self.base = -1
        self.stage = 0
        self.mark = FIRST_AGE
        self.window = False
        self.shown = not flags & messages.ALARM_SILENT and code != NO_INPUT

    def age(self, now: int) -> int:
        """Seconds since the press; at least that if an earlier boot made it."""
        return max(self.base, 0) + max(now - self.since, 0) // 1000


class Alarms:
    """The open presses of one unit in one boot. `entries` are the journal's open entries, oldest first; `flags(kind,
    input)` gives the flags of a press that an earlier boot has made: they are not in the journal."""

    def __init__(self, entries: "Iterable[records.Entry]", flags: "Callable[[int, int], int]", now: int) -> None:
        self.open: "list[Press]" = []
        self._newest: "Press | None" = None
        self._taken_at = 0
        for entry in entries:
            told = flags(entry.kind, entry.input)
            one = Press((entry.boot, entry.seq), entry.kind, entry.input, told, entry.count, now)
            one.base = entry.age
            one.stage = entry.stage
            while one.mark <= one.base:
                one.mark *= 2
            self.open.append(one)
            if one.shown:
                self._newest = one

    def find(self, key: "Key") -> "Press | None":
        """The open press with this key."""
        for one in self.open:
            if one.key == key:
                return one
        return None

    def waiting(self) -> bool:
        """Whether a press is on its way that is not stored yet."""
        return any([not one.stage and not one.window for one in self.open])

    def window(self, code: int) -> "Press | None":
        """The press of this input that may still be taken back."""
        for one in self.open:
            if one.window and one.code == code:
                return one
        return None

    def press(
        self, key: "Key", kind: int, code: int, flags: int, count: int, clock: int, since: int
    ) -> "tuple[Press, dict[int, int]]":
        """A press of an input, made at `since`, the `count`th of its run. The open press that it is now part of (its
        key differs from `key` when it was counted into an older one), and the record that goes into the journal."""
        waiting = [one for one in self.open if not one.stage and not one.window]
        # Only what is the same: somebody else's press, or a duress, is never counted into this one's.
        same = [one for one in waiting if one.code == code and one.kind == kind]
        if len(waiting) >= MOST and same:
            one = same[-1]
            return one, self.count(one, max(count, one.count + 1))
        one = Press(key, kind, code, flags, count, since)
        # Made whole or not at all: memory may fail at any of these.
        made = one, records.press(key[0], key[1], kind, wire_input(code), count, clock)
        self.open.append(one)
        if one.shown:
            self._newest = one
        return made

    def count(self, one: Press, count: int) -> "dict[int, int]":
        """Further presses are part of this one. The record for the journal."""
        one.count = count
        return records.counted(one.key[0], one.key[1], count)

    def pend(self, one: Press) -> bool:
        """This new press may still be taken back. False if it was counted into one that is on its way."""
        one.window = one is self.open[-1] and not one.stage and one.count == 1
        return one.window

    def reached(self, key: "Key", stage: int, now: int) -> "dict[int, int] | None":
        """A verified receipt has shown this stage. The record for the journal, or None if it is no news."""
        one = self.find(key)
        if one is None or stage <= one.stage:
            return None
        one.stage = stage
        if stage >= messages.TAKEN:
            self.open.remove(one)
            if one is self._newest:
                self._taken_at = now
        return records.stage(key[0], key[1], stage)

    def close(self, key: "Key") -> "dict[int, int] | None":
        """Nobody asks for this press any more. The record for the journal, or None if it was not open."""
        one = self.find(key)
        if one is None:
            return None
        self.open.remove(one)
        if one is self._newest:
            shown = [other for other in self.open if other.shown]
            self._newest = shown[-1] if one.window and shown else None
        return records.closed(key[0], key[1])

    def message(
        self,
        one: Press,
        attempt: int,
        now: int,
        clock: int,
        echo: "int | None",
        bearer: "int | None",
        battery: "int | None" = None,
        stuck: bool = False,
    ) -> messages.Alarm:
        """What is sent for a press, as of now."""
        age = one.age(now)
        flags = one.flags
        if one.base >= 0:
            flags |= messages.ALARM_AGE_IS_LOWER_BOUND
        if stuck:
            flags |= messages.ALARM_STUCK
        if age >= LATE:
            flags |= messages.ALARM_LATE
        return messages.Alarm(
            boot=one.key[0],
            seq=one.key[1],
            kind=one.kind,
            input=None if one.code == NO_INPUT else wire_input(one.code),
            count=min(one.count, COUNTED),
            age=age,
            attempt=min(attempt, COUNTED),
            bearer=bearer,
            battery=battery,
            flags=flags or None,
            echo=echo,
            clock=clock,
        )

    def ages(self, now: int) -> "list[dict[int, int]]":
        """Records of ages that are due, so that a power cut does not make an old press look young."""
        due = []
        for one in self.open:
            if not one.stage and one.age(now) >= one.mark:
                due.append(records.aged(one.key[0], one.key[1], one.age(now)))
                while one.mark <= one.age(now):
                    one.mark *= 2
        return due

    def lamp(self, now: int) -> int:
        """The stage (core.stages) that the wearer is shown: the newest press's."""
        one = self._newest
        if one is None:
            return stages.OFF
        if one.window:
            return stages.CANCELLABLE
        if one.stage >= messages.TAKEN:
            return stages.TAKEN if now - self._taken_at < stages.TAKEN_MS else stages.OFF
        if one.stage:
            return stages.ACCEPTED if one.stage == messages.ACCEPTED else stages.STORED
        return stages.NOT_DELIVERED if now >= self._undelivered() else stages.TRYING

    def _undelivered(self) -> int:
        """When the newest press, or an older one that waits with it, counts as not delivered."""
        oldest = min([one.since for one in self.open if not one.stage and not one.window and one.shown])
        at = oldest + stages.NOT_DELIVERED_MS
        newest = self._newest
        if newest is not None and newest.since != oldest:
            at = max(at, newest.since + FINGER_MS)
        return at

    def next_wakeup(self, now: int) -> "int | None":
        """When the lamp or an age changes by time alone."""
        due = [one.since + (one.mark - max(one.base, 0)) * 1000 for one in self.open if not one.stage]
        one = self._newest
        if one is not None and one.stage >= messages.TAKEN:
            due.append(self._taken_at + stages.TAKEN_MS)
        elif one is not None and not one.stage and not one.window:
            due.append(self._undelivered())
        due = [at for at in due if at > now]
        return min(due) if due else None
