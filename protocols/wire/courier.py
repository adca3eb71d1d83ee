"""Send until accepted: what goes out when, on which pipe, and when it may stop.

A pure machine on the unit. `now` is monotonic milliseconds. It knows messages by their key (boot, seq) and never sees
bytes: the caller keeps the plaintext in its journal, and builds and seals anew at every send, with a new counter.
Methods give back a list of actions, to be carried out in order:

    ("send", key, attempt, pipe)   attempt counts from 1
    ("stage", key, stage)          the stage has grown: STORED, ACCEPTED or TAKEN
    ("query", keys, pipe)          ask for the stages of up to 8 keys
    ("give_up", key)               a heartbeat that got no receipt or was replaced, or (see below) a log or fault
    ("forgotten", key)             an alarm that is stored but was never taken: no more queries
    ("full", key)                  this alarm was not accepted, see below

**Alarms.** An alarm is sent at once, on the best pipe that is up or on the first if none is known to be, and then again
by `RETRIES` on the next pipe until it is stored: for ever, without jitter, never twice within a second. Nothing
but `receipt` stops it. A reset, a 2.04, a PUBACK are none of this file's business.

**Order.** Alarms before everything, the freshest first. For the first two retries of an alarm nothing else is sent, so
that it has the radio to itself; then heartbeats go on, since they too say that presses are open.

**Others** go only while a pipe is up, jittered. A newer heartbeat replaces the older. Faults and logs are retried until
stored.

**Bounds.** At most `alarms` open alarms: a new one displaces the oldest *stored* one; an alarm that is not stored is
never displaced. If all are unstored the new one is answered by "full": it is in the caller's journal, and is to be
submitted again when one of the others has grown a stage. At most `others` other messages: a new one displaces the
oldest log, else the oldest fault, by "give_up".
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence
    from typing import Any

    Key = tuple[int, int]
    Actions = list[tuple[Any, ...]]

ALARM = 0
FAULT = 1
HEARTBEAT = 2
LOG = 3

WAITING = 0
STORED = 1
ACCEPTED = 2
TAKEN = 3

# Milliseconds from one attempt to the next; the last one repeats.
RETRIES = (4000, 4000, 8000, 8000, 16000, 30000)
# No alarm is sent twice within this time, whatever the pipes do.
APART = 1000
# While an alarm has had fewer attempts than this, other messages wait.
RESERVED = 3
HEARTBEAT_ATTEMPTS = 4

QUERY_KEYS = 8
QUERY_FAST = 10000
QUERY_SLOW = 60000
QUERY_FAST_FOR = 300000
QUERY_FOR = 86400000
# Queries that are due this soon ride along with one that is due now.
QUERY_SLACK = 5000


class _Item:
    __slots__ = (
        "attempts",
        "due",
        "failures",
        "hurried",
        "key",
        "last",
        "noticed",
        "pipe",
        "priority",
        "since",
        "stage",
        "step",
        "want",
    )

    def __init__(self, key: "Key", priority: int, stage: int, due: int) -> None:
        self.key = key
        self.priority = priority
        self.stage = stage
        self.due = due  # the next attempt, or the next query once an alarm is stored
        self.since = due  # when it became stored
        self.attempts = 0
        self.step = 0  # the place in RETRIES: attempts since there was a pipe again
        self.last = due - APART
        self.pipe = -1  # index of the pipe last used
        self.want = -1  # index of the pipe to use next, if it is still up then
        self.noticed = True  # whether `sent` has moved the timer of this attempt, or there is none to move
        self.failures = 0  # attempts since the last regular one that could not be sent
        self.hurried = False  # whether the next attempt is one ahead of its time after a failure


class Courier:
    """`pipes` are names in preferred order; `random(n)` gives 0..n-1; `jitter` is how long heartbeats and other
    non-alarms may wait after a reconnect, in ms."""

    def __init__(
        self,
        pipes: "Sequence[Hashable]",
        random: "Callable[[int], int]",
        alarms: int = 32,
        others: int = 16,
        jitter: int = 60000,
    ) -> None:
        self._pipes = pipes
        self._random = random
        self._alarm_bound = alarms
        self._other_bound = others
        self._jitter = jitter
        self._up = [False for _ in pipes]
        self._alarms: "list[_Item]" = []  # oldest first, as are the others
        self._others: "list[_Item]" = []
        self._query_pipe = -1
        self._answered = True

    def submit(self, key: "Key", priority: int, now: int, stage: int = WAITING) -> "Actions":
        """Takes a message over. `stage` is what a journal knows of an alarm after a restart: a stored one is not sent
        again, only asked for. A key that is held already changes nothing."""
        if self._find(key) is not None:
            return []
        actions: "Actions" = []
        if priority != ALARM:
            actions += self._displace(priority)
            self._others.append(_Item(key, priority, WAITING, now))
        elif stage < TAKEN:
            if len(self._alarms) >= self._alarm_bound:
                stored = [item for item in self._alarms if item.stage >= STORED]
                if not stored:
                    return [("full", key)]
                self._alarms.remove(stored[0])
                actions.append(("forgotten", stored[0].key))
            self._alarms.append(_Item(key, priority, stage, now))
        return actions + self.timeout(now)

    def receipt(self, key: "Key", stage: int, now: int) -> "Actions":
        """A receipt that was opened and verified says this stage. Stages only grow; one that is repeated or lower, or
        about an unknown key, changes nothing. Whoever calls this has verified the receipt: nothing else stops an
        alarm."""
        self._answered = True
        item = self._find(key)
        if item is None or stage <= item.stage:
            return []
        if item.stage == WAITING:
            item.since = now
            item.due = now + QUERY_FAST
        item.stage = stage
        if item.priority != ALARM:
            self._others.remove(item)
        elif stage >= TAKEN:
            self._alarms.remove(item)
        stages: "Actions" = [("stage", key, stage)]
        return stages + self.timeout(now)

    def forget(self, key: "Key") -> None:
        """Drops a message of any kind, an unstored alarm too: only for what a person has cancelled at the unit."""
        self._alarms = [item for item in self._alarms if item.key != key]
        self._others = [item for item in self._others if item.key != key]

    def sent(self, key: "Key", now: int) -> "Actions":
        """The bytes of the last attempt have left just now (a modem may take long): its retry counts from here.
        Optional; the first notice of an attempt counts."""
        item = self._find(key)
        if item is not None and item.stage == WAITING and not item.noticed:
            item.noticed = True
            item.due += now - item.last
            item.last = now
        return []

    def failed(self, key: "Key", pipe: "Hashable", now: int) -> "Actions":
        """The last attempt could not be sent on this pipe, so nothing has left the unit and no gap need be kept from
        it. The next pipe is tried without waiting for the retry, but each only once until then: pipes that all fail do
        not make a storm. A pipe that comes up is tried at once."""
        item = self._find(key)
        if item is not None and item.stage == WAITING and item.pipe >= 0 and self._pipes[item.pipe] == pipe:
            item.failures += 1
            item.last = now - APART
            if item.failures < len(self._candidates()):
                item.hurried = True
                self._hasten(item, now)
        return self.timeout(now)

    def pipe_up(self, pipe: "Hashable", now: int) -> "Actions":
        """A pipe can be used. If it is the first, alarms go at once and the rest after a jitter, so that a fleet that
        comes back together does not call together; else alarms that still wait try the newcomer soon."""
        index = self._index(pipe)
        if self._up[index]:
            return self.timeout(now)
        first = not any(self._up)
        self._up[index] = True
        for item in self._alarms:
            if item.stage == WAITING:
                item.want = index
                if first:
                    item.step = 0
                self._hasten(item, now)
        if first:
            for item in self._others:
                item.due = now + self._random(self._jitter + 1)
                item.step = 0
        return self.timeout(now)

    def pipe_down(self, pipe: "Hashable", now: int) -> "Actions":
        """A pipe cannot be used. Alarms that were last sent on it try another one soon."""
        index = self._index(pipe)
        self._up[index] = False
        if any(self._up):
            for item in self._alarms:
                if item.stage == WAITING and item.pipe == index:
                    self._hasten(item, now)
        return self.timeout(now)

    def timeout(self, now: int) -> "Actions":
        """Does what is due."""
        actions: "Actions" = []
        for item in reversed(self._alarms):
            if item.stage == WAITING and item.due <= now:
                actions.append(self._attempt(item, now))
        if not self._others_may_go():
            return actions
        due = [item for item in self._others if item.due <= now]
        for item in [item for priority in (FAULT, HEARTBEAT, LOG) for item in due if item.priority == priority]:
            if item.priority == HEARTBEAT and item.attempts >= HEARTBEAT_ATTEMPTS:
                self._others.remove(item)
                actions.append(("give_up", item.key))
            else:
                actions.append(self._attempt(item, now))
        return actions + self._query(now)

    def next_wakeup(self, now: int) -> "int | None":
        """When `timeout` is to be called next, or None when nothing is to be done before another event."""
        due = [item.due for item in self._alarms if item.stage == WAITING]
        if self._others_may_go():
            due += [item.due for item in self._alarms if item.stage != WAITING]
            due += [item.due for item in self._others]
        return max(now, min(due)) if due else None

    def unstored(self) -> int:
        """Alarms that are not stored yet."""
        return len([item for item in self._alarms if item.stage == WAITING])

    def untaken(self) -> int:
        """Alarms that are open: not taken yet, stored or not."""
        return len(self._alarms)

    def _others_may_go(self) -> bool:
        reserved = any([item.stage == WAITING and item.attempts < RESERVED for item in self._alarms])
        return any(self._up) and not reserved

    def _find(self, key: "Key") -> "_Item | None":
        for item in self._alarms + self._others:
            if item.key == key:
                return item
        return None

    def _index(self, pipe: "Hashable") -> int:
        for index, name in enumerate(self._pipes):
            if name == pipe:
                return index
        raise ValueError("not one of the courier's pipes")

    def _candidates(self) -> "list[int]":
        up = [index for index, is_up in enumerate(self._up) if is_up]
        return up or list(range(len(self._pipes)))

    def _next_pipe(self, last: int) -> int:
        """The candidate after `last` in preferred order, and then from the front again."""
        candidates = self._candidates()
        return min([index for index in candidates if index > last] or candidates)

    def _hasten(self, item: _Item, now: int) -> None:
        item.due = min(item.due, max(now, item.last + APART))

    def _attempt(self, item: _Item, now: int) -> "tuple[Any, ...]":
        wait = RETRIES[min(item.step, len(RETRIES) - 1)]
        if item.priority != ALARM:
            wait += self._random(wait // 2 + 1)
        if not item.hurried:
            item.failures = 0
        item.hurried = False
        item.attempts += 1
        item.step += 1
        item.pipe = item.want if item.want in self._candidates() else self._next_pipe(item.pipe)
        item.want = -1
        item.last = now
        item.due = now + wait
        item.noticed = False
        return ("send", item.key, item.attempts, self._pipes[item.pipe])

    def _displace(self, priority: int) -> "Actions":
        """Makes room for a message that is no alarm."""
        gone = [item for item in self._others if priority == HEARTBEAT and item.priority == HEARTBEAT]
        if not gone and len(self._others) >= self._other_bound:
            gone = [item for rank in (LOG, FAULT, HEARTBEAT) for item in self._others if item.priority == rank][:1]
        for item in gone:
            self._others.remove(item)
        return [("give_up", item.key) for item in gone]

    def _query(self, now: int) -> "Actions":
        """Asks for the stages of alarms that are stored but not taken, on another pipe if the last query found none."""
        stored = [item for item in self._alarms if item.stage != WAITING]
        if not any([item.due <= now for item in stored]):
            return []
        actions: "Actions" = []
        for item in stored:
            if now - item.since >= QUERY_FOR:
                self._alarms.remove(item)
                actions.append(("forgotten", item.key))
        asked = [item for item in reversed(stored) if item.due <= now + QUERY_SLACK and now - item.since < QUERY_FOR]
        for item in asked:
            item.due = now + (QUERY_FAST if now - item.since < QUERY_FAST_FOR else QUERY_SLOW)
        if asked:
            self._query_pipe = self._next_pipe(self._query_pipe - 1 if self._answered else self._query_pipe)
            self._answered = False
        while asked:
            actions.append(("query", [item.key for item in asked[:QUERY_KEYS]], self._pipes[self._query_pipe]))
            asked = asked[QUERY_KEYS:]
        return actions
