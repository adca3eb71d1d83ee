"""An SOS Access sender on real sockets: a connection a request. It decides nothing itself.

Fleet and command line both speak SOS Access through it.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from dataclasses import dataclass
from datetime import UTC, tzinfo

from fleet.clock import Clock, SystemClock, within
from fleet.forwarding.centre_tls import PinError, check_pin
from protocols.centre.sos_access import documents
from protocols.centre.sos_access.sender import ANSWER_TIMEOUT_S, Exchange, NoAnswer, Result
from protocols.centre.sos_access.translate import Account

__all__ = ["NO_CONNECTION", "WRONG_CERTIFICATE", "Way", "WrongCertificate", "asking", "exchange", "reach"]

CONNECT_TIMEOUT_S = 3.0
CLOSE_TIMEOUT_S = 1.0
READ_OCTETS = 4096
NO_CONNECTION = "no connection"
"""The reason of a `NoAnswer` before which nothing was sent."""
WRONG_CERTIFICATE = "certificate"


class WrongCertificate(OSError):
    """Somebody is there, and it is not the centre: its certificate is another one, or is not vouched for."""


@dataclass(frozen=True, slots=True)
class Way:
    """How a centre is reached. ``pin`` is the SHA-256 of its certificate (DER), checked before a word is said; without
    one the context itself must verify."""

    host: str
    port: int
    tls: ssl.SSLContext | None = None
    tls_name: str | None = None
    pin: bytes | None = None


async def exchange(
    way: Way,
    request: bytes,
    *,
    clock: Clock | None = None,
    timeout_s: float = ANSWER_TIMEOUT_S,
    zone: tzinfo = UTC,
) -> Result:
    """One request and its answer. Never raises for the network but WrongCertificate."""
    ours: Clock = clock or SystemClock()
    try:
        reader, writer = await _open(way, ours)
    except WrongCertificate:
        raise
    except (OSError, ValueError):
        # ValueError: a name that no resolver takes.
        return NoAnswer(NO_CONNECTION)
    one = Exchange(request, ours.steady(), timeout_s, zone)
    try:
        writer.write(one.octets)
        while one.result is None:
            due = one.next_wakeup()
            try:
                async with within(ours, max((due or 0.0) - ours.steady(), 0.0)):
                    octets = await reader.read(READ_OCTETS)
            except TimeoutError:
                return one.timeout(ours.steady()) or NoAnswer("silence")
            except OSError:
                return one.closed()
            if octets:
                one.received(octets)
            else:
                one.closed()
        return one.result
    finally:
        await _close(writer, ours)


async def reach(way: Way, clock: Clock | None = None) -> bool:
    """Whether a connection can be had, TLS and certificate included. Says nothing on it. Raises WrongCertificate."""
    ours: Clock = clock or SystemClock()
    try:
        _, writer = await _open(way, ours)
    except WrongCertificate:
        raise
    except (OSError, ValueError):
        return False
    await _close(writer, ours)
    return True


def asking(kind: str, account: Account, reference: str) -> bytes:
    """A ping or a request for a new password. Raises ValueError for an account outside the protocol's lengths."""
    fields = {
        "authentication": account.authentication, "reference": reference, "transmittercode": account.transmitter,
        "transmittertype": account.kind,
    }  # fmt: skip
    return documents.write(kind, fields)


async def _open(way: Way, clock: Clock) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    try:
        async with within(clock, CONNECT_TIMEOUT_S):
            reader, writer = await asyncio.open_connection(
                way.host, way.port, ssl=way.tls, server_hostname=way.tls_name or way.host if way.tls else None
            )
    except ssl.SSLCertVerificationError as error:
        raise WrongCertificate(error.verify_message) from error
    try:
        check_pin(writer, way.pin)
    except PinError as error:
        await _close(writer, clock)
        raise WrongCertificate(str(error)) from error
    return reader, writer


async def _close(writer: asyncio.StreamWriter, clock: Clock) -> None:
    writer.close()
    with contextlib.suppress(OSError):
        async with within(clock, CLOSE_TIMEOUT_S):
            await writer.wait_closed()
    writer.transport.abort()
