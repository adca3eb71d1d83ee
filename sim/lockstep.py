"""Units, modems and servers on one clock that moves only when all of them have come to rest.

A unit is the real firmware in MicroPython with sim/shims/virtual_time.py under it: it declares when it has nothing to
do, until when, and how much it has sent and received so far. Time moves when every declaration agrees with what was
counted here, byte by byte on its line and datagram by datagram, and when no datagram is between two sockets of this
process. So nothing in flight is skipped, nothing waits for a pause, and one seed gives one run.

    with LockStep(build) as world:
        unit = world.add_unit(1, folder, seed=1, rig=Rig(load("calm"), world.clock))
        world.run(3600, until=lambda: ...)
"""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import socket
import struct
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType

from fleet.store.postgres_child import ties_to_parent
from sim import firmware_build
from sim.board import (
    BUTTON,
    CAUSE_DEEP_SLEEP,
    CAUSE_POWER,
    CAUSE_RESET,
    Board,
    advertisement,
    pin_order,
    radio_order,
)
from sim.lamp import LampReader
from sim.modem.clock import SteppedClock, Timer
from sim.modem.path import Address, Flights
from sim.modem.rig import Rig
from sim.poller import Poller
from sim.restless import Restless

PATIENCE_S = 60
"""Real seconds that a party may take to come to rest, on a machine that is busy with other things."""
RESET_S = 1.0
"""From a reset to the first instruction."""
MOST_HASTY = 5
"""So many resets in a row before it has come to rest once: it will never get further, safe mode is behind it."""
EPOCH = 1_790_000_000
"""Unix seconds at time 0."""
CLOCK_KB = 6
"""What virtual_time.py itself takes of a heap comes on top: the firmware has the room that it has elsewhere."""
COMMAND = "import firmware.main; firmware.main.run({spread})"
_INSTALL = "import virtual_time; virtual_time.install(); "
FINGER_S = 0.05
EXIT_RESET, EXIT_DEEP_SLEEP = 75, 76
_DECLARATION = struct.Struct(">7q")


