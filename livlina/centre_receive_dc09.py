"""A DC-09 receiver and sender on real sockets, for the ``livlina centre`` commands and for tests."""

from __future__ import annotations

import asyncio
import contextlib
import os
import ssl
import uuid
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import cast

from fleet.forwarding.dc09_client import Dc09Client, Unreachable, Way
from protocols.centre.alarm import Alarm, Outcome, Reply
from protocols.centre.sia_dc09 import Bad, ClockNak, Delivered, Frame, Key, Receiver, Refused, Seen, alarm_frame, poll
from protocols.centre.sia_dc09.receiver import Event, Verdict

__all__ = ["Dc09Receiver", "OnEvent", "Way", "exchange", "poll_dc09", "send_dc09"]

READ_OCTETS = 4096
HALF_FRAME_S = 30.0
"""A sender that takes longer over one frame is hung up on."""
LONGEST_TALKS = 1000

OnEvent = Callable[[Event], Awaitable[Verdict]]
"""Stores a message and returns what to answer, usually the event's own ``verdict``."""


class Dc09Receiver:
    """Receives on any number of addresses. ``keys(account)`` gives an account's key or None."""

    def __init__(self, on_event: OnEvent, keys: Callable[[str], Key | None] | None = None) -> None:
        self._on_event = on_event
        self._keys = keys
        self._seen = Seen()
        self._servers: list[asyncio.Server] = []
        self._transports: list[asyncio.DatagramTransport] = []
        self._talks: set[asyncio.Task[None]] = set()
        self._failed: asyncio.Future[None] | None = None

    async def listen(self, host: str, port: int, transport: str = "tcp", tls: ssl.SSLContext | None = None) -> int:
        """Opens one more address and returns its port. Raises OSError, ValueError."""
        if transport == "udp":
            made, _ = await asyncio.get_running_loop().create_datagram_endpoint(
                lambda: _Datagrams(self), local_addr=(host, port)
            )
            self._transports.append(made)
            return int(made.get_extra_info("sockname")[1])
        if (transport == "tls") != (tls is not None):
            raise ValueError("tls needs a certificate, and tcp has none")
        server = await asyncio.start_server(self._talk, host, port, ssl=tls, backlog=LONGEST_TALKS)
        self._servers.append(server)
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
        for server in self._servers:
            server.close()
        for datagrams in self._transports:
            datagrams.close()
        for talk in tuple(self._talks):
            talk.cancel()
        await asyncio.gather(*self._talks, return_exceptions=True)

    def receiver(self, peer: str | None, transport: str) -> Receiver:
        """The machine of one connection, or of one datagram."""
        return Receiver(
            self._seen, lambda: str(uuid.uuid4()), peer, keys=self._keys, random=os.urandom,
            datagrams=transport == "udp", transport=transport,
        )  # fmt: skip

    async def answers(self, receiver: Receiver) -> bytes:
        """The octets that answer everything that has come."""
        written = b""
        while event := receiver.next_event(asyncio.get_running_loop().time(), datetime.now(UTC)):
            try:
                verdict = await self._on_event(event)
            except Exception as error:
                if self._failed is not None and not self._failed.done():
                    self._failed.set_exception(error)
                raise
            verdict = event.verdict if isinstance(event, Bad) else verdict
            written += receiver.answer(event, verdict, asyncio.get_running_loop().time(), datetime.now(UTC))
        return written

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        if len(self._talks) >= LONGEST_TALKS:
            writer.close()
            return
        self._talks.add(task)
        task.add_done_callback(self._talks.discard)
        transport = "tcp" if writer.get_extra_info("ssl_object") is None else "tls"
        receiver = self.receiver(str(writer.get_extra_info("peername")), transport)
        with contextlib.suppress(OSError, TimeoutError, asyncio.CancelledError):
            while True:
                async with asyncio.timeout(HALF_FRAME_S if receiver.pending else None):
                    octets = await reader.read(READ_OCTETS)
                if not octets:
                    receiver.closed()
                    await self.answers(receiver)
                    break
                receiver.received(octets)
                writer.write(await self.answers(receiver))
                await writer.drain()
        writer.close()


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, owner: Dc09Receiver) -> None:
        self._owner = owner
        self._tasks: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Not by isinstance: the event loop's own class is no subclass of it in Python 3.11.
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if len(self._tasks) < LONGEST_TALKS:
            task = asyncio.get_running_loop().create_task(self._answer(data, addr))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _answer(self, data: bytes, addr: tuple[str, int]) -> None:
        receiver = self._owner.receiver(str(addr), "udp")
        receiver.received(data)
        written = await self._owner.answers(receiver)
        if written:
            self._transport.sendto(written, addr)


async def exchange(way: Way, frame: Frame, *, key: Key | None = None) -> Reply | None:
    """One attempt: the centre's answer, or None if none came. After a NAK the clock is set by it and the frame goes
    once more. Raises OSError if there is no way to the centre."""
    client = Dc09Client(way, key=key)
    try:
        heard = await client.send(frame)
    finally:
        await client.close()
    match heard:
        case Delivered():
            return Reply(True, Outcome.OK, "ACK")
        case Refused():
            return Reply(False, Outcome.REJECT_PERMANENT, "DUH")
        case ClockNak(_, _, time):
            return Reply(False, Outcome.CLOCK, "NAK", receiver_time=time)
        case Unreachable(reason):
            raise OSError(reason)
    return None


async def send_dc09(
    way: Way, alarm: Alarm, *, account: str, sequence: int, token: str, key: Key | None = None, minimal: bool = False
) -> Reply | None:
    """One attempt to deliver one alarm. Raises ValueError for an account or a sequence outside the grammar, OSError."""
    return await exchange(way, alarm_frame(alarm, sequence, account, minimal, token=token), key=key)


async def poll_dc09(way: Way, account: str, *, key: Key | None = None) -> Reply | None:
    """One link test, which reaches no person."""
    return await exchange(way, poll(account), key=key)
