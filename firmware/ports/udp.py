"""One server address over CoAP: sealed frames as CON POST to `u`, receipts in the answers and on `d`.

Carries bytes and decides nothing: what a frame says, whether a receipt is genuine and when to try again belong to
others. A refused connection (no server there at the moment) is no error; the frame is sent again.
"""

import asyncio
import errno
import gc
import socket

from firmware.ports import sockets
from firmware.ports.console import say

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from firmware.ports.clock import Clock
    from protocols.wire.coap import Actions
    from protocols.wire.coap_client import Client

PATH = "u"
LONGEST = 544
"""Octets of a datagram: the longest frame of the fleet (512) and CoAP around it."""
SHORT = 272
"""The same where the heap has no longer piece left: any receipt."""
REOPEN_MS = 1000


class DatagramPipe:
    """`client` is the CoAP machine for one address, `datagrams` the way to it, `on_frame(pipe, frame)` takes what the
    server sends, `on_change(pipe)` hears that `up` has changed, `random(n)` gives an integer in 0..n-1. Attributes:
    `name`, `bearer` (a code of messages), `mark` for the watchdog, `up`, `refused` (datagrams that were no CoAP),
    `errors` (of the socket).

    `datagrams`: `up`; `send(datagram)` at once or soon, never an error; `await receive(taken)` runs for ever and calls
    `taken(datagram)`; `renew()` another socket, since this one hears nothing; `hurry()`; `errors`.
    """

    deaf_ms = 60000
    """With something sent and nothing heard for this long the name is resolved anew: the server may have moved."""

    def __init__(
        self,
        name: str,
        datagrams: "Any",
        client: "Client",
        clock: "Clock",
        random: "Callable[[int], int]",
        on_frame: "Callable[[object, bytes], None]",
        on_change: "Callable[[object], None] | None" = None,
    ) -> None:
        self.name = name
        self.bearer = 0
        self.mark: "Any" = None
        self.refused = 0
        self._datagrams = datagrams
        self._client = client
        self._clock = clock
        self._random = random
        self._on_frame = on_frame
        self._on_change = on_change
        self._deaf_at = None
        self._tokens: "dict[object, bytes]" = {}

    @property
    def up(self) -> bool:
        return self._datagrams.up

    @property
    def errors(self) -> int:
        return self._datagrams.errors

    def changed(self) -> None:
        """`up` has changed."""
        if self._on_change is not None:
            self._on_change(self)

    def hurry(self) -> None:
        """An alarm is waiting."""
        self._datagrams.hurry()

    def send(self, key: "object", frame: bytes, urgent: bool) -> bool:
        """Send a frame; an older one of the same key is no longer repeated. False if it must wait for another try:
        ordinary frames only."""
        now = self._clock.now()
        self.overtaken(key)
        if not urgent and not self._client.ready():
            return False
        token, actions = self._client.request(PATH, frame, now, self._random(1001), urgent)
        self._tokens[key] = token
        self._carry_out(actions)
        return True

    def overtaken(self, key: "object") -> None:
        """What has been sent for this key is repeated no longer, and no longer waits."""
        token = self._tokens.pop(key, None)
        if token is not None:
            self._client.cancel(token)
            self._datagrams.forget(token)

    def abandon(self) -> None:
        """Nothing that has been sent is repeated, and nothing waits: whoever waits for a receipt sends anew."""
        for key in list(self._tokens):
            self.overtaken(key)

    def timeout(self, now: int) -> None:
        """Retransmissions that are due, and another socket for one that hears nothing."""
        self._carry_out(self._client.timeout(now))
        if self._deaf_at is not None and now >= self._deaf_at:
            self._deaf_at = None
            self._datagrams.renew()

    def next_wakeup(self, now: int) -> "int | None":
        """When `timeout` is to be called."""
        due = self._client.next_wakeup(now)
        if self._deaf_at is not None and (due is None or self._deaf_at < due):
            return self._deaf_at
        return due

    def _carry_out(self, actions: "Actions") -> None:
        for action in actions:
            if action[0] == "send":
                if self._deaf_at is None:
                    self._deaf_at = self._clock.now() + self.deaf_ms
                self._datagrams.send(action[1])
            elif action[0] == "response":
                self._over(action[1])
                if action[3]:
                    self._on_frame(self, action[3])
            elif action[0] == "pushed":
                self._on_frame(self, action[2])
            elif action[0] == "stray":
                # Too late for its request; the receipt in it counts all the same.
                self._on_frame(self, action[1])
            elif action[0] == "failed":
                self._over(action[1])
            elif action[0] == "refused":
                self.refused += 1
                # Told as a frame that does not open: garbled, or far too long, it is bad input like one.
                self._on_frame(self, b"")

    def _over(self, token: bytes) -> None:
        for key in [key for key in self._tokens if self._tokens[key] == token]:
            del self._tokens[key]

    def _taken(self, datagram: bytes) -> None:
        self._deaf_at = None
        self._carry_out(self._client.datagram(datagram, self._clock.now()))

    async def run(self) -> None:
        """Receive for ever."""
        if self.mark is not None:
            # A server need not send anything; who waits for a receipt is the courier.
            self.mark.pause()
        await self._datagrams.receive(self._taken)


class Datagrams:
    """The board's own network towards one address. A datagram needs no connection, so it is always `up`. Attributes:
    `errors` of the socket; `starved`, how often a datagram found too little memory."""

    up = True

    def __init__(self, name: str, host: str, port: int) -> None:
        self.errors = 0
        self.starved = 0
        self._name = name
        self._host = host
        self._port = port
        self._socket = None
        self._opened = asyncio.Event()
        self._listening = None

    def hurry(self) -> None:
        """Nothing to hurry, the next datagram can go at once."""

    def forget(self, token: bytes) -> None:
        """Nothing waits here: what is sent is gone."""

    def renew(self) -> None:
        """The next datagram opens another socket."""
        if self._listening is not None:
            self._listening.cancel()

    def _open(self) -> None:
        """A socket of our own port towards this server. Raises OSError: no network, or no such name."""
        address = sockets.resolve(self._host, self._port, socket.SOCK_DGRAM)
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            sock.setblocking(False)
            sock.connect(address)
        except OSError:
            sock.close()
            raise
        self._socket = sock
        self._opened.set()

    def send(self, datagram: bytes) -> None:
        """Send, if there is a network."""
        for _ in range(2):
            # A second try, since the first may only fetch the refusal of an earlier datagram.
            try:
                if self._socket is None:
                    self._open()
                self._socket.send(datagram)
                return
            except OSError as error:
                self.errors += 1
                if error.errno != errno.ECONNREFUSED:
                    return

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
            pause = REOPEN_MS
            try:
                await self._listening
            except asyncio.CancelledError:
                # It was deaf. The next datagram opens another one.
                pause = 0
            except OSError as error:
                say(self._name, "socket:", error)
            self._close()
            await asyncio.sleep_ms(pause)

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
        host: str,
        port: int,
        client: "Client",
        clock: "Clock",
        random: "Callable[[int], int]",
        on_frame: "Callable[[object, bytes], None]",
    ) -> None:
        super().__init__(name, Datagrams(name, host, port), client, clock, random, on_frame)
