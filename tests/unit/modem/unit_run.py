"""Runs unit_alarm.py on real MicroPython beside an emulated modem and the fleet's end, until it has its receipt."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from far_server import Fleet
from unit_build import shipped_command

from provisioning.ca import CertificateAuthority
from provisioning.identity import make_identity, write_flash
from sim.modem.rig import Rig
from sim.modem.scenario import Scenario

UNIT = 1
LONGEST_S = 300

Arrange = Callable[[Fleet, CertificateAuthority, Rig, Path], Awaitable[dict[str, str]]]


async def send_alarm(
    unit: Path, folder: Path, scenario: Scenario, arrange: Arrange | None = None, **environment: str
) -> tuple[dict[str, str], Fleet, Rig]:
    """What the unit said, the fleet, the modem. `arrange` prepares more of a fleet, and gives more environment."""
    flash = folder / "flash"
    identity = make_identity(UNIT)
    authority = CertificateAuthority.open(folder / "ca")
    fleet = await Fleet(identity).open()
    write_flash(
        flash, identity, authority.issue_unit(UNIT), authority.ca_der, profile=1, heartbeat_s=60, pipes=["coap"],
        coap_addresses=[("127.0.0.1", fleet.port)], mqtt_address=("127.0.0.1", fleet.port, "fleet.test"),
    )  # fmt: skip
    try:
        async with Rig(scenario) as rig:
            environment = {"SERVER_PORT": str(fleet.port), **environment}
            if arrange is not None:
                environment.update(await arrange(fleet, authority, rig, folder))
            argv, variables = shipped_command(
                unit, "unit_alarm", **rig.environment, MODEM_TTY=rig.tty, MODEM_DIALECT=scenario.dialect, **environment
            )
            process = await asyncio.create_subprocess_exec(
                *argv, cwd=flash, env=variables, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
            )
            try:
                async with asyncio.timeout(LONGEST_S):
                    out, _ = await process.communicate()
            except TimeoutError:
                process.kill()
                out, _ = await process.communicate()
                raise AssertionError(f"no receipt; commands {dict(rig.device.commands)}; {out.decode()}") from None
            text = out.decode()
            if process.returncode or "done" not in text:
                raise AssertionError(text)
            return dict(line.partition(" ")[::2] for line in text.splitlines()), fleet, rig
    finally:
        fleet.close()


def alarm(
    unit: Path, folder: Path, scenario: Scenario, arrange: Arrange | None = None, **environment: str
) -> tuple[dict[str, str], Fleet, Rig]:
    """The same, in a loop of its own."""
    return asyncio.run(send_alarm(unit, folder, scenario, arrange, **environment))
