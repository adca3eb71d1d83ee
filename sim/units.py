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
from dataclasses import dataclass
from pathlib import Path

from firmware.core import records, stages
from sim.firmware_build import ROOT, build_firmware, search_path
from sim.lamp import LampReader

__all__ = ["JournalEntry", "UnitError", "UnitFleet", "build_firmware", "read_journal"]

BUTTON = 0
EXIT_RESET = 75  # sim/shims/machine.py: the firmware has reset its board
CAUSE_POWER, CAUSE_RESET = "1", "2"
FINGER_S = 0.05
"""How long the operator's finger stays on the button."""
RELEASE_S = 0.1
"""How long it stays off before the next press; the firmware takes anything shorter for a bounce."""
EDGE_S = 10.0
"""How long a unit may take to see its own button."""
START_S = 60.0
RESET_S = 1.0
"""From a reset to the first instruction."""
MOST_RESETS = 3
"""A unit that resets itself this often before it has its pins is not started again."""


class UnitError(Exception):
    """A unit does not run, or does not do what a board must; the message says which and where its console is."""


@dataclass(frozen=True)
class JournalEntry:
    """One press as the unit's flash tells it; `stage` 0 not stored, 1 stored, 2 accepted, 3 taken."""

    boot: int
    seq: int
    kind: int
    input: int
    stage: int
    count: int
    clock: int


def read_journal(folder: Path) -> list[JournalEntry]:
    """All presses that a unit's flash holds, oldest first. Works while the unit runs, and after any power cut."""
    entries: dict[tuple[int, int], records.Entry] = {}
    for name in ("journal.old", "journal"):
        with contextlib.suppress(FileNotFoundError), (folder / name).open("rb") as file:
            while (found := records.unframe(file.read)) is not None:
                record = found[0]
                key = (record.get(records.BOOT, 0), record.get(records.SEQ, 0))
                # An open press is carried into the new file: what the old one knew of it stays known.
                if record[records.TYPE] != records.PRESS or key not in entries:
                    records.fold(entries, record)
    return [
        JournalEntry(entry.boot, entry.seq, entry.kind, entry.input, entry.stage, entry.count, entry.clock)
        for entry in entries.values()
    ]


class _Board:
    """What the sim knows of one unit's board."""

    def __init__(self, unit: int, folder: Path) -> None:
        self.unit = unit
        self.folder = folder
        self.pid: int | None = None
        self.wanted = False
        self.resets = 0
        self.failed: str | None = None
        self.address: bytes | None = None
        self.present = asyncio.Event()
        self.gone = asyncio.Event()
        self.gone.set()
        self.finger = asyncio.Lock()
        self.rested = 0.0
        self.serial = 0
        self.edges: dict[int, asyncio.Future[None]] = {}
        self.lamp: LampReader | None = None


