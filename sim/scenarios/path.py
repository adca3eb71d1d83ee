"""The way of one unit's datagrams to the fleet's CoAP door and back: with the delay and the loss of a mobile network.

A real socket towards the door, so that the door sees an address for each unit; delay and loss are the world's.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import resource
import socket
from collections.abc import Callable
from dataclasses import dataclass

from protocols.wire import coap
from sim.scenarios.scenario import ScenarioError
from sim.scenarios.world import World

LONGEST = 2048
BESIDES = 500
"""Open files that a fleet needs besides its units' sockets."""


def room_for(units: int, files: int = 1) -> None:
    """So many units may have a socket, or so many open files each, at once: asks the system for it. Raises
    ScenarioError where it says no."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = units * files + BESIDES
    each = "a socket" if files == 1 else f"{files} open files"
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise ScenarioError(
            f"{units} units need {each} each, and this process may have {hard} open files: fewer --units, or a "
            "higher `ulimit -Hn`"
        )
    if soft != resource.RLIM_INFINITY and soft < needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


@dataclass(frozen=True, slots=True)
class Air:
    """Delay one way, from and to (s), and the part of the datagrams that is lost, each way."""

    least_s: float = 0.05
    most_s: float = 0.4
    loss: float = 0.01


class Path:
    """`down(datagram)` takes what arrives at the unit. `carried` and `lost` count datagrams, both ways."""

    def __init__(
        self, world: World, door: tuple[str, int], air: Air, chance: random.Random, down: Callable[[bytes], None]
    ) -> None:
        self.carried = 0
        self.lost = 0
        self._world = world
        self._air = air
        self._chance = chance
        self._down = down
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.connect(door)
        asyncio.get_running_loop().add_reader(self._socket, self._readable)

    def up(self, datagram: bytes) -> None:
        """The unit sends."""
        self._carry(lambda: self._send(datagram))

    def close(self) -> None:
        """Nothing gets through any more."""
        asyncio.get_running_loop().remove_reader(self._socket)
        self._socket.close()
        self._world.awaited.discard(self)

    def _carry(self, arrive: Callable[[], None]) -> None:
        if self._chance.random() < self._air.loss:
            self.lost += 1
            return
        self.carried += 1
        self._world.clock.call_later(self._chance.uniform(self._air.least_s, self._air.most_s), arrive)

    def _send(self, datagram: bytes) -> None:
        if self._socket.fileno() < 0:
            return
        # An ICMP answer to an earlier datagram: on the air this is a loss like any other.
        with contextlib.suppress(ConnectionRefusedError):
            self._socket.send(datagram)
            self._world.touch()
            if _is_request(datagram):
                self._world.awaited.add(self)

    def _readable(self) -> None:
        while True:
            try:
                datagram = self._socket.recv(LONGEST)
            except (BlockingIOError, ConnectionRefusedError):
                return
            self._world.awaited.discard(self)
            self._world.touch()
            self._carry(lambda datagram=datagram: self._down(datagram))  # type: ignore[misc]


def _is_request(datagram: bytes) -> bool:
    try:
        return coap.decode(datagram, LONGEST).is_request()
    except coap.CoapError:
        return False
