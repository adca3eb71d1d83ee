"""The fleet's end of CoAP for these tests: opens what units seal, and answers with sealed receipts."""

from __future__ import annotations

import asyncio
import hashlib
import socket
import time

from cryptography.hazmat.primitives.ciphers.aead import AESCCM

from protocols.wire import messages, seal
from protocols.wire.coap_server import Server
from provisioning.identity import Identity
from tests.ports import free_port

CHANGED = 0x44


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


class Fleet(asyncio.DatagramProtocol):
    """Attributes: `alarms` that were opened, in order; `refused` datagrams."""

    def __init__(self, identity: Identity) -> None:
        self.identity = identity
        self.alarms: list[messages.Alarm] = []
        self.refused = 0
        self.port = free_port(socket.SOCK_DGRAM)
        self._server = Server(7)
        self._nonce = 0

    async def open(self) -> Fleet:
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(lambda: self, ("127.0.0.1", self.port))
        return self

    def close(self) -> None:
        self._transport.close()

    def datagram_received(self, data: bytes, peer: tuple[str, int]) -> None:
        now = int(time.monotonic() * 1000)
        self._carry_out(self._server.datagram(data, peer, now), now)

    def _carry_out(self, actions: list, now: int) -> None:
        for action in actions:
            if action[0] == "send":
                self._transport.sendto(action[2], action[1])
            elif action[0] == "request":
                self._carry_out(self._server.respond(action[1], CHANGED, self.answer(action[3]), now), now)
            else:
                self.refused += 1

    def answer(self, frame: bytes) -> bytes:
        """Take an alarm's frame; its receipt."""
        alarm = self._alarm(frame)
        self.alarms.append(alarm)
        return self._receipt([(alarm.boot, alarm.seq, messages.STORED)])

    def _alarm(self, frame: bytes) -> messages.Alarm:
        envelope = seal.parse(frame)
        key, iv = seal.derive(sha256, self.identity.secret16, envelope.kid, seal.UP, envelope.kid_context)
        alarm = messages.decode(seal.open_up(AESCCM(key, tag_length=8), iv, envelope))
        assert isinstance(alarm, messages.Alarm)
        return alarm

    def _receipt(self, items: list[tuple[int, int, int]]) -> bytes:
        key, _ = seal.derive(
            sha256, self.identity.secret16, seal.kid(self.identity.unit, self.identity.generation), seal.DOWN
        )  # fmt: skip
        self._nonce += 1
        plain = messages.Receipt(items=items, time=1_800_000_000 + self._nonce).encode()
        return seal.seal_down(AESCCM(key, tag_length=8), self._nonce.to_bytes(13, "big"), plain)
