"""The CoAP front door: one UDP socket on the pure machine of `protocols.wire.coap_server`.

A frame is answered with 2.04 and the sealed receipt once it is committed; a refused frame, and one that could not be
committed, get silence. Addresses of units are remembered for pushes only, and only from frames that are fresh.
"""

from __future__ import annotations

import asyncio
import random
import socket
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

from fleet.ingest.drops import Drops
from fleet.ingest.outcome import Outcome, Stored, Way
from protocols.wire.coap import CHANGED
from protocols.wire.coap_server import Server

Peer = tuple[str, int]
Take = Callable[[bytes, Way, Callable[[Outcome], None]], None]

RECEIVE_BUFFER: Final = 8 << 20
"""Bytes asked of the system: a burst of thousands of units is larger than its default."""

_SO_RCVBUFFORCE: Final = 33  # Linux; Python has no name for it

MOST_EXCHANGES: Final = 16_384
MOST_ADDRESSES: Final = 200_000


def _now() -> int:
    return time.monotonic_ns() // 1_000_000


def bind(host: str, port: int) -> socket.socket:
    """The door's socket; several processes may share a port, the kernel keeps each peer with one of them.

    Port 0 is a port of its own: for one that may be shared the kernel would also choose what another program shares.
    """
    family = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0][0]
    opened = socket.socket(family, socket.SOCK_DGRAM)
    try:
        if port:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        try:
            opened.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, RECEIVE_BUFFER)
        except OSError:  # only root may go over the system's limit; others get as much as that allows
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        opened.setblocking(False)
        opened.bind((host, port))
    except OSError as error:
        opened.close()
        raise OSError(error.errno, f"CoAP cannot listen on {host} port {port}: {error.strerror}") from error
    return opened


class CoapDoor(asyncio.DatagramProtocol):
    """One per process. ``take`` is Intake.take."""

    def __init__(self, take: Take, drops: Drops) -> None:
        self._take = take
        self._drops = drops
        self._server = Server(random.SystemRandom().randrange(65536), exchanges=MOST_EXCHANGES)
        self._addresses: OrderedDict[int, Peer] = OrderedDict()
        self._transport: asyncio.DatagramTransport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0
        self.address: Peer = ("", 0)

    async def start(self, host: str, port: int) -> None:
        """Listens. Raises OSError where the port cannot be had."""
        opened = bind(host, port)
        name = opened.getsockname()
        self.address = name[0], name[1]
        self._transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(lambda: self, sock=opened)

    def stop(self) -> None:
        """Closes the socket; what is not answered yet is sent again by its unit."""
        if self._timer is not None:
            self._timer.cancel()
        if self._transport is not None:
            self._transport.close()
            self._transport = None

    def heard(self, unit: int, peer: Peer) -> None:
        """A fresh frame of this unit came from there: pushes go there from now on."""
        self._addresses[unit] = peer
        self._addresses.move_to_end(unit)
        if len(self._addresses) > MOST_ADDRESSES:
            self._addresses.popitem(last=False)

    def address_of(self, unit: int) -> Peer | None:
        """Where pushes for this unit go, or None where this process has not heard it."""
        return self._addresses.get(unit)

    @property
    def units(self) -> Sequence[int]:
        """The units that this process has heard."""
        return list(self._addresses)

    def push(self, peer: Peer, frame: bytes) -> None:
        """Sends a sealed frame down, once: a unit that misses it asks."""
        self._act(self._server.push(peer, frame))

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        peer = addr[0], addr[1]
        for action in self._server.datagram(data, peer, _now()):
            if action[0] == "request":
                self._take(action[3], Way("coap", None, peer), partial(self._reply, action[1]))
            elif action[0] == "refused":
                self._drops.count("coap", action[1])
            else:
                self._send(action)
        self._arm()

    def error_received(self, exc: Exception) -> None:
        """An ICMP error for an earlier datagram: the unit is away, and it will come back or not."""
        self._drops.count("coap", "peer_unreachable")

    def _act(self, actions: Sequence[tuple[Any, ...]]) -> None:
        for action in actions:
            self._send(action)

    def _send(self, action: tuple[Any, ...]) -> None:
        _, peer, datagram = action
        if self._transport is not None:
            self._transport.sendto(datagram, peer)

    def _reply(self, exchange: int, outcome: Outcome) -> None:
        if isinstance(outcome, Stored):
            self._act(self._server.respond(exchange, CHANGED, outcome.receipt, _now(), random.randrange(1001)))  # noqa: S311
            self._arm()
        else:
            self._server.silence(exchange)

    def _arm(self) -> None:
        """Sets the timer to the machine's next wish; an earlier timer is left: waking up once too often is harmless."""
        now = _now()
        due = self._server.next_wakeup(now)
        if due is None or (self._timer is not None and self._due <= due):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._due = due
        self._timer = asyncio.get_running_loop().call_later((due - now) / 1000, self._wake)

    def _wake(self) -> None:
        self._timer = None
        self._act(self._server.timeout(_now()))
        self._arm()