def is_there(address: Address) -> bool:
    """Whether somebody on this machine has a UDP socket there. A unit that has heard nothing for a while takes another
    one, and what still comes to the old one is lost: nobody may be waited for to receive it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(address)
        except OSError:
            return True
    return False


class StuckError(Exception):
    """Somebody does not come to rest; the message says who, and what the books of both sides hold."""


class VirtualUnit:
    """One unit. Attributes: `number`, `folder` (its flash), `rig` or None, `stage` (what its lamp says), `lamps` as
    (seconds, stage) in order, `resets` as (seconds, status), `naps` (deep sleeps), `declarations` (how often it came to
    rest), `board` (what is wired to it), `own_network` (whether it has sockets of its own, as without a modem)."""

    def __init__(
        self, world: LockStep, number: int, folder: Path, seed: int, rig: Rig | None, command: str, ticks: int
    ) -> None:
        self.number = number
        self.folder = folder.absolute()
        self.rig = rig
        self.own_network = rig is None
        self.lamps: list[tuple[float, str]] = []
        self.resets: list[tuple[float, int]] = []
        self.declarations = 0
        self.naps = 0
        self.board = Board(number, self.folder)
        self._world = world
        self._seed = seed
        self._command = _INSTALL + command
        self._ticks = ticks
        self._process: subprocess.Popen[bytes] | None = None
        self._wire: socket.socket | None = None
        self._alarm_clock: Timer | None = None
        self._board = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._board_name = f"livlina-board-{secrets.token_hex(8)}"
        self._board.bind("\0" + self._board_name)
        self._board.setblocking(False)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._clock_name = f"livlina-clock-{secrets.token_hex(8)}"
        self._listener.bind("\0" + self._clock_name)
        self._listener.listen(1)
        self._serial = 0
        self._hasty = 0  # resets in a row that came before it had come to rest once
        world.poller.add_reader(self._board, self._board_calls)
        world.poller.add_reader(self._listener, self._connected)
        if rig is not None:
            rig.before_write = self.tell_time

    # Power

    def power_up(self, cause: int = CAUSE_POWER) -> None:
        """Start the process."""
        made = self.board.environment(cause)
        self.board.asleep = False
        self.board.sleep = None
        self.board.roused.clear()
        self._forget()
        self._stir()
        # A clock runs on through deep sleep, and through nothing else.
        epoch = EPOCH + (self._offset // 1000 if cause == CAUSE_DEEP_SLEEP else 0)
        env = {
            **os.environ, **firmware_build.environment(self._world.build), "LIVLINA_UNIT": str(self.number),
            "LIVLINA_BOARD": self._board_name, "LIVLINA_CLOCK": self._clock_name, "LIVLINA_SEED": str(self._seed),
            "LIVLINA_EPOCH": str(epoch), "LIVLINA_TICKS": str(self._ticks), "LIVLINA_WDT": "off",
            **(self.rig.environment if self.rig is not None else {}), **made,
        }  # fmt: skip
        with (self.folder / "console.log").open("ab") as console:
            self._process = subprocess.Popen(  # noqa: S603 - the interpreter of the units
                self._world.command(self._command),
                cwd=self.folder, env=env, stdin=subprocess.DEVNULL, stdout=console, stderr=console,
                start_new_session=True,
                preexec_fn=ties_to_parent(signal.SIGKILL),  # noqa: PLW1509 - safe: see there
            )  # fmt: skip

    def power_cut(self) -> None:
        """Take the power away, now."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
        self.board.asleep = False
        self._drop_wire()
        self._outputs(0)
        self._forget()

    def _outputs(self, levels: int) -> None:
        if self.rig is not None:
            self.rig.set_levels(levels)

    def _forget(self) -> None:
        """Books of a unit that has just begun."""
        self._now = 0
        self._until: int | None = None
        self._declared: tuple[int, ...] | None = None
        self._offset = self._ms()
        self._told = 0
        self._orders = 0
        self._reports = 0
        self._address: str | bytes | None = None
        if self.rig is not None:
            self.rig.flush()
        clock = self._world.clock
        self._lamp = LampReader(
            lambda seconds, call, *words: clock.call_later(seconds, lambda: call(*words)), self._show
        )  # fmt: skip

    def _show(self, stage: str, at: float) -> None:
        self.lamps.append((self._world.clock.now(), stage))
        self._world.showed(self.number, stage)

    @property
    def stage(self) -> str:
        """What the wearer sees."""
        return self._lamp.stage

    @property
    def lamp(self) -> LampReader:
        """The lamp's reader, which hears the speaker too."""
        return self._lamp

    # Time

    def _stir(self) -> None:
        self._world.restless.stir(self.number)

    def at_rest(self) -> bool:
        """Whether it has declared so, and everything that either side has sent has been read by the other."""
        if self._process is None:
            return True
        if self._declared is None:
            return False
        said, heard = (0, 0) if self.rig is None else (self.rig.said, self.rig.heard)
        return self._declared == (said, heard, self._reports, self._orders, self._told)

    def due(self) -> float | None:
        """When it wants to go on by itself."""
        if self._process is None or self._until is None:
            return None
        return (self._until + self._offset) / 1000

    def _ms(self) -> int:
        # Never rounded up: a unit that began in the middle of a millisecond would be told a time before its start.
        return int(self._world.clock.now() * 1000 + 1e-4)

    def tell_time(self) -> None:
        """Give it the present time, before anything that happens now can be noticed by it."""
        self._stir()
        now = self._ms() - self._offset
        if self._wire is not None and now != self._now:
            self._now = now
            self._told += 1
            self._wire.sendall(struct.pack(">q", now))

    def _connected(self) -> None:
        self._drop_wire()
        self._wire, _ = self._listener.accept()
        self._world.poller.add_reader(self._wire, self._from_clock)

    def _from_clock(self) -> None:
        assert self._wire is not None
        try:
            data = self._wire.recv(_DECLARATION.size)
        except ConnectionResetError:
            data = b""
        if not data:
            self._ended()
            return
        _, until, read, written, sent, received, heard = _DECLARATION.unpack(data)
        self._until = None if until < 0 else until
        self._declared = (read, written, sent, received, heard)
        self.declarations += 1
        self._stir()
        self._world.restless.wants(self)

    def _ended(self) -> None:
        self._drop_wire()
        assert self._process is not None
        status = self._process.wait()
        # Its last words may still lie there.
        with contextlib.suppress(BlockingIOError):
            while True:
                self._from_board()
        self._process = None
        rested = self._declared is not None
        if status == EXIT_DEEP_SLEEP and self.board.sleep is not None:
            self._sleep()
            return
        self.resets.append((self._world.clock.now(), status))
        self._outputs(0)
        self._forget()
        self._hasty = 0 if rested else self._hasty + 1
        if status != EXIT_RESET or self._hasty >= MOST_HASTY:
            raise StuckError(f"unit {self.number:08x} ended with status {status}: see {self.folder / 'console.log'}")
        self._world.clock.call_later(RESET_S, lambda: self.power_up(CAUSE_RESET))

    def _sleep(self) -> None:
        """Deep sleep: until its time is over, or until its pin has its level."""
        sleep = self.board.sleep
        assert sleep is not None
        self.naps += 1
        mask, levels = sleep.held
        self._outputs(mask & levels)
        self._forget()
        self.board.asleep = True
        if self.board.at_wake_level():
            self._wake()
        elif sleep.ms:
            self._alarm_clock = self._world.clock.call_later(sleep.ms / 1000, self._wake)

    def _wake(self) -> None:
        if self._alarm_clock is not None:
            self._alarm_clock.cancel()
        if self.board.asleep:
            self.power_up(CAUSE_DEEP_SLEEP)

    def _drop_wire(self) -> None:
        if self._wire is not None:
            self._world.poller.remove_reader(self._wire)
            self._wire.close()
            self._wire = None

    # The board

    def _board_calls(self) -> None:
        # Its descriptor's number may have been another socket's when the poll began, which was closed within the turn.
        with contextlib.suppress(BlockingIOError):
            self._from_board()

    def _from_board(self) -> None:
        data, address = self._board.recvfrom(256)
        if len(data) < 6:
            return
        self._reports += 1
        self._stir()
        self._address = address
        _, levels = struct.unpack(">IB", data[1:6])
        if data[:1] == b"D":
            self.board.announce(data[6:])
        if data[:1] == b"O":
            (self.board.levels,) = struct.unpack(">I", data[6:])
        whole = self.board.levels = self.board.levels & ~0xFF | levels
        self._lamp.levels(whole, self._world.clock.now())
        self._outputs(levels)

    def contact(self, level: int, pin: int = BUTTON) -> None:
        """The wire of an input has this level from now on; a board without power finds it so when it starts."""
        self.board.put(pin, level)
        if self.board.asleep and self.board.roused.is_set():
            self._wake()
        self._order(pin_order(pin, level))

    def pendant(self, frame: bytes) -> None:
        """A pendant of core.pendants advertises this frame once; without power, or asleep, nobody hears it."""
        self._order(radio_order(advertisement(frame)))

    def _order(self, order: bytes) -> None:
        if self._address is None:
            return
        self.tell_time()
        self._serial = self._serial + 1 & 0xFF
        self._orders += 1
        self._board.sendto(order[:1] + bytes((self._serial,)) + order[2:], self._address)

    def press(self, seconds: float = FINGER_S) -> None:
        """The finger goes down now and up later."""
        self.contact(0)
        self._world.clock.call_later(seconds, lambda: self.contact(1))

    # The unit's own sockets, where it has any

    def came(self) -> None:
        """A datagram of this unit's own has arrived at a server here."""
        self._stir()
        self._reports += 1

    def goes(self) -> None:
        """A server here is about to send one to this unit's own socket."""
        self.tell_time()
        self._orders += 1

    def account(self) -> str:
        """Both sides' books, for an error."""
        said, heard = (0, 0) if self.rig is None else (self.rig.said, self.rig.heard)
        return (
            f"unit {self.number:08x}: declared (read, written, sent, received, times) {self._declared}, "
            f"counted {(said, heard, self._reports, self._orders, self._told)}"
        )

    def close(self) -> None:
        """May be called at any time."""
        self.power_cut()
        for one in (self._board, self._listener):
            self._world.poller.remove_reader(one)
            one.close()


