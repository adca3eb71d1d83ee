"""The house of A7: a database of its own, the product's front doors with CoAP, MQTT and SMS, and who speaks to them.

It runs in real time; only the server's clock can be set. A unit here seals its own frames (`protocols.wire`), so that
every one of them can be captured on its way.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import secrets
import shutil
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, TypeVar

import psycopg

from fleet.ingest import sms_gateways
from fleet.ingest.run import Ingest
from fleet.registry import store as registry
from fleet.registry.directory import Aead
from fleet.settings import Settings
from fleet.store.embedded_postgres import EmbeddedPostgres
from fleet.store.pool import Connection, make_pool
from livlina.installation import open_authority, open_secret_box
from protocols.wire import coap, messages, mqtt, seal
from provisioning.ca import UnitCertificate
from provisioning.identity import Identity, make_identity
from sim.migrated import start_migrated
from sim.scenarios.wearers import sha256
from sim.to_its_end import to_its_end

T = TypeVar("T")

MUNICIPALITY: Final = 1
GATEWAY: Final = "replay"
PATIENCE_S: Final = 30.0
SILENCE_S: Final = 3.0
"""A CoAP frame that has no answer after this was refused; the counters say why."""


@dataclass
class Card:
    """A unit as its radio shows it; ``identity`` is never printed."""

    identity: Identity = field(repr=False)
    certificate: UnitCertificate | None = field(default=None, repr=False)
    boot: int = 1
    counters: Iterator[int] = field(default_factory=lambda: itertools.count(1), repr=False)
    seqs: Iterator[int] = field(default_factory=lambda: itertools.count(1), repr=False)

    def seal(self, message: messages.Message) -> bytes:
        """The next frame."""
        kid = seal.kid(self.identity.unit, self.identity.generation)
        key, iv = seal.derive(sha256, self.identity.secret16, kid, seal.UP)
        assert iv is not None
        return seal.seal_up(Aead(key), iv, kid, next(self.counters), message.encode())

    def opened(self, frame: bytes) -> Any:
        """What the fleet says, or None for what is not for this unit."""
        kid = seal.kid(self.identity.unit, self.identity.generation)
        key, _ = seal.derive(sha256, self.identity.secret16, kid, seal.DOWN)
        try:
            return messages.decode(seal.open_down(Aead(key), seal.parse(frame)))
        except (seal.SealError, messages.MessageError):
            return None

    def press(self, **more: Any) -> messages.Alarm:
        """A press of the own button."""
        known = {"kind": 1, "input": 0, "count": 1, "age": 0, "attempt": 1}
        return messages.Alarm(boot=self.boot, seq=next(self.seqs), **(known | more))

    def beat(self, **more: Any) -> messages.Heartbeat:
        """A heartbeat."""
        return messages.Heartbeat(boot=self.boot, seq=next(self.seqs), next_due=300, **more)


class Air(asyncio.DatagramProtocol):
    """One address that datagrams come from. ``pushed`` is what the fleet has sent by itself."""

    def __init__(self) -> None:
        self.pushed: asyncio.Queue[bytes] = asyncio.Queue()
        self._answers: dict[bytes, asyncio.Future[bytes]] = {}
        self._mids = itertools.count(secrets.randbelow(60_000))
        self._transport: asyncio.DatagramTransport | None = None

    @classmethod
    async def open(cls, door: tuple[str, int]) -> Air:
        """An address of its own."""
        transport, made = await asyncio.get_running_loop().create_datagram_endpoint(cls, remote_addr=door)
        made._transport = transport
        return made

    def datagram_received(self, data: bytes, addr: Any) -> None:
        """An answer, or a push. What is no message is nothing."""
        try:
            message = coap.decode(data, 2048)
        except coap.CoapError:
            return
        if message.is_request():
            self.pushed.put_nowait(message.payload)
            return
        answer = self._answers.get(message.token)
        if answer is not None and message.code == coap.CHANGED and not answer.done():
            answer.set_result(message.payload)

    async def ask(self, frame: bytes, seconds: float = PATIENCE_S) -> bytes | None:
        """The receipt, or None where nothing came."""
        assert self._transport is not None
        token = secrets.token_bytes(4)
        self._answers[token] = asyncio.get_running_loop().create_future()
        mid = next(self._mids) & 0xFFFF
        self._transport.sendto(coap.encode(coap.CON, coap.POST, mid, token, coap.path_options("u"), frame))
        try:
            async with asyncio.timeout(seconds):
                return await self._answers[token]
        except TimeoutError:
            return None
        finally:
            del self._answers[token]

    def close(self) -> None:
        """Gone."""
        if self._transport is not None:
            self._transport.close()


class Line:
    """A connection to the MQTT door with a unit's certificate."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, name: str) -> None:
        self._reader, self._writer, self._name = reader, writer, name
        self._packets = mqtt.Reader()
        self._ids = itertools.count(1)

    @classmethod
    async def open(cls, house: House, card: Card) -> Line | None:
        """Connected, or None where the door has refused."""
        assert card.certificate is not None
        name = f"{card.identity.unit:08x}"
        context = ssl.create_default_context(cafile=house.settings.tls_folder / "ca.pem")
        context.load_cert_chain(*house.pem(card, name))
        host, port = house.ingest.mqtt_address
        try:
            opened = await asyncio.open_connection(host, port, ssl=context, server_hostname=house.settings.tls_name)
        except (OSError, ssl.SSLError):
            return None
        line = cls(*opened, name)
        line._writer.write(mqtt.connect(name, 60, True))
        answer = await line._until(mqtt.CONNACK)
        return line if answer is not None and answer[1] == 0 else None

    async def ask(self, frame: bytes) -> bool:
        """Whether the door has taken the packet; a PUBACK is no receipt."""
        self._writer.write(mqtt.publish(f"u/{self._name}/up", frame, 1, next(self._ids) % 65_535 + 1))
        return await self._until(mqtt.PUBACK) is not None

    async def _until(self, kind: int) -> bytes | None:
        try:
            async with asyncio.timeout(PATIENCE_S):
                while data := await self._reader.read(4096):
                    self._packets.feed(data)
                    while (found := self._packets.take()) is not None:
                        if found[0] >> 4 == kind:
                            return found[1]
        except (OSError, TimeoutError):
            return None
        return None

    async def ended(self) -> bool:
        """Whether the door closes the connection."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                while await self._reader.read(4096):
                    pass
        except TimeoutError:
            return False
        except OSError:
            return True
        return True

    def close(self) -> None:
        """Hangs up."""
        self._writer.close()


class House:
    """Everything. ``ahead`` is how far the server's clock is set."""

    def __init__(self, folder: Path) -> None:
        folder.parent.chmod(0o755)  # PostgreSQL's own user must be able to enter it
        self.folder = folder
        self.postgres = EmbeddedPostgres(folder)
        self.settings = Settings(data=folder, coap_port=0, mqtt_port=0, hooks_port=0)
        self.ahead = timedelta()
        self.box = open_secret_box(self.settings)
        self.authority = open_authority(self.settings)
        self.ingest: Ingest
        self.token = ""

    def now(self) -> datetime:
        """The server's time."""
        return datetime.now(UTC) + self.ahead

    async def start(self) -> None:
        """Database and doors."""
        try:
            await to_its_end(lambda: start_migrated(self.postgres))
            await self.open_doors()
        except BaseException:  # a Ctrl-C too: nobody else stops what has not started
            await asyncio.to_thread(self.postgres.destroy)
            raise

    async def open_doors(self) -> None:
        """The doors alone."""
        self.ingest = Ingest(self.settings, self.postgres.app_url, self.box, clock=self.now)
        await self.ingest.start()
        await asyncio.wait_for(self.ingest.listening.wait(), PATIENCE_S)

    async def stop(self) -> None:
        """All of it; the database is gone afterwards."""
        await self.ingest.stop()
        await asyncio.to_thread(self.postgres.destroy)

    @property
    def _cluster(self) -> Path:
        return (self.folder / "postgres").resolve() / "cluster"

    async def back_up(self, into: Path) -> None:
        """A copy of the stopped cluster's files."""
        await self._with_stopped(lambda: _copy(self._cluster, into))

    async def restore(self, out_of: Path) -> None:
        """That copy in the cluster's place; what was beside the database stays."""

        def swap() -> None:
            shutil.rmtree(self._cluster)
            _copy(out_of, self._cluster)

        await self._with_stopped(swap)

    async def _with_stopped(self, work: Callable[[], None]) -> None:
        await self.ingest.stop()
        await to_its_end(self.postgres.stop)
        await to_its_end(work)
        await to_its_end(self.postgres.start)
        await self.open_doors()

    async def acting(self, act: Callable[[Connection], Awaitable[T]], duty: Any = "registry") -> T:
        """One transaction under this duty."""
        async with make_pool(self.postgres.app_url, duty, size=1) as pool, pool.connection() as connection:
            return await act(connection)

    async def add(self, numbers: range) -> list[Card]:
        """Registered units with certificates."""
        cards = [Card(make_identity(unit), self.authority.issue_unit(unit)) for unit in numbers]

        async def work(connection: Connection) -> None:
            await registry.add_municipality(connection, MUNICIPALITY, "One")
            for card in cards:
                one, shown = card.identity, card.certificate
                assert shown is not None
                await registry.add_unit(
                    connection, self.box, unit=one.unit, municipality=MUNICIPALITY, unit_type="personal",
                    generation=one.generation, secret=one.secret16, fingerprint=shown.fingerprint_sha256,
                    serial=str(shown.serial),
                )  # fmt: skip

        await self.acting(work)
        return cards

    async def add_gateway(self) -> None:
        """A gateway that posts SMS."""

        async def work(connection: Connection) -> str:
            return await sms_gateways.add_gateway(
                connection, self.box, GATEWAY, municipality=MUNICIPALITY, send_url=None, send_secret=None,
                at=self.now(),
            )  # fmt: skip

        self.token = await self.acting(work)

    async def sms(self, frame: bytes) -> bool:
        """Whether the SMS door has accepted it."""
        return await asyncio.to_thread(self._post, frame)

    def _post(self, frame: bytes) -> bool:
        host, port = self.ingest.hooks_address
        request = urllib.request.Request(
            f"http://{host}:{port}/hooks/sms/{GATEWAY}", json.dumps({"text": frame.hex()}).encode(),
            {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"},
        )  # fmt: skip
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:  # noqa: S310
            return bool(json.load(answer)["accepted"])

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """What the database holds."""
        with psycopg.connect(self.postgres.owner_url) as connection:
            return connection.execute(query.encode(), values).fetchall()

    def change(self, query: str, *values: object) -> None:
        """People's work that is not this scenario's matter."""
        with psycopg.connect(self.postgres.owner_url) as connection:
            connection.execute(query.encode(), values)

    def value(self, query: str, *values: object) -> Any:
        """One value of it."""
        return self.rows(query, *values)[0][0]

    def pem(self, card: Card, name: str) -> tuple[Path, Path]:
        """The unit's certificate and key as files."""
        assert card.certificate is not None
        certificate, key = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        if not key.exists():
            certificate.write_text(ssl.DER_cert_to_PEM_cert(card.certificate.cert_der))
            key.touch(mode=0o600)
            key.write_bytes(_pem_key(card.certificate.key_der))
        return certificate, key

    async def until(self, predicate: Callable[[], object], seconds: float = PATIENCE_S) -> bool:
        """Whether it comes true."""
        ends = time.monotonic() + seconds
        while not await asyncio.to_thread(predicate):
            if time.monotonic() > ends:
                return False
            await asyncio.sleep(0.1)
        return True


def _pem_key(der: bytes) -> bytes:
    from cryptography.hazmat.primitives import serialization

    key = serialization.load_der_private_key(der, None)
    form = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())


def _copy(source: Path, target: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        (source / "postmaster.pid").unlink()
    # With its owner: as root the database is another account's.
    subprocess.run(["/bin/cp", "-a", str(source), str(target)], check=True)  # noqa: S603 (our own folders)
