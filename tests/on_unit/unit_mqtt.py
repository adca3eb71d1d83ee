"""The MQTT pipe where memory fails."""

import asyncio

from firmware.ports.clock import Clock
from firmware.ports.mqtt import MqttPipe
from protocols.wire.mqtt_client import Client


def test_memory_that_fails_for_a_connection_costs_the_connection_and_not_the_unit():
    tried = []

    async def reach(host, port):
        tried.append(host)
        raise MemoryError

    def nothing(*words):
        return 0

    client = Client("unit", 60, (("d", 1),))
    pipe = MqttPipe(
        "mqtt", ("fleet.test", 8883, "fleet"), client, object(), "u", Clock(), nothing, 0, nothing, nothing,
        lambda: True, reach,
    )  # fmt: skip

    async def scenario():
        running = asyncio.create_task(pipe.run())
        for _ in range(2000):
            pipe.hurry()
            await asyncio.sleep_ms(1)
            if len(tried) > 2:
                break
        running.cancel()

    asyncio.run(scenario())
    assert len(tried) > 2 and pipe.errors >= 2 and not pipe.up
