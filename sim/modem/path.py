"""The modem's sockets: real UDP and TCP towards the machine that runs the sim, behind a network's delay and loss.

Everything is non-blocking and calls back; delays are of the emulator's clock. TCP is delayed, never damaged.
"""

from __future__ import annotations

import asyncio
import errno
import random
import socket
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Protocol

from sim.modem.clock import Clock
from sim.modem.scenario import PathSettings

MOST_DATAGRAMS = 16
"""What a modem keeps for a reader that does not come."""
LONGEST = 2048
MOST_OF_STREAM = 16384
"""Bytes of a stream that a modem keeps before it lets the far end wait."""
_PENDING = (errno.EAGAIN, errno.EWOULDBLOCK, errno.EINPROGRESS)


Address = tuple[str, int]


class Loop(Protocol):
    """Who says that a socket is ready: asyncio's loop, or the lock-step's own."""

    def add_reader(self, fd: Any, callback: Callable[..., Any], *args: Any) -> Any: ...

    def remove_reader(self, fd: Any) -> Any: ...

    def add_writer(self, fd: Any, callback: Callable[..., Any], *args: Any) -> Any: ...

    def remove_writer(self, fd: Any) -> Any: ...

    def call_soon(self, callback: Callable[..., Any], *args: Any) -> Any: ...


class Flights:
    """Datagrams that have left one socket of this process and not come out of another: while there are any, no time may
    pass. Counted by the address that they go to; what goes to an address that nobody here has opened is not counted.
    Attribute: `refuses_streams`, whether a stream, which cannot be counted, is refused by its peer or is an error."""

    def __init__(self) -> None:
        self.refuses_streams = False
        self._open: dict[Address, int] = {}
        self._under_way: set[Address] = set()

    def opened(self, address: Address) -> None:
        self._open[address] = 0
        self._under_way.discard(address)

    def closed(self, address: Address) -> None:
        self._open.pop(address, None)
        self._under_way.discard(address)

    def known(self, address: Address) -> bool:
        return address in self._open

    def sent(self, to: Address) -> None:
        self._count(to, 1)

    def came(self, to: Address) -> None:
        self._count(to, -1)

    def _count(self, to: Address, datagrams: int) -> None:
        if to not in self._open:
            return
        self._open[to] += datagrams
        if self._open[to]:
            self._under_way.add(to)
        else:
            self._under_way.discard(to)

    def over(self) -> bool:
        """Whether everything has arrived."""
        return not self._under_way


def _at_once() -> float:
    return 0.0


class Path:
    """The way to the servers. `loss_up`, `loss_down` and `card_loss` (the worse one counts) may be changed while it
    runs; `lost` counts datagrams; `blocked` are ports of servers that nothing gets to any more; `paging` says how long
    the modem does not listen. `loop` is asyncio's own unless another is given."""

    def __init__(
        self,
        settings: PathSettings,
        clock: Clock,
        rng: random.Random,
        loop: Loop | None = None,
        flights: Flights | None = None,
    ) -> None:
        self.loop = loop
        self.flights = flights
        self.blocked: set[int] = set()
        self.loss_up = settings.loss_up
        self.loss_down = settings.loss_down
        self.card_loss = 0.0
        self.lost = 0
        self.paging: Callable[[], float] = _at_once
        self._settings = settings
        self._clock = clock
        self._rng = rng

    def delay(self) -> float:
        """Seconds that one datagram takes one way."""
        return (self._settings.latency_ms + self._rng.random() * self._settings.jitter_ms) / 1000

    def carry(self, loss: float, arrive: Callable[[], None]) -> None:
        """Let a datagram arrive later, or not at all."""
        if self._rng.random() < max(loss, self.card_loss):
            self.lost += 1
            return
        self._clock.call_later(self.delay(), arrive)

    def page(self, arrive: Callable[[], None]) -> None:
        """Let a datagram from the network arrive as soon as the modem listens."""

        def paged() -> None:
            wait = self.paging()
            if wait:
                self._clock.call_later(wait, arrive)
            else:
                arrive()

        self.carry(self.loss_down, paged)

    def later(self, arrive: Callable[[], None]) -> None:
        """Let bytes of a stream arrive later, in order."""
        self._clock.call_later(self._settings.latency_ms / 1000, arrive)


class Endpoint(ABC):
    """One open socket of the modem. `changed` is called when its buffer is no longer empty, `ended` when the far end
    has closed."""

    def __init__(self, path: Path, changed: Callable[[], None], ended: Callable[[], None]) -> None:
        self.open = True
        self.dropped = 0
        self._path = path
        self._changed = changed
        self._ended = ended
        self._loop: Loop = path.loop or asyncio.get_running_loop()

    def close(self) -> None:
        """May be called more than once."""
        if self.open:
            self.open = False
            self._loop.remove_reader(self._socket)
            self._loop.remove_writer(self._socket)
            self._socket.close()

    _socket: socket.socket

    @abstractmethod
    def send(self, data: bytes) -> None:
        """Send what the modem was given."""

    @abstractmethod
    def take(self, size: int) -> bytes:
        """At most `size` octets of what has come, oldest first."""

    @abstractmethod
    def waiting(self) -> int:
        """How many octets can be taken."""


