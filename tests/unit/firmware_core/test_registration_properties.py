"""The ladder under any sequence of what a modem may say: never faster than its timers, never stuck."""

from __future__ import annotations

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from firmware.core.registration import APART, HASTY_CUT, LADDERS, REGISTERED, SETTLED_MS, SLOWER, Ladder

LONGEST = max(dwell for rungs in LADDERS for dwell in rungs[::2]) << SLOWER
CAUSES = st.one_of(st.none(), st.integers(0, 255))


class Modem(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.now = 0
        self.ladder = Ladder(None, 0)
        self.last: dict[str, int] = {}
        self.registered = False

    def take(self, actions: list[tuple[Any, ...]]) -> None:
        for action in actions:
            name = action[0]
            if name == "registered":
                assert not self.registered
                assert action[1] >= 0
                self.registered = True
            elif name == "lost":
                assert self.registered
                self.registered = False
            elif name == "barred":
                assert not self.registered
            else:
                assert not self.registered, "a modem that is registered is left alone"
                apart = HASTY_CUT if name == "cut" else APART[name]
                assert self.now - self.last.get(name, -apart) >= apart
                self.last[name] = self.now

    @rule(stat=st.one_of(st.sampled_from([0, 1, 2, 3, 5, 90]), st.integers(0, 255)), cause=CAUSES)
    def registration(self, stat: int, cause: int | None) -> None:
        self.take(self.ladder.handle(("registration", stat, cause), self.now))

    @rule(event=st.sampled_from([("silent",), ("answers",), ("sim", True), ("sim", False), ("began", 1), ("refused",)]))
    def other(self, event: tuple[Any, ...]) -> None:
        self.take(self.ladder.handle(event, self.now))

    @rule(pause=st.one_of(st.integers(0, 2000), st.integers(0, 200_000), st.integers(0, 3_600_000)))
    def wait(self, pause: int) -> None:
        end = self.now + pause
        for _ in range(2000):
            due = self.ladder.next_wakeup(self.now)
            if due is None or due > end:
                break
            self.now = max(self.now, due)
            self.take(self.ladder.handle(("time",), self.now))
            after = self.ladder.next_wakeup(self.now)
            assert after is None or after > self.now, "the machine spins"
        self.now = end

    @rule()
    def oversleep(self) -> None:
        """The unit was stopped: nobody woke the machine."""
        self.now += 7_200_000
        self.take(self.ladder.handle(("time",), self.now))

    @rule()
    def reboot(self) -> None:
        self.ladder = Ladder(self.ladder.state(), self.now)
        self.registered = False
        self.last = {}

    @invariant()
    def help_is_never_far(self) -> None:
        assert self.registered == (self.ladder.condition == REGISTERED)
        due = self.ladder.next_wakeup(self.now)
        if self.registered:
            assert due is None or due <= self.now + SETTLED_MS
        else:
            assert due is not None
            assert due <= self.now + LONGEST


TestModem = Modem.TestCase
TestModem.settings = settings(max_examples=150, stateful_step_count=50, deadline=None)
