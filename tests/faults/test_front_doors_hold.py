"""The front doors while the database is away, slow or hung, under a flood, and shared by two servers."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

import psutil
import psycopg
import pytest

from fleet.ingest.run import Ingest
from fleet.store import borrow
from fleet.store.embedded_postgres import EmbeddedPostgres
from protocols.wire import coap
from tests.database import FreshDatabase
from tests.fleet_server import CoapUnit, alarm, heartbeat, run, served
from tests.paho_unit import PahoUnit


async def killed(postgres: EmbeddedPostgres) -> None:
    postgres.kill()
    async with asyncio.timeout(60):
        while postgres.poll() is None:
            await asyncio.sleep(0.01)


def test_without_the_database_there_is_no_receipt_and_nothing_is_lost(
    database: FreshDatabase, postgres: EmbeddedPostgres, tmp_path: Path
) -> None:
    """Longer than the server's patience: silence by CoAP, a closed connection by MQTT, and all is well afterwards."""

    async def work() -> None:
        async with served(database, tmp_path, certificates=True) as scene:
            one, other = scene.units
            door, mqtt = await CoapUnit.open(scene), PahoUnit(scene, other)
            await door.ask(one.seal(heartbeat(1)))
            await mqtt.open()
            await mqtt.ask(other.seal(heartbeat(1)))
            await killed(postgres)

            frames = {unit.number: unit.seal(alarm(2)) for unit in scene.units}
            door.send(frames[1])
            mqtt.publish(frames[2])
            await scene.until(lambda: scene.dropped("coap", "database_away") == 1)
            await mqtt.wait(mqtt.closed)
            assert mqtt.acked.empty() and mqtt.messages.empty()
            while not door.received.empty():
                assert door.received.get_nowait().payload == b""
            again = PahoUnit(scene, other)
            assert (await again.connect())[1] == 136  # server unavailable
            await again.close()

            assert await asyncio.to_thread(postgres.restart_if_dead)
            assert one.items(await door.ask(frames[1])) == [(1, 2, 1)]
            back = PahoUnit(scene, other)
            assert await back.connect() == (True, 0), "the session outlived the database's crash"
            assert other.items(await back.ask(frames[2])) == [(1, 2, 1)]
            assert scene.presses() == [(1, 1, 2), (2, 1, 2)]
            door.close()
            await back.close()

    run(work())


def test_a_short_absence_of_the_database_only_delays_the_receipt(
    database: FreshDatabase, postgres: EmbeddedPostgres, tmp_path: Path
) -> None:
    async def work() -> None:
        async with served(database, tmp_path) as scene:
            door = await CoapUnit.open(scene)
            await door.ask(scene.unit.seal(heartbeat(1)))
            await killed(postgres)
            asked = asyncio.create_task(door.ask(scene.unit.seal(alarm(2))))
            assert await asyncio.to_thread(postgres.restart_if_dead)
            assert scene.unit.items(await asked) == [(1, 2, 1)]
            assert scene.presses() == [(1, 1, 2)]
            door.close()

    run(work())


def test_a_commit_that_takes_long_is_answered_in_a_message_of_its_own(database: FreshDatabase, tmp_path: Path) -> None:
    """RFC 7252 section 5.2.2: an empty acknowledgement first, the receipt in a CON once it is true."""

    async def work() -> None:
        async with served(database, tmp_path) as scene:
            door = await CoapUnit.open(scene)
            await door.ask(scene.unit.seal(heartbeat(1)))
            blocker = await psycopg.AsyncConnection.connect(database.owner_url)
            await blocker.execute("LOCK TABLE presses IN ACCESS EXCLUSIVE MODE")
            door.send(scene.unit.seal(alarm(2)))
            first = await door.next()
            assert (first.type, first.code, first.payload) == (coap.ACK, coap.EMPTY, b"")
            await blocker.close()
            second = await door.next()
            assert (second.type, second.code) == (coap.CON, coap.CHANGED)
            assert scene.unit.items(second.payload) == [(1, 2, 1)]
            door.close()

    run(work())


def test_alarms_pass_while_heartbeats_are_stuck(database: FreshDatabase, tmp_path: Path) -> None:
    """Decision D4: a loop and connections of their own."""

    async def work() -> None:
        async with served(database, tmp_path) as scene:
            door, waiting = await CoapUnit.open(scene), await CoapUnit.open(scene)
            blocker = await psycopg.AsyncConnection.connect(database.owner_url)
            await blocker.execute("LOCK TABLE readings IN ACCESS EXCLUSIVE MODE")
            waiting.send(scene.unit.seal(heartbeat(1)))
            for seq in range(2, 6):
                assert scene.unit.items(await door.ask(scene.unit.seal(alarm(seq)))) == [(1, seq, 1)]
            stranger = await scene.add_unit(77, certificate=False)
            assert stranger.items(await door.ask(stranger.seal(alarm(1)))) == [(1, 1, 1)], "and a first look-up too"
            assert all(message.payload == b"" for message in drained(waiting))
            await blocker.close()
            door.close()
            waiting.close()

    run(work())


def drained(door: CoapUnit) -> list[coap.Message]:
    found = []
    while not door.received.empty():
        found.append(door.received.get_nowait())
    return found


