"""The machines against other people's implementations over loopback: paho-mqtt and aiocoap.

The shims below are all the input and output that the machines need; the fleet's and the unit's own are elsewhere."""

import asyncio
import socket
from collections.abc import Callable
from typing import Any

import aiocoap
import aiocoap.resource
import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from protocols.wire import coap
from protocols.wire.coap_client import Client as CoapClient
from protocols.wire.coap_server import Server as CoapServer
from protocols.wire.mqtt_server import Server as MqttServer
from tests.ports import free_port

UNIT = "0000002a"
UP = f"u/{UNIT}/up"
DOWN = f"u/{UNIT}/down"
WITHIN = 30  # seconds until a hung test is ended; no test waits for it


def milliseconds() -> int:
    return int(asyncio.get_running_loop().time() * 1000)


class MqttShim(asyncio.Protocol):
    """A server that notes in `seen` what it hears; `commit` answers a publish, and `accept` is the CONNACK's code."""

    def __init__(self, seen: list[tuple[Any, ...]], commit: Callable[["MqttShim", int], None], accept: int) -> None:
        self.seen = seen
        self.commit = commit
        self.verdict = accept
        self.machine = MqttServer(milliseconds())
        self.closed = asyncio.Event()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.act(self.machine.feed(data, milliseconds()))

    def connection_lost(self, error: Exception | None) -> None:
        self.act(self.machine.close("connection lost"))

    def act(self, actions: list[tuple[Any, ...]]) -> None:
        for action in actions:
            if action[0] == "send":
                self.transport.write(action[1])
                continue
            self.seen.append(action)
            if action[0] == "connect" and self.verdict:
                self.act(self.machine.refuse(self.verdict))
            elif action[0] == "connect":
                self.act(self.machine.accept(False, milliseconds()))
            elif action[0] == "subscribe":
                codes = [1 if name == DOWN else 0x80 for name, _ in action[2]]
                self.act(self.machine.suback(action[1], codes, milliseconds()))
            elif action[0] == "unsubscribe":
                self.act(self.machine.unsuback(action[1], milliseconds()))
            elif action[0] == "publish":
                self.commit(self, action[1])
            elif action[0] == "closed":
                self.transport.close()
                self.closed.set()


def at_once(shim: MqttShim, packet_id: int) -> None:
    shim.act(shim.machine.puback(packet_id, milliseconds()))
    shim.act(shim.machine.publish(DOWN, b"receipt"))


def never(shim: MqttShim, packet_id: int) -> None:
    """The negative control: acknowledge nothing."""


class PahoUnit:
    """paho-mqtt on its own thread; what it reports arrives in `events`."""

    def __init__(self, client_id: str = UNIT, protocol: MQTTProtocolVersion = MQTTProtocolVersion.MQTTv311):
        loop = asyncio.get_running_loop()
        self.events: asyncio.Queue[tuple[Any, ...]] = asyncio.Queue()
        clean = None if protocol == MQTTProtocolVersion.MQTTv5 else False
        self.client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id,
            clean_session=clean,
            protocol=protocol,
            reconnect_on_failure=False,
        )

        def report(*event: Any) -> None:
            loop.call_soon_threadsafe(self.events.put_nowait, event)

        self.client.on_connect = lambda c, u, flags, code, p: report("connected", code.is_failure)
        self.client.on_subscribe = lambda c, u, mid, codes, p: report("subscribed", [code.value for code in codes])
        self.client.on_unsubscribe = lambda c, u, mid, codes, p: report("unsubscribed")
        self.client.on_publish = lambda c, u, mid, code, p: report("published", mid)
        self.client.on_message = lambda c, u, message: report("message", message.topic, message.payload)
        self.client.on_disconnect = lambda c, u, flags, code, p: report("gone")

    async def start(self, port: int) -> None:
        await asyncio.to_thread(self.client.connect, "127.0.0.1", port, 30)
        self.client.loop_start()

    async def stop(self) -> None:
        self.client.disconnect()
        await asyncio.to_thread(self.client.loop_stop)

    async def next(self) -> tuple[Any, ...]:
        return await asyncio.wait_for(self.events.get(), WITHIN)


