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
by `RETRIES` until it is stored: for ever, without jitter, never twice within a second. Nothing but `receipt` stops it.
A reset, a 2.04, a PUBACK are none of this file's business.

**Race.** Each attempt takes the pipe whose radio, and among those of one radio the pipe, this alarm has not used for
the longest time. What an earlier attempt has started goes on meanwhile: a pipe repeats its frame until it is answered
or has had its time. So 4 s without a receipt start another radio, or where there is one modem another address.

**Last resort.** A pipe of this class (SMS) carries an alarm besides the others, never instead of them: when it is not
stored after `RESORT_AFTER`, or as soon as no other pipe has been up for `RESORT_DOWN`. Of one alarm at most one a
minute, after the tenth one in ten minutes; of all together one in 5 s. Nothing else ever goes there.

**Order.** Alarms before everything, the freshest first, those of an earlier boot last. For the first two retries of an
alarm nothing else is sent, so that it has the radio to itself; then heartbeats go on, since they too say that presses
are open. A new alarm goes at once; of the others at most `BURST` go in a second, so that after a long outage the fresh
ones are not pushed out of the radio by the old; who has been due for `STARVED` goes before who has not.

**Others** go only while a pipe is up, jittered after a reconnect; a heartbeat that was announced waits less where it
would leave more than `LATE` beyond its time. A heartbeat that is to prove a radio keeps to it for `PROVING` attempts
and takes any pipe then: somebody waits for it. A newer heartbeat replaces the older. Faults and logs are retried until
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
# How long others wait at most after a reconnect that is this unit's alone.
ALONE = 10000
# So much beyond its announced time a heartbeat may leave after a reconnect, of the 90 s that another path may cost: the
# rest is for a datagram that is lost. What is later already waits as long as any other, a whole fleet may come back.
LATE = 80000
# Alarms that are due together go so many in so much time; new ones do not wait for that.
BURST = 4
BURST_MS = 1000
STARVED = 10000
# While an alarm has had fewer attempts than this, other messages wait.
RESERVED = 3
# So many attempts of a heartbeat that is to prove a radio keep to it, and the first waits so long for it to be up.
PROVING = 3
PROVING_WAIT = 15000
HEARTBEAT_ATTEMPTS = 4

RESORT_AFTER = 20000
RESORT_DOWN = 3000
RESORT_GAP = 60000
RESORT_MANY = 10
RESORT_LONG_GAP = 600000
RESORT_FAILED = 15000
RESORT_APART = 5000

QUERY_KEYS = 8
QUERY_FAST = 10000
QUERY_SLOW = 60000
QUERY_FAST_FOR = 300000
QUERY_FOR = 86400000
# Queries that are due this soon ride along with one that is due now.
QUERY_SLACK = 5000


class _Item:
    def __init__(self, key: "Key", priority: int, stage: int, due: int, late: bool = False) -> None:
        self.key = key
        self.priority = priority
        self.stage = stage
        self.due = due  # the next attempt, or the next query once an alarm is stored
        self.since = due  # when it became stored
        self.submitted = due
        self.late = late  # whether an earlier boot has left it
        self.resort = due  # when a pipe of last resort may be used (again)
        self.resorts = 0  # how often one has been
        self.used: "dict[int, int]" = {}  # index of pipe -> number of the last attempt on it
        self.attempts = 0
        self.step = 0  # the place in RETRIES: attempts since there was a pipe again
        self.last = due - APART
        self.pipe = -1  # index of the pipe last used
        self.radio: "object" = None  # the radio that this heartbeat is to prove
        self.by: "int | None" = None  # when the fleet was told to expect this heartbeat
        self.want = -1  # index of the pipe to use next, if it is still up then
        self.noticed = True  # whether `sent` has moved the timer of this attempt, or there is none to move
        self.failures = 0  # attempts since the last regular one that could not be sent
        self.hurried = False  # whether the next attempt is one ahead of its time after a failure


