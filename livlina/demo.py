"""``livlina demo``: the whole way of a press on this machine, on real parts, with the times of its three stages."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import math
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console, Group
from rich.live import Live

from fleet.settings import Settings
from fleet.store.embedded_postgres import EmbeddedPostgres
from livlina.demo_score import Before, look, quantiles, score
from livlina.failure import PartFailed
from sim.firmware_build import BuildError
from sim.house import LOGIN, House, Ports
from sim.operator import Operator
from sim.units import UnitError

STAGES = ("stored", "accepted", "taken")
PRESS_EVERY_S = 2.0
SETTLE_S = 60.0
STOPPED_SETTLE_S = 20.0
PERSON_FIRST_S = 20.0


@dataclass(slots=True)
class Press:
    """One press of the finger: when, and when the wearer's lamp showed each stage (seconds after the press)."""

    unit: int
    number: int
    at: float
    wall: float
    stages: dict[str, float] = field(default_factory=dict)

    @property
    def done(self) -> bool:
        """Taken, which is the last stage."""
        return "taken" in self.stages


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """What was asked on the command line. ``seconds`` None means until Ctrl-C."""

    units: int
    seconds: float | None
    headless: bool
    seed: int | None = None


class Board:
    """One line a press on the terminal. On a real terminal the lines of presses under way are filled in live; anywhere
    else a line is printed once its press is taken."""

    def __init__(self, console: Console, pipe: Callable[[int], str]) -> None:
        self._console = console
        self._pipe = pipe
        self._under_way: dict[int, Press] = {}
        self._live = Live(console=console, transient=True, refresh_per_second=8) if console.is_terminal else None

    def __enter__(self) -> Board:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.update("")
            self._live.stop()
        for press in self._under_way.values():
            self.say(self.line(press))

    def hung_up(self) -> bool:
        """The terminal that this ran in is gone: nobody reads on, and nobody can press Ctrl-C any more."""
        return self._live is not None and not sys.stderr.isatty()

    def say(self, line: str) -> None:
        """A line that stays."""
        self._console.print(line, markup=False)

    def show(self, press: Press) -> None:
        """The press has reached another stage."""
        if press.done:
            self._under_way.pop(press.number, None)
            self.say(self.line(press))
        else:
            self._under_way[press.number] = press
        if self._live is not None:
            self._live.update(Group(*(self.line(waiting) for waiting in self._under_way.values())))

    def line(self, press: Press) -> str:
        """When, which, who, how, and the milliseconds to each stage as far as it is reached."""
        clock = time.strftime("%H:%M:%S", time.localtime(press.wall))
        times = "  ".join(
            f"{stage} {press.stages[stage] * 1000:5.0f} ms" if stage in press.stages else f"{stage}     … ms"
            for stage in STAGES
        )
        return f"{clock} #{press.number:<3} {press.unit:08x} {self._pipe(press.unit):<4} {times}"


