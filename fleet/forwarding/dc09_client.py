"""A DC-09 sender on real sockets: one receiver, one message in flight, over TCP, TLS or UDP. It decides nothing itself.

Fleet and command line both speak DC-09 through it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import ssl
from dataclasses import dataclass
from datetime import timedelta
from typing import cast

from fleet.clock import Clock, SystemClock, within
from fleet.forwarding.centre_tls import PinError, check_pin
from protocols.centre.sia_dc09.cipher import Key
from protocols.centre.sia_dc09.frame import Frame
from protocols.centre.sia_dc09.sender import (
    ACK_TIMEOUT_S,
    ClockNak,
    Closed,
    Delivered,
    NoAnswer,
    Outcome,
    Refused,
    Sender,
    Unexpected,
)

log = logging.getLogger("livlina.forwarding")

CONNECT_TIMEOUT_S = 3.0
CLOSE_TIMEOUT_S = 1.0
READ_BYTES = 4096
UDP_TRIES = 3
"""Datagrams of one message, spread over the time for its answer."""


@dataclass(frozen=True, slots=True)
class Way:
    """How a centre is reached: transport is tcp, tls or udp; tls needs a context. ``pin`` is the SHA-256 of its
    certificate."""

    host: str
    port: int
    transport: str = "tcp"
    tls: ssl.SSLContext | None = None
    tls_name: str | None = None
    pin: bytes | None = None


@dataclass(frozen=True, slots=True)
class Unreachable:
    """There is no way to the centre; nothing was sent. ``wrong_certificate``: somebody else is there."""

    reason: str
    wrong_certificate: bool = False


@dataclass(slots=True)
class ClockOffset:
    """Seconds by which the centre's clock is ahead of ours, as its last NAK said. Several clients may share one."""

    seconds: float = 0.0


Heard = Delivered | Refused | ClockNak | NoAnswer | Closed | Unreachable