async def with_server(
    scenario: Callable[[int], Any], commit: Callable[[MqttShim, int], None], accept: int = 0
) -> list[tuple[Any, ...]]:
    seen: list[tuple[Any, ...]] = []
    shims: list[MqttShim] = []

    def made() -> MqttShim:
        shims.append(MqttShim(seen, commit, accept))
        return shims[-1]

    port = free_port(socket.SOCK_STREAM)
    server = await asyncio.get_running_loop().create_server(made, "127.0.0.1", port)
    try:
        await scenario(port)
        for shim in shims:
            await asyncio.wait_for(shim.closed.wait(), WITHIN)
    finally:
        server.close()
        await server.wait_closed()
    return seen


def test_paho_publishes_and_hears_receipts() -> None:
    async def scenario(port: int) -> None:
        unit = PahoUnit()
        await unit.start(port)
        assert await unit.next() == ("connected", False)
        unit.client.subscribe([(DOWN, 1), ("#", 1)])
        assert await unit.next() == ("subscribed", [1, 0x80])
        mids = [unit.client.publish(UP, b"frame %d" % number, qos=1).mid for number in range(100)]
        events = [await unit.next() for _ in range(200)]
        assert sorted(event[1] for event in events if event[0] == "published") == sorted(mids)
        assert [event for event in events if event[0] != "published"] == [("message", DOWN, b"receipt")] * 100
        unit.client.unsubscribe(DOWN)
        assert await unit.next() == ("unsubscribed",)
        await unit.stop()

    seen = asyncio.run(with_server(scenario, at_once))
    assert seen[0] == ("connect", UNIT, False, 30, False, False)
    # paho's own two threads may swap publishes; none is lost and none comes twice.
    assert sorted(event[3] for event in seen if event[0] == "publish") == sorted(b"frame %d" % n for n in range(100))
    assert seen[-2:] == [("disconnect",), ("closed", "client disconnected")]


def test_paho_is_not_acknowledged_before_the_commit() -> None:
    """paho waits; a packet that only came to the server is no published one."""

    async def scenario(port: int) -> None:
        unit = PahoUnit()
        await unit.start(port)
        assert await unit.next() == ("connected", False)
        info = unit.client.publish(UP, b"frame", qos=1)
        unit.client.subscribe(DOWN, 1)
        assert await unit.next() == ("subscribed", [1])
        assert not info.is_published()
        await unit.stop()

    seen = asyncio.run(with_server(scenario, never))
    assert [event[0] for event in seen] == ["connect", "publish", "subscribe", "disconnect", "closed"]


def test_paho_is_refused() -> None:
    async def scenario(port: int) -> None:
        for protocol in (MQTTProtocolVersion.MQTTv31, MQTTProtocolVersion.MQTTv5):
            unit = PahoUnit(protocol=protocol)
            await unit.start(port)
            # MQTT 5 cannot read a 3.1.1 CONNACK as the standard would have it; being cut off is enough.
            assert await unit.next() in (("connected", True), ("gone",))
            await unit.stop()
        unit = PahoUnit("somebody else")
        await unit.start(port)
        assert await unit.next() == ("connected", True)
        await unit.stop()

    seen = asyncio.run(with_server(scenario, at_once, accept=2))
    assert seen == [
        ("closed", "protocol level"), ("closed", "protocol level"),
        ("connect", "somebody else", False, 30, False, False), ("closed", "refused"),
    ]  # fmt: skip


def test_paho_that_uses_qos_2_is_cut_off() -> None:
    async def scenario(port: int) -> None:
        unit = PahoUnit()
        await unit.start(port)
        assert await unit.next() == ("connected", False)
        unit.client.publish(UP, b"frame", qos=2)
        assert await unit.next() == ("gone",)
        await unit.stop()

    seen = asyncio.run(with_server(scenario, at_once))
    assert seen[1:] == [("closed", "QoS 2 or 3")]


class CoapShim(asyncio.DatagramProtocol):
    """A server that answers at once, late, or never, by the payload it gets."""

    def __init__(self) -> None:
        self.machine = CoapServer(0)
        self.refused: list[str] = []

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.loop = asyncio.get_running_loop()

    def datagram_received(self, data: bytes, peer: tuple[str, int]) -> None:
        self.act(self.machine.datagram(data, peer, milliseconds()))

    def tick(self) -> None:
        self.act(self.machine.timeout(milliseconds()))

    def act(self, actions: list[tuple[Any, ...]]) -> None:
        for action in actions:
            if action[0] == "send":
                self.transport.sendto(action[2], action[1])
            elif action[0] == "refused":
                self.refused.append(action[1])
            elif action[3] == b"late":
                # The timer's empty ACK first, whatever the time, and the commit after it.
                self.act(self.machine.timeout(milliseconds() + 1000))
                self.loop.call_soon(self.answer, action[1])
            else:
                self.answer(action[1])

    def answer(self, exchange: int) -> None:
        self.act(self.machine.respond(exchange, coap.CHANGED, b"receipt", milliseconds()))


