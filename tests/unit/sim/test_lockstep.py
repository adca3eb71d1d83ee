"""The clock that moves only when everybody has come to rest, with real firmware on it."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from firmware.ports.udp import DatagramPipe
from sim.firmware_build import interpreter
from sim.lockstep import LockStep, Poller, StuckError, VirtualUnit
from sim.sealed_receiver import Arrival
from tests.one_unit import OneUnit

HERE = Path(__file__).parent
WRAP_MS = 1 << 30


class Place(OneUnit):
    """What its unit has told, and how long its presses take."""

    def __init__(self, folder: Path, build: Path, heartbeat_s: int = 1200, seed: int = 1, ticks: int = 0) -> None:
        super().__init__(folder, build, heartbeat_s=heartbeat_s, seed=seed, ticks=ticks)
        self.log: list[tuple[float, str, int]] = []
        self.books.on_message = self._note

    def _note(self, arrival: Arrival) -> None:
        self.log.append((round(arrival.at, 6), type(arrival.message).__name__, arrival.message.seq))

    def press(self) -> float:
        """Seconds of the world until the lamp says stored."""
        started = self.world.clock.now()
        self.unit.press()
        assert self.world.run(60, lambda: self.unit.stage == "stored")
        return self.world.clock.now() - started


@pytest.fixture
def place(tmp_path: Path, build: Path) -> Iterator[Place]:
    made = Place(tmp_path, build)
    with made.world:
        yield made


def test_a_day_passes_in_moments_and_the_counter_of_milliseconds_wraps(tmp_path: Path, build: Path) -> None:
    """Every heartbeat before and after it has its receipt at the first attempt."""
    place = Place(tmp_path, build, ticks=WRAP_MS - 6 * 3600_000)
    with place.world:
        place.world.run(86400)
    beats = [entry for entry in place.log if entry[1] == "Heartbeat"]
    assert 86400 / 1200 * 0.95 < len(beats) < 86400 / 1200 * 1.15
    assert place.books.types["Heartbeat"] == len(beats), "something was sent twice"
    gaps = [later[0] - earlier[0] for earlier, later in itertools.pairwise(beats)]
    assert max(gaps) <= 1201 and not place.unit.resets


def test_a_press_goes_through_its_stages_at_the_times_of_the_firmware(place: Place) -> None:
    place.world.run(1000)
    took = place.press()
    # The contact settles for 20 ms, the commit takes 5: a machine's own time is not in it.
    assert took == pytest.approx(0.025, abs=0.002)
    (key,) = place.books.presses
    place.receiver.reach(*key, stage=3)
    assert place.world.run(30, lambda: place.unit.stage == "taken")
    assert [stage for _, stage in place.unit.lamps] == ["trying", "stored", "taken"]


def test_one_seed_is_one_run(tmp_path: Path, build: Path) -> None:
    def log(name: str, seed: int) -> list[tuple[float, str, int]]:
        (tmp_path / name).mkdir()
        place = Place(tmp_path / name, build, heartbeat_s=60, seed=seed)
        with place.world:
            place.world.run(3600)
            place.press()
            place.world.run(600)
        return place.log

    first = log("a", 7)
    assert len(first) > 60
    assert log("b", 7) == first
    assert log("c", 8) != first


def test_a_unit_that_resets_comes_back_and_a_power_cut_loses_no_press(place: Place) -> None:
    place.world.run(1000)
    place.receiver.deaf = True
    place.unit.press()
    assert place.world.run(5, lambda: place.unit.stage == "trying")
    place.unit.power_cut()
    place.world.run(30)
    place.receiver.deaf = False
    place.unit.power_up()
    assert place.world.run(60, lambda: place.unit.stage == "stored")
    assert len(place.books.presses) == 1


def test_a_unit_that_starts_within_a_millisecond_is_told_no_time_before_its_start(place: Place) -> None:
    """Its counter went back by one then, tasks that were ready had to wait, and what the modem said stayed unread."""
    unit, told = place.unit, []
    place.world.run(1000.0007 - place.world.clock.now())
    unit.power_cut()
    unit.power_up()
    place.world.settle()
    place.world.run(0.0002)
    tell = unit.tell_time

    def noted() -> None:
        tell()
        told.append(unit._now)

    unit.tell_time = noted  # type: ignore[method-assign]
    unit.press()
    assert place.world.run(60, lambda: unit.stage == "stored")
    assert told[0] == 0


def stop(unit: VirtualUnit) -> int:
    """Freeze the unit's process; it can be woken with SIGCONT."""
    process = unit._process
    assert process is not None
    os.kill(process.pid, signal.SIGSTOP)
    return process.pid


