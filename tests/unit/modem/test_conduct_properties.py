"""The modem's machine under any sequence of what modem, network and unit may do: it never stalls, never spins, never
gives two orders at once, and an alarm never waits for more than its bounds."""

from __future__ import annotations

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from firmware.core.at_network import Registration, registration
from firmware.core.governor import LIMITS, LOOP_ALARM, RESET
from firmware.core.sim_choice import Policy
from firmware.modem import orders
from firmware.modem.conduct import Conduct
from protocols.wire import cbor

REGISTRATIONS = st.sampled_from([0, 1, 2, 3, 4, 5, 8, 90])
CAUSES = st.sampled_from(["", ",,,,0,8", ",,,,0,11", ",,,,0,22", ",,,,0,99", ",,,,1,8"])
REASONS = st.sampled_from(["timeout", "cme", "error", "reset", "hung", "open", "pdp"])
LONGEST_ALARM_WAIT = 130000
"""Reset-loop guard (120 s) and a turn of the machine."""


class Modem(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.now = 0
        self.kept: dict[str, bytes] = {}
        self.conduct = Conduct(2, Policy(), lambda name: None, lambda n: n // 2, 0, takes_radio=True)
        self.running: str | None = None
        self.asked: dict[str, list[int]] = {name: [] for name in orders.ASKS}
        self.alarm = False
        self.put("time")

    def put(self, *event: Any) -> None:
        for action in self.conduct.handle(event, self.now):
            self.take(action)

    def take(self, action: tuple[Any, ...]) -> None:
        name = action[0]
        if name == "do":
            assert self.running is None, "one order at a time"
            self.running = action[1]
            if action[1] in orders.ASKS:
                self.asked[action[1]].append(self.now)
            if action[1] in {"select_sim", "power_on", "power_cut"}:
                assert action[2] in {0, 1}
        elif name == "abandon":
            assert self.alarm and self.running not in orders.NEVER
        elif name == "keep":
            self.kept[action[1]] = cbor.encode(action[2])
        else:
            assert name in {"up", "drop", "result", "tell"}

    def result(self) -> Any:
        return {
            "registration": registration("+CEREG: 1"),
            "identify": {"iccid": "8946001201234567890"},
            "survey": {"registration": registration("+CEREG: 1"), "operator": 24001, "radio": 4},
            "sms_list": [1, 2],
        }.get(self.running or "")

    @precondition(lambda self: self.running is not None)
    @rule(value=st.booleans())
    def succeed(self, value: bool) -> None:
        name, found = self.running, self.result()
        self.running = None
        self.put("end")
        if name == "pdp_check":
            found = value
        self.put("finished", name, found)

    @precondition(lambda self: self.running is not None)
    @rule(reason=REASONS)
    def fail(self, reason: str) -> None:
        name = self.running
        if reason == "hung":
            self.put("hung")
        elif reason == "reset":
            self.put("boot")
        self.running = None
        self.put("end")
        self.put("failed", name, reason)

    @precondition(lambda self: self.running is not None)
    @rule()
    def begin(self) -> None:
        self.put("begin", self.running)

    @precondition(lambda self: self.running is None)
    @rule(name=st.sampled_from(["open", "open_tcp", "send", "receive", "close"]))
    def use_a_socket(self, name: str) -> None:
        self.put("begin", name)
        self.wait(1000)
        self.put("end")

    @rule(stat=REGISTRATIONS, cause=CAUSES)
    def hear(self, stat: int, cause: str) -> None:
        found = registration(f"+CEREG: {stat}{cause if stat == 3 else ''}")
        assert isinstance(found, Registration)
        self.put("registration", found)

    @rule(
        event=st.sampled_from([
            ("pdp", False), ("pdp", True), ("boot",), ("hung",), ("asleep",), ("lost", 3), ("sim", "READY"),
            ("sim", "NOT INSERTED"), ("doubt",), ("works",), ("use",), ("sms", 3), ("sms_out",), ("supply", "x"),
        ])
    )  # fmt: skip
    def say(self, event: tuple[Any, ...]) -> None:
        self.put(*event)

    @rule(
        event=st.sampled_from([
            ("asked",), ("receipt",), ("clock", 1_800_000_000), ("policy", Policy(1)), ("policy", Policy(roaming=0)),
            ("switch", 0), ("switch", 1), ("rest", True, 3600), ("rest", False, 0), ("locate", True),
            ("locate", False), ("hurry",),
        ])
    )  # fmt: skip
    def told(self, event: tuple[Any, ...]) -> None:
        self.put(*event)

    @rule(is_open=st.booleans())
    def press(self, is_open: bool) -> None:
        self.alarm = is_open
        self.put("alarm", is_open)

    @rule(ms=st.sampled_from([1, 900, 5000, 60000, 3600000]))
    def wait(self, ms: int) -> None:
        until = self.now + ms
        turns = 0
        while (due := self.conduct.next_wakeup(self.now)) is not None and due <= until:
            assert due >= self.now
            turns = turns + 1 if due == self.now else 0
            assert turns < 20, f"no time passes: {self.conduct.state} {self.running}"
            self.now = due
            self.put("time")
        self.now = until

    @invariant()
    def nothing_stalls(self) -> None:
        """While there is no path and nothing is being done, something will be; an alarm does not wait long for it."""
        if self.running is not None or self.conduct.up or self.conduct.state == orders.LOCATING:
            return
        due = self.conduct.next_wakeup(self.now)
        assert due is not None
        if self.alarm:
            assert due - self.now <= LONGEST_ALARM_WAIT, due - self.now

    @invariant()
    def the_power_is_cut_within_bounds(self) -> None:
        cuts = [at for at in self.asked["power_cut"] if at > self.now - 3600000]
        most = LIMITS[2 * RESET]
        # An alarm goes beyond the hour's figure, and not beyond what would make the modem block its radio.
        assert len(cuts) <= most + 3600 // 120 + 2 * LOOP_ALARM


TestModem = Modem.TestCase
TestModem.settings = settings(max_examples=60, stateful_step_count=60, deadline=None)
