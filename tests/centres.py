"""Real receivers of every protocol in this process, and presses to send them. `found` is what a receiver understood."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from fleet.alarms.model import PressKey
from fleet.clock import Clock, SystemClock
from fleet.forwarding.centre_secrets import Kept
from fleet.forwarding.links import link_to
from fleet.forwarding.model import Centre, Outcome, Owed
from fleet.forwarding.worker import CentreLink
from fleet.settings import Settings
from livlina.centre_receive_dc09 import Dc09Receiver
from livlina.centre_receive_scaip import ScaipReceiver, guard_of
from livlina.centre_receive_sosaccess import SosAccessReceiver
from livlina.installation import open_authority
from protocols.centre.scaip.receiver import ReplySettled
from protocols.centre.sia_dc09 import Key
from protocols.centre.sos_access.receiver import NewAuthentication, PingLimit
from tests.ports import free_port

AT = datetime(2026, 1, 2, 10, tzinfo=UTC)
SIGNING = "a signing secret of thirty octets"
PASSWORD = "hxp4x9nnwxjatv8"
REFUSED_BEFORE = Outcome.REFUSED.value
OTHER_PASSWORD = "abcdefghijklmno"


def owed(seq: int = 17, **changes: Any) -> Owed:
    """The second press of unit 42's pendant, case 12, four seconds old; ``changes`` are what differs."""
    facets: dict[str, Any] = {
        "outbox": seq, "case": 12, "key": PressKey(42, 3, seq), "attempts": 1, "last_outcome": None, "received_at": AT,
        "pressed_at": AT, "transport": "coap", "kind": 1, "input": 2, "count": 2, "age_s": 4, "battery": 90,
        "flags": 0, "marks": (), "unit_type": "social", "priority": 1, "presses": 1,
    }  # fmt: skip
    return Owed(**{**facets, **changes})


class ShiftedClock(SystemClock):
    """The machine's clock with another wall time."""

    def __init__(self, ahead_s: float) -> None:
        self._ahead = timedelta(seconds=ahead_s)

    def now(self) -> datetime:
        return super().now() + self._ahead


@dataclass
class Certificate:
    """A server's certificate under an authority of the test's own, for ``localhost``."""

    chain: Path
    key: Path
    authority: str
    pin: str

    def server(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.chain, self.key)
        return context


def make_certificate(folder: Path) -> Certificate:
    from cryptography.hazmat.primitives.serialization import Encoding
    from cryptography.x509 import load_pem_x509_certificate

    folder.mkdir(exist_ok=True)
    authority = open_authority(Settings(data=folder))
    made, secret = authority.issue_server(["localhost"])
    chain, key = folder / "chain.pem", folder / "chain.key"
    chain.write_bytes(made)
    key.write_bytes(secret)
    pin = hashlib.sha256(load_pem_x509_certificate(made).public_bytes(Encoding.DER)).hexdigest()
    return Certificate(chain, key, authority.ca_pem.decode(), pin)


@dataclass
class Receiving:
    """One receiver: where it is, what it found, and how it behaves now."""

    port: int = 0
    found: list[Any] = field(default_factory=list)
    answers: bool = True
    verdict: Any = None

    def alarms(self) -> list[Any]:
        """The alarms, in the order in which they came; repeats too."""
        made = []
        for event in self.found:
            made += getattr(event, "alarms", ()) or ([event.alarm] if type(event).__name__ == "AlarmReceived" else [])
        return made

    def kinds(self) -> list[str]:
        return [type(event).__name__ for event in self.found]


async def _silence() -> None:
    await asyncio.get_running_loop().create_future()


