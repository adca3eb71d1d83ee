"""What the front doors cost: messages per second and CPU microseconds per message, by door and kind of message.

    python -m bench.ingest [--units 200] [--messages 10000] [--seconds 30] [--json]
    python -m bench.ingest --supervision     what supervision adds: by CoAP without it and with it, in turns

The server runs in a process of its own on a real PostgreSQL (fsync on); clients run here with frames sealed before the
clock starts, each unit with a few messages under way. A run ends after so many messages or seconds, whichever is first.
CPU time counts the server process alone and, beside it, PostgreSQL's; both survive a noisy machine, rates do not.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import secrets
import shutil
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil
import psycopg
import uvloop

from bench import options
from fleet.ingest.run import Ingest
from fleet.registry import store as registry
from fleet.registry.secret_box import SecretBox
from fleet.settings import Settings
from fleet.store.embedded_postgres import EmbeddedPostgres
from fleet.store.migrate import migrate
from fleet.store.pool import make_pool
from fleet.store.postgres_cluster import APP
from fleet.supervision.run import Supervisor
from protocols.wire import coap, messages, mqtt
from provisioning.ca import CertificateAuthority, UnitCertificate
from tests.fleet_server import Unit
from tests.ports import free_port

UNDER_WAY = 4


@dataclass(frozen=True, slots=True)
class Figure:
    """One run. Rates are per second of wall time, CPU in microseconds per message."""

    door: str
    message: str
    messages: int
    seconds: float
    per_second: int
    server_cpu_us: float
    postgres_cpu_us: float


class CoapClient(asyncio.DatagramProtocol):
    """Sends the next datagram whenever one was answered."""

    def __init__(self, datagrams: list[bytes], answered: Callable[[], None]) -> None:
        self._left = iter(datagrams)
        self._answered = answered
        self.transport: Any = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def begin(self) -> None:
        for _ in range(UNDER_WAY):
            self._next()

    def _next(self) -> None:
        datagram = next(self._left, None)
        if datagram is not None:
            self.transport.sendto(datagram)

    def datagram_received(self, data: bytes, addr: Any) -> None:
        if data[0] >> 4 & 3 == coap.CON:  # a separate response wants its acknowledgement
            self.transport.sendto(coap.encode(coap.ACK, coap.EMPTY, int.from_bytes(data[2:4], "big")))
        if data[1] == coap.CHANGED:
            self._answered()
            self._next()


class MqttClient(asyncio.Protocol):
    """Publishes the next packet whenever one was acknowledged; subscribes, so that receipts are paid for too."""

    def __init__(self, name: str, packets: list[bytes], answered: Callable[[], None]) -> None:
        self._name, self._left, self._answered = name, iter(packets), answered
        self._reader = mqtt.Reader()
        self.transport: Any = None
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        transport.write(mqtt.connect(self._name, 0, False))

    def begin(self) -> None:
        for _ in range(UNDER_WAY):
            self._next()

    def _next(self) -> None:
        packet = next(self._left, None)
        if packet is not None:
            self.transport.write(packet)

    def data_received(self, data: bytes) -> None:
        self._reader.feed(data)
        while (taken := self._reader.take()) is not None:
            kind = taken[0] >> 4
            if kind == mqtt.CONNACK:
                self.transport.write(mqtt.subscribe(1, [(f"u/{self._name}/down", 1)]))
            elif kind == mqtt.SUBACK:
                self.ready.set_result(None)
            elif kind == mqtt.PUBLISH:
                packet_id, *_ = mqtt.parse_publish(*taken)
                self.transport.write(mqtt.ack(mqtt.PUBACK, packet_id))
            elif kind == mqtt.PUBACK:
                self._answered()
                self._next()


def message(kind: str, seq: int) -> messages.Message:
    if kind == "alarm":
        return messages.Alarm(boot=1, seq=seq, kind=1, input=0, count=1, age=0, attempt=1, bearer=3, battery=90)
    return messages.Heartbeat(boot=1, seq=seq, next_due=300, bearer=4, battery=90, signal=-80, attempts=1, open=0)


class Bench:
    """The parts of a run: folder, PostgreSQL, units, the server's process."""

    def __init__(self, units: int, folder: Path, postgres: EmbeddedPostgres, app_url: str) -> None:
        self.folder, self.postgres, self.app_url = folder, postgres, app_url
        self.settings = Settings(data=folder, coap_port=free_port(), mqtt_port=free_port())
        self.box = SecretBox.open(self.settings.secret_key_file, create=True)
        self.authority = CertificateAuthority.open(self.settings.authority_folder)
        self.units = [Unit(number, secrets.token_bytes(16)) for number in range(1, units + 1)]
        self.seq = 0
        self.server: subprocess.Popen[bytes] | None = None

    def make_certificates(self) -> None:
        self.settings.tls_folder.mkdir()
        certificate, key = self.authority.issue_server(["127.0.0.1"])
        for name, content in (("ca.pem", self.authority.ca_pem), ("server.pem", certificate), ("server.key", key)):
            (self.settings.tls_folder / name).write_bytes(content)

    async def register(self) -> None:
        async with make_pool(self.app_url, "registry", size=1) as pool, pool.connection() as connection:
            await registry.add_municipality(connection, 1, "One")
            for unit in self.units:
                shown: UnitCertificate = self.authority.issue_unit(unit.number)
                unit.certificate = shown
                await registry.add_unit(
                    connection, self.box, unit=unit.number, municipality=1, unit_type="social", generation=1,
                    secret=unit.secret, fingerprint=shown.fingerprint_sha256, serial=str(shown.serial),
                )  # fmt: skip

    def start_server(self, *, supervised: bool = False) -> None:
        argv = [sys.executable, "-m", "bench.ingest", "--serve", str(self.folder), str(self.settings.coap_port),
                str(self.settings.mqtt_port), *["--supervision"] * supervised]  # fmt: skip
        self.server = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self.server.stdin is not None and self.server.stdout is not None
        self.server.stdin.write(self.app_url.encode() + b"\n")
        self.server.stdin.flush()
        assert self.server.stdout.readline() == b"ready\n"

    def stop_server(self) -> None:
        if self.server is not None:
            self.server.terminate()
            self.server.wait()

    def frames(self, kind: str, each: int) -> list[list[bytes]]:
        """``each`` new sealed frames for every unit."""
        first, self.seq = self.seq + 1, self.seq + each
        return [[unit.seal(message(kind, seq)) for seq in range(first, first + each)] for unit in self.units]

    def cpu(self) -> tuple[float, float]:
        """(server, PostgreSQL) CPU seconds so far."""
        assert self.server is not None and self.postgres.pid is not None
        spent = [psutil.Process(self.server.pid).cpu_times()]
        database = psutil.Process(self.postgres.pid)
        others = [process.cpu_times() for process in (database, *database.children())]
        return sum(t.user + t.system for t in spent), sum(t.user + t.system for t in others)


