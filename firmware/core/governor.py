"""Whether the modem may bother a network now: growing delays, limits per hour and day, a guard against reset loops.

Pure. The operators' rules (GSMA TS.34) exist because a network that is bothered bans the SIM, and a banned SIM silences
the alarm. So nothing asks a network for registration or a context, and nothing resets the modem, but through here:
("want", kind, slot) is answered by ("go", kind, slot), which counts from then on, or by ("wait", kind, slot, ms). An
alarm that is not stored always goes, yet never more often than its courier would send it. It never decides what is done
(`core.registration`) nor on which SIM (`core.sim_choice`).

Event source: the modem's task, before and after each request. Action sink: the modem's task and the flash.
Events: ("want", kind, slot), ("done", kind, slot), ("failed", kind, slot, cause class), ("graceful",) when the modem
has said goodbye to the network (CFUN=0) before a reset, ("alarm", open), ("clock", unix s) of a verified server time,
("time",). `slot` is 0 or 1 for the SIM; a reset has slot 0.
Actions: ("keep", state) is on flash before the next action is carried out (a flash that fails stops no alarm),
("go", kind, slot), ("wait", kind, slot, ms).

Time is counted in seconds that the unit is known to have been on, kept over reboots. How long it was off is known from
two verified server times only, else it counts as nothing: a wait may be too long, never too short.
"""

from protocols.wire.courier import APART, RETRIES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Actions = list[tuple[Any, ...]]

ATTACH, CONTEXT, RESET = 0, 1, 2
"""What is asked for: registration (CFUN=1, COPS), a PDP context, a reset or power cut of the modem."""
SLOTS = 2

NO_ANSWER, TEMPORARY, CONGESTION, NETWORK, SUBSCRIPTION = 0, 1, 2, 3, 4
# First wait and longest wait in s of each cause class, one behind the other (rows would be objects on the heap); every
# failure in a row doubles it.
# fmt: off
BACKOFF = (
    # No answer, or a temporary cause: the modem itself tries five times (T3411, 10 s) and then waits T3402, by default
    # 12 min (TS 24.301 table 10.2.1); the longest is ours (unconfirmed).
    60, 3600,
    60, 3600,
    # Congestion: the network's own T3346 is not shown by these modems; 15 min is a usual low end (unconfirmed).
    900, 14400,
    # This network refuses: others are searched meanwhile, asking the same again is pointless (TS.34; figures ours).
    600, 14400,
    # The subscription is refused: at most one reset an hour (TS.34 as told by u-blox, UBX-20050829 section 7.2.4).
    3600, 86400,
)
# fmt: on
JITTER_PARTS = 4
"""A wait is lengthened by up to this part of itself, so that a district does not come back in step."""

HOUR, DAY = 3600, 86400
# The most of each kind in an hour and in a day, over a sliding span.
# fmt: off
LIMITS = (
    # Registration: Particle's documentation, no more than every 10 min. The day's figure is ours (unconfirmed).
    6, 48,
    # Context: u-blox's Radio Policy Manager for Deutsche Telekom, 30 an hour after a permanent refusal; we stay below.
    20, 48,
    # Reset: Particle resets the whole modem every 10 min. The day's figure is ours (unconfirmed).
    6, 24,
)
# fmt: on

LOOP = 3
"""So many resets without a registration that held, then a pause. Nordic nWP042: a modem counts resets without CFUN=0
and blocks its radio for 30 min at the 5th (modem firmware 1.3.0) or 7th (later)."""
LOOP_ALARM = 4
"""An alarm passes the guard, however many resets there were before it: the modems that we drive have no such block
(unconfirmed), and one that is off or hung helps nobody. After so many repeated resets of its own it waits as long as a
modem needs to forget them."""
LOOP_PAUSE = 1800
"""s; as long as the block itself (golioth PR 281, sdk-nrf 7169)."""
HELD_S = 120
"""nWP042: the count is forgotten after 60 s without a reset, which start again at a registration within them."""

SAVE_S = 600
"""While something is waited for, the elapsed time is kept this often: a reboot loses at most this much of it."""

FORMAT = 1
_FORMAT, _SECONDS, _CLOCK, _NOT_BEFORE, _FAILURES, _LOOP, _LOOP_AT, _TIMES = 0, 1, 2, 3, 4, 5, 6, 7
_LINES = 2 * SLOTS + 1  # registration and context of each SIM, and the modem's reset
_MOST = 48  # times remembered of each: no limit is higher


