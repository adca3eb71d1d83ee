"""The fleet's end of CoAP on the lock-step clock: opens what units seal, keeps it in memory, answers with receipts.

For proofs that need a clock which stands still; what must be shown of the real fleet server runs against that. It
speaks with `protocols.wire` on a real UDP socket and decides as the wire contract says: one receipt per key, after a
"commit" that takes `commit_ms`; later stages are pushed, and told to whoever asks.
"""

from __future__ import annotations

import hashlib
import socket
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fleet.registry.directory import Aead
from protocols.wire import messages, seal
from protocols.wire.coap_server import Server
from provisioning.identity import Identity
from sim.lockstep import EPOCH, LockStep, VirtualUnit, is_there
from sim.modem.path import Address

CHANGED = 0x44
_LONGEST = 2048
_HALF_OF_IDS = 32768
Key = tuple[int, int, int]


def sha256(data: bytes) -> bytes:
    """As the wire's key derivation wants it."""
    return hashlib.sha256(data).digest()


@dataclass(frozen=True)
class Arrival:
    """One message of a unit: when (s), who, and what it says."""

    at: float
    unit: int
    message: Any


class Books:
    """What has come, at all addresses of one fleet. Attributes: `stages` by (unit, boot, seq), `presses` (how often
    each came), `heartbeats`, `refused` frames; `on_message(arrival)`."""

    def __init__(self, identities: dict[int, Identity]) -> None:
        self.identities = identities
        self.stages: dict[Key, int] = {}
        self.presses: Counter[Key] = Counter()
        self.first: dict[Key, float] = {}
        self.heartbeats = 0
        self.repeats = 0
        self.refused = 0
        self.types: Counter[str] = Counter()
        self.on_message: Callable[[Arrival], None] | None = None
        self._seen: set[Key] = set()
        self._nonce = 0

    def open(self, frame: bytes) -> tuple[int, Any]:
        """(unit, message). Raises what the wire raises for a frame that is none."""
        envelope = seal.parse(frame)
        if envelope.unit is None or envelope.kid is None:
            raise seal.SealError("direction")
        me = self.identities[envelope.unit]
        key, iv = seal.derive(sha256, me.secret16, envelope.kid, seal.UP, envelope.kid_context)
        assert iv is not None
        return envelope.unit, messages.decode(seal.open_up(Aead(key), iv, envelope))

    def keep(self, at: float, unit: int, message: Any) -> list[tuple[int, int, int]]:
        """Store it; the items of its receipt."""
        self.types[type(message).__name__] += 1
        if isinstance(message, messages.Query):
            known = [(boot, seq, self.stages.get((unit, boot, seq), 0)) for boot, seq in message.open]
            return [row for row in known if row[2]]
        key = (unit, message.boot, message.seq)
        if isinstance(message, messages.Alarm):
            self.presses[key] += 1
            self.first.setdefault(key, at)
        elif isinstance(message, messages.Heartbeat) and key not in self._seen:
            self.heartbeats += 1
        elif key in self._seen:
            self.repeats += 1
        self._seen.add(key)
        self.stages.setdefault(key, messages.STORED)
        if self.on_message is not None:
            self.on_message(Arrival(at, unit, message))
        return [(message.boot, message.seq, self.stages[key])]

    def receipt(self, unit: int, items: list[tuple[int, int, int]], at: float) -> bytes:
        """A sealed receipt."""
        return self.sealed(unit, messages.Receipt(items=items, time=EPOCH + int(at)))

    def sealed(self, unit: int, message: Any) -> bytes:
        """A message to a unit, in its envelope."""
        me = self.identities[unit]
        key, _ = seal.derive(sha256, me.secret16, seal.kid(unit, me.generation), seal.DOWN)
        self._nonce += 1
        return seal.seal_down(Aead(key), self._nonce.to_bytes(13, "big"), message.encode())


