"""A real unit whose alarm goes by SCAIP to a centre where somebody takes it: the wearer sees that it is taken.

The unit is firmware in MicroPython; its lamp says *taken* only behind a sealed receipt that it has opened itself.
"""

from __future__ import annotations

import asyncio
import dataclasses
from pathlib import Path

import pytest

from livlina.centre import add_centre, read_centre
from protocols.centre.scaip.read_alarm import wire_reference
from sim.house import House, Ports
from sim.units import UnitError
from tests.centres import scaip_centre
from tests.journeys.test_other_ways import rows
from tests.ports import free_port
from tests.taken_reports import information, report

LAMP_S = 300.0


class ScaipHouse(House):
    """Its alarms go by SCAIP to a centre of the test's own, which reports *taken* by its protocol."""

    scaip_port = 0
    token = ""

    async def start_centre(self) -> None:
        settings = dataclasses.replace(
            self.settings, database_url=self.postgres.app_url, owner_url=self.postgres.owner_url
        )
        new = read_centre("North", f"127.0.0.1:{self.scaip_port}", [1], protocol="scaip", reports_taken="protocol")
        added = await asyncio.to_thread(add_centre, settings, new)
        self.token = str(added["token"])


def test_what_the_centre_takes_is_taken_on_the_wearers_lamp(data_folder: Path, tmp_path: Path) -> None:
    async def journey() -> None:
        sip = free_port()
        async with scaip_centre() as centre:
            house = ScaipHouse(
                data_folder, 1, Ports.free(), heartbeat_s=5, pipe_of=lambda unit: "coap",
                environment={"LIVLINA_SIP_PORT": str(sip), "LIVLINA_SIP_LISTEN": "127.0.0.1"},
            )  # fmt: skip
            house.scaip_port = centre.port
            try:
                await house.start()
                await house.fleet.press(1)
                await house.fleet.wait_lamp(1, "accepted", LAMP_S)
                ((unit, boot, seq),) = await asyncio.to_thread(rows, house, "SELECT unit_id, boot, seq FROM presses")
                (alarm,) = centre.alarms()
                assert alarm.correlation.reference == f"{unit:08x}-{boot}-{seq}"
                word = information(wire_reference(alarm.correlation.reference))
                # The control: whoever does not know the password takes nothing, and the lamp stays where it is.
                assert await report(tmp_path, ("127.0.0.1", sip), "North", word, "guessed", status=401, name="no") == 0
                with pytest.raises(UnitError):
                    await house.fleet.wait_lamp(1, "taken", 0)
                assert await report(tmp_path, ("127.0.0.1", sip), "North", word, house.token) == 0
                await house.fleet.wait_lamp(1, "taken", LAMP_S)
            finally:
                await house.stop()

    asyncio.run(journey())