class Courier:
    """`pipes` are names in preferred order; `random(n)` gives 0..n-1; `jitter` is how long heartbeats and other
    non-alarms may wait after a reconnect, in ms. `radios` says of each pipe which radio it uses (anything that can be
    compared; empty for one radio), `last_resort` names the pipes that are of this class. Raises ValueError if no
    pipe is left for ordinary use."""

    def __init__(
        self,
        pipes: "Sequence[Hashable]",
        random: "Callable[[int], int]",
        alarms: int = 32,
        others: int = 16,
        jitter: int = 60000,
        radios: "Sequence[object]" = (),
        last_resort: "Sequence[Hashable]" = (),
    ) -> None:
        self._pipes = pipes
        self._radios = radios or [None for _ in pipes]
        self._resorts = [index for index, name in enumerate(pipes) if name in last_resort]
        self._ordinary = [index for index, name in enumerate(pipes) if name not in last_resort]
        if not self._ordinary or len(self._radios) != len(pipes):
            raise ValueError("the courier needs a pipe that is not of last resort, and a radio for each or for none")
        self._random = random
        self._alarm_bound = alarms
        self._other_bound = others
        self._jitter = jitter
        self._alone = False
        self._up = [False for _ in pipes]
        self._alarms: "list[_Item]" = []  # oldest first, as are the others
        self._others: "list[_Item]" = []
        self._query_pipe = -1
        self._answered = True
        self._down_since: "int | None" = (
            None  # since when no ordinary pipe is up; None while one is, or before any event
        )
        self._resort_free = 0  # before this nothing uses a pipe of last resort
        self._sends: "list[int]" = []  # times of the alarms' sends in the last second

    def submit(
        self,
        key: "Key",
        priority: int,
        now: int,
        stage: int = WAITING,
        late: bool = False,
        radio: "object" = None,
        by: "int | None" = None,
    ) -> "Actions":
        """Takes a message over. `stage` is what a journal knows of an alarm after a restart: a stored one is not sent
        again, only asked for. `late` says that an earlier boot has left it: it takes its turn behind the fresh ones,
        the newest of these first, and goes by the next `timeout`, which is due at once. `radio` is the one that a
        heartbeat is to prove, `by` when it was announced for. A key that is held already changes nothing."""
        if self._find(key) is not None:
            return []
        actions: "Actions" = []
        if priority != ALARM:
            actions += self._displace(priority)
            item = _Item(key, priority, WAITING, now)
            item.by = by
            self._others.append(item)
            if radio is not None:
                item.radio = radio
                if not self._radio_up(radio):
                    item.due = now + PROVING_WAIT
        elif stage < TAKEN:
            if len(self._alarms) >= self._alarm_bound:
                stored = [item for item in self._alarms if item.stage >= STORED]
                if not stored:
                    return [("full", key)]
                self._alarms.remove(stored[0])
                actions.append(("forgotten", stored[0].key))
            item = _Item(key, priority, stage, now, late)
            self._alarms.append(item)
            if not late and stage == WAITING:
                actions.append(self._attempt(item, now))
        return actions if late else actions + self.timeout(now)

    def receipt(self, key: "Key", stage: int, now: int) -> "Actions":
        """A receipt that was opened and verified says this stage. Stages only grow; one that is repeated or lower, or
        about an unknown key, changes nothing. Whoever calls this has verified the receipt: nothing else stops an
        alarm."""
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

    def answered(self) -> None:
        """A receipt has come that is new: the pipe of the last query works. One played again proves nothing."""
        self._answered = True

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
        index = self._index(pipe)
        if item is not None and item.stage == WAITING and index in self._resorts and index in item.used:
            item.resort = min(item.resort, now + RESORT_FAILED)
        elif item is not None and item.stage == WAITING and item.pipe == index:
            item.failures += 1
            if item.last in self._sends:
                self._sends.remove(item.last)
            item.last = now - APART
            if item.failures < len(self._candidates()):
                item.hurried = True
                self._hasten(item, now)
        return self.timeout(now)

    def pipe_up(self, pipe: "Hashable", now: int) -> "Actions":
        """A pipe can be used. If it is the first, alarms go at once and the rest after a jitter, so that a fleet that
        comes back together does not call together; else alarms that still wait try the newcomer soon."""
        index = self._index(pipe)
        if self._up[index] or index in self._resorts:
            self._up[index] = True
            return self.timeout(now)
        first = not self._any_up()
        self._up[index] = True
        self._down_since = None
        for item in self._alarms:
            if item.stage == WAITING:
                if item.attempts:
                    item.want = index
                if first:
                    item.step = 0
                self._hasten(item, now)
        if first:
            jitter = min(self._jitter, ALONE) if self._alone else self._jitter
            self._alone = False
            for item in self._others:
                item.due = now + self._random(self._may_wait(item, jitter, now) + 1)
                item.step = 0
        else:
            for item in self._others:
                if item.radio is not None and item.radio == self._radios[index] and not item.attempts:
                    item.due = now
        return self.timeout(now)

    def alone(self) -> None:
        """The next reconnect is this unit's own affair, at a time that no other unit shares: others need not wait for
        the whole jitter."""
        self._alone = True

    def pipe_down(self, pipe: "Hashable", now: int) -> "Actions":
        """A pipe cannot be used. Alarms that were last sent on it try another one soon."""
        index = self._index(pipe)
        self._up[index] = False
        if self._any_up():
            for item in self._alarms:
                if item.stage == WAITING and item.pipe == index:
                    self._hasten(item, now)
        return self.timeout(now)

    def timeout(self, now: int) -> "Actions":
        """Does what is due."""
        if not self._any_up() and self._down_since is None:
            self._down_since = now
        actions: "Actions" = []
        due = [item for item in self._in_turn() if item.due <= now]
        # Pipes that come and go hasten everything again and again; the old must not starve behind the fresh.
        starved = [item for item in due if now - item.due >= STARVED]
        for item in starved + [item for item in due if now - item.due < STARVED]:
            if self._pace(now) <= now:
                actions.append(self._attempt(item, now))
        actions += self._resort(now)
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
        waiting = self._in_turn()
        due = [max(item.due, self._pace(now)) for item in waiting]
        if self._resort_pipe() is not None:
            due += [self._resort_at(item, now) for item in waiting]
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
        return self._any_up() and not reserved

    def _radio_up(self, radio: "object") -> bool:
        return any([self._up[index] and self._radios[index] == radio for index in self._ordinary])

    def _any_up(self) -> bool:
        return any([self._up[index] for index in self._ordinary])

    def _in_turn(self) -> "list[_Item]":
        """Alarms that are not stored, in the order in which they are to be sent."""
        waiting = [item for item in reversed(self._alarms) if item.stage == WAITING]
        return [item for item in waiting if not item.late] + [item for item in waiting if item.late]

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
        return [index for index in self._ordinary if self._up[index]] or self._ordinary

    def _next_pipe(self, last: int) -> int:
        """The candidate after `last` in preferred order, and then from the front again."""
        candidates = self._candidates()
        return min([index for index in candidates if index > last] or candidates)

    def _pace(self, now: int) -> int:
        """When an alarm may be sent again that is no new one."""
        recent = [at for at in self._sends if at > now - BURST_MS]
        return now if len(recent) < BURST else recent[-BURST] + BURST_MS

    def _race(self, item: _Item) -> int:
        """The candidate whose radio, and which itself, this message has not used for the longest time. The radio that
        a heartbeat is to prove comes before."""
        bound = item.radio is not None and item.attempts <= PROVING
        radios = [(self._radios[index], item.used.get(index, 0)) for index in self._ordinary]
        best, choice = None, 0
        for index in self._candidates():
            radio = self._radios[index]
            elsewhere = bound and radio != item.radio
            rank = (elsewhere, max([used for one, used in radios if one == radio]), item.used.get(index, 0))
            if best is None or rank < best:
                best, choice = rank, index
        return choice

    def _may_wait(self, item: _Item, jitter: int, now: int) -> int:
        """For how long at most a message that is no alarm waits after a reconnect."""
        if item.by is None or now >= item.by + LATE:
            return jitter
        return min(jitter, item.by + LATE - now)

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
        item.pipe = item.want if item.want in self._candidates() else self._race(item)
        item.used[item.pipe] = item.attempts
        item.want = -1
        if item.priority == ALARM:
            self._sends = [at for at in self._sends if at > now - BURST_MS] + [now]
        item.last = now
        item.due = now + wait
        item.noticed = False
        return ("send", item.key, item.attempts, self._pipes[item.pipe])

    def _resort_pipe(self) -> "int | None":
        """The first pipe of last resort that is up."""
        up = [index for index in self._resorts if self._up[index]]
        return up[0] if up else None

    def _down_for(self, ms: int, now: int) -> int:
        """When no ordinary pipe will have been up for so long, if none comes up."""
        return (now if self._down_since is None else self._down_since) + ms

    def _resort_at(self, item: _Item, now: int) -> int:
        """When this alarm may use a pipe of last resort."""
        at = item.submitted + RESORT_AFTER
        if not self._any_up():
            at = min(at, max(item.submitted, self._down_for(RESORT_DOWN, now)))
        return max(at, item.resort, self._resort_free)

    def _resort(self, now: int) -> "Actions":
        """One send on a pipe of last resort, if one is due."""
        index = self._resort_pipe()
        if index is None:
            return []
        due = [item for item in self._in_turn() if self._resort_at(item, now) <= now]
        if not due:
            return []
        item = due[0]
        item.attempts += 1
        item.resorts += 1
        item.used[index] = item.attempts
        item.resort = now + (RESORT_GAP if item.resorts < RESORT_MANY else RESORT_LONG_GAP)
        self._resort_free = now + RESORT_APART
        return [("send", item.key, item.attempts, self._pipes[index])]

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