class Receiver:
    """One address of the fleet. `deaf`: datagrams come in and nothing is done with them, as behind a dead host;
    `deaf_to_own`: the same for those that come by a unit's own network and not by its modem.
    `requests` were heard; `wraps` counts how often the senders' message ids began anew."""

    def __init__(self, world: LockStep, books: Books, commit_ms: float = 5) -> None:
        self.books = books
        self.deaf = False
        self.deaf_to_own = False
        self.dropped = 0
        self.requests = 0
        self.wraps = 0
        self._mid = 0
        self._world = world
        self._commit_s = commit_ms / 1000
        self._machine = Server(mid=7)
        self._timer: Any = None
        self._peers: dict[int, Address] = {}
        self._own: set[Address] = set()
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.bind(("127.0.0.1", 0))
        self.address: Address = self._socket.getsockname()
        self.port = self.address[1]
        world.flights.opened(self.address)
        world.poller.add_reader(self._socket, self._readable)

    def _now(self) -> int:
        return round(self._world.clock.now() * 1000)

    def _readable(self) -> None:
        data, peer = self._socket.recvfrom(_LONGEST)
        if self._world.belongs(peer):
            self._world.flights.came(self.address)
        else:
            self._own.add(peer)
            for unit in self._with_own():
                unit.came()
        if self.deaf or (self.deaf_to_own and peer in self._own):
            self.dropped += 1
            return
        self.requests += 1
        mid = int.from_bytes(data[2:4], "big")
        self.wraps += self._mid - mid > _HALF_OF_IDS
        self._mid = mid
        self._carry_out(self._machine.datagram(data, peer, self._now()), peer)

    def _carry_out(self, actions: list[Any], peer: Address | None = None) -> None:
        for action in actions:
            if action[0] == "send":
                self._send(action[1], action[2])
            elif action[0] == "request":
                self._request(action[1], action[3], peer)
            else:
                self.books.refused += 1
        due = self._machine.next_wakeup(self._now())
        if self._timer is not None:
            self._timer.cancel()
        if due is not None:
            self._timer = self._world.clock.call_later((due - self._now()) / 1000, self._timeout)

    def _timeout(self) -> None:
        self._carry_out(self._machine.timeout(self._now()))

    def _request(self, exchange: int, frame: bytes, peer: Address | None) -> None:
        try:
            unit, message = self.books.open(frame)
        except (seal.SealError, messages.MessageError, KeyError):
            self.books.refused += 1
            self._machine.silence(exchange)
            return
        assert peer is not None
        self._peers[unit] = peer

        def committed() -> None:
            items = self.books.keep(self._world.clock.now(), unit, message)
            frame = self.books.receipt(unit, items, self._world.clock.now())
            self._carry_out(self._machine.respond(exchange, CHANGED, frame, self._now()))

        self._world.clock.call_later(self._commit_s, committed)

    def _send(self, peer: Address, data: bytes) -> None:
        if self._world.belongs(peer):
            self._world.flights.sent(peer)
        else:
            if peer not in self._own or not is_there(peer):
                # The socket that it was is closed: nobody is there.
                return
            for unit in self._with_own():
                unit.goes()
        self._socket.sendto(data, peer)

    def _with_own(self) -> list[VirtualUnit]:
        return [unit for unit in self._world.units.values() if unit.own_network]

    def reach(self, unit: int, boot: int, seq: int, stage: int) -> None:
        """A later stage: kept, and pushed to where the unit was last heard from."""
        self.books.stages[unit, boot, seq] = stage
        self.push(unit, self.books.receipt(unit, [(boot, seq, stage)], self._world.clock.now()))

    def push(self, unit: int, frame: bytes) -> None:
        """A frame to where the unit was last heard from; one that somebody has recorded there too."""
        if unit in self._peers:
            self._carry_out(self._machine.push(self._peers[unit], frame))

    def order(self, unit: int, number: int, kind: int, args: dict[int, Any]) -> None:
        """A command, pushed to where the unit was last heard from."""
        command = messages.Command(number=number, kind=kind, args=args, time=EPOCH + int(self._world.clock.now()))
        self._carry_out(self._machine.push(self._peers[unit], self.books.sealed(unit, command)))

    def close(self) -> None:
        """No server any more."""
        self._world.flights.closed(self.address)
        self._world.poller.remove_reader(self._socket)
        self._socket.close()
