"""A modem on the bench: the emulated device on a raw pseudo-terminal, and the board's pins that lead to it.

async with Rig(load("rough")) as rig:      # on asyncio's loop and real time, unless a clock is given
    start the unit with rig.environment and let it open rig.tty

`Rig.open(loop, ...)` and `close()` are the same without asyncio, for the lock-step.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
import struct
import termios
import tty
from collections.abc import Callable
from types import TracebackType

from sim.modem.bg95 import Bg95
from sim.modem.clock import Clock, RealClock
from sim.modem.commands import Commands
from sim.modem.gm02s import Gm02s
from sim.modem.path import Flights, Loop
from sim.modem.radio import Radio
from sim.modem.scenario import Scenario
from sim.modem.sim7080g import Sim7080g

DIALECTS: dict[str, type[Commands]] = {"bg95": Bg95, "sim7080g": Sim7080g, "gm02s": Gm02s}
PIN_POWER, PIN_KEY, PIN_MUX = 5, 6, 7
"""The board's pins as the levels of sim/shims report them."""
_CHUNK = 4096
_READ_AT_ONCE, _NO_TIMEOUT = 0, 0


def _nothing() -> None:
    """Nobody wants to know that bytes are about to go to the unit."""


class Rig:
    """Attributes: `device`; `tty`, the path that the unit opens; `environment`, which leads the unit's pins here;
    `overruns`, bytes that the unit has not read in time; `said` and `heard`, bytes to and from the unit;
    `before_write`, called before bytes go to the unit."""

    def __init__(self, scenario: Scenario, clock: Clock | None = None, radio: Radio | None = None) -> None:
        self.scenario = scenario
        self.overruns = 0
        self.said = 0
        self.heard = 0
        self.before_write: Callable[[], None] = _nothing
        self._clock = clock
        self._radio = radio
        self._levels = 0
        self._wires: socket.socket | None = None

    async def __aenter__(self) -> Rig:
        loop = asyncio.get_running_loop()
        self._wires = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        name = f"livlina-modem-{secrets.token_hex(8)}"
        self._wires.bind("\0" + name)
        self._wires.setblocking(False)
        self.open(loop)
        self.environment |= {"LIVLINA_BOARD": name, "LIVLINA_UNIT": "1"}
        loop.add_reader(self._wires, self._from_board)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._wires is not None:
            self._loop.remove_reader(self._wires)
            self._wires.close()
        self.close()

    def open(self, loop: Loop, flights: Flights | None = None) -> None:
        """Make the line and the modem, which has no power yet."""
        self._loop = loop
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        attributes = termios.tcgetattr(self._slave)
        # A read returns what is there and never waits for more.
        attributes[6][termios.VMIN] = _READ_AT_ONCE
        attributes[6][termios.VTIME] = _NO_TIMEOUT
        termios.tcsetattr(self._slave, termios.TCSANOW, attributes)
        self.tty = os.ttyname(self._slave)
        self.environment = {"LIVLINA_MODEM_TTY": self.tty}
        os.set_blocking(self._master, False)
        clock = self._clock or RealClock()
        kind = DIALECTS[self.scenario.dialect]
        self.device = kind(self.scenario, clock, self._write, self._radio or Radio(self.scenario))
        self.device.path.loop = loop
        self.device.path.flights = flights
        loop.add_reader(self._master, self._from_unit)

    def close(self) -> None:
        """Take the power away and give the line back."""
        self.device.set_power(False)
        self._loop.remove_reader(self._master)
        os.close(self._slave)
        os.close(self._master)

    def flush(self) -> None:
        """The unit has lost its power: what it has not read is gone, and the count begins anew."""
        termios.tcflush(self._slave, termios.TCIOFLUSH)
        self.said = self.heard = 0

    def _write(self, data: bytes) -> None:
        self.before_write()
        try:
            written = os.write(self._master, data)
        except BlockingIOError:
            written = 0
        self.said += written
        # A UART without flow control loses what nobody reads.
        self.overruns += len(data) - written

    def _from_unit(self) -> None:
        data = os.read(self._master, _CHUNK)
        self.heard += len(data)
        self.device.receive(data)

    def _from_board(self) -> None:
        assert self._wires is not None
        report = self._wires.recv(256)
        if report[:1] == b"S" and len(report) == 6:
            _, levels = struct.unpack(">IB", report[1:])
            self.set_levels(levels)

    def set_levels(self, levels: int) -> None:
        """The board's outputs, bit n for pin n: supply, key and multiplexer of the modem are among them."""
        before, self._levels = self._levels, levels
        changed = before ^ levels
        if changed >> PIN_MUX & 1:
            self.device.set_mux(levels >> PIN_MUX & 1)
        if changed >> PIN_POWER & 1:
            self.device.set_power(bool(levels >> PIN_POWER & 1))
        # The modem starts when the key is let go.
        if changed >> PIN_KEY & 1 and not levels >> PIN_KEY & 1:
            self.device.press_key()
