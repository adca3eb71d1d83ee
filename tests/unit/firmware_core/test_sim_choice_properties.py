"""The choice of SIM under any sequence of losses, receipts, alarms and policies."""

from __future__ import annotations

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from firmware.core.sim_choice import (
    ALARM_MS,
    DOUBLINGS,
    EXERCISE,
    HOLD_MS,
    POLICY,
    RETURN,
    SEARCH_MS,
    SWITCH_MS,
    SWITCHING,
    WORSE_MS,
    Policy,
    SimChoice,
)
from protocols.wire import cbor

OPERATORS = st.sampled_from([24001, 24002, 24007, 24008])
LONGEST_IN_ALARM = max(*WORSE_MS, SEARCH_MS << DOUBLINGS, ALARM_MS << DOUBLINGS) + SWITCH_MS


class Modem(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.now = 0
        self.policy = Policy()
        self.choice = SimChoice(None, self.policy, 2, lambda n: n // 2, 0)
        self.alarm = False
        self.kept: Any = None
        self.returns: list[int] = []
        self.exercising = False
        self.receipts = 0

    def take(self, actions: list[tuple[Any, ...]]) -> None:
        for action in actions:
            if action[0] == "keep":
                self.kept = cbor.encode(action[1])
            elif action[0] == "switch":
                self.switched(action[1], action[2])
            elif action[0] == "proven":
                assert self.exercising and not self.alarm
                assert action[1] == self.choice.active or self.exercising
            else:
                assert action[0] in {"heartbeat", "undiverse", "closing"}

    def switched(self, slot: int, reason: int) -> None:
        assert slot == self.choice.active
        if reason in {RETURN, POLICY}:
            assert not self.alarm, "nobody goes back for comfort while somebody waits for help"
            assert not self.returns or self.now - self.returns[-1] >= HOLD_MS
            self.returns.append(self.now)
        if reason == EXERCISE:
            assert not self.alarm
        self.exercising = reason == EXERCISE

    def put(self, *event: Any) -> None:
        self.take(self.choice.handle(event, self.now))

    @rule(operator=OPERATORS, technology=st.integers(1, 5))
    def registered(self, operator: int, technology: int) -> None:
        self.put("registered", operator, technology)

    @rule(event=st.sampled_from([("lost",), ("sim", False), ("sim", True), ("barred",), ("asked",), ("receipt",)]))
    def modem(self, event: tuple[Any, ...]) -> None:
        self.put(*event)

    @rule()
    def done(self) -> None:
        self.put("switched", self.choice.active)

    @rule(open_alarm=st.booleans())
    def alarms(self, open_alarm: bool) -> None:
        self.alarm = open_alarm
        if open_alarm:
            self.exercising = False
        self.put("alarm", open_alarm)

    @rule(preferred=st.integers(0, 1), forbidden=st.lists(OPERATORS, max_size=2), date=st.integers(0, 2_000_000_000))
    def fleet(self, preferred: int, forbidden: list[int], date: int) -> None:
        self.put("policy", Policy(preferred, tuple(forbidden), ((24001, 4, date),)))

    @rule(clock=st.integers(0, 2_000_000_000))
    def clock(self, clock: int) -> None:
        self.put("clock", clock)

    @rule(pause=st.one_of(st.integers(0, 20000), st.integers(0, 600_000), st.integers(0, 100_000_000)))
    def wait(self, pause: int) -> None:
        end = self.now + pause
        for _ in range(5000):
            due = self.choice.next_wakeup(self.now)
            if due is None or due > end:
                break
            self.now = max(self.now, due)
            self.put("time")
            after = self.choice.next_wakeup(self.now)
            assert after is None or after > self.now, "the machine spins"
        self.now = end

    @rule()
    def oversleep(self) -> None:
        self.now += 7_200_000
        self.put("time")

    @rule()
    def reboot(self) -> None:
        state = None if self.kept is None else cbor.decode(self.kept)
        before = self.choice.active if self.kept is not None else 0
        self.choice = SimChoice(state, Policy(), 2, lambda n: n // 2, self.now)
        assert self.choice.active == before
        self.alarm = self.exercising = False
        self.returns = []

    @invariant()
    def an_alarm_never_waits_long_on_one_sim(self) -> None:
        due = self.choice.next_wakeup(self.now)
        assert due is not None
        if self.alarm and self.choice.phase != SWITCHING:
            assert min(at for at, _ in self.choice._plans()) <= self.now + LONGEST_IN_ALARM


TestModem = Modem.TestCase
TestModem.settings = settings(max_examples=200, stateful_step_count=50, deadline=None)
