"""What a wearer hears and feels of a press, on real firmware: by profile, and nothing at all of a silent one."""

from __future__ import annotations

from pathlib import Path

import pytest

from provisioning.identity import Extras
from sim.shims.board import PINS
from tests.one_unit import OneUnit

SOCIAL, PERSONAL = 1, 2
NOT_DELIVERED_S = 15.0


class Place(OneUnit):
    """One unit of this profile, and a fleet that may be deaf."""

    def __init__(self, folder: Path, build: Path, profile: int, silent: bool = False) -> None:
        super().__init__(folder, build, profile=profile, extras=Extras(silent=silent or None))


def test_at_15_s_without_stored_a_hub_sounds_and_shakes_and_goes_on_trying(tmp_path: Path, build: Path) -> None:
    place = Place(tmp_path, build, SOCIAL)
    with place.world as world:
        world.run(100)
        place.receiver.deaf = True
        pressed = world.clock.now()
        place.unit.press()
        lamp = place.unit.lamp
        world.run(NOT_DELIVERED_S - 1)
        assert not lamp.tones, "nothing sounds while it is on its way"
        world.run(30)
        tones = [began - pressed for began, _ in lamp.tones]
        assert NOT_DELIVERED_S <= tones[0] <= NOT_DELIVERED_S + 0.1
        assert any(began - pressed >= NOT_DELIVERED_S + 9 for began, _ in lamp.tones), "and again every 10 s"
        assert lamp.shakes and place.unit.stage == "not_delivered"
        place.receiver.deaf = False
        assert world.run(60, lambda: place.unit.stage == "stored"), "it was still trying"
        stored = world.clock.now()
        world.run(30)
        assert len([began for began, _ in lamp.tones if began >= stored]) == 1, "stored sounds once, then it is quiet"


def test_staff_hear_only_what_they_must_act_on(tmp_path: Path, build: Path) -> None:
    place = Place(tmp_path, build, PERSONAL)
    with place.world as world:
        world.run(100)
        place.unit.press(seconds=0.8)
        assert world.run(5, lambda: place.unit.stage == "stored")
        world.run(5)
        assert not place.unit.lamp.tones and place.unit.lamp.shakes
        place.receiver.deaf = True
        place.unit.press(seconds=0.8)
        world.run(NOT_DELIVERED_S + 2)
        assert place.unit.lamp.tones


@pytest.mark.parametrize("silent", [True, False], ids=["silent mode", "duress contact"])
@pytest.mark.parametrize("deaf", [True, False])
def test_a_silent_press_or_a_duress_shows_sounds_and_shakes_nothing(
    tmp_path: Path, build: Path, silent: bool, deaf: bool
) -> None:
    place = Place(tmp_path, build, PERSONAL, silent)
    with place.world as world:
        world.run(100)
        place.receiver.deaf = deaf
        if silent:
            place.unit.press(seconds=0.8)
        else:
            place.unit.contact(0, PINS["duress"])
            world.run(0.5)
            place.unit.contact(1, PINS["duress"])
        world.run(40)
        assert not place.unit.lamps and not place.unit.lamp.tones and not place.unit.lamp.shakes
        place.receiver.deaf = False
        world.run(60)
        assert len(place.books.presses) == 1, "and it is an alarm all the same"
        assert not place.unit.lamps and not place.unit.lamp.tones and not place.unit.lamp.shakes
