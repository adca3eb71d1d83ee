"""One unit of real firmware in lock step, and the fleet that hears it at one address."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from provisioning.ca import CertificateAuthority
from provisioning.identity import Extras, make_identity, write_flash
from sim.cellular import configured
from sim.firmware_build import build_firmware
from sim.lockstep import LockStep
from sim.modem.rig import Rig
from sim.modem.scenario import Scenario
from sim.scenarios.wearers import put_off_drills
from sim.sealed_receiver import Books, Receiver


class OneUnit:
    """Unit 1 on the board's own network or, with `modem`, behind that; it has been switched on, and no time has passed.

    `extras` say all of its configuration that is not the profile's, of its modem too; without them the modem is said.
    Its own drill is a month away, so that what is counted is what the test has caused; `drills` leaves it where it is.
    `instead` are files of the firmware in the place of the shipped ones, `kept` further files on the unit's flash.
    """

    def __init__(
        self, folder: Path, build: Path, *, profile: int = 1, heartbeat_s: int = 300, extras: Extras | None = None,
        modem: Scenario | None = None, drills: bool = False, kept: Mapping[str, bytes] | None = None,
        instead: dict[str, str] | None = None, seed: int = 1, ticks: int = 0,
    ) -> None:  # fmt: skip
        self.world = LockStep(build)
        if instead is not None:
            self.world.build = build_firmware(build, instead=instead)
        identity = make_identity(1)
        authority = CertificateAuthority.open(folder / "ca")
        self.books = Books({1: identity})
        self.receiver = Receiver(self.world, self.books)
        if extras is None and modem is not None:
            extras = Extras(modem=configured(modem))
        flash = folder / "flash"
        write_flash(
            flash, identity, authority.issue_unit(1), authority.ca_der, profile=profile, heartbeat_s=heartbeat_s,
            pipes=["coap"], coap_addresses=[self.receiver.address], extras=extras,
        )  # fmt: skip
        if not drills:
            put_off_drills(flash)
        for name, content in (kept or {}).items():
            (flash / name).write_bytes(content)
        self.rig = None if modem is None else Rig(modem, self.world.clock)
        self.unit = self.world.add_unit(1, flash, seed=seed, ticks=ticks, rig=self.rig)
