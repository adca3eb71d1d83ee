"""CoAP over the board's own network: one UDP socket towards one server address.

A refused connection (no server there at the moment) is no error; the frame is sent again.
"""

import asyncio
import errno
import gc
import socket

from firmware.ports import sockets
from firmware.ports.console import say
from firmware.ports.own import HEAD_START_MS, Peer
from firmware.ports.udp import DatagramPipe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from firmware.ports.own import OwnNetwork
    from protocols.wire.coap_client import Client

LONGEST = 544
"""Octets of a datagram: the longest frame of the fleet (512) and CoAP around it."""
SHORT = 272
"""The same where the heap has no longer piece left: any receipt."""
REOPEN_MS = 1000


class Datagrams:
    """The board's own network (firmware.ports.own) towards one address. A datagram needs no connection, so it is `up`
    while the network is. Attributes: `errors` of the socket; `starved`, how often a datagram found too little
    memory."""

    def __init__(self, name: str, network: "OwnNetwork", host: str, port: int) -> None:
        self.errors = 0
        self.starved = 0
        self._name = name
        self._network = network
        self._peer = Peer(network, host, port)
        self._socket = None
        self._opened = asyncio.Event()
        self._listening = None

    @property
    def up(self) -> bool:
        return self._network.up

    def hurry(self) -> None:
        """An alarm is waiting: the next datagram can go at once, if there is a network."""
        self._network.hurry()

    def forget(self, token: bytes) -> None:
        """Nothing waits here: what is sent is gone."""

    def renew(self, after: int = 0) -> None:
        """The next datagram opens another socket, to where the server is by then; `after` as in Peer.forget."""
        self._peer.forget(after)
        if self._listening is not None:
            self._listening.cancel()
            # At once: what goes out before that task has run would be answered to a socket that nobody has any more.
            self._close()

    def _open(self) -> None:
        """A socket of our own port towards this server. Raises OSError: no network, or no such name."""
        address = self._peer.where(socket.SOCK_DGRAM)
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            sock.setblocking(False)
            sock.connect(address)
        except OSError:
            sock.close()
            raise
        self._socket = sock
        self._opened.set()

    def send(self, datagram: bytes) -> bool:
        """Send; False if there is no network to send on."""
        for _ in range(2):
            # A second try, since the first may only fetch the refusal of an earlier datagram.
            try:
                if self._socket is None:
                    self._open()
                self._socket.send(datagram)
                return True
            except OSError as error:
                self.errors += 1
                if error.errno != errno.ECONNREFUSED:
                    break
        return False

    def _next(self) -> "bytes | None":
        """The next datagram, or None if there is none. Raises OSError if the socket is of no more use."""
        try:
            return self._take()
        except OSError as error:
            if error.errno in sockets.AGAIN:
                return None
            self.errors += 1
            if error.errno == errno.ECONNREFUSED:
                return None
            raise

    def _take(self) -> bytes:
        # Not `readinto`: it goes on until its buffer is full, and makes one datagram of two.
        for size in (LONGEST, SHORT):
            try:
                return self._socket.recv(size)
            except MemoryError:
                self.starved += 1
                gc.collect()
        # Taken away, so that it is not offered again and again.
        return self._socket.recv(1)

    async def _listen(self, taken: "Callable[[bytes], None]") -> None:
        """Receive on one socket, as long as it is of use. Raises OSError."""
        if self._socket is None:
            await self._opened.wait()
        while True:
            await sockets.readable(self._socket)
            datagram = self._next()
            if datagram:
                taken(datagram)

    async def receive(self, taken: "Callable[[bytes], None]") -> None:
        """Receive for ever."""
        while True:
            self._listening = asyncio.create_task(self._listen(taken))
            try:
                await self._listening
            except asyncio.CancelledError:
                # It was deaf, and is closed. The next datagram opens another one, and may have done so already.
                continue
            except OSError as error:
                say(self._name, "socket:", error)
            self._close()
            await asyncio.sleep_ms(REOPEN_MS)

    def _close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        self._opened.clear()


class CoapPipe(DatagramPipe):
    """The same over the board's own network."""

    def __init__(
        self,
        name: str,
        network: "OwnNetwork",
        host: str,
        port: int,
        client: "Client",
        random: "Callable[[int], int]",
        on_frame: "Callable[[object, bytes], None]",
        on_change: "Callable[[object], None] | None" = None,
    ) -> None:
        datagrams = Datagrams(name, network, host, port)
        super().__init__(name, datagrams, client, network.clock, random, on_frame, on_change)
        network.add(self)

    def renew(self) -> None:
        """The network below has come up, perhaps with another address of ours: another socket."""
        self._datagrams.renew(HEAD_START_MS)
