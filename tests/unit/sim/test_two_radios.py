"""A hub with a modem and a network of its own: a press races across both, and either alone is enough.

The real firmware on MicroPython: its own network is loopback behind the simulated board's Wi-Fi or cable, the modem is
emulated, and time is the lock step's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from firmware.core.events import FAULT_PORT
from protocols.wire import messages
from provisioning.identity import Extras
from sim.cellular import configured
from sim.modem.scenario import Scenario, Step
from sim.sealed_receiver import Arrival
from sim.shims.board_wires import LINK
from tests.one_unit import OneUnit

HEARTBEAT_S = 300
SETTLED_S = 120.0
RACE_S = 4.0
CONNECTS_S = 1.5
"""The modem's socket takes a second to open."""
HOUR_S, DAY_S = 3600.0, 86400.0
WIFI = ("wlan", "a network", "a password")
CABLE = ("lan",)

pytestmark = pytest.mark.timeout(300)


class Hub(OneUnit):
    """One hub on its clock, and what the fleet hears of it."""

    def __init__(
        self, folder: Path, build: Path, *, modem: bool = True, modem_first: bool = False, silent_modem: bool = False,
        own: tuple[str, ...] = WIFI,
    ) -> None:  # fmt: skip
        made = Scenario(dialect="bg95")
        extras = Extras(own_network=own, modem=configured(made) if modem else None, modem_first=modem_first)
        super().__init__(
            folder, build, heartbeat_s=HEARTBEAT_S, modem=made if modem else None, extras=extras, drills=True
        )
        self.heard: list[Arrival] = []
        self.books.on_message = self.heard.append
        self.unit.own_network = True
        if silent_modem:
            self.modem_loses_all()
        self.world.run(SETTLED_S)

    def press(self, within_s: float = 60.0) -> float | None:
        """Seconds from the finger until the fleet has it, for the first time; None if it never came."""
        known, began = set(self.books.first), self.world.clock.now()
        self.unit.press()
        self.world.run(within_s, lambda: set(self.books.first) > known)
        fresh = set(self.books.first) - known
        # Whatever else is on its way arrives too, so that a double would be seen.
        self.world.run(30)
        return self.books.first[fresh.pop()] - began if len(fresh) == 1 else None

    def bearers(self, kind: type) -> list[int | None]:
        """Over what messages of this kind have come."""
        return [one.message.bearer for one in self.heard if isinstance(one.message, kind)]

    def faults(self) -> list[dict[int, Any]]:
        """The data of the faults that it has told."""
        told = [one.message for one in self.heard if isinstance(one.message, messages.Event)]
        return [one.data for one in told if one.kind == messages.EVENT_FAULT]

    def modem_loses_all(self) -> None:
        assert self.rig is not None
        self.rig.device.do(Step("loss", at_ms=0, slot=0, loss=1.0))


@pytest.fixture
def hub(tmp_path: Path, build: Path) -> Iterator[Hub]:
    made = Hub(tmp_path, build)
    with made.world:
        yield made


def test_with_both_alive_it_is_one_press_over_the_own_network(hub: Hub) -> None:
    took = hub.press()
    assert took is not None and took < RACE_S
    assert hub.books.presses == Counter(hub.books.first.keys()), "no second copy was sent"
    assert hub.bearers(messages.Alarm) == [messages.BEARER_WIFI]
    assert set(hub.bearers(messages.Heartbeat)) == {messages.BEARER_WIFI}


def test_a_silent_own_network_costs_four_seconds_and_the_modem_has_it(hub: Hub) -> None:
    hub.receiver.deaf_to_own = True
    took = hub.press()
    assert took is not None and RACE_S <= took <= RACE_S + CONNECTS_S
    assert hub.bearers(messages.Alarm)[0] == messages.BEARER_SIM1
    assert len(hub.books.first) == 1, "whatever was repeated, it is one press"


def test_a_dead_modem_costs_nothing(hub: Hub) -> None:
    hub.modem_loses_all()
    took = hub.press()
    assert took is not None and took < RACE_S
    assert hub.bearers(messages.Alarm) == [messages.BEARER_WIFI]


def test_a_link_that_is_lost_is_not_waited_for(hub: Hub) -> None:
    hub.receiver.deaf_to_own = True
    hub.unit.contact(0, LINK)
    hub.world.run(1)
    took = hub.press()
    assert took is not None and took <= CONNECTS_S
    assert hub.bearers(messages.Alarm)[0] == messages.BEARER_SIM1


