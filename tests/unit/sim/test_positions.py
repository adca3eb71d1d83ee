"""Where somebody is, from the receiver to the fleet: staff after an alarm, a tracker in an opened search only."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bench import stored
from firmware.core import locate
from protocols.wire import messages
from sim.modem.scenario import Step, Timing
from tests.one_unit import OneUnit

DIALECTS = ("bg95", "sim7080g", "gm02s")
PERSONAL, TRACKER = 2, 3
LATITUDE, LONGITUDE = 593325800, 180649000
"""sim.modem.scenario.Gnss, in 1e-7 degrees."""
SEARCH_S, EVERY_S = 600, 60
COLD_S = 20
"""Until the emulated receiver has its first fix."""


class Place(OneUnit):
    """A unit with a modem, and all that it has told of its position."""

    def __init__(self, folder: Path, build: Path, dialect: str, profile: int) -> None:
        super().__init__(folder, build, profile=profile, modem=stored.scenario(dialect, 1, False, Timing()))
        self.told: list[tuple[float, Any]] = []
        self.books.on_message = self._note

    def _note(self, arrival: Any) -> None:
        message = arrival.message
        if isinstance(message, messages.Query):
            return
        seen = [one for _, one in self.told if (one.boot, one.seq) == (message.boot, message.seq)]
        if isinstance(message, messages.Event) and message.kind == messages.EVENT_POSITION and not seen:
            self.told.append((arrival.at, message))

    def fixes(self) -> list[tuple[float, Any]]:
        """Those that are more than the cell."""
        return [(at, one) for at, one in self.told if one.data.get(1) is not None]

    def press(self) -> tuple[int, int]:
        """One press until it is stored; its (boot, seq)."""
        known = set(self.books.presses)
        self.unit.press(seconds=0.8)
        assert self.world.run(60, lambda: set(self.books.presses) - known and self.unit.stage == "stored")
        (key,) = set(self.books.presses) - known
        return key[1], key[2]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_staffs_position_follows_their_alarm_once_and_is_never_looked_for_without_one(
    tmp_path: Path, build: Path, dialect: str
) -> None:
    place = Place(tmp_path, build, dialect, PERSONAL)
    with place.world as world:
        world.run(900)
        assert not place.told and not place.rig.device.gnss_since
        key = place.press()
        at = world.clock.now()
        assert not place.fixes(), "the alarm goes first"
        assert world.run(locate.AFTER_ALARM_MS / 1000, lambda: bool(place.fixes())), place.told
        (told, event) = place.fixes()[0]
        assert told - at >= COLD_S
        assert (event.data[1], event.data[2]) == (LATITUDE, LONGITUDE)
        assert (event.about_boot, event.about_seq) == key, "it says which press it belongs to"
        world.run(900)
        assert len(place.fixes()) == 1 and place.rig.device.gnss_since is None
        assert len(place.told) == 2 and not place.told[0][1].data.keys() & {1, 2}, "the cell first, and no fix in it"


@pytest.mark.parametrize("dialect", DIALECTS)
def test_an_old_position_that_the_receiver_still_shows_is_none(tmp_path: Path, build: Path, dialect: str) -> None:
    place = Place(tmp_path, build, dialect, PERSONAL)
    with place.world as world:
        world.run(300)
        place.rig.device.do(Step("gnss", name="stale"))
        place.press()
        world.run(locate.AFTER_ALARM_MS / 1000 + 300)
        assert not place.fixes()
        assert place.rig.device.gnss_since is None, "it is given up, and the network is back"
        assert place.rig.device.pdp


@pytest.mark.parametrize("dialect", ["bg95", "gm02s"])
def test_a_tracker_tells_its_position_in_a_search_that_the_fleet_has_opened_and_only_then(
    tmp_path: Path, build: Path, dialect: str
) -> None:
    place = Place(tmp_path, build, dialect, TRACKER)
    with place.world as world:
        world.run(120)
        place.press()
        world.run(240)
        assert not place.told, "an alarm of a tracker is no search"
        place.press()
        place.receiver.order(1, 1, messages.COMMAND_SEARCH, {1: SEARCH_S, 2: EVERY_S})
        opened = world.clock.now()
        assert world.run(SEARCH_S, lambda: bool(place.fixes())), place.told
        (_, event) = place.fixes()[0]
        assert (event.data[1], event.data[2]) == (LATITUDE, LONGITUDE) and event.about_boot is None
        world.run(SEARCH_S)
        ended = len(place.told)
        assert max(at for at, _ in place.told) <= opened + SEARCH_S + EVERY_S
        world.run(4 * 3600)
        assert len(place.told) == ended and place.rig.device.gnss_since is None