def test_time_waits_for_what_is_in_flight(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    # Not a full second of the unit's own rhythm: nothing else may be due at this very moment.
    place.world.run(1003)
    before = place.world.clock.now()
    pid = stop(place.unit)
    place.unit.press()
    assert not place.unit.at_rest(), "the order is on its wire"
    place.world.patience_s = 0.3
    with pytest.raises(StuckError, match="unit 00000001: declared"):
        place.world.run(5)
    assert place.world.clock.now() == before
    # The negative control: whoever believes a declaration that is out of date would go on without the unit.
    monkeypatch.setattr(VirtualUnit, "at_rest", lambda self: self._declared is not None)
    place.world.settle()
    os.kill(pid, signal.SIGCONT)


def test_what_comes_to_a_socket_that_the_unit_has_left_is_lost(place: Place) -> None:
    place.world.run(1000)
    place.receiver.deaf = True
    place.unit.press()
    place.world.run(2 * DatagramPipe.deaf_ms / 1000)
    # To where the unit was last heard from.
    place.receiver.push(1, place.books.receipt(1, [], place.world.clock.now()))
    place.world.run(60)
    place.receiver.deaf = False
    assert place.world.run(60, lambda: place.unit.stage == "stored")
    assert not place.unit.resets


def test_a_unit_that_does_not_come_to_rest_is_named(place: Place) -> None:
    place.world.patience_s = 0.3
    pid = stop(place.unit)
    with pytest.raises(StuckError, match="unit 00000001: declared"):
        place.world.run(2000)
    os.kill(pid, signal.SIGCONT)


def test_asyncio_of_the_lockstep_behaves_as_the_boards(tmp_path: Path, build: Path) -> None:
    """Order, cancelling, time-outs, exceptions: what a program prints is the same on both."""
    script = "import asyncio_behaviour; asyncio_behaviour.run"
    environment = {**os.environ, "MICROPYPATH": f".frozen:{HERE}"}
    own = subprocess.run(
        [*interpreter(), "-c", script + "_by_itself()"], env=environment, capture_output=True, text=True, check=True
    ).stdout  # fmt: skip
    with LockStep(build, [HERE / "asyncio_behaviour.py"]) as world, pytest.raises(StuckError, match="status 0"):
        world.add_unit(1, tmp_path, command=script + "()")
        world.run(60)
    virtual = (tmp_path / "console.log").read_text()
    assert own.count("\n") > 40
    assert virtual == own


def test_the_poller_is_as_much_of_a_loop_as_is_needed() -> None:
    poller = Poller()
    near, far = socket.socketpair()
    for one in (near, far):
        one.setblocking(False)
    said: list[str] = []
    poller.add_reader(near, said.append, "readable")
    poller.add_writer(near, said.append, "writable")
    assert poller.turn(1) and said == ["writable"]
    poller.remove_writer(near)
    assert not poller.turn(0)
    far.send(b"x")
    poller.call_soon(said.append, "soon")
    assert poller.turn(1) and said == ["writable", "soon", "readable"]
    poller.remove_reader(near)
    assert not poller.turn(0)
    assert {"add_reader", "remove_reader", "add_writer", "remove_writer", "call_soon"} <= set(
        dir(asyncio.BaseEventLoop)
    )
    for one in (near, far):
        one.close()
    poller.close()
