"""A fleet of simulated units: each one the real firmware in a MicroPython process of its own, on a folder as its flash.

The sim holds what surrounds a unit: its power (start, kill, restart), the operator's finger on its button, and an eye
on its lamp. It never reaches into a unit: what is asked goes over the board's pins (sim/shims/machine.py), and the
journal is read from the flash. Processes come from one zygote (sim/zygote.py).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import socket
import struct
import sys
import time
from collections.abc import Callable
from pathlib import Path

from firmware.core import profiles, stages
from sim import board as boards
from sim.board import BUTTON, Board
from sim.firmware_build import IMAGE, ROOT, build_firmware, heap
from sim.flash_journal import JournalEntry, read_journal
from sim.lamp import LampReader
from sim.romfs import SEARCH_PATH
from sim.shims.board import PINS

__all__ = ["BUTTON", "JournalEntry", "UnitError", "UnitFleet", "build_firmware", "read_journal"]

CONTACTS = {profiles.OWN: BUTTON, profiles.MAN_DOWN: PINS["man_down"], profiles.DURESS: PINS["duress"]}
"""The pins that a finger (or a fall) closes, by input."""
EXIT_RESET, EXIT_DEEP_SLEEP = 75, 76  # sim/shims/machine.py: what the firmware has done to its board
FINGER_S = 0.05
"""How long the operator's finger stays on the button."""
RELEASE_S = 0.1
"""How long it stays off before the next press; the firmware takes anything shorter for a bounce."""
EDGE_S = 60.0
"""How long a unit may take to see its own button, on a busy machine."""
START_S = 180.0
RESET_S = 1.0
"""From a reset to the first instruction."""
MOST_RESETS = 3
"""A unit that resets itself this often before it has its pins is not started again."""
LONGEST = 4096


class UnitError(Exception):
    """A unit does not run, or does not do what a board must; the message says which and where its console is."""


