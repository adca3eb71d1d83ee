"""The whole house on one machine: database, fleet server, alarm centre and real units, each its own process.

The demo, the journey tests and the scenarios stand on it. It starts real programs, can kill them, and reads what they
left behind; it never reaches into them.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import secrets
import signal
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from fleet.registry import store as registry
from fleet.settings import Settings
from fleet.store.embedded_postgres import EmbeddedPostgres
from fleet.store.pool import make_pool
from fleet.store.postgres_child import ties_to_parent
from livlina.failure import PartFailed
from livlina.installation import open_authority, open_secret_box
from provisioning.ca import CertificateAuthority
from provisioning.files import create_private
from provisioning.identity import Configuration, Extras, make_identity, write_config, write_flash
from sim.cellular import CellularUnits, configured
from sim.migrated import start_migrated
from sim.modem.scenario import Scenario
from sim.to_its_end import to_its_end
from sim.units import UnitFleet

MUNICIPALITY = 1
LOGIN = "operator"
PORTS = range(20000, 32768)
_lately: deque[int] = deque(maxlen=50)
"""Handed out, and perhaps not bound yet."""


def free_port(kind: int = socket.SOCK_STREAM, preferred: int | None = None, but: Collection[int] = ()) -> int:
    """A loopback port below the ephemeral range that is free now; the preferred one if it is (0 prefers none).

    It is none of those in `but`.
    """
    others = [port for port in random.sample(PORTS, min(len(PORTS), 200)) if port not in _lately]
    for port in (port for port in [*([preferred] if preferred else []), *others] if port not in but):
        with socket.socket(socket.AF_INET, kind) as probe, contextlib.suppress(OSError):
            if kind == socket.SOCK_STREAM:
                # As the server will bind it: connections of an earlier run that linger do not make a port taken.
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            _lately.append(port)
            return port
    raise OSError("no free port between 20000 and 32767")


@dataclass(frozen=True, slots=True)
class Ports:
    """Where the house listens, all on 127.0.0.1."""

    http: int
    mqtt: int
    coap: int
    centre: int

    @classmethod
    def free(cls, settings: Settings | None = None) -> Ports:
        """Free ports; those of the settings where they are free."""
        http = free_port(preferred=settings.http_port if settings else None)
        mqtt = free_port(preferred=settings.mqtt_port if settings else None, but=(http,))
        coap = free_port(socket.SOCK_DGRAM, preferred=settings.coap_port if settings else None)
        return cls(http, mqtt, coap, centre=free_port(but=(http, mqtt)))


@dataclass(slots=True)
class House:
    """One house in one data folder. ``units`` real units, numbered from 1; every second speaks MQTT, the others CoAP.

    ``server_command`` is what runs the fleet server; a test may name another program that composes it differently.
    ``pipe_of(unit)`` chooses other pipes; ``coap_addresses`` is where units are told that the server is, in place of
    where it is: a path in between, or a first address that is dead. ``modems`` are the units that reach it through an
    emulated modem, by unit; ``sms_number`` is where those send their last resort; ``profile`` is what all units are
    (firmware.core.profiles). ``environment`` is the server's, besides where everything is.
    """

    folder: Path
    units: int
    ports: Ports
    heartbeat_s: int = 10
    server_command: Sequence[str] = (sys.executable, "-m", "livlina", "serve")
    unit_type: str = "social"
    profile: int = 1
    pipe_of: Callable[[int], str] | None = None
    coap_addresses: Sequence[tuple[str, int]] | None = None
    modems: Mapping[int, Scenario] = field(default_factory=dict)
    sms_number: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    postgres: EmbeddedPostgres = field(init=False)
    fleet: UnitFleet = field(init=False)
    cellular: CellularUnits = field(init=False)
    _server: subprocess.Popen[bytes] | None = field(default=None, init=False)
    _centre: subprocess.Popen[bytes] | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self.folder = self.folder.absolute()
        self.postgres = EmbeddedPostgres(self.folder)
        self.fleet = UnitFleet(self.folder / "firmware")
        self.cellular = CellularUnits(self.modems)

    # Places -------------------------------------------------------------------------------------------------------

    @property
    def url(self) -> str:
        """Of the pages."""
        return f"http://127.0.0.1:{self.ports.http}"

    @property
    def centre_log(self) -> Path:
        """What the alarm centre says it has, one JSON object a line."""
        return self.folder / "centre.jsonl"

    @property
    def settings(self) -> Settings:
        """The server's settings."""
        return Settings(
            data=self.folder, http_port=self.ports.http, mqtt_port=self.ports.mqtt, coap_port=self.ports.coap
        )

    def flash(self, unit: int) -> Path:
        """The folder that is a unit's flash."""
        return self.folder / "units" / f"{unit:08x}"

    def password(self) -> str:
        """The operator's password, random per data folder, kept with mode 0600."""
        file = self.folder / "operator.password"
        if not file.exists():
            create_private(file, secrets.token_urlsafe(12).encode())
        return file.read_text()

    # Life ---------------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Everything, in the order that an installation would: database, schema, registry, server, centre, units.

        May be cancelled; what is there already is for ``stop`` to end.
        """
        await to_its_end(lambda: start_migrated(self.postgres))
        await self._register(await asyncio.to_thread(open_authority, self.settings))
        await self.start_centre()
        await self.start_server()
        self.cellular.open()
        self.fleet.on_levels = self.cellular.levels
        await self.fleet.start(self.flashes(), env=self.cellular.environment)

    async def stop(self) -> None:
        """Stops every process that was started here, units first. May be called at any time."""
        await self.fleet.stop()
        self.cellular.close()
        for child in (self._server, self._centre):
            if child is not None:
                await asyncio.to_thread(_end, child)
        self._server = self._centre = None
        await asyncio.to_thread(self.postgres.stop)

    async def start_server(self) -> None:
        """Starts the fleet server and waits until its pages answer. Raises PartFailed with its last words."""
        log_file = self.folder / "server.log"
        environment = {
            **os.environ,
            "LIVLINA_DATA": str(self.folder),
            "LIVLINA_DATABASE_URL": self.postgres.app_url,
            "LIVLINA_OWNER_DATABASE_URL": self.postgres.owner_url,
            "LIVLINA_HTTP_PORT": str(self.ports.http),
            "LIVLINA_MQTT_PORT": str(self.ports.mqtt),
            "LIVLINA_COAP_PORT": str(self.ports.coap),
            "LIVLINA_LISTEN": "127.0.0.1",
            "LIVLINA_HTTP_LISTEN": "127.0.0.1",
            **self.environment,
        }
        with log_file.open("ab") as out:
            self._server = subprocess.Popen(  # noqa: S603, ASYNC220 (our own program)
                list(self.server_command), env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                start_new_session=True,
                preexec_fn=ties_to_parent(signal.SIGTERM),  # noqa: PLW1509 (safe: see there)
            )  # fmt: skip
        async with httpx.AsyncClient() as client:
            for _ in range(600):
                if self._server.poll() is not None:
                    raise PartFailed(f"the fleet server ended at its start:\n{_tail(log_file)}")
                with contextlib.suppress(httpx.HTTPError):
                    if (await client.get(self.url + "/healthz", timeout=2)).status_code == httpx.codes.OK:
                        return
                await asyncio.sleep(0.05)
        raise PartFailed(f"the fleet server did not answer within 30 s:\n{_tail(log_file)}")

    def kill_server(self) -> None:
        """SIGKILL, as a power cut would."""
        if self._server is not None:
            self._server.kill()
            self._server.wait()

    @property
    def server_pid(self) -> int | None:
        """The fleet server's process, or None while there is none."""
        return self._server.pid if self._server is not None and self._server.poll() is None else None

    @property
    def centre_pid(self) -> int | None:
        """The alarm centre's process, or None while there is none."""
        return self._centre.pid if self._centre is not None and self._centre.poll() is None else None

    async def start_centre(self) -> None:
        """Starts the simulated alarm centre and waits until it listens."""
        log_file = self.folder / "centre.log"
        with log_file.open("ab") as out:
            self._centre = subprocess.Popen(  # noqa: S603, ASYNC220 (our own program)
                [
                    sys.executable, "-m", "sim.centre", "--listen", f"127.0.0.1:{self.ports.centre}",
                    "--log", str(self.centre_log),
                ],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=out,
                start_new_session=True,
                preexec_fn=ties_to_parent(signal.SIGTERM),  # noqa: PLW1509 (safe: see there)
            )  # fmt: skip
        assert self._centre.stdout is not None
        line = await asyncio.to_thread(self._centre.stdout.readline)
        if not line.startswith(b"listening"):
            raise PartFailed(f"the simulated centre did not start:\n{_tail(log_file)}")

    def kill_centre(self) -> None:
        """SIGKILL to the alarm centre."""
        if self._centre is not None:
            self._centre.kill()
            self._centre.wait()

    def dead(self) -> str | None:
        """The name of a part that has ended by itself, else None."""
        if self._server is not None and self._server.poll() is not None:
            return f"the fleet server (status {self._server.returncode}):\n{_tail(self.folder / 'server.log')}"
        if self._centre is not None and self._centre.poll() is not None:
            return f"the alarm centre (status {self._centre.returncode}):\n{_tail(self.folder / 'centre.log')}"
        return None

    # Registry -----------------------------------------------------------------------------------------------------

    async def _register(self, authority: CertificateAuthority) -> None:
        """Makes the units that are missing and tells all of them where the server is now."""
        box = open_secret_box(self.settings)
        async with make_pool(self.postgres.app_url, "registry", size=1) as pool:
            async with pool.connection() as connection:
                await registry.add_municipality(connection, MUNICIPALITY, "Demo")
                centre = await registry.add_centre(
                    connection, name="Demo centre", protocol="dc09", host="127.0.0.1", port=self.ports.centre
                )
                await registry.route_to(connection, MUNICIPALITY, centre)
                await registry.add_operator(connection, LOGIN, self.password(), [MUNICIPALITY])
            async with pool.connection() as connection:
                known = await registry.known_units(connection)
            async with pool.connection() as connection, connection.pipeline():
                for unit in range(1, self.units + 1):
                    if unit in known:
                        write_config(self.flash(unit), **self._way(unit))
                        continue
                    identity = make_identity(unit)
                    certificate = authority.issue_unit(unit)
                    await registry.add_unit(
                        connection, box,
                        unit=unit, municipality=MUNICIPALITY, unit_type=self.unit_type,
                        generation=identity.generation, secret=identity.secret16,
                        fingerprint=certificate.fingerprint_sha256, serial=f"{certificate.serial:x}",
                    )  # fmt: skip
                    write_flash(
                        self.flash(unit), identity, certificate, authority.ca_der, overwrite=True, **self._way(unit)
                    )

    def pipe(self, unit: int) -> str:
        """Which pipe a unit of this house uses."""
        if self.pipe_of is not None:
            return self.pipe_of(unit)
        return "mqtt" if unit % 2 else "coap"

    def flashes(self) -> dict[int, Path]:
        """Every unit's flash."""
        return {unit: self.flash(unit) for unit in range(1, self.units + 1)}

    def _way(self, unit: int) -> Configuration:
        return {
            "profile": self.profile,
            "heartbeat_s": self.heartbeat_s,
            "pipes": [self.pipe(unit)],
            "coap_addresses": list(self.coap_addresses or [("127.0.0.1", self.ports.coap)]),
            "mqtt_address": ("127.0.0.1", self.ports.mqtt, self.settings.tls_name),
            "extras": self._extras(unit),
        }

    def _extras(self, unit: int) -> Extras | None:
        if unit not in self.modems:
            return None
        return Extras(modem=configured(self.modems[unit]), sms_number=self.sms_number)


@dataclass(frozen=True, slots=True)
class Truth:
    """What units, database and centre hold, side by side. Keys are references such as ``0000002a-3-17``."""

    journals: frozenset[str]
    database: frozenset[str]
    centre: frozenset[str]
    doubled: int

    @property
    def lost(self) -> int:
        """Presses that stand in a unit's own journal and are missing in the database or at the centre."""
        return len(self.journals - self.database) + len((self.journals & self.database) - self.centre)


def centre_references(log: Path) -> list[str]:
    """The references of the alarms that the centre counts as new, in order."""
    if not log.exists():
        return []
    entries = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines() if line.endswith("}")]
    return [entry["reference"] for entry in entries if not entry["duplicate"] and entry["reference"]]


def _end(child: subprocess.Popen[bytes]) -> None:
    if child.poll() is None:
        child.send_signal(signal.SIGTERM)
        try:
            child.wait(timeout=10)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
    for pipe in (child.stdin, child.stdout):
        if pipe is not None:
            pipe.close()


def _tail(file: Path, lines: int = 15) -> str:
    text = file.read_text(errors="replace") if file.exists() else ""
    return "\n".join(text.splitlines()[-lines:]) or "(it said nothing)"