def _line(kind: int, slot: int) -> int:
    return kind * SLOTS + (slot if kind != RESET else 0)


def _counts(value: "Any", length: int) -> bool:
    return isinstance(value, list) and len(value) == length and all([isinstance(n, int) and n >= 0 for n in value])


def _fits(state: "Any") -> bool:
    if not isinstance(state, dict) or sorted(state) != list(range(_TIMES + 1)) or state[_FORMAT] != FORMAT:
        return False
    if not _counts([state[key] for key in (_SECONDS, _CLOCK, _LOOP, _LOOP_AT)], 4):
        return False
    if not _counts(state[_NOT_BEFORE], _LINES) or not _counts(state[_FAILURES], _LINES):
        return False
    times = state[_TIMES]
    return isinstance(times, list) and len(times) == _LINES and all([_counts(one, len(one)) for one in times])


class Governor:
    """One unit's governor. `state` is the last that was kept; None or a damaged one begins anew.

    `random(n)` gives an integer in 0..n-1; `now` is ms since boot; `modem_reset` says that this boot reset the modem
    too: a unit that crashes in a loop is a reset loop.
    """

    def __init__(self, state: "Any", random: "Callable[[int], int]", now: int, modem_reset: bool = False) -> None:
        self._random = random
        self._start = now
        self._alarm = False
        self._step = [0] * _LINES  # place in the courier's table
        self._last: "list[int | None]" = [None] * _LINES  # ms of the last grant in this boot
        self._attached: "int | None" = None
        self._changed = False
        fresh = not _fits(state)
        self._base = 0 if fresh else state[_SECONDS]
        self._clock = 0 if fresh else state[_CLOCK]  # a verified server time, and when it was so; 0 is none
        self._clock_at = self._base
        self._off_known = False
        # Whatever flash says, no wait is longer than the longest that we ever set, and nothing lies in the future.
        longest = self._base + DAY + DAY // JITTER_PARTS
        self._not_before = [0] * _LINES if fresh else [min(at, longest) for at in state[_NOT_BEFORE]]
        self._failures = [0] * _LINES if fresh else list(state[_FAILURES])
        self._loop = 0 if fresh else state[_LOOP]
        self._loop_at = 0 if fresh else min(state[_LOOP_AT], self._base)
        self._times: "list[list[int]]" = [[] for _ in range(_LINES)]
        if not fresh:
            self._times = [sorted([at for at in one if at <= self._base])[-_MOST:] for one in state[_TIMES]]
        self._saved = self._base
        self._latest: "int | None" = None  # when everything is free, unless something has happened since
        if modem_reset:
            self._count(RESET, 0, now)
            self._last[_line(RESET, 0)] = None

    def state(self, now: int) -> "dict[int, Any]":
        """What is to be kept: a map of integers and arrays; some 60 bytes of our CBOR at rest, 1,200 at most."""
        seconds = self._seconds(now)
        self._saved = seconds
        self._changed = False
        self._times = [[at for at in one if at + DAY > seconds] for one in self._times]
        return {
            _FORMAT: FORMAT,
            _SECONDS: seconds,
            _CLOCK: self._clock + seconds - self._clock_at if self._clock else 0,
            _NOT_BEFORE: list(self._not_before),
            _FAILURES: list(self._failures),
            _LOOP: self._loop,
            _LOOP_AT: self._loop_at,
            _TIMES: [list(one) for one in self._times],
        }

    def handle(self, event: "tuple[Any, ...]", now: int) -> "Actions":
        """What is to be done now that this has happened."""
        name = event[0]
        actions: "Actions" = []
        if name == "want":
            left = self.wait(event[1], event[2], now)
            if left:
                actions.append(("wait", event[1], event[2], left))
            else:
                self._count(event[1], event[2], now)
                actions.append(("go", event[1], event[2]))
        elif name == "done":
            self._done(event[1], event[2], now)
        elif name == "failed":
            self._failed(event[1], event[2], event[3], now)
        elif name == "graceful":
            self._forget()
        elif name == "alarm":
            if event[1] and not self._alarm:
                self._step = [0] * _LINES
            self._alarm = event[1]
        elif name == "clock":
            self._verified(event[1], now)
        # What has changed is kept before anything goes.
        return self._settle(now) + actions

    def slept(self, ms: int) -> None:
        """Right after a deep sleep of so long, through which the board's own clock ran on: it was no time off."""
        self._base += ms // 1000

    def wait(self, kind: int, slot: int, now: int) -> int:
        """Milliseconds until a request would be granted; 0 for now."""
        line = _line(kind, slot)
        if self._alarm:
            last = self._last[line]
            step = self._step[line]
            apart = APART if step < 0 else RETRIES[min(step, len(RETRIES) - 1)]
            due = 0 if last is None else last + apart - now
            if kind == RESET and step >= LOOP_ALARM:
                due = max(due, (self._loop_at + HELD_S - self._seconds(now)) * 1000)
            return max(due, 0)
        return max(self._free(kind, slot) - self._seconds(now), 0) * 1000

    def next_wakeup(self, now: int) -> "int | None":
        """When ("time",) is to be handled next."""
        due = []
        if self._loop:
            due.append(self._loop_at + LOOP_PAUSE)
            if self._attached is not None:
                due.append(self._attached + HELD_S)
        if self._waits(now):
            due.append(self._saved + SAVE_S)
        return now + max(min(due) - self._seconds(now), 0) * 1000 if due else None

    def _seconds(self, now: int) -> int:
        return self._base + (now - self._start) // 1000

    def _free(self, kind: int, slot: int) -> int:
        """When (s) a request without an alarm is free to go."""
        line = _line(kind, slot)
        free = self._not_before[line]
        if kind == RESET and self._loop >= LOOP:
            free = max(free, self._loop_at + LOOP_PAUSE)
        times = self._times[line]
        for place, span in enumerate((HOUR, DAY)):
            most = LIMITS[2 * kind + place]
            if len(times) >= most:
                free = max(free, times[len(times) - most] + span)
        return free

    def _waits(self, now: int) -> bool:
        """Whether time matters that has not passed yet."""
        if self._latest is None:
            latest = self._free(RESET, 0)
            for slot in range(SLOTS):
                latest = max(latest, self._free(ATTACH, slot), self._free(CONTEXT, slot))
            self._latest = latest
        return self._latest > self._seconds(now)

    def _count(self, kind: int, slot: int, now: int) -> None:
        """A request is made."""
        line = _line(kind, slot)
        if self._last[line] is not None:
            self._step[line] += 1
        self._last[line] = now
        seconds = self._seconds(now)
        self._times[line] = self._times[line][1 - _MOST :] + [seconds]
        if kind == RESET:
            self._loop += 1
            self._loop_at = seconds
            self._attached = None
        self._latest = None
        self._changed = True

    def _done(self, kind: int, slot: int, now: int) -> None:
        line = _line(kind, slot)
        if kind == ATTACH:
            self._attached = self._seconds(now)
        # It was granted and it worked: what an alarm loses again it may have back at once.
        self._step[line] = -1
        if self._failures[line] or self._not_before[line]:
            self._failures[line] = self._not_before[line] = 0
            self._latest = None
            self._changed = True

    def _failed(self, kind: int, slot: int, cause: int, now: int) -> None:
        line = _line(kind, slot)
        pause = min(BACKOFF[2 * cause] << min(self._failures[line], 16), BACKOFF[2 * cause + 1])
        pause += self._random(pause // JITTER_PARTS + 1)
        self._failures[line] += 1
        self._not_before[line] = max(self._not_before[line], self._seconds(now) + pause)
        if kind == ATTACH:
            self._attached = None
        self._latest = None
        self._changed = True

    def _forget(self) -> None:
        """The resets so far are no loop."""
        if self._loop:
            self._loop = 0
            self._latest = None
            self._changed = True

    def _verified(self, clock: int, now: int) -> None:
        """A verified server time; the first of a boot tells how long the unit was off, if an earlier boot had one."""
        seconds = self._seconds(now)
        if self._clock and not self._off_known:
            off = clock - self._clock - (seconds - self._clock_at)
            if off > 0:
                self._base += off
                self._changed = True
        self._off_known = True
        self._clock = clock
        self._clock_at = self._seconds(now)

    def _settle(self, now: int) -> "Actions":
        seconds = self._seconds(now)
        held = self._attached is not None and seconds >= self._attached + HELD_S
        if self._loop and (held or seconds >= self._loop_at + LOOP_PAUSE):
            self._forget()
        if self._changed or (seconds >= self._saved + SAVE_S and self._waits(now)):
            return [("keep", self.state(now))]
        return []