@asynccontextmanager
async def _running(run: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
    task = asyncio.ensure_future(run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def dc09_centre(
    transport: str = "tcp", *, key: str | None = None, tls: ssl.SSLContext | None = None, port: int = 0
) -> AsyncIterator[Receiving]:
    here = Receiving()

    async def took(event: Any) -> Any:
        here.found.append(event)
        if not here.answers:
            await _silence()
        return here.verdict or event.verdict

    receiver = Dc09Receiver(took, None if key is None else lambda account: Key.from_hex(key))
    kind = socket.SOCK_DGRAM if transport == "udp" else socket.SOCK_STREAM
    here.port = await receiver.listen("127.0.0.1", port or free_port(kind), transport, tls)
    async with _running(receiver.run):
        yield here


@asynccontextmanager
async def scaip_centre(
    transport: str = "udp", *, passwords: dict[str, str] | None = None, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Receiving]:
    here = Receiving(verdict=0)

    async def took(event: Any) -> int | None:
        if not isinstance(event, ReplySettled):
            here.found.append(event)
        return here.verdict if here.answers else None

    guard = guard_of("livlina", passwords) if passwords else None
    # One user speaks for all units, so From names no user.
    receiver = ScaipReceiver(took, guard=guard, from_is_cid=guard is None)
    kind = socket.SOCK_DGRAM if transport == "udp" else socket.SOCK_STREAM
    here.port = (await receiver.listen("127.0.0.1", free_port(kind), transport, tls))[1]
    async with _running(receiver.run):
        yield here


@dataclass
class SosCentre(Receiving):
    """``password`` is the valid one; ``issued`` becomes it with the first message that uses it."""

    password: str = PASSWORD
    issued: str | None = None
    issues: list[str] = field(default_factory=list)
    used: list[str] = field(default_factory=list)

    def authorised(self, code: str, kind: str, secret: str) -> bool:
        self.used.append(secret)
        if self.issued is not None and secret == self.issued:
            self.password, self.issued = self.issued, None
        return secret == self.password


@asynccontextmanager
async def sos_centre(
    *, tls: ssl.SSLContext | None = None, pings: PingLimit | None = None, port: int = 0
) -> AsyncIterator[SosCentre]:
    here = SosCentre()

    async def took(event: Any) -> tuple[int, str | None]:
        here.found.append(event)
        if not here.answers:
            await _silence()
        if isinstance(event, NewAuthentication):
            here.issued = here.issues.pop(0)
            return 0, here.issued
        return event.verdict if here.verdict is None else here.verdict, None

    receiver = SosAccessReceiver(took, here.authorised, pings=pings or PingLimit(180.0))
    here.port = await receiver.listen("127.0.0.1", port or free_port(), tls)
    async with _running(receiver.run):
        yield here


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def http_centre(certificate: Certificate | None = None) -> AsyncIterator[Receiving]:
    """Takes any POST; ``found`` are (headers, body). ``verdict`` is the status it answers."""
    here = Receiving(free_port(), verdict=204)

    async def hook(request: Request) -> Response:
        here.found.append((dict(request.headers), await request.body()))
        if not here.answers:
            await _silence()
        return Response(status_code=here.verdict, headers={"Location": "/elsewhere"} if here.verdict == 307 else {})

    app = Starlette(routes=[Route("/{path:path}", hook, methods=["POST"])])
    tls: dict[str, Any] = {}
    if certificate is not None:
        tls = {"ssl_certfile": str(certificate.chain), "ssl_keyfile": str(certificate.key)}
    server = _Server(
        uvicorn.Config(app, host="127.0.0.1", port=here.port, log_level="critical", lifespan="off",
                       timeout_graceful_shutdown=0, **tls)
    )  # fmt: skip
    serving = asyncio.ensure_future(server.serve())
    async with asyncio.timeout(60):
        while not server.started:
            await asyncio.sleep(0.01)
    try:
        yield here
    finally:
        server.should_exit = server.force_exit = True
        await serving


class MemorySecrets:
    """Where a link keeps a password when a test needs no database. ``broken`` refuses to store."""

    def __init__(self, secret: str, **more: Any) -> None:
        self.kept = Kept(secret, AT, **more)
        self.history: list[tuple[str, str | None]] = []
        self.broken = False

    async def read(self, centre: int) -> Kept:
        return self.kept

    async def keep(self, centre: int, before: str, current: str, pending: str | None) -> bool:
        if self.broken:
            raise TimeoutError("the database is away")
        if before != self.kept.secret:
            return False
        self.history.append((current, pending))
        self.kept = Kept(current, AT, rotated=self.kept.rotated or current != before, next=pending)
        return True


def link(protocol: str, port: int, secret: str | None = None, clock: Clock | None = None, **options: Any) -> CentreLink:
    """A link as forwarding makes it."""
    more: dict[str, Any] = {"secrets": MemorySecrets(secret or ""), "standing": options.pop("standing", None)}
    host = "localhost" if options.get("transport") == "tls" else "127.0.0.1"
    return link_to(Centre(1, "A", protocol, host, port, options=options), Kept(secret), clock or SystemClock(), **more)