def test_aiocoap_asks_our_server() -> None:
    async def scenario() -> None:
        port = free_port(socket.SOCK_DGRAM)
        loop = asyncio.get_running_loop()
        transport, shim = await loop.create_datagram_endpoint(CoapShim, local_addr=("127.0.0.1", port))
        context = await aiocoap.Context.create_client_context(transports=["simple6"])

        async def ask(code: aiocoap.Code, path: str, payload: bytes, **more: Any) -> aiocoap.Message:
            message = aiocoap.Message(code=code, uri=f"coap://127.0.0.1:{port}/{path}", payload=payload, **more)
            return await asyncio.wait_for(context.request(message).response, WITHIN)

        try:
            for payload in (b"now", b"late"):
                answer = await ask(aiocoap.POST, "u", payload)
                assert (answer.code, answer.payload) == (aiocoap.CHANGED, b"receipt")
            answer = await ask(aiocoap.POST, "u", b"now", transport_tuning=aiocoap.Unreliable)
            assert (answer.code, answer.payload, answer.mtype) == (aiocoap.CHANGED, b"receipt", aiocoap.NON)
            assert (await ask(aiocoap.GET, "u", b"")).code == aiocoap.METHOD_NOT_ALLOWED
            assert (await ask(aiocoap.POST, "elsewhere", b"")).code == aiocoap.NOT_FOUND
            assert (await ask(aiocoap.POST, "u?query", b"")).code == aiocoap.BAD_OPTION
        finally:
            await context.shutdown()
            transport.close()
        assert shim.refused == ["method not allowed", "not found", "bad option"]
        assert len(shim.machine) == 0, "aiocoap has acknowledged the separate response"

    asyncio.run(scenario())


class Store(aiocoap.resource.Resource):
    """aiocoap's side of a slow commit: it sends its empty ACK by its own timer, and a separate response after it."""

    def __init__(self) -> None:
        super().__init__()
        self.payloads: list[bytes] = []
        self.commit = asyncio.Event()

    async def render_post(self, request: aiocoap.Message) -> aiocoap.Message:
        self.payloads.append(request.payload)
        if request.payload == b"slow":
            await self.commit.wait()
        return aiocoap.Message(code=aiocoap.CHANGED, payload=b"receipt")


class Datagrams(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.queue: asyncio.Queue[bytes] = asyncio.Queue()

    def datagram_received(self, data: bytes, peer: tuple[str, int]) -> None:
        self.queue.put_nowait(data)


def test_our_client_asks_aiocoap() -> None:
    async def scenario() -> None:
        port = free_port(socket.SOCK_DGRAM)
        store = Store()
        site = aiocoap.resource.Site()
        site.add_resource(["u"], store)
        context = await aiocoap.Context.create_server_context(
            site, bind=("127.0.0.1", port), transports=["simplesocketserver"]
        )
        transport, datagrams = await asyncio.get_running_loop().create_datagram_endpoint(
            Datagrams, remote_addr=("127.0.0.1", port)
        )
        client = CoapClient(1000, 2000)

        async def ask(payload: bytes) -> tuple[list[tuple[Any, ...]], list[int]]:
            token, actions = client.request("u", payload, 0)
            types = []
            events: list[tuple[Any, ...]] = []
            while not events:
                for action in actions:
                    transport.sendto(action[1])
                data = await asyncio.wait_for(datagrams.queue.get(), WITHIN)
                message = coap.decode(data)
                types.append(message.type)
                if message.code == coap.EMPTY:
                    store.commit.set()
                actions = client.datagram(data, 0)
                events = [action for action in actions if action[0] != "send"]
            for action in actions:
                if action[0] == "send":
                    transport.sendto(action[1])
            assert events == [("response", token, coap.CHANGED, b"receipt")]
            return events, types

        try:
            assert (await ask(b"fast"))[1] == [coap.ACK]
            assert (await ask(b"slow"))[1] == [coap.ACK, coap.CON]
            assert (await ask(b"fast"))[1] == [coap.ACK]
        finally:
            transport.close()
            await context.shutdown()
        assert store.payloads == [b"fast", b"slow", b"fast"]

    asyncio.run(scenario())
