"""A unit on paho-mqtt over TLS: an independent client between our frames and our front door."""

from __future__ import annotations

import asyncio
import ssl
from typing import Any

from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion

from tests.fleet_server import PATIENCE_S, Scene, Unit


class PahoUnit:
    """Runs paho's own thread; everything that it reports comes out of queues on the test's event loop."""

    def __init__(
        self, scene: Scene, unit: Unit, *, client_id: str | None = None, clean: bool = False, keepalive: int = 60
    ) -> None:
        self._scene = scene
        self._loop = asyncio.get_running_loop()
        self.unit = unit
        self.connected: asyncio.Queue[tuple[bool, int]] = asyncio.Queue()
        self.closed: asyncio.Queue[int] = asyncio.Queue()
        self.acked: asyncio.Queue[int] = asyncio.Queue()
        self.granted: asyncio.Queue[list[int]] = asyncio.Queue()
        self.messages: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue()
        self._keepalive = keepalive
        self.client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=unit.name if client_id is None else client_id,
            clean_session=clean,
            protocol=paho.MQTTv311,
            reconnect_on_failure=False,
        )
        self.client.on_connect = lambda c, u, flags, code, p: self._put(
            self.connected, (flags.session_present, code.value)
        )
        self.client.on_disconnect = lambda c, u, flags, code, p: self._put(self.closed, code.value)
        self.client.on_publish = lambda c, u, mid, code, p: self._put(self.acked, mid)
        self.client.on_subscribe = lambda c, u, mid, codes, p: self._put(self.granted, [code.value for code in codes])
        self.client.on_message = lambda c, u, message: self._put(self.messages, (message.topic, message.payload))

    def _put(self, queue: asyncio.Queue[Any], value: Any) -> None:
        self._loop.call_soon_threadsafe(queue.put_nowait, value)

    def trust(self, *, certificate: bool = True, owner: Unit | None = None) -> None:
        """TLS with verification; ``owner`` shows another unit's certificate."""
        pem = (owner or self.unit).write_pem(self._scene.folder) if certificate else (None, None)
        self.client.tls_set(
            str(self._scene.ca_file),
            certfile=str(pem[0]) if pem[0] else None,
            keyfile=str(pem[1]) if pem[1] else None,
            cert_reqs=ssl.CERT_REQUIRED,
        )

    async def connect(self) -> tuple[bool, int]:
        """(session present, return code) of the CONNACK. Raises what paho raises when TLS fails."""
        if self.client._ssl_context is None:
            self.trust()
        host, port = self._scene.ingest.mqtt_address
        await asyncio.to_thread(self.client.connect, host, port, self._keepalive)
        self.client.loop_start()
        return await self.wait(self.connected)

    async def subscribe(self, topic: str | None = None) -> list[int]:
        self.client.subscribe(topic or f"u/{self.unit.name}/down", qos=1)
        return await self.wait(self.granted)

    async def open(self) -> None:
        """Connected and subscribed."""
        assert (await self.connect())[1] == 0
        assert await self.subscribe() == [1]

    def publish(self, frame: bytes, topic: str | None = None) -> int:
        return self.client.publish(topic or f"u/{self.unit.name}/up", frame, qos=1).mid

    async def ask(self, frame: bytes) -> bytes:
        """Publishes, waits for the PUBACK and the receipt."""
        mid = self.publish(frame)
        assert await self.wait(self.acked) == mid
        return await self.receipt()

    async def receipt(self) -> bytes:
        topic, payload = await self.wait(self.messages)
        assert topic == f"u/{self.unit.name}/down"
        return payload

    async def wait(self, queue: asyncio.Queue[Any], seconds: float = PATIENCE_S) -> Any:
        async with asyncio.timeout(seconds):
            return await queue.get()

    async def close(self, *, goodbye: bool = True) -> None:
        """Ends the connection, with a DISCONNECT or as a lost one."""
        if goodbye:
            self.client.disconnect()
        elif (sock := self.client.socket()) is not None:
            sock.close()
        await asyncio.to_thread(self.client.loop_stop)
