"""The front doors in this process over a real PostgreSQL, and units that seal their own frames.

`served` yields a Scene: a fresh database, an authority, registered units, the ingest on ports of its own. Tests are
plain functions that run a coroutine with `run`, on the event loop that the product uses.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pytest
import uvloop
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from fleet.alarms import store as alarms
from fleet.ingest.run import Ingest
from fleet.registry import store as registry
from fleet.registry.directory import Aead
from fleet.registry.secret_box import SecretBox
from fleet.settings import Settings
from fleet.store.embedded_postgres import EmbeddedPostgres
from fleet.store.pool import make_pool, tenant_transaction
from protocols.wire import coap, messages, seal
from provisioning.ca import CertificateAuthority, UnitCertificate
from tests.database import FreshDatabase, cluster, fresh_database, shared_cluster
from tests.ports import free_port
from tests.questions import ask

T = TypeVar("T")
PATIENCE_S = 60.0
LONGEST_S = 500.0


@pytest.fixture(scope="module")
def postgres() -> Iterator[EmbeddedPostgres]:
    """The cluster of all files of tests that leave it running."""
    yield shared_cluster()


@pytest.fixture(scope="module")
def own_postgres() -> Iterator[EmbeddedPostgres]:
    """A cluster for one file of tests, which may kill it. Imported ``as postgres`` it takes the other one's place."""
    with cluster() as running:
        yield running


@pytest.fixture
def database(postgres: EmbeddedPostgres) -> Iterator[FreshDatabase]:
    """A migrated database of the test's own."""
    with fresh_database(postgres) as made:
        yield made


def run(work: Coroutine[Any, Any, T], seconds: float = LONGEST_S) -> T:
    """Runs a test on uvloop, as the server does. One that waits in vain says where, before the run's own limit."""

    async def bounded() -> T:
        async with asyncio.timeout(seconds):
            return await work

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(bounded())


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


