"""The MQTT door with clients that are not ours: paho-mqtt and mosquitto's programs, with client certificates."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.database import FreshDatabase
from tests.fleet_server import Scene, Unit, alarm, heartbeat, run, served
from tests.paho_unit import PahoUnit
from tests.programs import Ended, find_program, run_program


def test_paho_gets_acknowledgements_and_receipts(database: FreshDatabase, tmp_path: Path) -> None:
    async def work() -> None:
        async with served(database, tmp_path, certificates=True) as scene:
            unit = PahoUnit(scene, scene.unit)
            assert await unit.connect() == (False, 0)
            assert await unit.subscribe() == [1]
            frame = scene.unit.seal(alarm(1))
            for _ in range(2):
                assert scene.unit.items(await unit.ask(frame)) == [(1, 1, 1)]
            assert scene.presses() == [(1, 1, 1)]
            assert scene.rows("SELECT transport FROM presses") == [("mqtt",)]
            await unit.close()

    run(work())


def test_paho_on_the_standard_event_loop(database: FreshDatabase, tmp_path: Path) -> None:
    """The product runs on uvloop; a machine without it must be served as well."""

    async def work() -> None:
        async with served(database, tmp_path, certificates=True) as scene:
            unit = PahoUnit(scene, scene.unit)
            await unit.open()
            assert scene.unit.items(await unit.ask(scene.unit.seal(alarm(1)))) == [(1, 1, 1)]
            await unit.close()

    asyncio.run(work())


def test_paho_may_have_many_messages_under_way(database: FreshDatabase, tmp_path: Path) -> None:
    """More than the door takes at a time: it stops reading instead of losing any."""

    async def work() -> None:
        async with served(database, tmp_path, certificates=True) as scene:
            unit = PahoUnit(scene, scene.unit)
            unit.client.max_inflight_messages_set(200)
            await unit.open()
            mids = {unit.publish(scene.unit.seal(heartbeat(seq))) for seq in range(1, 201)}
            assert {await unit.wait(unit.acked) for _ in mids} == mids
            assert scene.value("SELECT count(*) FROM readings") == 200
            assert "dropped.mqtt.unit_queue_full" not in scene.ingest.counters
            await unit.close()

    run(work())


def test_paho_unsubscribes(database: FreshDatabase, tmp_path: Path) -> None:
    async def work() -> None:
        async with served(database, tmp_path, certificates=True) as scene:
            unit = PahoUnit(scene, scene.unit)
            await unit.open()
            done: asyncio.Queue[int] = asyncio.Queue()
            unit.client.on_unsubscribe = lambda c, u, mid, codes, p: unit._put(done, mid)
            unit.client.unsubscribe(f"u/{scene.unit.name}/down")
            await unit.wait(done)
            unit.publish(scene.unit.seal(alarm(1)))
            await unit.wait(unit.acked)
            assert unit.messages.empty()
            assert scene.rows("SELECT subscribed FROM mqtt_sessions") == [(False,)]
            await unit.close()

    run(work())


def test_a_connection_that_is_lost_is_told_to_supervision_and_a_farewell_is_not(
    database: FreshDatabase, tmp_path: Path
) -> None:
    async def work() -> None:
        async with served(database, tmp_path, certificates=True) as scene:
            polite = PahoUnit(scene, await scene.add_unit(77))
            lost = PahoUnit(scene, scene.unit)
            await polite.open()
            await lost.open()
            await polite.close()
            await lost.close(goodbye=False)
            closes = "SELECT unit_id, closed_at IS NOT NULL FROM unit_closes"
            await scene.until(lambda: scene.rows(closes) == [(scene.unit.number, True)])
            back = PahoUnit(scene, scene.unit)
            await back.open()
            await scene.until(lambda: scene.rows(closes) == [(scene.unit.number, False)])
            await back.close()

    run(work())


def common(scene: Scene, unit: Unit, folder: Path) -> list[str]:
    cert, key = unit.write_pem(folder)
    host, port = scene.ingest.mqtt_address
    return ["-h", host, "-p", str(port), "--cafile", str(scene.ca_file), "--cert", str(cert), "--key", str(key),
            "-i", unit.name, "-V", "mqttv311", "-q", "1"]  # fmt: skip


async def mosquitto_pub(scene: Scene, unit: Unit, folder: Path, frame: bytes, topic: str = "") -> Ended:
    sent = folder / "frame"
    sent.write_bytes(frame)
    program = find_program("mosquitto_pub")
    topic = topic or f"u/{unit.name}/up"
    return await run_program(program, *common(scene, unit, folder), "-t", topic, "-f", str(sent))


def test_mosquitto_pub_ends_well_once_the_press_is_stored(database: FreshDatabase, tmp_path: Path) -> None:
    async def work() -> None:
        async with served(database, tmp_path, certificates=True) as scene:
            ended = await mosquitto_pub(scene, scene.unit, tmp_path, scene.unit.seal(alarm(1)))
            assert (ended.status, ended.err) == (0, "")
            assert scene.presses() == [(1, 1, 1)]

    run(work())


def test_mosquitto_sub_gets_the_receipt_of_a_press_that_was_stored_while_it_was_away(
    database: FreshDatabase, tmp_path: Path
) -> None:
    async def work() -> None:
        async with served(database, tmp_path, certificates=True) as scene:
            await mosquitto_pub(scene, scene.unit, tmp_path, scene.unit.seal(alarm(1)))
            argv = [*common(scene, scene.unit, tmp_path), "-t", f"u/{scene.unit.name}/down", "-c", "-C", "1", "-N"]
            ended = await run_program(find_program("mosquitto_sub"), *argv)
            assert (ended.status, ended.err) == (0, "")
            assert scene.unit.items(ended.out) == [(1, 1, 1)]
            assert scene.rows("SELECT subscribed FROM mqtt_sessions") == [(True,)]

    run(work())


@pytest.mark.parametrize("wrong", ["topic", "client id", "no certificate"])
def test_mosquitto_pub_is_refused(database: FreshDatabase, tmp_path: Path, wrong: str) -> None:
    async def work() -> None:
        async with served(database, tmp_path, certificates=True) as scene:
            one, other = scene.units
            sent = tmp_path / "sent"
            sent.write_bytes(one.seal(alarm(1)))
            argv = common(scene, one, tmp_path)
            if wrong == "client id":
                argv[argv.index("-i") + 1] = other.name
            if wrong == "no certificate":
                del argv[argv.index("--cert") : argv.index("--key") + 2]
            topic = f"u/{other.name}/up" if wrong == "topic" else f"u/{one.name}/up"
            ended = await run_program(find_program("mosquitto_pub"), *argv, "-t", topic, "-f", str(sent))
            assert ended.status != 0
            reason = {"topic": "foreign_topic", "client id": "client_id", "no certificate": "tls_no_certificate"}[wrong]
            assert scene.dropped("mqtt", reason) >= 1
            assert scene.presses() == []

    run(work())
