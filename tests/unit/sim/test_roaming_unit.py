"""A whole unit whose own network is away and a guest's is there: silent if it may not roam, heard if somebody presses.

The real firmware on MicroPython over an emulated modem; time is the lock step's.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from firmware.core.obey import HOLD_S
from firmware.modem.orders import GUEST_MS
from firmware.ports.kept import pack
from protocols.wire import messages
from provisioning.ca import CertificateAuthority
from provisioning.identity import Extras, make_identity, write_flash
from sim.cellular import configured
from sim.lockstep import LockStep
from sim.modem.rig import Rig
from sim.modem.scenario import Card, Network, Operator, Scenario, Step
from sim.sealed_receiver import Arrival, Books, Receiver

HEARTBEAT_S = 60
PROMISE_S = 20.0
QUIET_S = 900.0
NO_ROAMING = [0, [], [], 0, HOLD_S, HOLD_S]
"""As a unit keeps it (core.obey.policy)."""

pytestmark = pytest.mark.timeout(300)


class Unit:
    """One unit with one card, whose own network is away, and what the fleet hears of it."""

    def __init__(self, world: LockStep, folder: Path, policy: list[object] | None) -> None:
        self.world = world
        self.heard: list[Arrival] = []
        identity, authority = make_identity(1), CertificateAuthority.open(folder / "ca")
        self.books = Books({1: identity})
        self.books.on_message = self.heard.append
        self.receiver = Receiver(world, self.books)
        made = dataclasses.replace(
            Scenario(dialect="bg95"),
            networks=(Network("own", up=False), Network("guest", tac=0x1111, cell=0x222222)),
            operators=(Operator("Own", "24001", ("own",)), Operator("Guest", "24008", ("guest",))),
            cards=(Card("8946001201234567890", "240016123456789", "Own", roams=("Guest",)),),
        )
        write_flash(
            folder / "flash", identity, authority.issue_unit(1), authority.ca_der, profile=1, heartbeat_s=HEARTBEAT_S,
            pipes=["coap"], coap_addresses=[self.receiver.address], extras=Extras(modem=configured(made)),
        )  # fmt: skip
        if policy is not None:
            (folder / "flash" / "policy.kept").write_bytes(pack(policy))
        self.rig = Rig(made, world.clock)
        self.unit = world.add_unit(1, folder / "flash", rig=self.rig)

    def heartbeats(self, seconds: float) -> int:
        """How many come in this time."""
        before = len(self.heard)
        self.world.run(seconds)
        return sum(isinstance(one.message, messages.Heartbeat) for one in self.heard[before:])

    def press(self) -> float:
        """Seconds from the finger until the fleet has it."""
        known, began = set(self.books.first), self.world.clock.now()
        self.unit.press()
        self.world.run(120, lambda: set(self.books.first) > known)
        (fresh,) = set(self.books.first) - known
        return self.books.first[fresh] - began


@contextmanager
def started(tmp_path: Path, build: Path, policy: list[object] | None) -> Iterator[Unit]:
    world = LockStep(build)
    unit = Unit(world, tmp_path, policy)
    with world:
        yield unit


def test_it_is_silent_as_a_guest_but_for_a_press_and_what_follows_it(tmp_path: Path, build: Path) -> None:
    with started(tmp_path, build, NO_ROAMING) as unit:
        assert unit.heartbeats(QUIET_S) == 0
        assert unit.press() <= PROMISE_S
        assert unit.heartbeats(GUEST_MS / 1000 - 60) >= 5, "later stages can come"
        unit.world.run(120)
        assert unit.heartbeats(QUIET_S) == 0
        unit.rig.device.do(Step("network", at_ms=0, name="own", up=True))
        unit.world.run(600)
        assert unit.heartbeats(QUIET_S) >= 0.8 * QUIET_S / HEARTBEAT_S


def test_it_roams_until_the_fleet_says_otherwise_and_answers_that_first(tmp_path: Path, build: Path) -> None:
    """Its first part is the control of the one above."""
    with started(tmp_path, build, None) as unit:
        unit.world.run(180)
        assert unit.heartbeats(QUIET_S) >= 0.8 * QUIET_S / HEARTBEAT_S
        unit.receiver.order(1, 7, messages.COMMAND_SIM_POLICY, {1: 0, 4: 0})
        unit.world.run(120)
        answers = [one.message for one in unit.heard if isinstance(one.message, messages.Answer)]
        assert [(one.number, one.result, one.data) for one in answers] == [(7, messages.RESULT_DONE, {1: 6})]
        unit.world.run(GUEST_MS / 1000)
        assert unit.heartbeats(QUIET_S) == 0
        assert unit.press() <= PROMISE_S