class UdpEndpoint(Endpoint):
    """Datagrams towards one peer; one read gives one datagram."""

    def __init__(
        self, path: Path, host: str, port: int, changed: Callable[[], None], ended: Callable[[], None]
    ) -> None:
        super().__init__(path, changed, ended)
        self._buffer: list[bytes] = []
        self._port = port
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.connect((host, port))
        self._mine: Address = self._socket.getsockname()
        self._far: Address = self._socket.getpeername()
        if path.flights is not None:
            path.flights.opened(self._mine)
        self._loop.add_reader(self._socket, self._readable)

    def close(self) -> None:
        super().close()
        if self._path.flights is not None:
            self._path.flights.closed(self._mine)

    def send(self, data: bytes) -> None:
        self._path.carry(1.0 if self._port in self._path.blocked else self._path.loss_up, lambda: self._transmit(data))

    def _transmit(self, data: bytes) -> None:
        if self.open:
            try:
                self._socket.send(data)
            except ConnectionRefusedError:
                # An ICMP answer to an earlier datagram: on the air this is a loss like any other.
                self._path.lost += 1
            else:
                if self._path.flights is not None:
                    self._path.flights.sent(self._far)

    def _readable(self) -> None:
        try:
            data = self._socket.recv(LONGEST)
        except (BlockingIOError, ConnectionRefusedError):
            return
        if self._path.flights is not None:
            self._path.flights.came(self._mine)
        self._path.page(lambda: self._arrived(data))

    def _arrived(self, data: bytes) -> None:
        if not self.open:
            return
        if len(self._buffer) >= MOST_DATAGRAMS:
            self.dropped += 1
            return
        self._buffer.append(data)
        if len(self._buffer) == 1:
            self._changed()

    def take(self, size: int) -> bytes:
        return self._buffer.pop(0)[:size] if self._buffer else b""

    def waiting(self) -> int:
        return len(self._buffer[0]) if self._buffer else 0


class TcpEndpoint(Endpoint):
    """A stream; `opened(code)` is called once, with 0 or an errno."""

    def __init__(
        self,
        path: Path,
        host: str,
        port: int,
        changed: Callable[[], None],
        ended: Callable[[], None],
        opened: Callable[[int], None],
    ) -> None:
        super().__init__(path, changed, ended)
        if path.flights is not None and not path.flights.refuses_streams:
            raise NotImplementedError("a stream's bytes are not counted: it cannot be used in lock step")
        self._buffer = b""
        self._out = b""
        self._opened = opened
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._socket.setblocking(False)
        if path.flights is not None:
            self._loop.call_soon(self._refused)
            return
        code = self._socket.connect_ex((host, port))
        if code not in (0, *_PENDING):
            self._loop.call_soon(self._connected, code)
        else:
            self._loop.add_writer(self._socket, self._connected)

    def _refused(self) -> None:
        self.close()
        self._opened(errno.ECONNREFUSED)

    def _connected(self, code: int | None = None) -> None:
        if not self.open:
            return
        self._loop.remove_writer(self._socket)
        found = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) if code is None else code
        if found:
            self.close()
        else:
            self._loop.add_reader(self._socket, self._readable)
        self._path.later(lambda: self._opened(found))

    def send(self, data: bytes) -> None:
        self._path.later(lambda: self._transmit(data))

    def _transmit(self, data: bytes) -> None:
        if self.open:
            self._out += data
            self._writable()

    def _writable(self) -> None:
        try:
            self._out = self._out[self._socket.send(self._out) :]
        except BlockingIOError:
            pass
        except OSError:
            self._end()
            return
        if self._out:
            self._loop.add_writer(self._socket, self._writable)
        else:
            self._loop.remove_writer(self._socket)

    def _readable(self) -> None:
        try:
            data = self._socket.recv(LONGEST)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data:
            self._path.later(lambda: self._arrived(data))
        else:
            self._loop.remove_reader(self._socket)
            self._path.later(self._end)

    def _end(self) -> None:
        if self.open:
            self.close()
            self._ended()

    def _arrived(self, data: bytes) -> None:
        first = not self._buffer
        self._buffer += data
        if len(self._buffer) >= MOST_OF_STREAM and self.open:
            # A modem's window is closed until somebody reads.
            self._loop.remove_reader(self._socket)
        if first and self.open:
            self._changed()

    def take(self, size: int) -> bytes:
        full = len(self._buffer) >= MOST_OF_STREAM
        data, self._buffer = self._buffer[:size], self._buffer[size:]
        if full and len(self._buffer) < MOST_OF_STREAM and self.open:
            self._loop.add_reader(self._socket, self._readable)
        return data

    def waiting(self) -> int:
        return len(self._buffer)
