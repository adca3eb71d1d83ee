"""Both ends of the three centre protocols on real sockets: what ``livlina centre receive`` and ``send`` do."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import ssl
import sys
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from livlina import centre_receive_dc09 as dc09
from livlina import centre_receive_scaip as scaip
from livlina import centre_receive_sosaccess as sosaccess
from livlina.centre_message import Document, message
from livlina.conformance.case import why
from protocols.centre.alarm import Alarm, Reply
from protocols.centre.document import LONGEST, one_line, read_alarm, to_json
from protocols.centre.scaip.receiver import AlarmReceived as ScaipAlarm
from protocols.centre.scaip.receiver import Bad as ScaipBad
from protocols.centre.scaip.receiver import Found
from protocols.centre.scaip.receiver import Heartbeat as ScaipHeartbeat
from protocols.centre.scaip.sip_digest import Credentials
from protocols.centre.sia_dc09 import Key
from protocols.centre.sia_dc09.frame import SIA_DCS
from protocols.centre.sia_dc09.interpret import read_heartbeat
from protocols.centre.sia_dc09.receiver import AlarmReceived, Event, Heartbeat, Verdict
from protocols.centre.sos_access.documents import without_password
from protocols.centre.sos_access.receiver import AlarmReceived as SosAlarm
from protocols.centre.sos_access.receiver import Bad as SosBad
from protocols.centre.sos_access.receiver import Event as SosEvent
from protocols.centre.sos_access.receiver import Ping, PingLimit, same
from protocols.centre.sos_access.sender import Answered
from protocols.centre.sos_access.translate import Account

PROTOCOLS = ("dc09", "scaip", "sosaccess")
TRANSPORTS = {"dc09": ("tcp", "udp", "tls"), "scaip": ("udp", "tcp", "tls"), "sosaccess": ("tcp", "tls")}
PINGS_S = 180.0
PASSWORD_LENGTH = 15
"""Characters of a transmitter's password (sosaccess)."""


class TalkError(ValueError):
    """What was asked for cannot be; the message says what can."""


@dataclass(frozen=True, slots=True)
class Server:
    """Where and how to receive. ``passwords`` are by transmitter (sosaccess) or user (scaip)."""

    protocol: str
    host: str
    port: int
    transport: str
    tls: ssl.SSLContext | None
    key: Key | None
    passwords: dict[str, str]


def transport_of(protocol: str, transport: str | None) -> str:
    """The transport to use. Raises TalkError for one that the protocol does not have."""
    if protocol not in PROTOCOLS:
        raise TalkError(f"--protocol {protocol}: choose one of {', '.join(PROTOCOLS)}")
    chosen = transport or TRANSPORTS[protocol][0]
    if chosen not in TRANSPORTS[protocol]:
        raise TalkError(f"--transport {chosen}: {protocol} goes over {', '.join(TRANSPORTS[protocol])}")
    return chosen


def read_passwords(file: Path | None) -> dict[str, str]:
    """``NAME PASSWORD`` lines. Raises TalkError with the line's number, never with its content."""
    passwords: dict[str, str] = {}
    if file is None:
        return passwords
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip():
            continue
        parts = line.split()
        if len(parts) != 2:
            raise TalkError(f"line {number} of {file}: write a name, a space and a password")
        passwords[parts[0]] = parts[1]
    return passwords


@contextlib.contextmanager
def _readable(*files: Path | None) -> Iterator[None]:
    """What the TLS library says of these files names none of them. Raises OSError that does, or TalkError."""
    known = [file for file in files if file is not None]
    for file in known:
        file.open("rb").close()
    try:
        yield
    except ssl.SSLError as error:
        names = " and ".join(str(file) for file in known)
        raise TalkError(f"{names}: no certificate and key in PEM that belong together ({error.reason})") from error


def server_tls(certificate: Path | None, key: Path | None) -> ssl.SSLContext | None:
    """The context of a receiver; None without a certificate."""
    if certificate is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    with _readable(certificate, key):
        context.load_cert_chain(certificate, key)
    return context


def client_tls(transport: str, authority: Path | None, pin: str | None) -> ssl.SSLContext | None:
    """The context of a sender. A pinned certificate is checked by its hash, so no authority is asked about it."""
    if transport != "tls":
        return None
    with _readable(authority):
        context = ssl.create_default_context(cafile=None if authority is None else str(authority))
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if pin is not None:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


Keep = Callable[[Document], None]


class Out:
    """Where received messages go: a line on standard output, and on ``file``'s disk before anything is answered."""

    def __init__(self, file: Path | None) -> None:
        self._file = None if file is None else os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def keep(self, document: Document) -> None:
        """One line. Raises OSError if it cannot be kept: then nothing is acknowledged."""
        octets = one_line(document).encode() + b"\n"
        if self._file is not None:
            left = octets
            while left:
                left = left[os.write(self._file, left) :]
            os.fsync(self._file)
        sys.stdout.buffer.write(octets)
        sys.stdout.buffer.flush()


async def receive(server: Server, keep: Keep, ready: Callable[[str], None]) -> None:
    """Receives until it is cancelled, or until a message could not be kept."""
    run = {"dc09": _receive_dc09, "scaip": _receive_scaip, "sosaccess": _receive_sosaccess}[server.protocol]
    await run(server, keep, ready)


async def _receive_dc09(server: Server, keep: Keep, ready: Callable[[str], None]) -> None:
    async def took(event: Event) -> Verdict:
        if isinstance(event, AlarmReceived):
            keep(message("alarm", alarms=event.alarms, duplicate=event.duplicate, fresh=event.fresh))
        elif isinstance(event, Heartbeat):
            sign = read_heartbeat(event.frame, new_id=lambda: str(uuid.uuid4()), received_at=datetime.now(UTC))
            keep(message("heartbeat", alarms=(sign,), fresh=event.fresh))
        else:
            keep(message("error", error=(event.reason.value, event.message)))
        return event.verdict

    receiver = dc09.Dc09Receiver(took, None if server.key is None else lambda account: server.key)
    port = await receiver.listen(server.host, server.port, server.transport, server.tls)
    ready(f"{server.host}:{port}")
    await receiver.run()


