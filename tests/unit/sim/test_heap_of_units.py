"""Every kind of unit works in a heap of 100 kB, the fullest hub too.

With the control: code that is loaded from files does not fit.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from bench import heap
from protocols.wire import messages
from provisioning.identity import Identity, make_identity
from sim.firmware_build import HEAP_KB, build_firmware, interpreter
from sim.lockstep import LockStep, VirtualUnit
from sim.modem.rig import Rig
from sim.modem.scenario import Scenario
from sim.sealed_receiver import Arrival, Books, Receiver

SOON_S = 400
"""Long enough for a start, a registration and a heartbeat; `python -m bench.heap` takes six hours."""
_ALL = "import " + ", ".join(["firmware." + name for name in ("main", "coap", "mqtt", "cellular", "bg95", "stream")])


@pytest.mark.parametrize("kind", heap.UNITS, ids=lambda kind: kind.name)
def test_a_unit_works_in_its_heap(kind: heap.Kind) -> None:
    found = heap.measure(kind, SOON_S)
    print(f"{kind.name}: {found.used} bytes, {found.free} free, words of {found.word}")
    assert HEAP_KB == heap.BOARD_KB and not found.resets
    assert found.free > heap.LEAST_FREE, "less than 4 % are left: python -m bench.heap; ideas in docs/decisions/0013"


class Heard(Books):
    """Attribute: `alarms`, all that have come."""

    def __init__(self, identities: dict[int, Identity]) -> None:
        super().__init__(identities)
        self.alarms: list[messages.Alarm] = []
        self.on_message = self._note

    def _note(self, arrival: Arrival) -> None:
        if isinstance(arrival.message, messages.Alarm):
            self.alarms.append(arrival.message)


def through_an_outage(folder: Path, kind: heap.Kind, presses: int, apart_s: float) -> tuple[VirtualUnit, Heard]:
    """A unit whose fleet says nothing from before its first press until some time after its last, and then answers."""
    made = None if kind.dialect is None else Scenario(dialect=kind.dialect)
    with LockStep(folder / "build") as world:
        world.flights.refuses_streams = True
        books = Heard({1: make_identity(1)})
        receiver = Receiver(world, books)
        heap.provision(folder, books, kind, receiver.port, made)
        unit = world.add_unit(1, folder / "flash", rig=None if made is None else Rig(made, world.clock))
        unit.own_network = made is None or kind.wifi
        world.run(SOON_S)
        receiver.deaf = True
        for _ in range(presses):
            unit.press(seconds=1)
            world.run(apart_s)
        receiver.deaf = False
        # Counts that were owed are told within five minutes.
        world.run(400)
        receiver.close()
        return unit, books


FULL = [kind for kind in heap.UNITS if kind.sms and (kind.pendants or kind.wifi)]


@pytest.mark.parametrize("kind", FULL, ids=lambda kind: kind.name)
def test_a_full_unit_with_a_press_lives_through_an_outage(kind: heap.Kind, tmp_path: Path) -> None:
    """Nothing that waits, and nothing that is tried in vain, may use up what is left: it reset itself three times in a
    few minutes, into safe mode."""
    unit, books = through_an_outage(tmp_path, kind, 1, 900)
    assert len(books.presses) == 1 and not unit.resets


@pytest.mark.proof
@pytest.mark.timeout(300)
@pytest.mark.parametrize("kind", FULL[::2], ids=lambda kind: kind.name)
def test_presses_that_nobody_answers_do_not_stop_a_full_unit(kind: heap.Kind, tmp_path: Path) -> None:
    """It may restart and end in safe mode, but it stays up and tells of every one: it ran out of memory at every start.

    What memory does differs from run to run: some runs have no restart, some six."""
    presses = 20
    unit, books = through_an_outage(tmp_path, kind, presses, 10)
    assert len(unit.resets) <= 8, "it goes on and on"
    # What is pressed during a reset and the start behind it nobody sees here: no latch is emulated before that.
    assert max(one.count for one in books.alarms) >= presses - 2 * len(unit.resets)
    assert not [key for key in books.presses if books.stages[key] < messages.STORED]


def loaded(build: Path, heap_kb: int) -> subprocess.CompletedProcess[str]:
    """The unit's code from files, into a heap of this size."""
    path = f".frozen:{build / 'shims'}:{build}"
    return subprocess.run(
        [*interpreter(), "-X", f"heapsize={heap_kb}wK", "-c", _ALL],
        env={**os.environ, "MICROPYPATH": path}, cwd=build, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_negative_control_loaded_from_files_it_does_not_fit(tmp_path: Path) -> None:
    build = build_firmware(tmp_path)
    few = loaded(build, heap.BOARD_KB)
    assert few.returncode and "MemoryError" in few.stdout + few.stderr
    assert loaded(build, 4 * heap.BOARD_KB).returncode == 0, "it is the heap that is missing"