class UnitFleet:
    """Simulated units, used inside one running asyncio loop.

    `build` is where compiled firmware is kept. `spread_ms` bounds the units' own random delays at boot; None takes one
    second per 25 units, at least one, so that their TLS handshakes do not all come at once. `on_lamp(unit, stage,
    time)` is called at every change of a lamp (time.monotonic), `on_exit(unit, status)` when a process ends that was
    not killed from here; a unit that has reset itself comes back as hardware would, any other stays down.
    """

    def __init__(
        self,
        build: Path,
        *,
        spread_ms: int | None = None,
        on_lamp: Callable[[int, str, float], None] | None = None,
        on_exit: Callable[[int, int], None] | None = None,
    ) -> None:
        self._build_folder = build
        self._spread_ms = spread_ms
        self.on_lamp = on_lamp
        self.on_exit = on_exit
        self.interpreter = ""
        """The version that the units' interpreter reports; empty before the first unit is up."""
        self._boards: dict[int, _Board] = {}
        self._zygote: asyncio.subprocess.Process | None = None
        self._reader: asyncio.Task[None] | None = None
        self._exits: set[asyncio.Task[None]] = set()
        self._socket: socket.socket | None = None
        self._address = ""
        self._path = ""
        self._lamps: dict[int, list[tuple[str, asyncio.Future[None]]]] = {}

    async def start(self, folders: dict[int, Path]) -> None:
        """Power up these units, and return when each has its pins. May be called again for more.

        Raises UnitError if one does not come up, BuildError if the firmware does not compile.
        """
        if self._zygote is None:
            await self._open(len(folders))
        for unit, folder in folders.items():
            if unit in self._boards:
                raise UnitError(f"unit {unit:08x} is part of the fleet already; use restart")
            self._boards[unit] = _Board(unit, folder.absolute())
        for unit in folders:
            await self._power(self._boards[unit], CAUSE_POWER)
        await self._wait_present([self._boards[unit] for unit in folders])

    async def _open(self, count: int) -> None:
        self._path = search_path(await asyncio.to_thread(build_firmware, self._build_folder))
        self._address = f"livlina-{secrets.token_hex(8)}"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.bind(f"\0{self._address}")
        asyncio.get_running_loop().add_reader(self._socket.fileno(), self._hear)
        spread = self._spread_ms if self._spread_ms is not None else max(1000, count * 40)
        self._zygote = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "sim.zygote", str(spread),
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

    async def _exited(self, board: _Board, status: int) -> None:
        board.pid = None
        present = board.address is not None
        board.address = None
        board.present.clear()
        board.gone.set()
        for edge in board.edges.values():
            if not edge.done():
                edge.set_exception(UnitError(f"unit {board.unit:08x} lost its power during the press"))
        board.edges.clear()
        self._dark(board)
        if not board.wanted:
            return
        if self.on_exit is not None:
            self.on_exit(board.unit, status)
        if not present:
            board.resets += 1
            if status != EXIT_RESET or board.resets == MOST_RESETS:
                board.failed = f"ended with status {status} before it had its pins"
                board.present.set()
                return
        if status == EXIT_RESET:
            # As long as a board takes; the flash, and with it the firmware's count of crashes, stays as it is.
            await asyncio.sleep(RESET_S)
            if board.wanted:
                await self._power(board, CAUSE_RESET)

    async def _order(self, **fields: object) -> None:
        if self._zygote is None or self._zygote.stdin is None:
            raise UnitError("the fleet has not been started")
        self._zygote.stdin.write(json.dumps(fields).encode() + b"\n")
        await self._zygote.stdin.drain()

    async def _power(self, board: _Board, cause: str) -> None:
        board.wanted = True
        board.failed = None
        board.present.clear()
        board.gone.clear()
        env = {"MICROPYPATH": self._path, "LIVLINA_BOARD": self._address, "LIVLINA_RESET_CAUSE": cause}
        await self._order(start=board.unit, folder=str(board.folder), env=env)

    async def _wait_present(self, boards: list[_Board]) -> None:
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
        assert self._socket is not None
        while True:
            try:
                data, address = self._socket.recvfrom(256)
            except BlockingIOError:
                return
            if len(data) < 6:
                continue
            unit, levels = struct.unpack(">IB", data[1:6])
            board = self._boards.get(unit)
            if board is None:
                continue
            if data[:1] == b"H":
                self._greet(board, address, data[6:].decode())
            elif data[:1] == b"E":
                edge = board.edges.pop(data[6], None)
                if edge is not None and not edge.done():
                    edge.set_result(None)
            if board.lamp is not None:
                board.lamp.levels(levels, time.monotonic())

    def _greet(self, board: _Board, address: bytes, interpreter: str) -> None:
        board.address = address
        self.interpreter = self.interpreter or interpreter
        self._dark(board)
        board.resets = 0
        loop = asyncio.get_running_loop()
        board.lamp = LampReader(loop.call_later, lambda stage, at: self._show(board.unit, stage, at))
        self._arrived(board)

    def _arrived(self, board: _Board) -> None:
        """The board speaks for itself and the zygote has told of its process, in either order."""
        if board.address is not None and board.pid is not None:
            board.present.set()

    def _dark(self, board: _Board) -> None:
        if board.lamp is not None:
            board.lamp.close()
            board.lamp = None

    def _show(self, unit: int, stage: str, at: float) -> None:
        waiting = self._lamps.get(unit, [])
        for wanted, future in list(waiting):
            if wanted == stage:
                waiting.remove((wanted, future))
                if not future.done():
                    future.set_result(None)
        if self.on_lamp is not None:
            self.on_lamp(unit, stage, at)

    def _running(self, unit: int) -> _Board:
        board = self._boards.get(unit)
        if board is None:
            raise UnitError(f"unit {unit:08x} is not part of this fleet")
        if board.address is None:
            raise UnitError(f"unit {unit:08x} has no power")
        return board

    async def press(self, unit: int, input: int = 0) -> None:
        """Press and release the unit's button; returns when the board has seen both edges.

        That is before the firmware has put the press into its journal: see wait_lamp. Presses of one unit wait for each
        other. Raises UnitError if the unit has no power, or loses it meanwhile.
        """
        if input:
            raise UnitError("a unit has one input so far, its own button: 0")
        board = self._running(unit)
        async with board.finger:
            await asyncio.sleep(max(0.0, board.rested - time.monotonic()))
            await self._contact(board, 0)
            await asyncio.sleep(FINGER_S)
            await self._contact(board, 1)
            board.rested = time.monotonic() + RELEASE_S

    async def _contact(self, board: _Board, level: int) -> None:
        if board.address is None or self._socket is None:
            raise UnitError(f"unit {board.unit:08x} has no power")
        board.serial = board.serial + 1 & 0xFF
        edge: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        board.edges[board.serial] = edge
        order = b"P" + bytes((board.serial, BUTTON, level))
        try:
            async with asyncio.timeout(EDGE_S):
                await asyncio.get_running_loop().sock_sendto(self._socket, order, board.address)
                await edge
        except TimeoutError:
            raise UnitError(
                f"unit {board.unit:08x} did not notice its button within {EDGE_S:.0f} s: "
                f"see {board.folder / 'console.log'}"
            ) from None
        except OSError as error:
            raise UnitError(f"unit {board.unit:08x} has no power ({error})") from error

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
        if not board.gone.is_set():
            await self._order(kill=unit)
            await board.gone.wait()

    async def restart(self, unit: int) -> None:
        """Cut the power if it is on, and power up again on the same flash."""
        board = self._boards[unit]
        await self.kill(unit)
        await self._power(board, CAUSE_POWER)
        await self._wait_present([board])

    def pids(self) -> dict[int, int]:
        """Process ids of the units that have power."""
        return {board.unit: board.pid for board in self._boards.values() if board.pid is not None}

    async def stop(self) -> None:
        """Cut the power of all units and give everything back. May be called more than once."""
        for board in self._boards.values():
            board.wanted = False
        if self._zygote is not None:
            assert self._zygote.stdin is not None
            self._zygote.stdin.close()
            await self._zygote.wait()
            self._zygote = None
        if self._reader is not None:
            await self._reader
            self._reader = None
        for board in self._boards.values():
            board.pid = None
            board.address = None
            self._dark(board)
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket.fileno())
            self._socket.close()
            self._socket = None