async def _receive_scaip(server: Server, keep: Keep, ready: Callable[[str], None]) -> None:
    async def took(found: Found) -> int | None:
        if isinstance(found, ScaipAlarm):
            keep(message("alarm", alarms=(found.alarm,), duplicate=found.duplicate, wants_call=found.wants_call))
            return 0
        if isinstance(found, ScaipHeartbeat):
            keep(message("heartbeat", alarms=(found.alarm,)))
            return 0
        if isinstance(found, ScaipBad):
            keep(message("error", error=(str(found.status), found.message)))
        return None

    guard = scaip.guard_of("livlina", server.passwords) if server.passwords else None

    def opened(address: tuple[str, int]) -> None:
        ready(f"{address[0]}:{address[1]}")

    await scaip.receive_scaip(server.host, server.port, server.transport, server.tls, took, guard=guard, ready=opened)


def _logged(alarm: Alarm) -> Alarm:
    """What stood on the wire, but for the sender's password: these lines are a log."""
    return replace(alarm, source=replace(alarm.source, raw=without_password(alarm.source.raw)))


async def _receive_sosaccess(server: Server, keep: Keep, ready: Callable[[str], None]) -> None:
    async def took(event: SosEvent) -> tuple[int, str | None]:
        if isinstance(event, SosAlarm):
            keep(message("alarm", alarms=(_logged(event.alarm),), duplicate=event.duplicate))
        elif isinstance(event, Ping):
            keep(message("heartbeat", alarms=(_logged(event.alarm),)))
        elif isinstance(event, SosBad):
            keep(message("error", error=(str(event.verdict), event.message_text)))
        else:
            # Passwords are the file's: this receiver gives out none.
            keep(message("error", error=("password", "a new password was asked for; write it into the file")))
            return 5, None
        return event.verdict, None

    def authorised(code: str, kind: str, secret: str) -> bool:
        return code in server.passwords and same(secret, server.passwords[code])

    receiver = sosaccess.SosAccessReceiver(took, authorised, pings=PingLimit(PINGS_S))
    port = await receiver.listen(server.host, server.port, server.tls)
    ready(f"{server.host}:{port}")
    await receiver.run()


@dataclass(frozen=True, slots=True)
class Sending:
    """Who sends to where. Fields of another protocol are passed over."""

    protocol: str
    host: str
    port: int
    transport: str
    tls: ssl.SSLContext | None
    tls_name: str | None = None
    pin: bytes | None = None
    key: Key | None = None
    token: str = SIA_DCS
    sequence: int = 1
    account: str | None = None
    kind: str = "LIVL1"
    receiver: str = "1"
    password: str = ""
    minimal: bool = False


async def send(alarm: Alarm, to: Sending) -> Document:
    """One attempt. ``delivered`` is what the protocol calls so; ``reply`` is None where no answer came."""
    way = {"dc09": _send_dc09, "scaip": _send_scaip, "sosaccess": _send_sosaccess}[to.protocol]
    try:
        reply, reason = await way(alarm, to)
    except (OSError, TimeoutError) as error:
        reply, reason = None, why(error)
    document: Document = {"delivered": reply is not None and reply.accepted, "reason": reason}
    return document | {"reply": None if reply is None else to_json(reply)}


async def _send_dc09(alarm: Alarm, to: Sending) -> tuple[Reply | None, str | None]:
    way = dc09.Way(to.host, to.port, to.transport, to.tls, to.tls_name)
    reply = await dc09.send_dc09(
        way, alarm, account=to.account or alarm.transmitter.id, sequence=to.sequence, token=to.token, key=to.key,
        minimal=to.minimal,
    )  # fmt: skip
    return reply, "no answer" if reply is None else None


async def _send_scaip(alarm: Alarm, to: Sending) -> tuple[Reply | None, str | None]:
    credentials = Credentials(to.account or "", to.password) if to.password else None
    ending = await scaip.send_scaip(
        to.host, to.port, to.transport, to.tls, alarm, cid=to.account, credentials=credentials, tls_name=to.tls_name,
        minimal=to.minimal,
    )  # fmt: skip
    return ending.reply, ending.reply.text


async def _send_sosaccess(alarm: Alarm, to: Sending) -> tuple[Reply | None, str | None]:
    way = sosaccess.Way(to.host, to.port, to.tls, to.tls_name, to.pin)
    if len(to.password) != PASSWORD_LENGTH:
        raise TalkError(
            f"sosaccess: LIVLINA_CENTRE_PASSWORD is the transmitter's password of {PASSWORD_LENGTH} characters"
        )
    account = Account(to.account or alarm.transmitter.id, to.kind, to.receiver, to.password)
    result = await sosaccess.send_sosaccess(way, alarm, account, minimal=to.minimal)
    return (result.reply, None) if isinstance(result, Answered) else (None, result.reason)


async def receive_until_told(server: Server, out: Out, ready: Callable[[str], None]) -> None:
    """Receives until SIGINT or SIGTERM."""
    loop = asyncio.get_running_loop()
    work = asyncio.ensure_future(receive(server, out.keep, ready))
    for told in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(told, work.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await work


def read_alarm_file(file: Path) -> Alarm:
    """The normalized alarm in a JSON file. Raises DocumentError (a ValueError) or OSError."""
    with file.open("rb") as opened:
        return read_alarm(opened.read(LONGEST + 1))