def test_a_link_that_is_lost_under_a_press_is_left_at_once_and_taken_up_again(hub: Hub) -> None:
    hub.receiver.deaf_to_own = True
    hub.world.clock.call_later(1.0, lambda: hub.unit.contact(0, LINK))
    took = hub.press()
    assert took is not None and 1.0 <= took < RACE_S
    hub.receiver.deaf_to_own = False
    hub.unit.contact(1, LINK)
    hub.world.run(HEARTBEAT_S)
    assert hub.bearers(messages.Heartbeat)[-1] == messages.BEARER_WIFI


def test_a_cable_that_is_pulled_under_a_press_is_left_at_once_and_taken_up_again(tmp_path: Path, build: Path) -> None:
    hub = Hub(tmp_path, build, own=CABLE)
    with hub.world:
        assert set(hub.bearers(messages.Heartbeat)) == {messages.BEARER_ETHERNET}
        hub.receiver.deaf_to_own = True
        hub.world.clock.call_later(1.0, lambda: hub.unit.contact(0, LINK))
        took = hub.press()
        assert took is not None and 1.0 <= took < RACE_S
        assert hub.bearers(messages.Alarm)[0] == messages.BEARER_SIM1
        hub.receiver.deaf_to_own = False
        hub.world.run(HEARTBEAT_S)
        assert hub.bearers(messages.Heartbeat)[-1] == messages.BEARER_SIM1
        hub.unit.contact(1, LINK)
        hub.world.run(HEARTBEAT_S)
        assert hub.bearers(messages.Heartbeat)[-1] == messages.BEARER_ETHERNET
        assert not hub.unit.resets


def test_the_spare_radio_is_proven_soon_after_the_start_and_its_silence_is_told(hub: Hub) -> None:
    hub.world.run(HOUR_S + HEARTBEAT_S)
    assert Counter(hub.bearers(messages.Heartbeat))[messages.BEARER_SIM1] == 1
    proof = next(one.message for one in hub.heard if one.message.bearer == messages.BEARER_SIM1)
    assert proof.status and proof.operator, "the fleet learns which network the modem is on"
    hub.world.run(HOUR_S)
    assert Counter(hub.bearers(messages.Heartbeat))[messages.BEARER_SIM1] == 1, "and not again for a day"
    assert not hub.faults()


def test_a_spare_radio_that_never_answers_is_told(tmp_path: Path, build: Path) -> None:
    hub = Hub(tmp_path, build, silent_modem=True)
    with hub.world:
        hub.world.run(4 * HOUR_S)
        assert [(one[1], one[3]) for one in hub.faults()] == [(FAULT_PORT, "no answer: modem")]
        assert set(hub.bearers(messages.Heartbeat)) == {messages.BEARER_WIFI}


@pytest.mark.proof
def test_the_spare_radio_is_proven_daily(hub: Hub) -> None:
    hub.world.run(DAY_S + 2 * HOUR_S)
    assert Counter(hub.bearers(messages.Heartbeat))[messages.BEARER_SIM1] == 2
    assert not hub.faults() and not hub.unit.resets


def test_an_access_point_that_comes_late_is_found_and_a_press_does_not_wait_for_it(hub: Hub) -> None:
    hub.unit.contact(0, LINK)
    hub.world.run(HOUR_S)
    assert hub.press() is not None
    assert hub.bearers(messages.Alarm) == [messages.BEARER_SIM1]
    hub.unit.contact(1, LINK)
    hub.heard.clear()
    hub.world.run(2 * HEARTBEAT_S)
    assert hub.bearers(messages.Heartbeat)[-1] == messages.BEARER_WIFI
    assert not hub.faults() and not hub.unit.resets


def test_a_modem_that_goes_first_has_the_heartbeats(tmp_path: Path, build: Path) -> None:
    hub = Hub(tmp_path, build, modem_first=True)
    with hub.world:
        hub.heard.clear()
        hub.world.run(2 * HEARTBEAT_S)
        beats = hub.bearers(messages.Heartbeat)
        assert beats and messages.BEARER_SIM1 in beats
        assert hub.press() is not None
        assert hub.bearers(messages.Alarm)[0] == messages.BEARER_SIM1


def test_negative_control_with_one_radio_a_silent_network_loses_the_press(tmp_path: Path, build: Path) -> None:
    hub = Hub(tmp_path, build, modem=False)
    with hub.world:
        hub.receiver.deaf_to_own = True
        assert hub.press() is None
