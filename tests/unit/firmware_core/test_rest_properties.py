"""A unit never rests while anything goes on, and rests as soon as nothing does: under any sequence of events."""

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from firmware.core.profiles import PROFILES, PSM_ALWAYS, PSM_NEVER
from firmware.core.rest import BRIEF_MS, EARLY_MS, LINGER_MS, LONGEST_MS, REASONS, SETTLE_MS, WORTH_MS, Rest
from firmware.core.setup import Profile


class Life(RuleBasedStateMachine):
    @initialize(profile=st.sampled_from(PROFILES))
    def begin(self, profile: Profile) -> None:
        self.profile = profile
        self.now = 0
        self.rest = Rest(profile, 0)
        self.busy = {"working"}
        self.next: int | None = None
        self.modem = False
        self.sleeping = False
        self.awake = False
        self.quiet_since: int | None = None

    def may(self) -> bool:
        return self.profile.psm == PSM_ALWAYS

    def take(self, actions: list[tuple[Any, ...]]) -> None:
        for action in actions:
            if action[0] == "modem_rest":
                assert action[1] != self.modem or not action[1]
                self.modem = action[1]
                if action[1]:
                    assert self.may() and not self.busy
                    assert self.quiet_since is not None and self.now - self.quiet_since >= BRIEF_MS
                    assert self.awake or self.now - self.quiet_since >= LINGER_MS
                    assert action[2] >= 0
            else:
                assert action[0] == "deep_sleep" and self.modem and not self.busy and self.may()
                assert not self.profile.pendants and self.next is not None
                assert WORTH_MS <= action[1] <= LONGEST_MS
                assert self.now + action[1] <= self.next - EARLY_MS
                self.sleeping = True

    def tell(self, event: tuple[Any, ...]) -> None:
        self.take(self.rest.handle(event, self.now))

    @rule(why=st.sampled_from(REASONS), on=st.booleans())
    def happens(self, why: str, on: bool) -> None:
        if on:
            self.busy.add(why)
            self.quiet_since = None
            self.sleeping = False
        else:
            self.busy.discard(why)
            if not self.busy and self.quiet_since is None:
                self.quiet_since = self.now
        self.tell(("busy", why, on))

    @rule(left=st.none() | st.integers(-10_000, 90_000_000))
    def heartbeat(self, left: int | None) -> None:
        self.next = None if left is None else self.now + left
        self.tell(("next", self.next))

    @rule(state=st.sampled_from(["idle", "psm", "off"]))
    def modem_tells(self, state: str) -> None:
        if not self.sleeping:
            # A modem that has just fallen asleep leaves what it had been given: the longer time begins with the quiet.
            self.awake = state == "idle"
            self.tell(("modem", state))

    @rule()
    def refused(self) -> None:
        if self.sleeping:
            self.sleeping = False
            self.quiet_since = self.now
            self.tell(("awake",))

    @rule(pause=st.integers(0, 100_000))
    def wait(self, pause: int) -> None:
        end = self.now + pause
        while not self.sleeping and (due := self.rest.next_wakeup(self.now)) is not None and due <= end:
            assert due >= self.now
            self.now = due
            self.tell(("time",))
            assert self.rest.next_wakeup(self.now) != self.now, "it does not spin"
        if not self.sleeping:
            self.now = end
            if not self.busy and self.profile.psm != PSM_NEVER and pause > LINGER_MS + SETTLE_MS:
                assert self.modem == self.may(), "quiet for long enough, it rests"

    @invariant()
    def never_while_busy(self) -> None:
        if hasattr(self, "busy") and self.busy:
            assert not self.modem and not self.sleeping


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=200, stateful_step_count=40, deadline=None)