class Dc09Client:
    """One connection, opened at the first message and again after any doubt. With ``key`` everything is encrypted."""

    def __init__(
        self, way: Way, clock: Clock | None = None, *, key: Key | None = None, offset: ClockOffset | None = None
    ) -> None:
        if (way.transport == "tls") != (way.tls is not None):
            raise ValueError("tls needs a context that verifies, and nothing else has one")
        self._way = way
        self._clock: Clock = clock or SystemClock()
        self._key = key
        self._offset = offset or ClockOffset()
        self._sender = self._new_sender()
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._datagrams: _Datagrams | None = None

    async def send(self, frame: Frame) -> Heard:
        """One attempt, within the time to connect and to wait for an answer. Never raises for the network.

        A connection that the centre closed while it was idle says nothing about the centre: the frame gets one fresh
        connection, with the same sequence, so that it is known as a repeat should it have been read. A NAK to an
        encrypted frame sets our clock for the centre, now and later, and the frame goes once more.
        """
        ends = self._clock.steady() + CONNECT_TIMEOUT_S + ACK_TIMEOUT_S
        reused = self._connected()
        heard = await self._bounded(frame, ends)
        if isinstance(heard, Closed) and reused:
            heard = await self._bounded(frame, ends)
        if isinstance(heard, ClockNak) and heard.receiver_time is not None and self._key is not None:
            self._offset.seconds = (heard.receiver_time - self._clock.now()).total_seconds()
            heard = await self._bounded(frame, ends)
        return heard

    async def close(self) -> None:
        """Hangs up. A message in flight stays owed."""
        if self._datagrams is not None:
            self._datagrams.close()
            self._datagrams = None
        writer, self._writer, self._reader = self._writer, None, None
        if writer is not None:
            writer.close()
            with contextlib.suppress(OSError):
                async with within(self._clock, CLOSE_TIMEOUT_S):
                    await writer.wait_closed()
            writer.transport.abort()

    async def _bounded(self, frame: Frame, ends: float) -> Heard:
        try:
            async with within(self._clock, max(ends - self._clock.steady(), 0.0)):
                return await self._attempt(frame)
        except TimeoutError:
            await self.close()
            return NoAnswer(frame.seq, frame.account or "")

    async def _attempt(self, frame: Frame) -> Heard:
        if not self._connected():
            await self.close()
            try:
                async with within(self._clock, CONNECT_TIMEOUT_S):
                    await self._open()
            except (OSError, ValueError) as error:
                # ValueError: a name that no resolver takes. One centre's wrong address must not end the others' work.
                await self.close()
                reason = type(error).__name__
                log.info("centre %s:%d cannot be reached: %s", self._way.host, self._way.port, reason)
                return Unreachable(str(error) or reason, isinstance(error, PinError | ssl.SSLCertVerificationError))
            self._sender = self._new_sender()
        if self._datagrams is not None:
            return await self._ask_by_datagrams(frame, self._datagrams)
        assert self._reader is not None and self._writer is not None
        try:
            self._writer.write(self._octets(frame))
            heard = await self._ask(self._reader)
        except OSError:
            heard = Closed(frame.seq, frame.account)
        if isinstance(heard, NoAnswer | Closed):
            await self.close()
        return heard

    async def _open(self) -> None:
        way = self._way
        if way.transport == "udp":
            _, self._datagrams = await asyncio.get_running_loop().create_datagram_endpoint(
                _Datagrams, remote_addr=(way.host, way.port)
            )
            return
        self._reader, self._writer = await asyncio.open_connection(
            way.host, way.port, ssl=way.tls, server_hostname=way.tls_name or way.host if way.tls else None
        )
        check_pin(self._writer, way.pin)

    async def _ask(self, reader: asyncio.StreamReader) -> Heard:
        while True:
            try:
                async with within(self._clock, self._patience()):
                    octets = await reader.read(READ_BYTES)
                found = self._sender.received(octets, self._now()) if octets else self._sender.closed(self._now())
            except TimeoutError:
                found = self._sender.timeout(self._now())
            heard = self._first(found)
            if heard is not None:
                return heard

    async def _ask_by_datagrams(self, frame: Frame, datagrams: _Datagrams) -> Heard:
        """The same octets again and again: what is lost on the way is not known, and a repeat is found as one."""
        for _ in range(UDP_TRIES):
            datagrams.send(self._octets(frame))
            while self._sender.in_flight is not None:
                try:
                    async with within(self._clock, self._patience()):
                        octets = await datagrams.came.get()
                    found = self._sender.received(octets, self._now())
                except TimeoutError:
                    found = self._sender.timeout(self._now())
                heard = self._first(found)
                if heard is not None and not isinstance(heard, NoAnswer):
                    return heard
        await self.close()  # a late answer must not be taken for the next message's
        return NoAnswer(frame.seq, frame.account or "")

    def _octets(self, frame: Frame) -> bytes:
        at = self._clock.now() + timedelta(seconds=self._offset.seconds)
        return self._sender.send(frame, self._now(), at)

    def _first(self, found: list[Outcome]) -> Heard | None:
        for one in found:
            if not isinstance(one, Unexpected):
                return one
            log.warning("centre %s:%d said something unasked: %s", self._way.host, self._way.port, one.reason)
        return None

    def _new_sender(self) -> Sender:
        datagrams = self._way.transport == "udp"
        patience = ACK_TIMEOUT_S / UDP_TRIES if datagrams else ACK_TIMEOUT_S
        return Sender(patience, key=self._key, random=os.urandom, datagrams=datagrams)

    def _connected(self) -> bool:
        if self._datagrams is not None:
            return self._sender.usable and self._sender.in_flight is None
        return (
            self._writer is not None
            and self._reader is not None
            and not self._writer.is_closing()
            and not self._reader.at_eof()
            and self._sender.usable
            and self._sender.in_flight is None
        )

    def _patience(self) -> float:
        due = self._sender.next_wakeup(self._now())
        return max((due if due is not None else self._now()) - self._now(), 0.0)

    def _now(self) -> float:
        return self._clock.steady()


class _Datagrams(asyncio.DatagramProtocol):
    """One UDP socket. What ICMP says is passed over: the next try, or silence, tells."""

    def __init__(self) -> None:
        self.came: asyncio.Queue[bytes] = asyncio.Queue()
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Not by isinstance: the event loop's own class is no subclass of it in Python 3.11.
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: object) -> None:
        self.came.put_nowait(data)

    def error_received(self, exc: Exception) -> None:
        log.debug("a datagram was refused: %s", type(exc).__name__)

    def send(self, octets: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.sendto(octets)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()
