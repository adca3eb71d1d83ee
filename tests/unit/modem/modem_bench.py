"""The firmware's engine and the emulated modem on one table, without a pseudo-terminal: time is stepped, or real."""

from __future__ import annotations

import asyncio
from typing import Any

from firmware.core.at_syntax import AtError
from firmware.modem.bg95 import Bg95
from firmware.modem.engine import Engine
from firmware.modem.gm02s import Gm02s
from firmware.modem.sim7080g import Sim7080g
from firmware.modem.steps import LINE, LINE_SAYS
from sim.modem.clock import Clock, RealClock, SteppedClock
from sim.modem.radio import Radio
from sim.modem.rig import DIALECTS
from sim.modem.scenario import Scenario

FIRMWARE = {"bg95": Bg95, "sim7080g": Sim7080g, "gm02s": Gm02s}


class Bench:
    """`said` is every byte of the modem, `events` what the engine has told besides."""

    def __init__(self, scenario: Scenario, clock: Clock, radio: Radio | None = None) -> None:
        self.clock = clock
        self.radio = radio or Radio(scenario)
        self.dialect = FIRMWARE[scenario.dialect]()
        self.engine = Engine(self.dialect)
        self.said = b""
        self.events: list[Any] = []
        self.outcome: tuple[str, Any] | None = None
        self.device = DIALECTS[scenario.dialect](scenario, clock, self._heard, self.radio)

    def now(self) -> int:
        return int(self.clock.now() * 1000)

    def _heard(self, data: bytes) -> None:
        self.said += data
        self.carry_out(self.engine.feed(data, self.now()))

    def carry_out(self, actions: list[tuple[Any, ...]]) -> None:
        for action in actions:
            if action[0] == "write":
                self.device.receive(action[1])
            elif action[0] == "board":
                self._board(action[1], action[2])
                self.clock.call_later(0, lambda: self.carry_out(self.engine.carried_out(self.now())))
            elif action[0] in ("finished", "failed"):
                self.outcome = (action[0], action[1])
            else:
                self.events.append(action[1] if action[0] == "event" else action)

    def _board(self, what: str, value: int) -> None:
        if what == "power":
            self.device.set_power(bool(value))
        elif what == "power_key":
            self.device.press_key()
        elif what == LINE:
            self.device.receive(LINE_SAYS)
        else:
            self.device.set_mux(value)

    def result(self) -> Any:
        assert self.outcome is not None
        if self.outcome[0] == "failed":
            raise self.outcome[1]
        return self.outcome[1]


class SteppedBench(Bench):
    """Nothing happens unless time is let pass."""

    def __init__(self, scenario: Scenario, radio: Radio | None = None) -> None:
        self.stepped = SteppedClock()
        super().__init__(scenario, self.stepped, radio)

    def do(self, procedure: Any) -> Any:
        """The value of a procedure. Raises AtError."""
        self.outcome = None
        self.carry_out(self.engine.start(procedure, self.now()))
        while self.outcome is None:
            self._step()
        return self.result()

    def refusal(self, procedure: Any) -> tuple[str, Any]:
        """(reason, detail) of a procedure that must fail."""
        try:
            self.do(procedure)
        except AtError as error:
            return error.reason, error.detail
        raise AssertionError("it did not fail")

    def _step(self) -> None:
        due = self.engine.next_wakeup()
        other = self.stepped.next_due()
        assert due is not None or other is not None
        ends = [one for one in (due / 1000 if due is not None else None, other) if one is not None]
        # The engine's own deadline is in whole milliseconds.
        self.stepped.advance(max(0.0, min(ends) - self.stepped.now()) + 1e-6)
        self.carry_out(self.engine.timeout(self.now()))

    def wait(self, seconds: float) -> None:
        """Let time pass; the engine hears what comes."""
        self.stepped.advance(seconds)
        self.carry_out(self.engine.timeout(self.now()))

    def up(self) -> None:
        """Power, settings, registration."""
        self.do(self.dialect.power_on())
        self.do(self.dialect.start())
        for _ in range(100):
            if self.device.registered():
                return
            self.wait(0.1)
        raise AssertionError("not registered")


class LiveBench(Bench):
    """In real time, for what needs real sockets."""

    def __init__(self, scenario: Scenario) -> None:
        super().__init__(scenario, RealClock())

    async def do(self, procedure: Any) -> Any:
        self.outcome = None
        self.carry_out(self.engine.start(procedure, self.now()))
        while self.outcome is None:
            await asyncio.sleep(0.001)
            self.carry_out(self.engine.timeout(self.now()))
        return self.result()