class Demo:
    """Presses, watches the lamps and keeps the score. The house does the rest."""

    def __init__(self, house: House, options: DemoOptions, board: Board) -> None:
        self._house = house
        self._options = options
        self._board = board
        self._say = board.say
        self._random = random.Random(options.seed)  # noqa: S311 (who presses, not a key)
        self._waiting: dict[int, Press] = {}
        self.presses: list[Press] = []

    async def run(self, stop: asyncio.Event) -> dict[str, Any]:
        """Starts the house, presses until time or ``stop``, waits for what is under way and returns the summary."""
        house = self._house
        house.fleet.on_lamp = self._lamp
        started = time.monotonic()
        before = await asyncio.to_thread(look, house)
        await self._start(stop)
        self._say(f"{house.units} units run {house.fleet.interpreter}, each in its own process; "
                  f"up in {time.monotonic() - started:.1f} s")  # fmt: skip
        self._say(f"operators' page: {house.url}/   log-in: {LOGIN}   password: {house.password()}")
        operator = Operator(
            house.url, LOGIN, house.password(),
            take_after=0.0 if self._options.headless else PERSON_FIRST_S,
            close_after=1.0 if self._options.headless else PERSON_FIRST_S,
        )  # fmt: skip
        working = asyncio.create_task(operator.run())
        pids = dict(house.fleet.pids())
        try:
            await self._press_until(stop)
            await self._settle(stop)
        finally:
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)
        return await self._summary(before, len(set(pids.values())))

    async def _start(self, stop: asyncio.Event) -> None:
        """Starts the house. Raises PartFailed where a Ctrl-C comes first, whatever that did to the parts meanwhile."""
        starting = asyncio.create_task(self._house.start())
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if stop.is_set():
            starting.cancel()
            await asyncio.gather(starting, return_exceptions=True)
            raise PartFailed("stopped before everything was up")
        await starting

    async def _press_until(self, stop: asyncio.Event) -> None:
        seconds = self._options.seconds
        ends = math.inf if seconds is None else time.monotonic() + seconds
        due = time.monotonic()
        order: list[int] = []
        while time.monotonic() < ends and not stop.is_set():
            if self._board.hung_up():
                stop.set()
            if (dead := self._house.dead()) is not None:
                raise PartFailed(f"a part of the house has ended: {dead}")
            if not order:
                order = self._random.sample(range(1, self._house.units + 1), self._house.units)
            unit = next((unit for unit in order if unit not in self._waiting), None)
            if unit is not None and time.monotonic() >= due:
                order.remove(unit)
                due = time.monotonic() + PRESS_EVERY_S
                await self._press(unit)
            elif unit is None:
                order = []
            await _sleep(stop, min(0.2, max(ends - time.monotonic(), 0)))

    async def _press(self, unit: int) -> None:
        press = Press(unit, len(self.presses) + 1, time.monotonic(), time.time())
        self.presses.append(press)
        self._waiting[unit] = press
        self._board.show(press)
        await self._house.fleet.press(unit)

    async def _settle(self, stop: asyncio.Event) -> None:
        """After the last press: everything must still arrive, but after a Ctrl-C nobody waits for people."""
        began = time.monotonic()
        while self._waiting and time.monotonic() - began < SETTLE_S:
            if stop.is_set() and (
                all("accepted" in press.stages for press in self._waiting.values())
                or time.monotonic() - began > STOPPED_SETTLE_S
            ):
                return
            await asyncio.sleep(0.1)

    def _lamp(self, unit: int, stage: str, at: float) -> None:
        """Called by the fleet when a wearer's lamp changes. A later stage implies the earlier ones."""
        press = self._waiting.get(unit)
        if press is None or stage not in STAGES:
            return
        for reached in STAGES[: STAGES.index(stage) + 1]:
            press.stages.setdefault(reached, at - press.at)
        if press.done:
            del self._waiting[unit]
        self._board.show(press)

    async def _summary(self, before: Before, processes: int) -> dict[str, Any]:
        house = self._house
        found = await asyncio.to_thread(score, house, before, len(self.presses))
        times = {
            stage: [press.stages[stage] * 1000 for press in self.presses if stage in press.stages] for stage in STAGES
        }
        return {
            "units": house.units,
            "unit_processes": processes,
            "interpreter": house.fleet.interpreter,
            "heartbeats": found.heartbeats,
            "presses": len(self.presses),
            "lost": found.lost,
            "duplicates": found.duplicates,
            **{f"{stage}_ms": quantiles(times[stage]) for stage in STAGES},
            "unfinished": sum(not press.done for press in self.presses),
        }


async def _sleep(stop: asyncio.Event, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)


@contextlib.contextmanager
def _folder(data: Path | None) -> Iterator[Path]:
    """The data folder, locked for this demo; without one a temporary folder that is removed at the end."""
    if data is None:
        made = Path(tempfile.mkdtemp(prefix="livlina-demo-"))
        made.chmod(0o755)  # PostgreSQL's own user must be able to enter it
        try:
            yield made
        finally:
            EmbeddedPostgres(made).destroy()  # its files may lie outside, where PostgreSQL's user can reach them
            shutil.rmtree(made, ignore_errors=True)
        return
    try:
        data.mkdir(parents=True, exist_ok=True)
        opened = (data / "demo.lock").open("w")
    except OSError as error:
        raise PartFailed(
            f"the data folder {data} cannot be used ({error.strerror}): name another one with --data or LIVLINA_DATA"
        ) from error
    with opened as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise PartFailed(f"another demo runs in {data}: end it, or name another folder with --data") from None
        yield data


def run_demo(options: DemoOptions, data: Path | None) -> dict[str, Any]:
    """Runs a demo to its end and returns its summary. Raises PartFailed and what the parts raise."""
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    with _folder(data) as folder:
        settings = None if options.headless else Settings.from_environment()
        house = House(folder, options.units, Ports.free(settings))
        with Board(console, house.pipe) as board:
            for line in _other_ports(settings, house.ports) if settings is not None else ():
                board.say(line)
            try:
                return asyncio.run(_run(house, options, board))
            except (UnitError, BuildError) as error:
                raise PartFailed(str(error)) from error


def _other_ports(wanted: Settings, given: Ports) -> Iterator[str]:
    """A sentence for each port that was taken."""
    for what, asked, got in (
        ("the pages", wanted.http_port, given.http),
        ("MQTT", wanted.mqtt_port, given.mqtt),
        ("CoAP", wanted.coap_port, given.coap),
    ):
        if asked not in {0, got}:
            yield f"port {asked} is taken by another program: this demo has {what} on {got}"


async def _run(house: House, options: DemoOptions, board: Board) -> dict[str, Any]:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup asks for
            loop.add_signal_handler(number, stop.set)
    try:
        return await Demo(house, options, board).run(stop)
    finally:
        await house.stop()
        if not options.headless:
            board.say(f"everything is stopped; the data stays in {house.folder}")
