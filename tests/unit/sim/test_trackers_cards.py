"""A tracker with two cards, which sleeps deep between its heartbeats: real firmware, real MicroPython, an emulated
modem, on the clock that moves only when everybody has come to rest."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bench.year import scenario
from firmware.core import profiles
from firmware.repose import BOOK
from protocols.wire import cbor, messages
from sim.modem.scenario import Scenario, Step
from sim.sealed_receiver import Arrival
from tests.one_unit import OneUnit

HEARTBEAT_S = 3600
GONE_H = 6
WAKE_MS = 330_000
"""A watch in vain, with a modem that is switched off after it."""
_MEMORY = 4
HOLD_S = 3600
SPARE_S = 90
DAY_S = 86400


def two_cards() -> Scenario:
    """Two cards on masts of their own, PSM granted, nothing lost."""
    calm = scenario("bg95", 1)
    return replace(calm, steps=(), path=replace(calm.path, loss_up=0.0, loss_down=0.0))


class Place(OneUnit):
    """The tracker, and what it has said."""

    def __init__(self, folder: Path, build: Path, instead: dict[str, str] | None = None) -> None:
        super().__init__(
            folder, build, profile=profiles.TRACKER, heartbeat_s=HEARTBEAT_S, modem=two_cards(), instead=instead
        )
        self.said: list[Arrival] = []
        self.books.on_message = self.said.append

    def loss(self, slot: int, part: float) -> None:
        assert self.rig is not None
        self.rig.device.do(Step("loss", at_ms=0, slot=slot, loss=part))

    def masts(self, up: bool) -> None:
        assert self.rig is not None
        for name in ("first", "second"):
            self.rig.device.radio.set_network(name, up)

    def beats(self, bearer: int, since: float = 0) -> list[float]:
        return [
            one.at for one in self.said
            if isinstance(one.message, messages.Heartbeat) and one.message.bearer == bearer and one.at >= since
        ]  # fmt: skip

    def events(self, kind: int) -> list[messages.Event]:
        return [
            one.message for one in self.said if isinstance(one.message, messages.Event) and one.message.kind == kind
        ]


@pytest.mark.timeout(300)
def test_three_days_of_a_tracker_with_two_cards(tmp_path: Path, build: Path) -> None:
    place = Place(tmp_path, build)
    with place.world as world:
        # The silence begins in a sleep, and more than an hour after the first exercise: a return that fails at once
        # doubles the hold.
        assert world.run(5 * HEARTBEAT_S, lambda: place.unit.naps >= 5)
        heard = place.said[-1].at
        place.loss(0, 1.0)
        assert world.run(HEARTBEAT_S + SPARE_S, lambda: bool(place.beats(messages.BEARER_SIM2, heard)))
        assert place.beats(messages.BEARER_SIM2, heard)[0] <= heard + HEARTBEAT_S + SPARE_S
        back = world.clock.now()
        place.loss(0, 0.0)
        assert world.run(HOLD_S + HEARTBEAT_S + SPARE_S, lambda: bool(place.beats(messages.BEARER_SIM1, back)))
        assert world.run(3 * DAY_S - world.clock.now())
    proven = place.events(messages.EVENT_SIM_PROVEN)
    assert len({(one.boot, one.seq) for one in proven}) == 3
    assert all(one.data is not None and one.data[2] == 1 for one in proven)
    assert place.unit.naps >= 70 and not place.unit.resets


@pytest.mark.timeout(300)
def test_without_masts_it_rests_between_its_heartbeats_and_a_press_of_that_time_goes_out(
    tmp_path: Path, build: Path
) -> None:
    place = Place(tmp_path, build)
    with place.world as world:
        assert world.run(5 * HEARTBEAT_S, lambda: place.unit.naps >= 4)
        place.masts(False)
        books = []
        for number in range(place.unit.naps + 1, place.unit.naps + GONE_H + 1):
            assert world.run(2 * HEARTBEAT_S, lambda number=number: place.unit.naps == number), "it does not sleep"
            assert place.unit.board.sleep is not None
            books.append(cbor.decode(place.unit.board.sleep.memory)[_MEMORY][BOOK])
            assert place.rig is not None and place.rig.device.state == "off", "its modem searches on"
        place.unit.press()
        world.run(1200)
        place.masts(True)
        assert world.run(300, lambda: len(place.books.presses) == 1), "the press goes out"
        (key,) = place.books.presses
        place.receiver.reach(*key, stage=messages.TAKEN)
        naps = place.unit.naps
        assert world.run(HEARTBEAT_S, lambda: place.unit.naps > naps)
        heard = len(place.said)
        assert world.run(HEARTBEAT_S + SPARE_S, lambda: len(place.said) > heard)
    mwh = (books[-1][1] - books[0][1]) / 3.6e6
    print(f"{GONE_H - 1} h without masts: {mwh:.1f} mWh, wakes of {[one[2] // 1000 for one in books]} s")
    assert all(one[2] <= WAKE_MS for one in books)
    assert not place.unit.resets