class LockStep:
    """The world that does not move by itself. Attributes: `clock`, `poller`, `flights`, `units` by number;
    `patience_s`, real seconds that coming to rest may take; `on_lamp(unit, stage)`, called when a lamp changes."""

    def __init__(self, build: Path, beside: Sequence[Path] = ()) -> None:
        """`build` is where compiled firmware is kept; `beside` as for build_firmware."""
        self.clock = SteppedClock()
        self.poller = Poller()
        self.flights = Flights()
        self.units: dict[int, VirtualUnit] = {}
        self.restless = Restless(self.units)
        self.on_lamp: Callable[[int, str], None] | None = None
        self.steps = 0
        self.patience_s = float(PATIENCE_S)
        self.build = firmware_build.build_firmware(build, beside)
        self._heap = firmware_build.heap(self.build, CLOCK_KB)
        self._rigs: list[Rig] = []

    def command(self, code: str) -> list[str]:
        """How to run MicroPython code on a unit of this world."""
        return firmware_build.command(self.build, code, self._heap)

    def __enter__(self) -> LockStep:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for unit in self.units.values():
            unit.close()
        for rig in self._rigs:
            rig.close()
        self.poller.close()

    def add_unit(
        self,
        number: int,
        folder: Path,
        *,
        seed: int = 1,
        rig: Rig | None = None,
        spread: int = 1000,
        command: str = COMMAND,
        ticks: int = 0,
    ) -> VirtualUnit:
        """Power up a unit on this flash. A rig must be on this world's clock and not yet open. `spread` bounds the
        unit's random delays at boot (ms); `command` is the program that it runs; `ticks` is where its counter of
        milliseconds begins."""
        if rig is not None:
            rig.open(self.poller, self.flights)
            self._rigs.append(rig)
        unit = self.units[number] = VirtualUnit(self, number, folder, seed, rig, command.format(spread=spread), ticks)
        unit.power_up()
        self.settle()
        return unit

    def showed(self, unit: int, stage: str) -> None:
        """A lamp has changed."""
        if self.on_lamp is not None:
            self.on_lamp(unit, stage)

    def belongs(self, address: Address) -> bool:
        """Whether a datagram's sender is a modem of this world."""
        return self.flights.known(address)

    def settle(self) -> None:
        """Until everybody is at rest. Raises StuckError if that does not come."""
        while not self.at_rest():
            if not self.poller.turn(self.patience_s):
                raise StuckError(
                    f"nobody moves at {self.clock.now():.3f} s; in flight: {not self.flights.over()}; "
                    + self.accounts()
                )

    def at_rest(self) -> bool:
        """Whether everybody is, and nothing is between two of them."""
        return self.flights.over() and self.restless.over()

    def accounts(self) -> str:
        """The books of those who are not at rest, for an error."""
        return "; ".join(unit.account() for unit in self.units.values() if not unit.at_rest())

    def step(self) -> None:
        """The next thing that happens, wherever. Raises StuckError where nothing ever will."""
        # Whatever was done to a unit from outside is noticed before time goes on.
        self.settle()
        self.steps += 1
        mine = self.clock.next_due()
        wanting = self.restless.first()
        if wanting is not None and (mine is None or wanting[0] < mine):
            due, number = wanting
            self.clock.move(due)
            self.units[number].tell_time()
        elif mine is not None:
            self.clock.step()
        else:
            raise StuckError(f"nothing will ever happen after {self.clock.now():.3f} s")
        self.settle()

    def run(self, limit: float, until: Callable[[], bool] | None = None) -> bool:
        """Let time pass until the condition holds, at most `limit` seconds; whether it holds (without one: True)."""
        end = self.clock.now() + limit
        marker = self.clock.call_later(limit, lambda: None)
        try:
            while self.clock.now() < end:
                if until is not None and until():
                    return True
                self.step()
        finally:
            marker.cancel()
        return until is None or until()
