"""An operator goes, in both ways in which one does: real units behind emulated modems find out by themselves."""

from __future__ import annotations

from pathlib import Path

import pytest

from firmware.ports import breadcrumbs, kept
from protocols.wire import messages
from provisioning.ca import CertificateAuthority
from provisioning.identity import Extras, make_identity, write_flash
from sim.cellular import configured
from sim.firmware_build import build_firmware
from sim.lockstep import LockStep
from sim.modem.rig import Rig
from sim.modem.scenario import Step
from sim.scenarios.a1_firmware import modem, without_changes
from sim.scenarios.a1_story import OUT, SPARE
from sim.scenarios.crowd import SIM_1, SIM_2, One, Way
from sim.sealed_receiver import Arrival, Books, Receiver

HEARTBEAT_S = 300
BEGINS_S = 400.0
PROMISED_S = HEARTBEAT_S + 90
WAYS = [Way(SIM_1, OUT, 1, "issuer A"), Way(SIM_2, SPARE, 1, "issuer B")]


def arrivals(folder: Path, build: Path, masts: bool, instead: Path | None = None) -> list[Arrival]:
    """What two units say in the time that they have to change their SIM."""
    said: list[Arrival] = []
    with LockStep(build) as world:
        world.build = instead or world.build
        identities = {unit: make_identity(unit) for unit in (1, 2)}
        authority = CertificateAuthority.open(folder / "ca")
        books = Books(identities)
        receiver = Receiver(world, books)
        rigs = []
        for unit, identity in identities.items():
            rig = Rig(modem(One(unit, WAYS, "D01", 1), unit, 0.0), world.clock)
            write_flash(
                folder / str(unit), identity, authority.issue_unit(unit), authority.ca_der, profile=1,
                heartbeat_s=HEARTBEAT_S, pipes=["coap"], coap_addresses=[receiver.address],
                extras=Extras(modem=configured(rig.scenario)),
            )  # fmt: skip
            world.add_unit(unit, folder / str(unit), seed=unit, rig=rig)
            rigs.append(rig)
        world.run(BEGINS_S)
        books.on_message = said.append
        for rig in rigs:
            if masts:
                rig.device.radio.set_network("first", False)
            else:
                rig.device.do(Step("loss", at_ms=0, slot=0, loss=1.0))
        world.run(PROMISED_S)
        receiver.close()
    return said


@pytest.mark.timeout(300)
@pytest.mark.parametrize("masts", [True, False], ids=["masts gone", "still registered"])
def test_it_is_heard_on_its_other_sim_in_time_and_says_that_it_is_there(
    masts: bool, tmp_path: Path, build: Path
) -> None:
    said = arrivals(tmp_path, build, masts)
    assert {one.unit for one in said} == {1, 2}
    # Nothing gets through on the first SIM, so nothing that comes may say that it came over it: what a frame says was
    # so when it was sealed, and a frame of before must not be repeated over the other SIM.
    beats = [one.message for one in said if isinstance(one.message, messages.Heartbeat)]
    assert beats and {beat.bearer for beat in beats} == {messages.BEARER_SIM2}
    assert {beat.operator for beat in beats} <= {SPARE, None}
    # What a hang would leave nobody the time to write.
    trails = [kept.unpack((tmp_path / str(unit) / "crumbs.kept").read_bytes()) for unit in (1, 2)]
    assert all([breadcrumbs.SIM_SWITCHED, 1] in trail for trail in trails)


@pytest.mark.proof
@pytest.mark.timeout(300)
def test_without_a_change_of_sim_nothing_is_heard(tmp_path: Path, build: Path) -> None:
    """The negative control."""
    assert not arrivals(tmp_path, build, False, build_firmware(build, instead=without_changes()))