async def measure(bench: Bench, door: str, kind: str, count: int, seconds: float) -> Figure:
    """One run over one door."""
    loop = asyncio.get_running_loop()
    each = max(1, count // len(bench.units))
    frames = bench.frames(kind, each)
    expected, done, finished = each * len(bench.units), 0, loop.create_future()

    def answered() -> None:
        nonlocal done
        done += 1
        if done == expected and not finished.done():
            finished.set_result(None)

    clients: list[CoapClient | MqttClient] = []
    for unit, own in zip(bench.units, frames, strict=True):
        clients.append(
            await (coap_client(bench, own, answered) if door == "coap" else mqtt_client(bench, unit, own, answered))
        )
    server, database = bench.cpu()
    started = time.monotonic()
    for client in clients:
        client.begin()
    try:
        async with asyncio.timeout(seconds):
            await finished
    except TimeoutError:
        if not done:
            raise
    took = time.monotonic() - started
    server_after, database_after = bench.cpu()
    for client in clients:
        client.transport.close()
    return Figure(
        door, kind, done, round(took, 2), round(done / took),
        round((server_after - server) / done * 1e6, 1), round((database_after - database) / done * 1e6, 1),
    )  # fmt: skip


async def coap_client(bench: Bench, frames: list[bytes], answered: Callable[[], None]) -> CoapClient:
    options = coap.path_options("u")
    datagrams = [
        coap.encode(coap.CON, coap.POST, mid & 0xFFFF, b"\1", options, frame) for mid, frame in enumerate(frames)
    ]
    _, client = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: CoapClient(datagrams, answered), remote_addr=("127.0.0.1", bench.settings.coap_port)
    )
    return client


