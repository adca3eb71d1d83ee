"""The governor under any sequence of requests, failures, alarms, crashes and time off."""

from __future__ import annotations

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from firmware.core.governor import (
    ATTACH,
    BACKOFF,
    CONTEXT,
    DAY,
    HELD_S,
    HOUR,
    LIMITS,
    LOOP,
    RESET,
    SUBSCRIPTION,
    Governor,
)
from protocols.wire import cbor
from protocols.wire.courier import RETRIES

KINDS = st.sampled_from([ATTACH, CONTEXT, RESET])
SLOTS = st.integers(0, 1)
BLOCKED = 5


class Requests(RuleBasedStateMachine):
    """`real` is the true time in ms, which the governor never sees; `boot` is when this boot began."""

    def __init__(self) -> None:
        super().__init__()
        self.real = 0
        self.boot = 0
        self.kept: Any = None
        self.alarm = False
        self.granted: dict[tuple[int, int], list[int]] = {}
        self.by_alarm: dict[tuple[int, int], int] = {}
        self.resets: list[int] = []
        self.governor = Governor(None, lambda n: n // 2, 0)

    def now(self) -> int:
        return self.real - self.boot

    def take(self, actions: list[tuple[Any, ...]]) -> bool:
        """Keeps what is to be kept, as bytes. Whether a request was granted."""
        gone = False
        for action in actions:
            assert not gone, "nothing comes after what has gone"
            if action[0] == "keep":
                self.kept = cbor.encode(action[1])
                assert len(self.kept) <= 1300
            gone = action[0] == "go"
        return gone

    @rule(kind=KINDS, slot=SLOTS)
    def want(self, kind: int, slot: int) -> None:
        slot = 0 if kind == RESET else slot
        key = (kind, slot)
        if not self.take(self.governor.handle(("want", kind, slot), self.now())):
            assert self.governor.wait(kind, slot, self.now()) > 0
            return
        before = self.granted.setdefault(key, [])
        if self.alarm:
            last = self.by_alarm.get(key)
            assert last is None or self.real - last >= RETRIES[0]
            self.by_alarm[key] = self.real
        else:
            for span, most in ((HOUR, LIMITS[2 * kind]), (DAY, LIMITS[2 * kind + 1])):
                # A second is what the governor's clock resolves.
                assert len([at for at in before if at > self.real - span * 1000 + 1000]) < most
        before.append(self.real)
        if kind == RESET:
            self.judge_reset()

    def judge_reset(self) -> None:
        """What nWP042 says of a modem: it forgets its resets after a while without one, and blocks at the fifth."""
        if self.resets and self.real - self.resets[-1] >= HELD_S * 1000 - 1000:
            self.resets = []
        self.resets.append(self.real)
        if not self.alarm:
            # An alarm passes this guard, and has the bound that is shown in tests/both.
            assert len(self.resets) <= LOOP < BLOCKED

    @rule(kind=st.sampled_from([ATTACH, CONTEXT]), slot=SLOTS, cause=st.integers(0, SUBSCRIPTION))
    def failed(self, kind: int, slot: int, cause: int) -> None:
        self.take(self.governor.handle(("failed", kind, slot, cause), self.now()))
        if not self.alarm:
            assert self.governor.wait(kind, slot, self.now()) >= BACKOFF[2 * cause] * 1000

    @rule(open_alarm=st.booleans())
    def alarms(self, open_alarm: bool) -> None:
        self.alarm = open_alarm
        self.take(self.governor.handle(("alarm", open_alarm), self.now()))

    @rule(pause=st.one_of(st.integers(0, 5000), st.integers(5000, 3_600_000), st.just(90_000_000)))
    def wait(self, pause: int) -> None:
        end = self.real + pause
        for _ in range(1000):
            due = self.governor.next_wakeup(self.now())
            if due is None or self.boot + due > end:
                break
            self.real = self.boot + max(due, self.now())
            self.take(self.governor.handle(("time",), self.now()))
            after = self.governor.next_wakeup(self.now())
            assert after is None or after > self.now(), "the machine spins"
        self.real = end

    @rule(kind=KINDS, slot=SLOTS)
    def patient(self, kind: int, slot: int) -> None:
        """The wait that is told is exact: after it the request is granted."""
        slot = 0 if kind == RESET else slot
        self.wait(self.governor.wait(kind, slot, self.now()))
        assert self.governor.wait(kind, slot, self.now()) == 0

    @rule(off=st.integers(0, 100_000_000))
    def crash(self, off: int) -> None:
        """The unit loses power and comes back; only what was kept is left, and nobody says how long it was off."""
        self.real += off
        self.boot = self.real
        self.alarm = False
        self.by_alarm = {}
        state = None if self.kept is None else cbor.decode(self.kept)
        self.governor = Governor(state, lambda n: n // 2, 0)

    @invariant()
    def an_alarm_is_never_far_from_its_next_try(self) -> None:
        if self.alarm:
            for slot in (0, 1):
                assert self.governor.wait(ATTACH, slot, self.now()) <= RETRIES[-1]
                assert self.governor.wait(CONTEXT, slot, self.now()) <= RETRIES[-1]
            assert self.governor.wait(RESET, 0, self.now()) <= HELD_S * 1000


TestRequests = Requests.TestCase
TestRequests.settings = settings(max_examples=100, stateful_step_count=50, deadline=None)
