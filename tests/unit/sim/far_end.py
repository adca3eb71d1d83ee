"""The fleet's ends of both pipes for tests of units: no database, just memory, on the same wire machines.

`FarEnd` opens frames with the units' UP keys and answers with sealed receipts; `CoapEnd` and `MqttEnd` carry it. A test
sets `stage_of_alarms` (what an alarm is answered with; None for silence) and pushes later stages with `raise_stage`.
"""

import asyncio
import hashlib
import ssl
import time
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESCCM

from protocols.wire import coap_server, messages, mqtt_server, seal
from provisioning.ca import CertificateAuthority
from provisioning.identity import Identity

SERVER_TIME = 1_800_000_000


def sha256(data):
    return hashlib.sha256(data).digest()


def now():
    return int(time.monotonic() * 1000)


class FarEnd:
    def __init__(self, identities: dict[int, Identity]):
        self.identities = identities
        self.stage_of_alarms: int | None = messages.STORED
        self.received: list[tuple[int, object]] = []
        self.envelopes: list[seal.Envelope] = []
        self.stages: dict[tuple[int, int, int], int] = {}
        self.news = asyncio.Condition()
        self.nonce = 0
        self.ends: list = []

    def open(self, frame):
        envelope = seal.parse(frame)
        me = self.identities[envelope.unit]
        assert envelope.generation == me.generation
        key, iv = seal.derive(sha256, me.secret16, envelope.kid, seal.UP, envelope.kid_context)
        message = messages.decode(seal.open_up(AESCCM(key, tag_length=8), iv, envelope))
        self.envelopes.append(envelope)
        return envelope.unit, message

    def receipt(self, unit, items, secret=None):
        me = self.identities[unit]
        key, _ = seal.derive(sha256, secret or me.secret16, seal.kid(unit, me.generation), seal.DOWN)
        self.nonce += 1
        plain = messages.Receipt(items=items, time=SERVER_TIME + self.nonce).encode()
        return seal.seal_down(AESCCM(key, tag_length=8), self.nonce.to_bytes(13, "big"), plain)

    def answer(self, frame):
        """(unit, the receipt's frame or None for silence)."""
        unit, message = self.open(frame)
        self.received.append((unit, message))
        asyncio.get_running_loop().create_task(self._tell())
        if isinstance(message, messages.Query):
            known = [(boot, seq, self.stages.get((unit, boot, seq), 0)) for boot, seq in message.open]
            return unit, self.receipt(unit, [row for row in known if row[2]])
        if isinstance(message, messages.Alarm):
            if self.stage_of_alarms is None:
                return unit, None
            key = (unit, message.boot, message.seq)
            self.stages[key] = max(self.stage_of_alarms, self.stages.get(key, 0))
            return unit, self.receipt(unit, [(message.boot, message.seq, self.stages[key])])
        return unit, self.receipt(unit, [(message.boot, message.seq, messages.STORED)])

    async def _tell(self):
        async with self.news:
            self.news.notify_all()

    def raise_stage(self, unit, boot, seq, stage, push=True):
        self.stages[(unit, boot, seq)] = stage
        if push:
            self.push(unit, self.receipt(unit, [(boot, seq, stage)]))

    def push(self, unit, frame):
        for end in self.ends:
            end.push(unit, frame)

    def alarms(self, unit):
        return [message for number, message in self.received if number == unit and isinstance(message, messages.Alarm)]

    def heartbeats(self, unit):
        return [one for number, one in self.received if number == unit and isinstance(one, messages.Heartbeat)]

    async def until(self, condition, timeout=60):
        async with asyncio.timeout(timeout), self.news:
            await self.news.wait_for(condition)


