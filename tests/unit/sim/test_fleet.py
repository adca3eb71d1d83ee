"""The simulated fleet itself: power, fingers, and that nothing outlives whoever started it."""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import textwrap
from pathlib import Path

import psutil
import pytest

from protocols.wire import cbor
from sim.lamp import LampReader
from sim.units import BUTTON, UnitError, read_journal
from tests.ports import free_port

ROOT = Path(__file__).resolve().parents[3]
MICROPYTHON = Path(sys.executable).parent / "micropython"


def test_units_and_zygote_die_with_whoever_started_them(tmp_path, build, on_street):
    async def scenario(street):
        script = textwrap.dedent(
            """
            import asyncio, sys
            from pathlib import Path
            from sim.units import UnitFleet

            async def main():
                fleet = UnitFleet(Path(sys.argv[1]))
                await fleet.start({1: Path(sys.argv[2]), 2: Path(sys.argv[3])})
                print(*fleet.pids().values(), fleet._zygote.pid, flush=True)
                await asyncio.Event().wait()

            asyncio.run(main())
            """
        )
        folders = [str(street.folders[unit]) for unit in (1, 2)]
        owner = subprocess.Popen(
            [sys.executable, "-c", script, str(build), *folders], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        pids = [int(word) for word in owner.stdout.readline().split()]
        assert len(pids) == 3
        processes = [psutil.Process(pid) for pid in pids]
        owner.send_signal(signal.SIGKILL)
        owner.wait()
        owner.stdout.close()
        _, alive = psutil.wait_procs(processes, timeout=60)
        assert not [one for one in alive if one.status() != psutil.STATUS_ZOMBIE]

    on_street(scenario, count=2)


def test_units_die_when_the_zygote_is_killed(on_street):
    async def scenario(street):
        await street.fleet.start(street.folders)
        processes = [psutil.Process(pid) for pid in street.fleet.pids().values()]
        os.kill(street.fleet._zygote.pid, signal.SIGKILL)
        _, alive = await asyncio.to_thread(psutil.wait_procs, processes, 60)
        assert not [one for one in alive if one.status() != psutil.STATUS_ZOMBIE]

    on_street(scenario, count=3)


def test_another_interpreter_is_spawned_and_not_forked(on_street, monkeypatch):
    monkeypatch.setenv("MICROPYTHON", str(MICROPYTHON))

    async def scenario(street):
        await street.coap()
        await street.fleet.start(street.folders)
        await asyncio.gather(*[street.fleet.press(unit) for unit in street.folders])
        for unit in street.folders:
            await street.fleet.wait_lamp(unit, "stored", 60)
        for pid in street.fleet.pids().values():
            assert str(MICROPYTHON) in " ".join(psutil.Process(pid).cmdline())
        assert street.fleet.interpreter.startswith("MicroPython 1.")

    on_street(scenario, count=2)


def test_no_power_no_press(on_street):
    async def scenario(street):
        fleet = street.fleet
        await fleet.start(street.folders)
        await fleet.kill(1)
        await fleet.kill(1)
        with pytest.raises(UnitError, match="no power"):
            await fleet.press(1)
        with pytest.raises(UnitError, match="not part of this fleet"):
            await fleet.press(77)
        with pytest.raises(UnitError, match="input 3 has no contact"):
            await fleet.press(1, 3)
        with pytest.raises(UnitError, match="already"):
            await fleet.start(street.folders)
        assert fleet.lamp(1) == "off"
        assert read_journal(street.folders[1]) == []

    on_street(scenario)


def test_a_unit_without_a_usable_flash_is_named(on_street):
    async def scenario(street):
        (street.folders[1] / "config.cbor").write_bytes(b"\xff")
        ends = asyncio.Queue()
        street.fleet.on_exit = lambda unit, status: ends.put_nowait((unit, status))
        # Whether the board is seen before it ends is a matter of moments; how it ends is not.
        with contextlib.suppress(UnitError):
            await street.fleet.start(street.folders)
        assert await asyncio.wait_for(ends.get(), 60) == (1, 75)
        assert "config.cbor is damaged (indefinite): provision this unit again" in street.console()
        with pytest.raises(UnitError, match="00000005 ended with status 73"):
            await street.fleet.start({5: street.folder / "nowhere"})

    on_street(scenario)


def test_after_three_crashes_only_the_smallest_part_runs_until_it_is_proven(on_street):
    async def scenario(street):
        far, fleet = street.far, street.fleet
        crashes = street.folders[1] / "crashes"
        crashes.write_bytes(cbor.encode(3))
        end = await street.mqtt()
        await street.coap()
        await fleet.start(street.folders)
        await fleet.press(1)
        await fleet.wait_lamp(1, "stored", 60)
        assert end.connections == []
        assert far.alarms(1)
        # A receipt alone proves nothing yet: an hour without a crash does (core.reboot), here told by hand.
        assert crashes.read_bytes() == cbor.encode(3)
        await fleet.kill(1)
        crashes.write_bytes(cbor.encode(0))
        await fleet.restart(1)
        await fleet.press(1)
        await far.until(lambda: len({one.boot for one in far.alarms(1)}) == 2)
        await far.until(lambda: end.connections)

    on_street(scenario, pipes=("mqtt", "coap"))


class Timer:
    def __init__(self):
        self.due = None

    def call_later(self, delay, call, *arguments):
        self.due = (delay, call, arguments)
        return self

    def cancel(self):
        self.due = None


def test_the_lamp_is_read_from_its_rhythm():
    timer = Timer()
    seen = []
    reader = LampReader(timer.call_later, lambda stage, at: seen.append((stage, at)))
    red, green, blue, shaking = 2, 4, 8, 16
    magenta = red | blue
    for at, levels in enumerate((red, 0, red, red | shaking, red, red | green | shaking, blue, green, magenta, 0)):
        reader.levels(levels | 1 << BUTTON, float(at))
    assert seen == [
        ("trying", 0), ("not_delivered", 3), ("stored", 5), ("accepted", 6), ("taken", 7), ("cancellable", 8)
    ]  # fmt: skip
    _, call, arguments = timer.due
    call(*arguments)
    assert seen[-1][0] == reader.stage == "off"


def test_ports_for_tests_stay_below_the_outgoing_ones():
    assert 20000 <= free_port(socket.SOCK_STREAM) < 32768
