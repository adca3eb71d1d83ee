"""One street of real units and the far ends they talk to; every test has its own."""

import asyncio
import contextlib
import socket
from pathlib import Path

import pytest
from far_end import CoapEnd, FarEnd, MqttEnd

from provisioning.ca import CertificateAuthority
from provisioning.identity import Extras, make_identity, write_flash
from sim.units import UnitFleet
from tests.ports import free_port

TLS_NAME = "fleet.test"


class Street:
    """Units 1..n on `pipes`, their flash, and the far end."""

    def __init__(
        self, folder: Path, build: Path, pipes=("coap",), count=1, heartbeat_s=30, coap_ports=1, profile=1, **extras
    ):
        self.folder = folder
        self.build = build
        self.authority = CertificateAuthority.open(folder / "ca")
        self.identities = {unit: make_identity(unit) for unit in range(1, count + 1)}
        self.far = FarEnd(self.identities)
        self.coap_ports = [free_port(socket.SOCK_DGRAM) for _ in range(coap_ports)]
        self.mqtt_port = free_port(socket.SOCK_STREAM)
        self.folders = {}
        for unit, identity in self.identities.items():
            self.folders[unit] = folder / f"{unit:08x}"
            write_flash(
                self.folders[unit],
                identity,
                self.authority.issue_unit(unit),
                self.authority.ca_der,
                profile=profile,
                heartbeat_s=heartbeat_s,
                pipes=list(pipes),
                coap_addresses=[("127.0.0.1", port) for port in self.coap_ports],
                mqtt_address=("127.0.0.1", self.mqtt_port, TLS_NAME),
                extras=Extras(**extras),
            )
        self.lamps = []
        self.fleet = UnitFleet(build, spread_ms=200, on_lamp=lambda unit, stage, at: self.lamps.append((unit, stage)))
        self.ends = []

    async def coap(self, index=0):
        end = await CoapEnd(self.far, self.coap_ports[index]).open()
        self.ends.append(end)
        return end

    async def mqtt(self, names=(TLS_NAME,), authority=None):
        end = MqttEnd(self.far, self.mqtt_port, authority or self.authority, list(names), self.folder / "server")
        self.ends.append(await end.open())
        return end

    def shown(self, unit=1):
        """The stages that a wearer has seen, each once until the next. A moment of the sim's own that comes late may
        look like a lamp that is out, or begins anew."""
        seen = []
        for number, stage in self.lamps:
            if number == unit and stage != "off" and stage not in seen[-1:]:
                seen.append(stage)
        return seen

    def console(self, unit=1):
        return (self.folders[unit] / "console.log").read_text()

    async def close(self):
        await self.fleet.stop()
        for end in self.ends:
            await end.close()


@pytest.fixture(scope="session")
def build(tmp_path_factory):
    return tmp_path_factory.mktemp("build")


@pytest.fixture
def on_street(tmp_path, build):
    """Runs a coroutine function with a street of its own: on_street(test, **settings)."""

    def run(scenario, **settings):
        async def all_of_it():
            street = Street(tmp_path, build, **settings)
            async with contextlib.AsyncExitStack() as stack:
                stack.push_async_callback(street.close)
                await scenario(street)

        asyncio.run(all_of_it())

    return run