class CoapEnd(asyncio.DatagramProtocol):
    def __init__(self, far: FarEnd, port: int):
        self.far = far
        self.port = port
        self.machine = coap_server.Server(mid=1)
        self.peers: dict[int, object] = {}
        self.transport = None
        far.ends.append(self)

    async def open(self):
        await asyncio.get_running_loop().create_datagram_endpoint(lambda: self, local_addr=("127.0.0.1", self.port))
        return self

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, addr):
        self.carry_out(self.machine.datagram(data, addr, now()), addr)

    def carry_out(self, actions, peer=None):
        for action in actions:
            if action[0] == "send":
                self.transport.sendto(action[2], action[1])
            elif action[0] == "request":
                unit, frame = self.far.answer(action[3])
                self.peers[unit] = peer
                if frame is None:
                    self.machine.silence(action[1])
                else:
                    self.carry_out(self.machine.respond(action[1], 0x44, frame, now()))

    def push(self, unit, frame):
        if unit in self.peers:
            self.carry_out(self.machine.push(self.peers[unit], frame))

    async def close(self):
        self.transport.close()


class MqttEnd:
    def __init__(self, far: FarEnd, port: int, authority: CertificateAuthority, names: list[str], folder: Path):
        self.far = far
        self.port = port
        certificate, key = authority.issue_server(names)
        folder.mkdir(exist_ok=True)
        (folder / "server.pem").write_bytes(certificate + key)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(folder / "server.pem")
        self.context.load_verify_locations(cadata=authority.ca_pem.decode())
        self.context.verify_mode = ssl.CERT_REQUIRED
        self.links: dict[int, tuple[mqtt_server.Server, asyncio.StreamWriter]] = {}
        self.seen: set[str] = set()
        self.connections: list[tuple[str, bool]] = []
        self.bore_alarms: list[int] = []
        """For each alarm, how many connections there had been when it came."""
        self.handshakes_refused = 0
        self.server = None
        self.tasks: set[asyncio.Task] = set()
        far.ends.append(self)

    async def open(self):
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, ssl=self.context)
        return self

    async def _serve(self, reader, writer):
        self.tasks.add(asyncio.current_task())
        machine = mqtt_server.Server(now())
        names = [value for rdn in writer.get_extra_info("peercert")["subject"] for key, value in rdn]
        try:
            while data := await reader.read(4096):
                if self._carry_out(machine, writer, machine.feed(data, now()), names):
                    break
        except ConnectionError:
            return
        finally:
            writer.close()

    def _carry_out(self, machine, writer, actions, names):
        closed = False
        for action in actions:
            if action[0] == "send":
                writer.write(action[1])
            elif action[0] == "connect":
                assert action[1] in names
                present = action[1] in self.seen
                self.seen.add(action[1])
                self.connections.append((action[1], present))
                self.links[int(action[1], 16)] = (machine, writer)
                closed |= self._carry_out(machine, writer, machine.accept(present, now()), names)
            elif action[0] == "subscribe":
                unit = machine.client_id
                assert action[2] == [(f"u/{unit}/down", 1)]
                closed |= self._carry_out(machine, writer, machine.suback(action[1], [1], now()), names)
            elif action[0] == "publish":
                assert action[2] == f"u/{machine.client_id}/up"
                unit, frame = self.far.answer(action[3])
                if isinstance(self.far.received[-1][1], messages.Alarm):
                    self.bore_alarms.append(len(self.connections))
                closed |= self._carry_out(machine, writer, machine.puback(action[1], now()), names)
                if frame is not None:
                    self.push(unit, frame)
            elif action[0] == "closed":
                closed = True
        return closed

    def push(self, unit, frame):
        if unit in self.links:
            machine, writer = self.links[unit]
            self._carry_out(machine, writer, machine.publish(f"u/{unit:08x}/down", frame), [])

    def freeze(self, unit):
        """Leave this unit's connection open and read nothing from it any more: half open, as after a host has gone."""
        self.links[unit][1].transport.pause_reading()

    def cut(self, unit):
        """Cut this unit's connection without a word."""
        self.links.pop(unit)[1].transport.abort()

    async def close(self):
        self.server.close()
        for _, writer in self.links.values():
            writer.transport.abort()
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
