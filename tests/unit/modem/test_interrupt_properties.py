"""Interrupted at any moment, whatever the modem says late: the next command gets its own answer, or the channel says
that the modem is hung."""

from __future__ import annotations

import dataclasses
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from modem_bench import SteppedBench

from firmware.core.at_network import Registration
from firmware.core.at_syntax import AtError
from firmware.modem.engine import Engine
from sim.modem.scenario import Interrupts, Scenario, Serial, Step, load

DIALECTS = ("bg95", "sim7080g", "gm02s")
LATE_MS = st.sampled_from([0, 1, 5, 40, 210, 500, 900, 1500])
AT_MS = st.sampled_from([0, 1, 2, 4, 10, 100, 205, 600, 1100, 2500])
PROCEDURES = ("registration", "battery", "identify", "survey", "sms_list", "network_time", "pdp_active")
NOISE = Interrupts(0.5, ('+CEREG: 1,"E485","093F9E11",7', "+CPIN: READY", "+CREG: 1"))


class Blind(Engine):
    """The negative control: forgets the command and writes the next one at once."""

    def interrupt(self, now: int) -> list[tuple[Any, ...]]:
        self.abandon()
        self.at.restart()
        return [("failed", AtError("abandoned"))]


def interrupted(bench: SteppedBench, name: str, ms: float) -> None:
    """Begin, and give it up after so long unless it is over."""
    bench.outcome = None
    bench.carry_out(bench.engine.start(getattr(bench.dialect, name)(), bench.now()))
    bench.wait(ms / 1000)
    if bench.outcome is None:
        bench.carry_out(bench.engine.interrupt(bench.now()))
    assert bench.outcome is not None


def asked_twice(bench: SteppedBench, name: str, ms: float) -> tuple[Any, Any]:
    """After an interruption the supply's voltage, then the registration: each its own answer."""
    interrupted(bench, name, ms)
    return bench.do(bench.dialect.network_time()), bench.do(bench.dialect.registration())


def scenario(dialect: str, chunk: int, noisy: bool) -> Scenario:
    noise = NOISE if noisy else Interrupts()
    return dataclasses.replace(load("calm"), dialect=dialect, serial=Serial(chunk=chunk), interrupts=noise)


@given(
    dialect=st.sampled_from(DIALECTS),
    name=st.sampled_from(PROCEDURES),
    late=LATE_MS,
    ms=AT_MS,
    chunk=st.sampled_from([0, 1, 7]),
    noisy=st.booleans(),
)
@settings(max_examples=200, deadline=None)
def test_the_next_command_gets_its_own_answer(
    dialect: str, name: str, late: float, ms: float, chunk: int, noisy: bool
) -> None:
    bench = SteppedBench(scenario(dialect, chunk, noisy))
    bench.up()
    # From now on it answers late, and never so late that it would count as hung.
    timing = dataclasses.replace(bench.device.scenario.timing, command_ms=min(late, 800) + 1)
    bench.device.scenario = dataclasses.replace(bench.device.scenario, timing=timing)
    time, registration = asked_twice(bench, name, ms)
    assert time is None or isinstance(time, int)
    assert isinstance(registration, Registration) and registration.registered


def test_a_channel_that_forgets_takes_a_late_answer_for_its_own() -> None:
    """The negative control."""
    wrong = 0
    for ms in range(0, 40, 2):
        bench = SteppedBench(load("calm"))
        bench.up()
        blind = Blind(bench.dialect)
        bench.engine = blind
        timing = dataclasses.replace(bench.device.scenario.timing, command_ms=20)
        bench.device.scenario = dataclasses.replace(bench.device.scenario, timing=timing)
        interrupted(bench, "network_time", ms)
        try:
            wrong += bench.do(bench.dialect.registration()) is None
        except AtError:
            wrong += 1
    assert wrong


def test_a_modem_that_does_not_come_back_from_an_interruption_is_hung() -> None:
    bench = SteppedBench(dataclasses.replace(load("calm"), steps=(Step("hang", on="AT+CSQ"),)))
    bench.up()
    interrupted(bench, "signal", 400)
    assert bench.outcome is not None and bench.outcome[0] in {"failed", "finished"}
    bench.carry_out(bench.engine.start(bench.dialect.registration(), bench.now()))
    for _ in range(60):
        bench.wait(0.2)
    assert ("hung",) in bench.events or bench.outcome[0] == "finished"