def test_a_flooding_unit_waits_for_itself_only(database: FreshDatabase, tmp_path: Path) -> None:
    """More frames than one unit may have waiting: some are not taken now, other units and its own alarm are."""

    async def work() -> None:
        async with served(database, tmp_path) as scene:
            flooder, other = scene.units
            door = await CoapUnit.open(scene)
            await door.ask(flooder.seal(heartbeat(1)))
            await door.ask(other.seal(heartbeat(1)))
            blocker = await psycopg.AsyncConnection.connect(database.owner_url)
            await blocker.execute("LOCK TABLE readings IN ACCESS EXCLUSIVE MODE")
            flood = await CoapUnit.open(scene)
            for seq in range(2, 130):
                flood.send(flooder.seal(heartbeat(seq)))
            await scene.until(lambda: scene.dropped("coap", "unit_queue_full") == 64)
            assert other.items(await door.ask(other.seal(alarm(2)))) == [(1, 2, 1)]
            assert flooder.items(await door.ask(flooder.seal(alarm(200)))) == [(1, 200, 1)], "its own alarm passes"
            assert scene.value("SELECT count(*) FROM presses") == 2
            await blocker.close()
            await scene.until(lambda: scene.value("SELECT count(*) FROM readings WHERE unit_id = 1") == 65)
            flood.close()
            door.close()

    run(work())


def test_a_recorded_alarm_that_is_replayed_without_end_keeps_no_fresh_one_out(
    database: FreshDatabase, tmp_path: Path
) -> None:
    """Whoever holds one old frame of a unit can send it as often as he likes, and it is genuine."""

    async def work() -> None:
        async with served(database, tmp_path) as scene:
            unit = scene.unit
            door, flood = await CoapUnit.open(scene), await CoapUnit.open(scene)
            recorded = unit.seal(alarm(1))
            assert unit.items(await door.ask(recorded)) == [(1, 1, 1)]
            blocker = await psycopg.AsyncConnection.connect(database.owner_url)
            await blocker.execute("SELECT pg_advisory_lock(hashtext('livlina.case_log'))")
            for _ in range(200):
                flood.send(recorded)
            await scene.until(lambda: scene.dropped("coap", "unit_queue_full") >= 100)
            door.send(unit.seal(alarm(2)))
            for _ in range(50):
                flood.send(recorded)
            await scene.until(lambda: scene.dropped("coap", "unit_queue_full") >= 150)
            await blocker.close()
            while (message := await door.next()).code == coap.EMPTY:
                pass
            assert unit.items(message.payload) == [(1, 2, 1)]
            assert unit.items(await flood.ask(recorded)) == [(1, 1, 1)]
            assert scene.presses() == [(1, 1, 1), (1, 1, 2)]
            for client in (door, flood):
                client.close()

    run(work())


def test_a_database_that_hangs_does_not_hold_the_commit_loops_for_ever(
    database: FreshDatabase, postgres: EmbeddedPostgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It keeps its connections open and answers nothing: they are given up, and new ones work once it is back."""
    monkeypatch.setattr(borrow, "PATIENCE_S", 0.5)
    monkeypatch.setattr(borrow, "COMMIT_S", 1.0)

    async def work() -> None:
        async with served(database, tmp_path) as scene:
            door = await CoapUnit.open(scene)
            await door.ask(scene.unit.seal(heartbeat(1)))
            assert postgres.pid is not None
            parent = psutil.Process(postgres.pid)
            stopped = [parent, *parent.children()]
            for process in stopped:
                process.suspend()
            try:
                door.send(scene.unit.seal(alarm(2)))
                await scene.until(lambda: scene.dropped("coap", "database_away") == 1, seconds=60)
                assert all(message.payload == b"" for message in drained(door))
            finally:
                for process in stopped:
                    with contextlib.suppress(psutil.NoSuchProcess):
                        process.resume()
            while not scene.presses():
                door.send(scene.unit.seal(alarm(2)))
                message = await door.next(seconds=60)
                if message.payload:
                    assert scene.unit.items(message.payload) == [(1, 2, 1)]
            assert scene.presses() == [(1, 1, 2)]
            door.close()

    run(work())


def test_two_servers_share_the_ports_and_one_database(database: FreshDatabase, tmp_path: Path) -> None:
    """Decision D8: whoever gets a datagram or a connection, every press is stored once and every unit is answered."""

    async def work() -> None:
        async with served(database, tmp_path, units=40, certificates=True) as scene:
            second = Ingest(scene.settings, database.app_url, scene.box)
            await second.start()
            try:
                doors = [await CoapUnit.open(scene) for _ in scene.units]
                for seq in range(1, 6):
                    frames = [(unit, unit.seal(heartbeat(seq) if seq % 2 else alarm(seq))) for unit in scene.units]
                    # Every frame by two sockets, so that both servers often hold the same one at the same time.
                    twice = [
                        (unit, frame, doors[(place + turn) % 40])
                        for turn in (0, 7)
                        for place, (unit, frame) in enumerate(frames)
                    ]
                    for _, frame, door in twice:
                        door.send(frame)
                    for _, _, door in twice:
                        while not (await door.next()).payload:
                            continue
                clients = [PahoUnit(scene, unit) for unit in scene.units[:8]]
                for client in clients:
                    await client.open()
                    assert sorted(client.unit.items(await client.receipt())) == [(1, 2, 1), (1, 4, 1)]
                    assert client.unit.items(await client.ask(client.unit.seal(alarm(6)))) == [(1, 6, 1)]
                    await client.close()
                assert len(scene.presses()) == 40 * 2 + 8
                assert scene.value("SELECT count(*) FROM readings") == 40 * 3
                assert scene.value("SELECT count(*) FROM cases") == 40
                for one in (scene.ingest, second):
                    assert one.counters["presses"] > 0 and one.counters["readings"] > 0
                    assert not any(name.startswith("dropped.") and "stale" not in name for name in one.counters)
                for door in doors:
                    door.close()
            finally:
                await second.stop()

    run(work())
