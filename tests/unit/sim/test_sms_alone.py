"""Only SMS goes through: a press is stored and its wearer sees every stage, in safe mode too; without SMS it is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import stored
from firmware.ports import kept
from protocols.wire import messages
from provisioning.identity import Extras
from sim.cellular import configured
from sim.modem.scenario import Step, Timing
from tests.one_unit import OneUnit

FLEET = "+46700000000"
CRASHES = 3


class Place(OneUnit):
    """A unit with one modem in a land where datagrams go nowhere, and a fleet that answers messages by messages."""

    def __init__(self, folder: Path, build: Path, dialect: str, safe: bool, sms: str | None = FLEET) -> None:
        made = stored.scenario(dialect, 1, False, Timing())
        super().__init__(
            folder, build, modem=made, extras=Extras(modem=configured(made), sms_number=sms), drills=True,
            kept={"crashes": kept.pack({1: CRASHES})} if safe else {},
        )  # fmt: skip

    def begin(self) -> None:
        """No datagram goes through from here on; messages do."""
        assert self.world.run(120, lambda: self.books.heartbeats > 0)
        for slot in (0, 1):
            self.rig.device.do(Step("loss", slot=slot, loss=1.0))
        self.rig.device.on_sms = self.heard

    def heard(self, number: str, payload: bytes) -> None:
        """The gateway has a message for the fleet, which answers it by one."""
        assert number == FLEET.lstrip("+")
        unit, message = self.books.open(payload)
        items = self.books.keep(self.world.clock.now(), unit, message)
        self.answer(items)

    def answer(self, items: list[tuple[int, int, int]]) -> None:
        """A receipt by SMS."""
        frame = self.books.receipt(1, items, self.world.clock.now())
        self.world.clock.call_later(3, lambda: self.rig.device.do(Step("sms", payload=frame.hex())))

    def pressed(self) -> bool:
        """Whether the fleet has the press."""
        return len(self.books.presses) > 0


@pytest.mark.parametrize("dialect", ["bg95", "sim7080g", "gm02s"])
@pytest.mark.parametrize("safe", [False, True], ids=["normal", "safe mode"])
def test_by_sms_alone_a_press_goes_through_all_its_stages(
    tmp_path: Path, build: Path, dialect: str, safe: bool
) -> None:
    place = Place(tmp_path, build, dialect, safe)
    with place.world as world:
        place.begin()
        # What lies on the card from before: in safe mode nobody reads it.
        place.rig.device.do(Step("sms", payload="00"))
        place.unit.press()
        assert world.run(300, lambda: place.unit.stage == "stored"), place.unit.stage
        assert place.pressed()
        (key,) = place.books.presses
        for stage, name in ((messages.ACCEPTED, "accepted"), (messages.TAKEN, "taken")):
            place.answer([(key[1], key[2], stage)])
            assert world.run(60, lambda name=name: place.unit.stage == name)
        kinds = [stage for _, stage in place.unit.lamps]
        assert kinds[0] == "trying" and kinds[-3:] == ["stored", "accepted", "taken"]
        assert not place.unit.resets


def test_without_a_number_for_sms_the_same_press_is_not_stored(tmp_path: Path, build: Path) -> None:
    """The negative control."""
    place = Place(tmp_path, build, "bg95", False, sms=None)
    with place.world as world:
        place.begin()
        place.unit.press()
        assert not world.run(600, place.pressed)
        assert place.unit.stage == "not_delivered"
