"""A virtual board out of download mode: its processor starts, and runs real MicroPython out of its own flash.

`PoweredBoard` is what the world does to it and sees of it: power, a finger on the button, an eye on the lamp. It lives
on one asyncio loop, that of the board's port, and never reaches into the unit (sim/shims/board_wires.py says what goes
over its wires). A flash without a partition table or with a damaged application starts nothing, as on silicon.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import socket
import struct
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from firmware.core import stages
from sim.board import BUTTON, CAUSE_POWER, CAUSE_RESET, HEADER, Board, channel, pin_order, raw_of
from sim.board_rom.board import VirtualBoard
from sim.board_rom.boot import BootError, bootable
from sim.board_rom.interpreter import MAIN, command, environment
from sim.lamp import LampReader
from sim.modem.rig import Rig
from sim.modem.scenario import Scenario
from sim.shims.board import PINS

EXIT_RESET = 75
"""sim/shims/machine.py: the firmware has reset its board."""
FINGER_S = 0.7
"""Longer than a personal unit wants its button held (firmware/core/profiles.py)."""
BATTERY_MV = 3950
EDGE_S = 20.0
PARTS = ("modem", "sim1", "sim2", "battery", "charge", "lamp", "vibration", "speaker", "button", "flash")
"""What can be missing on a board, or broken: `charge` is a battery that is nearly empty, `flash` two worn bytes."""
_EMPTY_MV = 3350
_WORN_AT = 0x12345
"""In the middle of MicroPython's image."""
_OUTPUTS = {"lamp": ("led_red", "led_green", "led_blue"), "vibration": ("vibration",), "speaker": ("speaker",)}
_LOOK_S = 0.2
_LONGEST = 4096


class PowerError(Exception):
    """The board does not do what a started board does; the message has the end of its console."""


@dataclass(frozen=True)
class Processor:
    """What a board's processor is here: the simulated `machine`'s folder of a firmware build, and the heap of it."""

    shims: Path
    heap: str


