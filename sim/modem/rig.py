"""A modem on the bench: the emulated device on a raw pseudo-terminal, and the board's pins that lead to it.

async with Rig(load("calm")) as rig:
    start the unit with rig.environment and let it open rig.tty
"""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
import struct
import termios
import tty
from types import TracebackType

from sim.modem.bg95 import Bg95
from sim.modem.clock import Clock, RealClock
from sim.modem.commands import Commands
from sim.modem.gm02s import Gm02s
from sim.modem.radio import Radio
from sim.modem.scenario import Scenario
from sim.modem.sim7080g import Sim7080g

DIALECTS: dict[str, type[Commands]] = {"bg95": Bg95, "sim7080g": Sim7080g, "gm02s": Gm02s}
PIN_POWER, PIN_KEY, PIN_MUX = 5, 6, 7
"""The board's pins as sim/shims/machine.py reports them."""
_CHUNK = 4096
_READ_AT_ONCE, _NO_TIMEOUT = 0, 0


class Rig:
    """Attributes: `device`; `tty`, the path that the unit opens; `environment`, which leads the unit's pins here;
    `overruns`, bytes that the unit has not read in time."""

    def __init__(self, scenario: Scenario, clock: Clock | None = None, radio: Radio | None = None) -> None:
        self.scenario = scenario
        self.overruns = 0
        self._clock = clock
        self._radio = radio
        self._levels = 0

    async def __aenter__(self) -> Rig:
        self._loop = asyncio.get_running_loop()
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        attributes = termios.tcgetattr(self._slave)
        # A read returns what is there and never waits for more.
        attributes[6][termios.VMIN] = _READ_AT_ONCE
        attributes[6][termios.VTIME] = _NO_TIMEOUT
        termios.tcsetattr(self._slave, termios.TCSANOW, attributes)
        self.tty = os.ttyname(self._slave)
        os.set_blocking(self._master, False)
        self._wires = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        name = f"livlina-modem-{secrets.token_hex(8)}"
        self._wires.bind("\0" + name)
        self._wires.setblocking(False)
        self.environment = {"LIVLINA_BOARD": name, "LIVLINA_UNIT": "1"}
        clock = self._clock or RealClock()
        kind = DIALECTS[self.scenario.dialect]
        self.device = kind(self.scenario, clock, self._write, self._radio or Radio(self.scenario))
        self._loop.add_reader(self._master, self._from_unit)
        self._loop.add_reader(self._wires, self._from_board)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.device.set_power(False)
        self._loop.remove_reader(self._master)
        self._loop.remove_reader(self._wires)
        self._wires.close()
        os.close(self._slave)
        os.close(self._master)

    def _write(self, data: bytes) -> None:
        try:
            written = os.write(self._master, data)
        except BlockingIOError:
            written = 0
        # A UART without flow control loses what nobody reads.
        self.overruns += len(data) - written

    def _from_unit(self) -> None:
        self.device.receive(os.read(self._master, _CHUNK))

    def _from_board(self) -> None:
        report = self._wires.recv(256)
        if report[:1] == b"S" and len(report) == 6:
            _, levels = struct.unpack(">IB", report[1:])
            self._set_levels(levels)

    def _set_levels(self, levels: int) -> None:
        before, self._levels = self._levels, levels
        changed = before ^ levels
        if changed >> PIN_MUX & 1:
            self.device.set_mux(levels >> PIN_MUX & 1)
        if changed >> PIN_POWER & 1:
            self.device.set_power(bool(levels >> PIN_POWER & 1))
        # The modem starts when the key is let go.
        if changed >> PIN_KEY & 1 and not levels >> PIN_KEY & 1:
            self.device.press_key()
