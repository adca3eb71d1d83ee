"""The presses that are open on this unit: how old, how often, how far, and what the wearer is shown.

Pure. A press is open until somebody has taken it (or nobody asks for it any more). It never decides when something is
sent: that is the courier's. It never drops an open press: when `MOST` are not stored, further presses are counted into
the newest of them.
"""

from firmware.core import records, stages
from protocols.wire import messages

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    Key = tuple[int, int]

MOST = 64
"""Presses that are not stored, each with a message of its own."""
REPEAT_MS = 600000
"""A press of the same input within this time after the last one is a repetition: the count goes on."""
FINGER_MS = 2000
"""For this long after a press the wearer is shown that it was noticed, even if an older one is not delivered."""
COUNTED = 255
"""Numbers that only count are not told beyond this: it keeps frames short (docs/wire.md, Sizes)."""
FIRST_AGE = 60
"""Age (s) at which an undelivered press first has its age put into the journal; then at every doubling."""


class Press:
    """One open press. `since` is when it was made, or when this boot began if an earlier boot made it."""

    __slots__ = ("base", "count", "input", "key", "kind", "mark", "since", "stage")

    def __init__(self, key: "Key", kind: int, input_code: int, count: int, since: int) -> None:
        self.key = key
        self.kind = kind
        self.input = input_code
        self.count = count
        self.since = since
        self.base = -1
        self.stage = 0
        self.mark = FIRST_AGE

    def age(self, now: int) -> int:
        """Seconds since the press; at least that if an earlier boot made it."""
        return max(self.base, 0) + (now - self.since) // 1000


class Alarms:
    """The open presses of one unit in one boot. `entries` are the journal's open entries, oldest first."""

    def __init__(self, entries: "Iterable[records.Entry]", now: int) -> None:
        self.open: "list[Press]" = []
        self._newest: "Press | None" = None
        self._taken_at = 0
        self._last: "dict[int, Press]" = {}
        for entry in entries:
            one = Press((entry.boot, entry.seq), entry.kind, entry.input, entry.count, now)
            one.base = entry.age
            one.stage = entry.stage
            while one.mark <= one.base:
                one.mark *= 2
            self.open.append(one)
            self._newest = one
            self._last[one.input] = one

    def find(self, key: "Key") -> "Press | None":
        """The open press with this key."""
        for one in self.open:
            if one.key == key:
                return one
        return None

    def press(self, key: "Key", kind: int, input_code: int, clock: int, now: int) -> "tuple[Press, dict[int, int]]":
        """A press of an input. The open press that it is now part of (its key differs from `key` when it was counted
        into an older one), and the record that goes into the journal."""
        last = self._last.get(input_code)
        count = 1
        if last is not None and last.stage < messages.TAKEN and now - last.since < REPEAT_MS:
            count = last.count + 1
        waiting = [one for one in self.open if not one.stage]
        if len(waiting) >= MOST:
            one = waiting[-1]
            one.count += 1
            return one, records.counted(one.key[0], one.key[1], one.count)
        one = Press(key, kind, input_code, count, now)
        self.open.append(one)
        self._newest = one
        self._last[input_code] = one
        return one, records.press(key[0], key[1], kind, input_code, count, clock)

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
            self._newest = None
        return records.closed(key[0], key[1])

    def message(
        self, one: Press, attempt: int, now: int, clock: int, echo: "int | None", bearer: "int | None"
    ) -> messages.Alarm:
        """What is sent for a press, as of now."""
        flags = messages.ALARM_AGE_IS_LOWER_BOUND if one.base >= 0 else None
        return messages.Alarm(
            boot=one.key[0],
            seq=one.key[1],
            kind=one.kind,
            input=one.input,
            count=min(one.count, COUNTED),
            age=one.age(now),
            attempt=min(attempt, COUNTED),
            bearer=bearer,
            flags=flags,
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
        if one.stage >= messages.TAKEN:
            return stages.TAKEN if now - self._taken_at < stages.TAKEN_MS else stages.OFF
        if one.stage:
            return stages.ACCEPTED if one.stage == messages.ACCEPTED else stages.STORED
        return stages.NOT_DELIVERED if now >= self._undelivered() else stages.TRYING

    def _undelivered(self) -> int:
        """When the newest press, or an older one that waits with it, counts as not delivered."""
        oldest = min([one.since for one in self.open if not one.stage])
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
        elif one is not None and not one.stage:
            due.append(self._undelivered())
        due = [at for at in due if at > now]
        return min(due) if due else None
