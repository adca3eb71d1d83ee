"""An SOS Access receiver and sender on real sockets, for the ``livlina centre`` commands and for tests."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import uuid
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, tzinfo

from fleet.forwarding.sos_access_client import Way, WrongCertificate, asking, exchange
from protocols.centre.alarm import Alarm
from protocols.centre.sos_access import documents
from protocols.centre.sos_access.receiver import Event, PingLimit, Receiver, Seen
from protocols.centre.sos_access.sender import Result
from protocols.centre.sos_access.translate import Account, alarm_request

__all__ = ["OnEvent", "SosAccessReceiver", "Way", "WrongCertificate", "exchange", "ping_sosaccess", "send_sosaccess"]

READ_OCTETS = 4096
REQUEST_S = 10.0
"""A transmitter that takes longer over its request is hung up on."""
MOST_TALKS = 1000

OnEvent = Callable[[Event], Awaitable[tuple[int, str | None]]]
"""Stores a message and returns the status to answer, and the new password where one was asked for."""


class SosAccessReceiver:
    """Receives on any number of addresses. ``authorised(transmittercode, transmittertype, authentication)`` decides."""

    def __init__(
        self,
        on_event: OnEvent,
        authorised: Callable[[str, str, str], bool],
        *,
        pings: PingLimit | None = None,
        zone: tzinfo = UTC,
    ) -> None:
        self._on_event = on_event
        self._authorised = authorised
        self._pings = pings
        self._zone = zone
        self._seen = Seen()
        self._servers: list[tuple[asyncio.Server, str]] = []
        self._talks: set[asyncio.Task[None]] = set()
        self._failed: asyncio.Future[None] | None = None

    async def listen(self, host: str, port: int, tls: ssl.SSLContext | None = None) -> int:
        """Opens one more address and returns its port. Raises OSError."""
        transport = "tcp" if tls is None else "tls"

        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await self._talk(reader, writer, transport)

        server = await asyncio.start_server(talk, host, port, ssl=tls)
        self._servers.append((server, transport))
        return int(server.sockets[0].getsockname()[1])

    async def run(self) -> None:
        """Serves until it is cancelled. What ``on_event`` raises ends it: unanswered, the alarm goes elsewhere."""
        self._failed = asyncio.get_running_loop().create_future()
        try:
            await self._failed
        finally:
            await self.close()

    async def close(self) -> None:
        """Ends all connections."""
        for server, _ in self._servers:
            server.close()
        for talk in tuple(self._talks):
            talk.cancel()
        await asyncio.gather(*self._talks, return_exceptions=True)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, transport: str) -> None:
        task = asyncio.current_task()
        assert task is not None
        if len(self._talks) < MOST_TALKS:
            self._talks.add(task)
            task.add_done_callback(self._talks.discard)
            with contextlib.suppress(OSError, TimeoutError, asyncio.CancelledError):
                await self._answer(reader, writer, transport)
        writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, transport: str) -> None:
        receiver = Receiver(
            self._seen, lambda: str(uuid.uuid4()), self._authorised, pings=self._pings, zone=self._zone,
            peer=str(writer.get_extra_info("peername")), transport=transport,
        )  # fmt: skip
        now = asyncio.get_running_loop().time
        event = None
        async with asyncio.timeout(REQUEST_S):
            while event is None:
                octets = await reader.read(READ_OCTETS)
                if not octets:
                    event = receiver.closed(now(), datetime.now(UTC))
                    break
                event = receiver.received(octets, now(), datetime.now(UTC))
        if event is None:
            return
        try:
            status, password = await self._on_event(event)
        except Exception as error:
            if self._failed is not None and not self._failed.done():
                self._failed.set_exception(error)
            raise
        writer.write(receiver.answer(event, status, now(), datetime.now(UTC), password))
        await writer.drain()


async def send_sosaccess(
    way: Way, alarm: Alarm, account: Account, *, zone: tzinfo = UTC, minimal: bool = False
) -> Result:
    """One attempt to deliver one alarm. Raises ValueError for an account outside the protocol's lengths, or
    WrongCertificate."""
    return await exchange(way, alarm_request(alarm, account, zone=zone, minimal=minimal), zone=zone)


async def ping_sosaccess(way: Way, account: Account, reference: str) -> Result:
    """One ping, which reaches no person."""
    return await exchange(way, asking(documents.PING, account, reference))
