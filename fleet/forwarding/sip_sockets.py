"""Sockets for the pure SIP machines: one UDP socket, and TCP or TLS connections in and out. It decides nothing.

It hands octets to a machine and writes what the machine says; timers are the machine's, the clock is given. A stream
flow that is written to before it is open is opened then; one that cannot be is told to the machine as closed. Nothing
listens or connects before it is asked to.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
from dataclasses import dataclass, field
from typing import Protocol

from fleet.clock import Clock, Handle, SystemClock, within
from protocols.centre.scaip.sip_flow import TLS, UDP, Address, Closed, Event, Flow, Hangup, Received, Transmit, Wire

log = logging.getLogger("livlina.sip")

CONNECT_TIMEOUT_S = 3.0
READ_OCTETS = 65_536
MOST_CONNECTIONS = 1000
"""Connections that are kept; a further one costs the one that has been idle longest, for it may bring an alarm."""
HALF_MESSAGE_S = 30.0
"""A peer that takes longer over one message is hung up on."""
MOST_UNSENT = 1 << 20
"""Octets that a peer may leave unread before its connection is cut."""


class Machine(Protocol):
    """What drives a pure machine: its results are its own affair, only what is to be written comes back."""

    def handle(self, event: Event, now: float) -> list[Wire]:
        """Octets or the end of a flow."""

    def wake(self, now: float) -> list[Wire]:
        """Timers."""

    def next_wakeup(self) -> float | None:
        """When `wake` is next due."""

    def pending(self, flow: Flow) -> int:
        """Octets of a message on a stream that is not whole."""


@dataclass
class _Connection:
    writer: asyncio.StreamWriter | None = None
    waiting: list[bytes] = field(default_factory=list)
    task: asyncio.Task[None] | None = None
    used: float = 0.0
    begun: float | None = None
    held: int = 0


class SipSockets:
    """All sockets of one machine. ``tls`` is the client's context, for connections that we open."""

    def __init__(
        self,
        machine: Machine,
        *,
        clock: Clock | None = None,
        tls: ssl.SSLContext | None = None,
        tls_name: str | None = None,
    ) -> None:
        self._machine = machine
        self._clock: Clock = clock or SystemClock()
        self._tls = tls
        self._tls_name = tls_name
        self._datagrams: dict[Address, asyncio.DatagramTransport] = {}
        self._servers: list[asyncio.Server] = []
        self._connections: dict[Flow, _Connection] = {}
        self._timer: Handle | None = None
        self._closed = False

    async def open_udp(self, host: str = "127.0.0.1", port: int = 0) -> Address:
        """Binds a UDP socket and returns its address. Raises OSError."""
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(lambda: _Datagrams(self), local_addr=(host, port))
        address = _address(transport.get_extra_info("sockname"))
        self._datagrams[address] = transport
        return address

    async def listen(self, host: str, port: int, tls: ssl.SSLContext | None = None) -> Address:
        """Takes TCP connections, or TLS ones with the server's context. Raises OSError."""
        server = await asyncio.start_server(
            self._accepted, host, port, ssl=tls, ssl_handshake_timeout=None if tls is None else CONNECT_TIMEOUT_S
        )
        self._servers.append(server)
        return _address(server.sockets[0].getsockname())

    async def connect(self, transport: str, remote: Address) -> Flow:
        """Opens a stream flow, so that its local address is known before anything is written. Raises OSError."""
        async with within(self._clock, CONNECT_TIMEOUT_S):
            reader, writer = await self._open(transport, remote)
        flow = Flow(transport, _address(writer.get_extra_info("sockname")), remote)
        connection = self._connections[flow] = _Connection(writer)
        connection.task = asyncio.create_task(self._serve(flow, connection, reader, writer))
        return flow

    def perform(self, wires: list[Wire]) -> None:
        """Writes what a machine said. Failures come back to the machine as events."""
        for wire in wires:
            match wire:
                case Transmit(flow, octets) if flow.transport == UDP:
                    self._send_datagram(flow, octets)
                case Transmit(flow, octets):
                    self._send_stream(flow, octets)
                case Hangup(flow):
                    self._hang_up(flow)
        self._set_timer()

    def is_open(self, flow: Flow) -> bool:
        """Whether a stream flow has its connection."""
        connection = self._connections.get(flow)
        return connection is not None and connection.writer is not None and not connection.writer.is_closing()

    async def close(self) -> None:
        """Ends every socket; what is unsent is given up."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        for server in self._servers:
            server.close()
        for transport in self._datagrams.values():
            transport.abort()
        tasks = [one.task for one in self._connections.values() if one.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def event(self, event: Event) -> None:
        """Hands an event to the machine and does what it says."""
        if not self._closed:
            self.perform(self._machine.handle(event, self._clock.steady()))

    def came(self, remote: Address, local: Address, octets: bytes) -> None:
        """A datagram."""
        self.event(Received(Flow(UDP, local, remote), octets))

    def _send_datagram(self, flow: Flow, octets: bytes) -> None:
        transport = self._datagrams.get(flow.local)
        if transport is not None and not transport.is_closing():
            transport.sendto(octets, flow.remote)

    def _send_stream(self, flow: Flow, octets: bytes) -> None:
        connection = self._connections.get(flow)
        if connection is None:
            connection = self._connections[flow] = _Connection()
            connection.task = asyncio.create_task(self._connect(flow, connection))
        if connection.writer is None:
            connection.waiting.append(octets)
        elif connection.writer.transport.get_write_buffer_size() > MOST_UNSENT:
            self._hang_up(flow)
        else:
            connection.writer.write(octets)

    def _hang_up(self, flow: Flow) -> None:
        connection = self._connections.get(flow)
        if connection is not None and connection.writer is not None:
            connection.writer.transport.abort()

    async def _connect(self, flow: Flow, connection: _Connection) -> None:
        try:
            async with within(self._clock, CONNECT_TIMEOUT_S):
                reader, writer = await self._open(flow.transport, flow.remote)
        except (OSError, ValueError) as error:
            # ValueError: an address that no resolver takes, or TLS without a context that verifies.
            log.info("%s to %s:%d cannot be opened: %s", flow.transport, *flow.remote, type(error).__name__)
            del self._connections[flow]
            self.event(Closed(flow))
            return
        await self._serve(flow, connection, reader, writer)

    async def _open(self, transport: str, remote: Address) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if transport != TLS:
            return await asyncio.open_connection(*remote)
        if self._tls is None:
            raise ValueError("a TLS connection needs a context that verifies")
        return await asyncio.open_connection(*remote, ssl=self._tls, server_hostname=self._tls_name or remote[0])

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._closed:
            writer.transport.abort()
            return
        if len(self._connections) >= MOST_CONNECTIONS:
            idle = min(self._connections, key=lambda one: self._connections[one].used)
            log.warning("%d connections are open: the one of %s:%d is closed", len(self._connections), *idle.remote)
            self._hang_up(idle)
        kind = TLS if writer.get_extra_info("ssl_object") is not None else "tcp"
        local, remote = _address(writer.get_extra_info("sockname")), _address(writer.get_extra_info("peername"))
        connection = _Connection(task=asyncio.current_task())
        flow = Flow(kind, local, remote)
        self._connections[flow] = connection
        await self._serve(flow, connection, reader, writer)

    async def _serve(
        self, flow: Flow, connection: _Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        connection.writer = writer
        sock = writer.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for octets in connection.waiting:
            writer.write(octets)
        connection.waiting.clear()
        connection.used = self._clock.steady()
        try:
            while octets := await self._read(flow, connection, reader):
                connection.used = self._clock.steady()
                self.event(Received(flow, octets))
        except OSError as error:
            log.info("%s to %s:%d broke: %s", flow.transport, *flow.remote, type(error).__name__)
        finally:
            self._connections.pop(flow, None)
            writer.transport.abort()
            self.event(Closed(flow))

    async def _read(self, flow: Flow, connection: _Connection, reader: asyncio.StreamReader) -> bytes:
        """The next octets; TimeoutError (an OSError) where a message that was begun is not finished in time."""
        held = self._machine.pending(flow)
        if held == 0:
            connection.begun = None
            return await reader.read(READ_OCTETS)
        if connection.begun is None or held < connection.held:
            connection.begun = self._clock.steady()
        connection.held = held
        async with within(self._clock, connection.begun + HALF_MESSAGE_S - self._clock.steady()):
            return await reader.read(READ_OCTETS)

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        due = self._machine.next_wakeup()
        if due is not None and not self._closed:
            self._timer = self._clock.call_later(max(due - self._clock.steady(), 0.0), self._due)

    def _due(self) -> None:
        if not self._closed:
            self.perform(self._machine.wake(self._clock.steady()))


class _Datagrams(asyncio.DatagramProtocol):
    """Forwards datagrams. What ICMP says of an earlier one is passed over: timers judge silence."""

    def __init__(self, sockets: SipSockets) -> None:
        self._sockets = sockets
        self._local: Address = ("", 0)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._local = _address(transport.get_extra_info("sockname"))

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._sockets.came(_address(addr), self._local, data)

    def error_received(self, exc: Exception) -> None:
        log.debug("a datagram was refused: %s", type(exc).__name__)


async def resolve(host: str, port: int) -> Address:
    """A host's first address, numeric, so that answers can be told to come from it. Raises OSError."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return _address(found[0][4])


def own_host(remote: Address) -> str:
    """The address of ours that packets to the remote leave from. Sends nothing."""
    family = socket.AF_INET6 if ":" in remote[0] else socket.AF_INET
    with contextlib.closing(socket.socket(family, socket.SOCK_DGRAM)) as probe:
        probe.connect(remote)
        return str(probe.getsockname()[0])


def _address(name: tuple[object, ...]) -> Address:
    host, port = name[0], name[1]
    assert isinstance(port, int)
    return str(host), port