@dataclass
class Unit:
    """A unit made of protocols.wire and nothing of the server: it seals, and opens what is for it."""

    number: int
    secret: bytes = field(repr=False)
    generation: int = 1
    certificate: UnitCertificate | None = field(default=None, repr=False)
    _counters: Iterator[int] = field(default_factory=lambda: itertools.count(1), repr=False)

    @property
    def name(self) -> str:
        return f"{self.number:08x}"

    @property
    def kid(self) -> bytes:
        return seal.kid(self.number, self.generation)

    def seal(
        self, message: messages.Message | bytes, *, counter: int | None = None, context: bytes | None = None
    ) -> bytes:
        key, iv = seal.derive(sha256, self.secret, self.kid, seal.UP, context)
        assert iv is not None
        plaintext = message if isinstance(message, bytes) else message.encode()
        number = next(self._counters) if counter is None else counter
        return seal.seal_up(Aead(key), iv, self.kid, number, plaintext, context)

    def seal_down(self, message: messages.Message) -> bytes:
        """What only the fleet may send."""
        key, _ = seal.derive(sha256, self.secret, self.kid, seal.DOWN)
        return seal.seal_down(Aead(key), secrets.token_bytes(13), message.encode())

    def open_down(self, frame: bytes) -> messages.Message:
        """Whatever the fleet says: a receipt or a command."""
        key, _ = seal.derive(sha256, self.secret, self.kid, seal.DOWN)
        message = messages.decode(seal.open_down(Aead(key), seal.parse(frame)))
        assert isinstance(message, messages.Message)
        return message

    def open(self, frame: bytes) -> messages.Receipt:
        message = self.open_down(frame)
        assert isinstance(message, messages.Receipt)
        return message

    def command(self, frame: bytes) -> messages.Command:
        message = self.open_down(frame)
        assert isinstance(message, messages.Command)
        return message

    def items(self, frame: bytes) -> list[tuple[int, int, int]]:
        """What a receipt says: (boot, seq, stage)."""
        return list(self.open(frame).items)

    def write_pem(self, folder: Path) -> tuple[Path, Path]:
        """Certificate and key as PEM files, as other people's clients want them."""
        assert self.certificate is not None
        cert, key = folder / f"{self.name}.pem", folder / f"{self.name}.key"
        parsed = x509.load_der_x509_certificate(self.certificate.cert_der)
        cert.write_bytes(parsed.public_bytes(serialization.Encoding.PEM))
        private = serialization.load_der_private_key(self.certificate.key_der, None)
        key.write_bytes(
            private.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        key.chmod(0o600)
        return cert, key


def alarm(seq: int, boot: int = 1, **more: Any) -> messages.Alarm:
    return messages.Alarm(boot=boot, seq=seq, **({"kind": 1, "input": 0, "count": 1, "age": 0, "attempt": 1} | more))


def heartbeat(seq: int, boot: int = 1, **more: Any) -> messages.Heartbeat:
    return messages.Heartbeat(
        boot=boot, seq=seq, **({"next_due": 300, "bearer": 1, "battery": 90, "signal": -80} | more)
    )


@dataclass
class Scene:
    """A running ingest and what tests ask of it. ``units`` are registered in municipality 1."""

    database: FreshDatabase
    settings: Settings
    box: SecretBox
    authority: CertificateAuthority
    units: list[Unit]
    ingest: Ingest

    @property
    def unit(self) -> Unit:
        return self.units[0]

    @property
    def folder(self) -> Path:
        return self.settings.data

    @property
    def ca_file(self) -> Path:
        return self.settings.tls_folder / "ca.pem"

    def rows(self, query: str, *parameters: object) -> list[tuple[Any, ...]]:
        return ask(self.database.owner_url, query, parameters)

    def value(self, query: str, *parameters: object) -> Any:
        return self.rows(query, *parameters)[0][0]

    def change(self, query: str, *parameters: object) -> None:
        ask(self.database.owner_url, query, parameters)

    def presses(self) -> list[tuple[int, int, int]]:
        """(unit, boot, seq) of every press stored."""
        return [tuple(row) for row in self.rows("SELECT unit_id, boot, seq FROM presses ORDER BY 1, 2, 3")]  # type: ignore[misc]

    def dropped(self, transport: str, reason: str) -> int:
        return self.ingest.counters.get(f"dropped.{transport}.{reason}", 0)

    async def until(self, predicate: Callable[[], object], what: str = "", seconds: float = PATIENCE_S) -> None:
        """Waits until the predicate holds; asks it in a thread, for it may ask the database."""
        ends = time.monotonic() + seconds
        while not await asyncio.to_thread(predicate):
            assert time.monotonic() < ends, (
                f"{what or predicate} did not come true in {seconds} s: {self.ingest.counters}"
            )
            await asyncio.sleep(0.02)

    async def take_cases(self) -> None:
        """An operator takes every open case."""
        async with make_pool(self.database.app_url, "web", size=1) as pool:
            for (case,) in self.rows("SELECT case_id FROM cases WHERE state = 'open'"):
                async with tenant_transaction(pool, [1]) as connection:
                    await alarms.take_case(connection, case, "operator")

    async def add_unit(self, number: int, *, unit_type: str = "social", certificate: bool = True) -> Unit:
        unit = Unit(number, secrets.token_bytes(16))
        if certificate:
            unit.certificate = await asyncio.to_thread(self.authority.issue_unit, number)
        await self._register([unit], unit_type)
        return unit

    async def restart(self) -> None:
        """The server ends and a new one starts on the same ports and database."""
        await self.ingest.stop()
        self.ingest = Ingest(self.settings, self.database.app_url, self.box)
        await self.ingest.start()

    async def _register(self, units: list[Unit], unit_type: str = "social") -> None:
        async with make_pool(self.database.app_url, "registry", size=1) as pool, pool.connection() as connection:
            await registry.add_municipality(connection, 1, "One")
            for unit in units:
                shown = unit.certificate
                await registry.add_unit(
                    connection,
                    self.box,
                    unit=unit.number,
                    municipality=1,
                    unit_type=unit_type,
                    generation=unit.generation,
                    secret=unit.secret,
                    fingerprint=shown.fingerprint_sha256 if shown else secrets.token_bytes(32),
                    serial=str(shown.serial) if shown else "none",
                )


@asynccontextmanager
async def served(
    database: FreshDatabase,
    folder: Path,
    *,
    units: int = 2,
    certificates: bool = False,
    hooks: bool = False,
    **more: Any,
) -> AsyncIterator[Scene]:
    """The ingest over this database, with units 1..``units``; ``hooks`` opens the SMS door; ``more`` goes to Ingest."""
    hooks_port = free_port() if hooks else None
    settings = Settings(data=folder, coap_port=free_port(), mqtt_port=free_port(), hooks_port=hooks_port)
    authority = CertificateAuthority.open(settings.authority_folder)
    settings.tls_folder.mkdir(exist_ok=True)
    certificate, key = authority.issue_server(["127.0.0.1", settings.tls_name])
    (settings.tls_folder / "ca.pem").write_bytes(authority.ca_pem)
    (settings.tls_folder / "server.pem").write_bytes(certificate)
    (settings.tls_folder / "server.key").write_bytes(key)
    box = SecretBox(secrets.token_bytes(32))
    made = [Unit(number, secrets.token_bytes(16)) for number in range(1, units + 1)]
    if certificates:
        for unit in made:
            unit.certificate = authority.issue_unit(unit.number)
    ingest = Ingest(settings, database.app_url, box, **more)
    scene = Scene(database, settings, box, authority, made, ingest)
    await scene._register(made)
    await ingest.start()
    try:
        yield scene
    finally:
        await scene.ingest.stop()


class CoapUnit(asyncio.DatagramProtocol):
    """A UDP socket that posts frames and collects what comes back."""

    def __init__(self) -> None:
        self.received: asyncio.Queue[coap.Message] = asyncio.Queue()
        self.pushes: asyncio.Queue[coap.Message] = asyncio.Queue()
        self._mids = itertools.count(secrets.randbelow(60_000))
        self._transport: asyncio.DatagramTransport | None = None

    @classmethod
    async def open(cls, scene: Scene) -> CoapUnit:
        loop = asyncio.get_running_loop()
        transport, protocol = await loop.create_datagram_endpoint(cls, remote_addr=scene.ingest.coap_address)
        protocol._transport = transport
        return protocol

    def datagram_received(self, data: bytes, addr: Any) -> None:
        message = coap.decode(data, 2048)
        (self.pushes if message.is_request() else self.received).put_nowait(message)

    def close(self) -> None:
        assert self._transport is not None
        self._transport.close()

    def datagram(self, frame: bytes, path: str = "u") -> bytes:
        """A CON POST of the frame."""
        mid = next(self._mids) & 0xFFFF
        return coap.encode(coap.CON, coap.POST, mid, b"\1\2", coap.path_options(path), frame)

    def send(self, frame: bytes) -> None:
        self.send_raw(self.datagram(frame))

    def send_raw(self, datagram: bytes) -> None:
        assert self._transport is not None
        self._transport.sendto(datagram)

    async def next(self, seconds: float = PATIENCE_S) -> coap.Message:
        """The next message from the server."""
        async with asyncio.timeout(seconds):
            return await self.received.get()

    async def ask(self, frame: bytes, seconds: float = PATIENCE_S) -> bytes:
        """Posts a frame and returns the receipt that answers it, acknowledged where it came in a CON of its own."""
        self.send(frame)
        while True:
            answer = await self.next(seconds)
            if answer.code == coap.EMPTY:
                continue
            assert answer.code == coap.CHANGED, f"code {answer.code:#x}"
            if answer.type == coap.CON:
                self.send_raw(coap.encode(coap.ACK, coap.EMPTY, answer.mid))
            return answer.payload


async def settled(work: Awaitable[T], seconds: float = PATIENCE_S) -> T:
    """Waits for something that must come."""
    async with asyncio.timeout(seconds):
        return await work