async def mqtt_client(bench: Bench, unit: Unit, frames: list[bytes], answered: Callable[[], None]) -> MqttClient:
    cert, key = unit.write_pem(bench.folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(bench.settings.tls_folder / "ca.pem")
    context.load_cert_chain(cert, key)
    packets = [mqtt.publish(f"u/{unit.name}/up", frame, 1, 2 + place % 60000) for place, frame in enumerate(frames)]
    _, client = await asyncio.get_running_loop().create_connection(
        lambda: MqttClient(unit.name, packets, answered), "127.0.0.1", bench.settings.mqtt_port, ssl=context,
        server_hostname="127.0.0.1",
    )  # fmt: skip
    await client.ready
    return client


async def serve(folder: Path, coap_port: int, mqtt_port: int, app_url: str, supervised: bool) -> None:
    """The server's process: until it is terminated."""
    settings = Settings(data=folder, coap_port=coap_port, mqtt_port=mqtt_port)
    ingest = Ingest(settings, app_url, SecretBox.open(settings.secret_key_file))
    await ingest.start()
    await ingest.listening.wait()
    if supervised:
        supervisor = Supervisor(app_url)
        await supervisor.start()
        async with asyncio.timeout(60):
            while not supervisor.looks:  # noqa: ASYNC110 - a count, of the product, has no event
                await asyncio.sleep(0.05)
    print("ready", flush=True)
    await ingest.watch()


@dataclass(frozen=True, slots=True)
class Share:
    """A kind of message by CoAP, without supervision and with it: per second, and CPU microseconds a message of server
    and PostgreSQL together; ``ratio`` is of CPU time, which survives a noisy machine."""

    message: str
    per_second: int
    per_second_supervised: int
    cpu_us: float
    cpu_us_supervised: float
    ratio: float


async def shares(arguments: argparse.Namespace, bench: Bench) -> list[Share]:
    """Without, with, with, without: what drifts drifts in both."""
    await bench.register()
    with psycopg.connect(bench.postgres.owner_url) as connection:
        connection.execute("UPDATE units SET life = 'active', grounds = 'import:bench'")
    found: dict[tuple[str, bool], list[Figure]] = {}
    for supervised in (False, True, True, False):
        bench.start_server(supervised=supervised)
        await measure(bench, "coap", "heartbeat", len(bench.units), arguments.seconds)
        for kind in ("heartbeat", "alarm"):
            one = await measure(bench, "coap", kind, arguments.messages, arguments.seconds)
            found.setdefault((kind, supervised), []).append(one)
        bench.stop_server()
    made = []
    for kind in ("heartbeat", "alarm"):
        (rate, cpu), (rate_with, cpu_with) = (_mean(found[kind, supervised]) for supervised in (False, True))
        made.append(
            Share(kind, round(rate), round(rate_with), round(cpu, 1), round(cpu_with, 1), round(cpu_with / cpu, 3))
        )
    return made


def _mean(figures: list[Figure]) -> tuple[float, float]:
    """Messages a second, and CPU microseconds a message, over some runs."""
    count, seconds = sum(one.messages for one in figures), sum(one.seconds for one in figures)
    cpu = sum((one.server_cpu_us + one.postgres_cpu_us) * one.messages for one in figures)
    return count / seconds, cpu / count


async def run(arguments: argparse.Namespace, bench: Bench) -> list[Figure]:
    await bench.register()
    bench.start_server()
    await measure(bench, "coap", "heartbeat", len(bench.units), arguments.seconds)  # every unit is known from here on
    return [
        await measure(bench, door, kind, arguments.messages, arguments.seconds)
        for door in ("coap", "mqtt")
        for kind in ("heartbeat", "alarm")
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--units", type=options.whole(1, 10_000), default=200)
    parser.add_argument(
        "--messages", type=options.whole(1, 10_000_000), default=10_000, help="of each kind by each door"
    )
    parser.add_argument("--seconds", type=options.real(0.1, 86_400), default=30, help="at most, for each run")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--supervision", action="store_true", help="what supervision adds")
    parser.add_argument("--serve", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        folder, coap_port, mqtt_port = arguments.serve
        url = sys.stdin.readline().strip()
        uvloop.run(serve(Path(folder), int(coap_port), int(mqtt_port), url, arguments.supervision))
        return
    folder = Path(tempfile.mkdtemp(prefix="livlina-bench-"))
    folder.chmod(0o755)
    postgres = EmbeddedPostgres(folder / "postgres")
    try:
        postgres.start()
        migrate(postgres.owner_url, app_login=APP)
        bench = Bench(arguments.units, folder, postgres, postgres.app_url)
        bench.make_certificates()
        try:
            figures: list[Any] = uvloop.run((shares if arguments.supervision else run)(arguments, bench))
        finally:
            bench.stop_server()
    finally:
        postgres.stop()
        shutil.rmtree(folder)
    if arguments.json:
        print(json.dumps([asdict(figure) for figure in figures], indent=1))
        return
    print(f"{arguments.units} units, {UNDER_WAY} messages of each under way")
    if arguments.supervision:
        for one in figures:
            print(f"{one.message}: {one.per_second} a second without supervision, {one.per_second_supervised} with it;"
                  f" {one.cpu_us} and {one.cpu_us_supervised} us of CPU, {one.ratio} times as much")  # fmt: skip
        return
    print(f"{'door':5} {'message':10} {'count':>6} {'per s':>7} {'server us':>10} {'postgres us':>12}")
    for one in figures:
        measured = f"{one.messages:6} {one.per_second:7} {one.server_cpu_us:10} {one.postgres_cpu_us:12}"
        print(f"{one.door:5} {one.message:10} {measured}")


if __name__ == "__main__":
    options.run(main)