class PoweredBoard:
    """`reason` says why it did not start last, empty if it did; `seen` are the stages that its lamp has shown,
    `starts` how often it has started, `interpreter` what it says of itself. `modem` is the one on its UART."""

    def __init__(self, board: VirtualBoard, number: int, processor: Processor, modem: Scenario | None = None) -> None:
        self.reason = "it had no power yet"
        self.seen: list[str] = []
        self.starts = 0
        self.interpreter = ""
        self._board = board
        self._processor = processor
        self._state = Board(number, board.folder)
        self._state.raw[channel("battery")] = raw_of("battery", BATTERY_MV)
        self._rig = None if modem is None else Rig(modem)
        self._cards = () if modem is None else modem.cards
        self._process: subprocess.Popen[bytes] | None = None
        self._look: asyncio.TimerHandle | None = None
        self._waiting: list[tuple[str, asyncio.Future[None]]] = []
        self._console = board.folder / "console.log"
        self._missing: set[str] = set()

    def take(self, part: str) -> None:
        """This part (PARTS) is not there, or does not work, from the board's next start on."""
        self._missing.add(part)
        self._fit()

    def give(self, part: str) -> None:
        """The opposite of `take`."""
        self._missing.discard(part)
        self._fit()

    def _fit(self) -> None:
        missing = self._missing
        millivolts = 0 if "battery" in missing else _EMPTY_MV if "charge" in missing else BATTERY_MV
        self._state.raw[channel("battery")] = raw_of("battery", millivolts)
        self._board.flash.worn = {_WORN_AT: 0xFF, _WORN_AT + 1: 0xFF} if "flash" in missing else {}
        if self._rig is not None:
            device = self._rig.device
            cards = [replace(card, present=f"sim{slot}" not in missing) for slot, card in enumerate(self._cards, 1)]
            device.scenario = replace(device.scenario, cards=tuple(cards))

    def open(self) -> None:
        """Lay the wires, on the running loop."""
        self._loop = asyncio.get_running_loop()
        self._address = f"livlina-{secrets.token_hex(8)}"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.bind(f"\0{self._address}")
        self._loop.add_reader(self._socket.fileno(), self._hear)
        if self._rig is not None:
            self._rig.open(self._loop)

    def close(self) -> None:
        """Power off, for good."""
        self.off()
        if self._rig is not None:
            self._rig.close()
        self._loop.remove_reader(self._socket.fileno())
        self._socket.close()

    def on(self, cause: int = CAUSE_POWER) -> None:
        """A reset out of download mode."""
        self.off()
        try:
            bootable(self._board)
        except BootError as error:
            self.reason = str(error)
            return
        self.reason = ""
        self.seen.clear()
        self.starts += 1
        path = self._board.folder / "flash.bin"
        wires = {"LIVLINA_BOARD": self._address, "LIVLINA_UNIT": str(self._state.unit)}
        with self._console.open("ab") as out:
            self._process = subprocess.Popen(  # noqa: S603 - the interpreter of the units
                command(path, MAIN, self._processor.heap),
                env={
                    **os.environ,
                    **self._state.environment(cause),
                    **wires,
                    **({} if self._rig is None else self._rig.environment),
                    **environment(path, self._processor.shims),
                },
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._watch()

    def off(self) -> None:
        """No power, or download mode: what ran runs no more when this returns."""
        if self._look is not None:
            self._look.cancel()
            self._look = None
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
        if self._rig is not None:
            self._rig.flush()
            self._rig.set_levels(0)
        self._state.release()

    async def press(self) -> None:
        """A finger presses and releases the button. Raises PowerError if the board does not notice."""
        await self._edge(0)
        await asyncio.sleep(FINGER_S)
        await self._edge(1)

    async def wait_started(self, timeout_s: float) -> None:
        """Until its processor runs the firmware. Raises PowerError."""
        await self._until(lambda: self._state.address is not None, timeout_s, "did not start")

    async def wait_moved(self, part: str, timeout_s: float) -> None:
        """Until motor or speaker (`vibration`, `speaker`) has moved since the start of the board. Raises PowerError."""

        def moved() -> bool:
            lamp = self._state.lamp
            return lamp is not None and bool(lamp.shakes if part == "vibration" else lamp.tones)

        await self._until(moved, timeout_s, f"has not moved its {part}")

    async def _until(self, holds: Callable[[], bool], timeout_s: float, what: str) -> None:
        until = self._loop.time() + timeout_s
        while not holds():
            if self._loop.time() >= until:
                raise PowerError(f"the board {what}: {self.words()}")
            await asyncio.sleep(_LOOK_S)

    async def wait_lamp(self, stage: str, timeout_s: float) -> None:
        """Until the lamp has shown this stage since the start of the board. Raises PowerError."""
        if stage in self.seen:
            return
        future: asyncio.Future[None] = self._loop.create_future()
        self._waiting.append((stage, future))
        try:
            async with asyncio.timeout(timeout_s):
                await future
        except TimeoutError:
            shown = ", ".join(self.seen) or "nothing"
            raise PowerError(f"the lamp never showed {stage}, but {shown}: {self.words()}") from None

    def words(self) -> str:
        """The end of what it printed."""
        text = self._console.read_text(errors="replace") if self._console.exists() else ""
        return " ".join(text.split())[-400:] or self.reason or "it printed nothing"

    async def _edge(self, level: int) -> None:
        state = self._state
        if "button" in self._missing:
            return
        if state.address is None:
            raise PowerError(f"the board does not run: {self.words()}")
        state.put(BUTTON, level)
        state.serial = state.serial + 1 & 0xFF
        edge: asyncio.Future[None] = self._loop.create_future()
        state.edges[state.serial] = edge
        order = pin_order(BUTTON, level)
        self._socket.sendto(order[:1] + bytes((state.serial,)) + order[2:], state.address)
        try:
            async with asyncio.timeout(EDGE_S):
                await edge
        except TimeoutError:
            raise PowerError(f"the board did not notice its button: {self.words()}") from None

    def _watch(self) -> None:
        """Looks now and then whether the processor still runs; one that has reset itself starts again."""
        self._look = None
        if self._process is None:
            return
        status = self._process.poll()
        if status is None:
            self._look = self._loop.call_later(_LOOK_S, self._watch)
        elif status == EXIT_RESET:
            self.on(CAUSE_RESET)
        else:
            self.reason = f"its processor ended with status {status}"
            self.off()

    def _hear(self) -> None:
        while True:
            try:
                data, address = self._socket.recvfrom(_LONGEST)
            except BlockingIOError:
                return
            if len(data) >= 1 + HEADER.size and self._process is not None:
                self._take(data[:1], HEADER.unpack_from(data, 1)[1], data[1 + HEADER.size :], address)

    def _take(self, kind: bytes, levels: int, rest: bytes, address: bytes) -> None:
        state = self._state
        if kind == b"H":
            state.address = address
            self.interpreter = rest.decode()
            state.dark()
            state.lamp = LampReader(self._loop.call_later, self._shown)
        elif kind == b"E":
            edge = state.edges.pop(rest[0], None)
            if edge is not None and not edge.done():
                edge.set_result(None)
        whole = struct.unpack(">I", rest)[0] if kind == b"O" else state.levels & ~0xFF | levels
        state.levels = whole
        if self._rig is not None:
            self._rig.set_levels(0 if "modem" in self._missing else whole)
        if state.lamp is not None:
            dead = sum(1 << PINS[pin] for part in self._missing for pin in _OUTPUTS.get(part, ()))
            state.lamp.levels(whole & ~dead, time.monotonic())

    def _shown(self, stage: str, _at: float) -> None:
        if stage != stages.NAMES[stages.OFF]:
            self.seen.append(stage)
        for wanted, future in list(self._waiting):
            if wanted == stage:
                with contextlib.suppress(ValueError):
                    self._waiting.remove((wanted, future))
                if not future.done():
                    future.set_result(None)
