"""A unit that runs on and on: its counter of milliseconds wraps in the middle of presses, and its heap stays level."""

from __future__ import annotations

from pathlib import Path

import pytest

from firmware.core import stages
from protocols.wire import messages
from sim.firmware_build import ROOT
from tests.one_unit import OneUnit

WRAP_S = (1 << 30) / 1000
"""Of time.ticks_ms on a 32-bit board: 12.4 days."""
BEFORE_S = 200.0
HEARTBEAT_S = 5
QUICK, FULL = 1500, 20_000
LEVEL_BYTES = 1024
GAUGE = "firmware/gauge.py"
LOOKS = "        self.look()\n"


class Place(OneUnit):
    """One unit, and what it tells of its heap."""

    def __init__(
        self, folder: Path, build: Path, heartbeat_s: int, ticks: int = 0, instead: dict[str, str] | None = None
    ) -> None:
        super().__init__(folder, build, heartbeat_s=heartbeat_s, ticks=ticks, instead=instead)
        self.lows: list[int] = []
        self.books.on_message = self._note

    def _note(self, arrival: object) -> None:
        message = arrival.message  # type: ignore[attr-defined]
        if isinstance(message, messages.Heartbeat) and message.status:
            self.lows.append(message.status[messages.STATUS_HEAP_LOW])

    def low_water(self, number: int) -> int:
        """Least free heap since the start, as the unit tells it when it is asked."""
        told = len(self.lows)
        self.receiver.order(1, number, messages.COMMAND_STATUS, {})
        assert self.world.run(60, lambda: len(self.lows) > told)
        return self.lows[-1]


@pytest.fixture
def at_the_wrap(tmp_path: Path, build: Path) -> Place:
    """A unit whose counter wraps `BEFORE_S` after its start."""
    return Place(tmp_path, build, 60, ticks=round(1000 * (WRAP_S - BEFORE_S)))


def test_a_press_that_is_held_over_the_wrap_is_one_press(at_the_wrap: Place) -> None:
    with at_the_wrap.world as world:
        world.run(BEFORE_S - 0.1)
        at_the_wrap.unit.press(seconds=0.3)
        assert world.run(5, lambda: at_the_wrap.unit.stage == "stored")
        world.run(60)
        assert len(at_the_wrap.books.presses) == 1
        at_the_wrap.unit.press()
        assert world.run(5, lambda: len(at_the_wrap.books.presses) == 2), "and the next one works"
        assert not at_the_wrap.unit.resets


def test_what_is_due_after_the_wrap_comes_in_its_time(at_the_wrap: Place) -> None:
    """Not delivered at 15 s, resending, stored, a contact that is stuck: all of it spans the wrap."""
    place = at_the_wrap
    with place.world as world:
        world.run(BEFORE_S - 5)
        place.receiver.deaf = True
        pressed = world.clock.now()
        place.unit.press()
        assert world.run(30, lambda: place.unit.stage == "not_delivered")
        took = world.clock.now() - pressed
        assert 0 <= took - stages.NOT_DELIVERED_MS / 1000 <= 0.1
        place.receiver.deaf = False
        assert world.run(30, lambda: place.unit.stage == "stored"), "it went on trying"
        beats = place.books.heartbeats
        world.run(600)
        assert 9 <= place.books.heartbeats - beats <= 12 and not place.unit.resets


def fall(place: Place, heartbeats: int) -> int:
    """Bytes that the heap's low-water mark falls between a tenth of these heartbeats and their end."""
    with place.world as world:
        for share, number in ((10, 1), (1, 2)):
            assert world.run(
                HEARTBEAT_S * heartbeats * 1.5, lambda share=share: place.books.heartbeats >= heartbeats // share
            )  # fmt: skip
            place.low_water(number)
    assert not place.unit.resets
    first, last = place.lows[-2:]
    print(f"{heartbeats} heartbeats: least free heap {first}, at the end {last} bytes")
    return first - last


@pytest.mark.parametrize("heartbeats", [QUICK, pytest.param(FULL, marks=pytest.mark.proof)])
def test_thousands_of_heartbeats_leave_the_heap_level(tmp_path: Path, build: Path, heartbeats: int) -> None:
    assert fall(Place(tmp_path, build, HEARTBEAT_S), heartbeats) <= LEVEL_BYTES


def test_a_leak_of_16_bytes_a_heartbeat_shows(tmp_path: Path, build: Path) -> None:
    """The negative control."""
    source = (ROOT / GAUGE).read_text(encoding="utf-8")
    assert source.count(LOOKS) == 1
    leaking = source.replace(LOOKS, LOOKS + "        self.leak = [getattr(self, 'leak', None), bytearray(16)]\n")
    assert fall(Place(tmp_path, build, HEARTBEAT_S, instead={GAUGE: leaking}), QUICK // 4) > LEVEL_BYTES
