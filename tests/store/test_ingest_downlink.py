"""Stages reach units unasked: over MQTT, by CoAP push, after a reconnect, and after missed notifications."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from protocols.wire import coap
from tests.database import FreshDatabase
from tests.fleet_server import CoapUnit, Scene, alarm, heartbeat, run, served, settled
from tests.paho_unit import PahoUnit

ACCEPT = "WITH a AS (UPDATE presses SET accepted_at = now()) SELECT pg_notify('livlina_stages', '00000001 00000002')"


async def pushed(scene: Scene, door: CoapUnit, expected: tuple[int, int, int]) -> None:
    """Waits for the push that says so. One of an earlier stage may come before: pushes may come twice."""
    items = [(0, 0, 0)]
    while items != [expected]:
        message = await settled(door.pushes.get())
        assert (message.type, message.code, message.path()) == (coap.NON, coap.POST, (b"d",))
        items = scene.unit.items(message.payload)
        assert len(items) == 1 and items[0][2] <= expected[2]


def test_stages_are_pushed_by_coap_to_where_the_unit_last_sent_from(database: FreshDatabase, tmp_path: Path) -> None:
    async def work() -> None:
        async with served(database, tmp_path) as scene:
            old, door = await CoapUnit.open(scene), await CoapUnit.open(scene)
            await asyncio.wait_for(scene.ingest.listening.wait(), 60)
            replayed = scene.unit.seal(heartbeat(1))
            await old.ask(replayed)
            await door.ask(scene.unit.seal(alarm(2)))
            await old.ask(replayed)  # a recording from elsewhere must not draw the pushes there
            scene.change(ACCEPT)
            await pushed(scene, door, (1, 2, 2))
            await scene.take_cases()
            await pushed(scene, door, (1, 2, 3))
            assert old.pushes.empty()
            old.close()
            door.close()

    run(work())


def test_a_process_that_never_heard_the_unit_pushes_to_its_stored_address(
    database: FreshDatabase, tmp_path: Path
) -> None:
    async def work() -> None:
        async with served(database, tmp_path) as scene:
            door = await CoapUnit.open(scene)
            await door.ask(scene.unit.seal(alarm(1)))
            await scene.until(lambda: scene.rows("SELECT 1 FROM unit_states WHERE address IS NOT NULL"))
            scene.ingest._coap._addresses.clear()  # as after a restart
            await asyncio.wait_for(scene.ingest.listening.wait(), 60)
            scene.change(ACCEPT)
            await pushed(scene, door, (1, 1, 2))
            door.close()

    run(work())


def test_stages_are_pushed_over_mqtt_and_again_after_a_reconnect(database: FreshDatabase, tmp_path: Path) -> None:
    async def work() -> None:
        async with served(database, tmp_path, certificates=True) as scene:
            await asyncio.wait_for(scene.ingest.listening.wait(), 60)
            unit = PahoUnit(scene, scene.unit)
            await unit.open()
            for seq in range(1, 11):
                await unit.ask(scene.unit.seal(alarm(seq)))
            scene.change(ACCEPT)
            items = scene.unit.items(await unit.receipt()) + scene.unit.items(await unit.receipt())
            assert sorted(items) == [(1, seq, 2) for seq in range(1, 11)], "at most eight in a receipt"
            await unit.close(goodbye=False)
            await scene.take_cases()
            again = PahoUnit(scene, scene.unit)
            assert await again.connect() == (True, 0)
            items = scene.unit.items(await again.receipt()) + scene.unit.items(await again.receipt())
            assert sorted(items) == [(1, seq, 3) for seq in range(1, 11)]
            await again.close()

    run(work())


def test_missed_notifications_are_made_up_for(database: FreshDatabase, tmp_path: Path) -> None:
    async def work() -> None:
        async with served(database, tmp_path) as scene:
            door = await CoapUnit.open(scene)
            await asyncio.wait_for(scene.ingest.listening.wait(), 60)
            await door.ask(scene.unit.seal(alarm(1)))
            scene.change("UPDATE presses SET accepted_at = now()")  # nobody is told
            cut(scene)
            await pushed(scene, door, (1, 1, 2))
            await asyncio.wait_for(scene.ingest.listening.wait(), 60)
            await scene.take_cases()
            await pushed(scene, door, (1, 1, 3))
            door.close()

    run(work())


def cut(scene: Scene) -> None:
    """Ends the connection that listens."""
    scene.change(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE application_name = 'livlina-listen' AND datname = current_database()"
    )


def test_a_newer_connection_takes_over_and_the_older_ones_end_changes_nothing(
    database: FreshDatabase, tmp_path: Path
) -> None:
    async def work() -> None:
        async with served(database, tmp_path, certificates=True) as scene:
            older, newer = PahoUnit(scene, scene.unit), PahoUnit(scene, scene.unit)
            await older.open()
            await newer.open()
            await older.wait(older.closed)
            assert scene.ingest.counters["mqtt_units"] == 1
            assert scene.unit.items(await newer.ask(scene.unit.seal(alarm(1)))) == [(1, 1, 1)]
            await older.close()
            await newer.close()
            await scene.until(lambda: scene.ingest.counters["mqtt_units"] == 0)

    run(work())


@pytest.mark.parametrize("restart", [False, True])
def test_session_present_is_exact(database: FreshDatabase, tmp_path: Path, restart: bool) -> None:
    async def work() -> None:
        async with served(database, tmp_path, certificates=True) as scene:

            async def connect(clean: bool) -> bool:
                unit = PahoUnit(scene, scene.unit, clean=clean)
                present, code = await unit.connect()
                assert code == 0
                await unit.close()
                if restart:
                    await scene.restart()
                return present

            assert [await connect(clean) for clean in (True, False, False, True, False)] == [
                False, False, True, False, False,
            ]  # fmt: skip

    run(work())


def test_a_clean_session_forgets_its_subscription(database: FreshDatabase, tmp_path: Path) -> None:
    async def work() -> None:
        async with served(database, tmp_path, certificates=True) as scene:
            first = PahoUnit(scene, scene.unit)
            await first.open()
            await first.ask(scene.unit.seal(alarm(1)))
            await first.close()
            clean = PahoUnit(scene, scene.unit, clean=True)
            await clean.connect()
            clean.publish(scene.unit.seal(alarm(1)))
            await clean.wait(clean.acked)
            assert clean.messages.empty(), "nobody subscribed"
            assert await clean.subscribe() == [1]
            assert scene.unit.items(await clean.receipt()) == [(1, 1, 1)]
            await clean.close()

    run(work())


def test_a_client_that_is_silent_too_long_is_let_go(database: FreshDatabase, tmp_path: Path) -> None:
    """One and a half keepalives (MQTT 3.1.2.10); paho's own pings are held back."""

    async def work() -> None:
        async with served(database, tmp_path, certificates=True) as scene:
            unit = PahoUnit(scene, scene.unit, keepalive=1)
            unit.client._check_keepalive = lambda: None  # type: ignore[method-assign]
            await unit.open()
            await unit.wait(unit.closed)
            await scene.until(lambda: scene.ingest.counters["mqtt_units"] == 0)
            await unit.close()

    run(work())