class UnitFleet:
    """Simulated units, used inside one running asyncio loop.

    `build` is where compiled firmware is kept. `spread_ms` bounds the units' own random delays at boot; None takes one
    second per 25 units, at least one, so that their TLS handshakes do not all come at once. `on_lamp(unit, stage,
    time)` is called at every change of a lamp (time.monotonic), `on_exit(unit, status)` when a process ends that was
    not killed from here and is not asleep, `on_levels(unit, levels)` at every change of the outputs (bit n is pin n),
    and with 0 when the power goes. A unit that has reset itself, or whose watchdog has bitten, comes back as hardware
    would; one in deep sleep comes back after its time or at its button; any other stays down. `on_sleep(unit, sleep)`
    is called when one falls asleep (sim.board.Sleep). `sleep_speed` makes deep sleeps shorter, and nothing else.
    """

    def __init__(
        self,
        build: Path,
        *,
        spread_ms: int | None = None,
        on_lamp: Callable[[int, str, float], None] | None = None,
        on_exit: Callable[[int, int], None] | None = None,
        on_levels: Callable[[int, int], None] | None = None,
        sleep_speed: float = 1.0,
    ) -> None:
        self._build_folder = build
        self._spread_ms = spread_ms
        self.on_lamp = on_lamp
        self.on_exit = on_exit
        self.on_levels = on_levels
        self.on_sleep: Callable[[int, boards.Sleep], None] | None = None
        self.sleep_speed = sleep_speed
        self.interpreter = ""
        """The version that the units' interpreter reports; empty before the first unit is up."""
        self._boards: dict[int, Board] = {}
        self._zygote: asyncio.subprocess.Process | None = None
        self._reader: asyncio.Task[None] | None = None
        self._exits: set[asyncio.Task[None]] = set()
        self._socket: socket.socket | None = None
        self._address = ""
        self._lamps: dict[int, list[tuple[str, asyncio.Future[None]]]] = {}

    async def start(self, folders: dict[int, Path], env: dict[int, dict[str, str]] | None = None) -> None:
        """Power up these units, and return when each has its pins. May be called again for more.

        `env` is what a unit finds in its environment besides, at every power-up: {unit: {name: value}}.
        Raises UnitError if one does not come up, BuildError if the firmware does not compile.
        """
        if self._zygote is None:
            await self._open(len(folders))
        for unit, folder in folders.items():
            if unit in self._boards:
                raise UnitError(f"unit {unit:08x} is part of the fleet already; use restart")
            self._boards[unit] = Board(unit, folder.absolute(), dict((env or {}).get(unit, {})))
        for unit in folders:
            await self._power(self._boards[unit], boards.CAUSE_POWER)
        await self._wait_present([self._boards[unit] for unit in folders])

    async def _open(self, count: int) -> None:
        made = await asyncio.to_thread(build_firmware, self._build_folder)
        self._address = f"livlina-{secrets.token_hex(8)}"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.bind(f"\0{self._address}")
        asyncio.get_running_loop().add_reader(self._socket.fileno(), self._hear)
        spread = self._spread_ms if self._spread_ms is not None else max(1000, count * 40)
        self._zygote = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "sim.zygote", str(spread), heap(made), str(made / IMAGE),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, cwd=ROOT, env=dict(os.environ),
            # The interpreter turns a Ctrl-C at the terminal into an end of the unit: units are not to hear it.
            start_new_session=True,
        )  # fmt: skip
        self._reader = asyncio.create_task(self._follow(self._zygote))

    async def _follow(self, zygote: asyncio.subprocess.Process) -> None:
        """What the zygote tells, until it ends."""
        assert zygote.stdout is not None
        while line := await zygote.stdout.readline():
            news = json.loads(line)
            if "started" in news:
                board = self._boards[news["started"]]
                board.pid = news["pid"]
                self._arrived(board)
            elif "exited" in news:
                exited = asyncio.create_task(self._exited(self._boards[news["exited"]], news["status"]))
                self._exits.add(exited)
                exited.add_done_callback(self._exits.discard)
            else:
                raise UnitError(f"the zygote: {news['error']}")
        for board in self._boards.values():
            board.wanted = False
            await self._exited(board, 0)

    async def _exited(self, board: Board, status: int) -> None:
        self._hear()  # what the board said last is older than its end
        present = board.address is not None
        board.release()
        board.present.clear()
        bitten, board.bitten = board.bitten, False
        if board.wanted and status == EXIT_DEEP_SLEEP and board.sleep is not None:
            board.asleep = True
        board.gone.set()
        if board.asleep:
            self._levels(board, board.sleep.held[1] if board.sleep is not None else 0)
            await self._sleep(board)
            return
        board.break_edges(UnitError(f"unit {board.unit:08x} lost its power during the press"))
        self._levels(board, 0)
        if not board.wanted:
            return
        if self.on_exit is not None:
            self.on_exit(board.unit, status)
        back = bitten or status == EXIT_RESET
        if not present:
            board.resets += 1
            if not back or board.resets == MOST_RESETS:
                board.failed = f"ended with status {status} before it had its pins"
                board.present.set()
                return
        if back:
            # As long as a board takes; the flash, and with it the firmware's count of crashes, stays as it is.
            await asyncio.sleep(RESET_S)
            if board.wanted:
                await self._power(board, boards.CAUSE_WATCHDOG if bitten else boards.CAUSE_RESET)

    async def _sleep(self, board: Board) -> None:
        """Deep sleep: until its time is over, until its pin has its level, or until the power goes."""
        assert board.sleep is not None
        if self.on_sleep is not None:
            self.on_sleep(board.unit, board.sleep)
        if not board.at_wake_level():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(board.sleep.ms / 1000 / self.sleep_speed if board.sleep.ms else None):
                    await board.roused.wait()
        if board.wanted and board.asleep:
            await self._power(board, boards.CAUSE_DEEP_SLEEP)

    def _bite(self, board: Board) -> None:
        """The watchdog's time is over. If it has been fed meanwhile, it goes on waiting."""
        self._hear()
        if board.bite_at is None or board.pid is None:
            return
        if time.monotonic() < board.bite_at:
            board.watch(self._bite)
            return
        board.bitten = True
        asyncio.get_running_loop().create_task(self._order(kill=board.unit))

    async def _order(self, **fields: object) -> None:
        if self._zygote is None or self._zygote.stdin is None:
            raise UnitError("the fleet has not been started")
        self._zygote.stdin.write(json.dumps(fields).encode() + b"\n")
        await self._zygote.stdin.drain()

    async def _power(self, board: Board, cause: int) -> None:
        board.wanted = True
        board.failed = None
        board.present.clear()
        board.gone.clear()
        env = {"MICROPYPATH": SEARCH_PATH, "LIVLINA_BOARD": self._address, **board.environment(cause)}
        board.asleep = False
        board.sleep = None
        board.roused.clear()
        await self._order(start=board.unit, folder=str(board.folder), env=env)

    async def _wait_present(self, boards: list[Board]) -> None:
        try:
            async with asyncio.timeout(START_S):
                for board in boards:
                    await board.present.wait()
                    if board.failed:
                        raise UnitError(
                            f"unit {board.unit:08x} {board.failed}: see {board.folder / 'console.log'} "
                            "(and whether that folder can be used)"
                        )
        except TimeoutError:
            absent = [board for board in boards if not board.present.is_set()]
            raise UnitError(
                f"{len(absent)} units did not come up, for one {absent[0].unit:08x}: "
                f"see {absent[0].folder / 'console.log'}"
            ) from None

    def _hear(self) -> None:
        """Datagrams of the boards."""
        while self._socket is not None:
            try:
                data, address = self._socket.recvfrom(LONGEST)
            except BlockingIOError:
                return
            if len(data) < 6:
                continue
            unit, levels = boards.HEADER.unpack_from(data, 1)
            board = self._boards.get(unit)
            if board is not None:
                self._take(board, data[:1], levels, data[6:], address)

    def _take(self, board: Board, kind: bytes, levels: int, rest: bytes, address: bytes) -> None:
        """One datagram of a board; sim/shims/board_wires.py says what they are."""
        if kind == b"H":
            self._greet(board, address, rest.decode())
        elif kind == b"E":
            edge = board.edges.pop(rest[0], None)
            if edge is not None and not edge.done():
                edge.set_result(None)
        elif kind == b"W":
            board.fed(struct.unpack(">I", rest)[0])
            board.watch(self._bite)
        elif kind == b"D":
            board.announce(rest)
        whole = struct.unpack(">I", rest)[0] if kind == b"O" else board.levels & ~0xFF | levels
        if board.lamp is not None:
            board.lamp.levels(whole, time.monotonic())
        self._levels(board, whole)

    def _levels(self, board: Board, levels: int) -> None:
        if levels != board.levels:
            board.levels = levels
            if self.on_levels is not None:
                self.on_levels(board.unit, levels)

    def _greet(self, board: Board, address: bytes, interpreter: str) -> None:
        board.address = address
        self.interpreter = self.interpreter or interpreter
        board.dark()
        board.resets = 0
        loop = asyncio.get_running_loop()
        board.lamp = LampReader(loop.call_later, lambda stage, at: self._show(board.unit, stage, at))
        for order in board.missed():
            self._send(board, order)
        for edge in board.edges.values():
            # The press that has woken the board: it is awake.
            if not edge.done():
                edge.set_result(None)
        board.edges.clear()
        self._arrived(board)

    def _arrived(self, board: Board) -> None:
        """The board speaks for itself and the zygote has told of its process, in either order."""
        if board.address is not None and board.pid is not None:
            board.present.set()

    def _show(self, unit: int, stage: str, at: float) -> None:
        waiting = self._lamps.get(unit, [])
        for wanted, future in list(waiting):
            if wanted == stage:
                waiting.remove((wanted, future))
                if not future.done():
                    future.set_result(None)
        if self.on_lamp is not None:
            self.on_lamp(unit, stage, at)

    def _member(self, unit: int) -> Board:
        board = self._boards.get(unit)
        if board is None:
            raise UnitError(f"unit {unit:08x} is not part of this fleet")
        return board

    def _running(self, unit: int) -> Board:
        board = self._member(unit)
        if board.address is None:
            raise UnitError(f"unit {unit:08x} {'sleeps' if board.asleep else 'has no power'}")
        return board

    def _powered(self, unit: int) -> Board:
        board = self._member(unit)
        return board if board.asleep else self._running(unit)

    async def wait_present(self, unit: int) -> None:
        """Until a unit that has reset itself is back with its pins; its console may speak before. Raises UnitError."""
        await self._wait_present([self._member(unit)])

    async def press(self, unit: int, input: int = 0) -> None:
        """Press and release the unit's button, or close and open another contact (core.profiles: 300 a fall, 301
        duress); returns when the board has seen both edges, or has been woken by the first.

        That is before the firmware has put the press into its journal: see wait_lamp. Presses of one unit wait for each
        other. Raises UnitError if the unit has no power, or loses it meanwhile.
        """
        if input not in CONTACTS:
            raise UnitError(f"input {input} has no contact on this board: {', '.join(map(str, CONTACTS))}")
        board = self._powered(unit)
        async with board.finger:
            await asyncio.sleep(max(0.0, board.rested - time.monotonic()))
            await self._contact(board, CONTACTS[input], 0)
            await asyncio.sleep(FINGER_S)
            await self._contact(board, CONTACTS[input], 1)
            board.rested = time.monotonic() + RELEASE_S

    async def set_pin(self, unit: int, name: str, level: int) -> None:
        """Give an input of the board (sim/shims/board.py) a level, which stays; returns when the board has seen it.
        Works without power and in deep sleep too: the board finds it so when it starts."""
        board = self._member(unit)
        if name not in PINS:
            raise UnitError(f"{name!r} is no pin of the board: {', '.join(PINS)}")
        if board.address is None and not board.asleep:
            board.put(PINS[name], level)
        else:
            await self._contact(board, PINS[name], level)

    async def set_adc(self, unit: int, name: str, raw: int) -> None:
        """What the converter `battery`, `supply` or `temperature` sees from now on, as its raw value (u16)."""
        board = self._member(unit)
        try:
            number = boards.channel(name)
        except KeyError:
            raise UnitError(f"{name!r} is no converter of the board") from None
        board.raw[number] = raw
        if board.address is not None:
            await self._act(board, boards.adc_order(number, raw))

    async def set_voltage(self, unit: int, name: str, value: int) -> None:
        """The same, in mV of the battery or supply itself (or degrees C for `temperature`)."""
        await self.set_adc(unit, name, boards.raw_of(name, value))

    async def pendant(self, unit: int, frame: bytes) -> None:
        """A pendant of core.pendants advertises this frame once. A radio that does not scan does not hear it."""
        await self._act(self._running(unit), boards.radio_order(boards.advertisement(frame)))

    async def _contact(self, board: Board, pin: int, level: int) -> None:
        board.put(pin, level)
        if board.asleep or board.address is None:
            await self._wait_awake(board, pin, level)
        else:
            await self._act(board, boards.pin_order(pin, level))

    async def _wait_awake(self, board: Board, pin: int, level: int) -> None:
        """An edge that no processor sees; if it ends the sleep, it is seen when the board is up."""
        if not board.wanted:
            raise UnitError(f"unit {board.unit:08x} has no power")
        if board.sleep is not None and board.sleep.pin == pin and board.sleep.level == level:
            await self._wait_present([board])

    async def _act(self, board: Board, order: bytes) -> None:
        """The world does something; until the board has noticed."""
        board.serial = board.serial + 1 & 0xFF
        edge: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        board.edges[board.serial] = edge
        try:
            async with asyncio.timeout(EDGE_S):
                self._send(board, order, board.serial)
                await edge
        except TimeoutError:
            raise UnitError(
                f"unit {board.unit:08x} did not notice its button within {EDGE_S:.0f} s: "
                f"see {board.folder / 'console.log'}"
            ) from None
        except OSError as error:
            raise UnitError(f"unit {board.unit:08x} has no power ({error})") from error

    def _send(self, board: Board, order: bytes, serial: int = 0) -> None:
        assert self._socket is not None and board.address is not None
        self._socket.sendto(order[:1] + bytes((serial,)) + order[2:], board.address)

    def asleep(self, unit: int) -> bool:
        """Whether the unit is in deep sleep."""
        return self._member(unit).asleep

    def lamp(self, unit: int) -> str:
        """What the wearer sees: off, trying, stored, accepted, taken or not_delivered. A unit without power is off."""
        board = self._boards[unit]
        return board.lamp.stage if board.lamp is not None else stages.NAMES[stages.OFF]

    async def wait_lamp(self, unit: int, stage: str, timeout: float) -> None:
        """Until the lamp shows this stage; at once if it does. Raises UnitError after `timeout` seconds."""
        if stage not in stages.NAMES:
            raise UnitError(f"{stage!r} is no stage of a lamp: {', '.join(stages.NAMES)}")
        if self.lamp(unit) == stage:
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._lamps.setdefault(unit, []).append((stage, future))
        try:
            async with asyncio.timeout(timeout):
                await future
        except TimeoutError:
            raise UnitError(
                f"unit {unit:08x} shows {self.lamp(unit)}, not {stage}, after {timeout:.0f} s: "
                f"see {self._boards[unit].folder / 'console.log'}"
            ) from None
        finally:
            with contextlib.suppress(ValueError):
                self._lamps[unit].remove((stage, future))

    async def kill(self, unit: int) -> None:
        """Cut the unit's power (SIGKILL); returns when the process is gone."""
        board = self._boards[unit]
        board.wanted = False
        if board.asleep:
            board.asleep = False
            board.roused.set()
            self._levels(board, 0)
        if not board.gone.is_set():
            await self._order(kill=unit)
            await board.gone.wait()

    async def restart(self, unit: int) -> None:
        """Cut the power if it is on, and power up again on the same flash."""
        board = self._boards[unit]
        await self.kill(unit)
        await self._power(board, boards.CAUSE_POWER)
        await self._wait_present([board])

    def pids(self) -> dict[int, int]:
        """Process ids of the units that have power."""
        return {board.unit: board.pid for board in self._boards.values() if board.pid is not None}

    async def stop(self) -> None:
        """Cut the power of all units and give everything back. May be called more than once."""
        for board in self._boards.values():
            board.wanted = False
            board.asleep = False
            board.roused.set()
        if self._zygote is not None:
            assert self._zygote.stdin is not None
            self._zygote.stdin.close()
            await self._zygote.wait()
            self._zygote = None
        if self._reader is not None:
            await self._reader
            self._reader = None
        for board in self._boards.values():
            board.release()
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket.fileno())
            self._socket.close()
            self._socket = None
