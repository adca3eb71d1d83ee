"""The two commit loops against a real PostgreSQL: what is stored, marked, repeated, refused, and what harms nobody."""

from __future__ import annotations

import asyncio
import secrets
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg

from fleet.ingest.presses import store_apart
from fleet.store.pool import make_pool
from protocols.wire import cbor, messages
from tests.database import FreshDatabase
from tests.fleet_server import CoapUnit, Scene, alarm, heartbeat, run, served
from tests.presses import press


def marks(scene: Scene, seq: int) -> list[str]:
    found = scene.value("SELECT marks FROM presses WHERE seq = %s", seq)
    assert isinstance(found, list)
    return found


def test_a_press_becomes_one_case_and_its_frame_is_kept(database: FreshDatabase, tmp_path: Path) -> None:
    async def work() -> None:
        async with served(database, tmp_path) as scene:
            door = await CoapUnit.open(scene)
            frame = scene.unit.seal(alarm(1, battery=44, bearer=3, age=2))
            assert scene.unit.items(await door.ask(frame)) == [(1, 1, 1)]
            assert scene.rows("SELECT raw, battery, bearer, transport, generation, counter, marks FROM presses") == [
                (frame, 44, 3, "coap", 1, 1, [])
            ]
            assert scene.rows("SELECT state, presses, priority FROM cases") == [("open", 1, 2)]
            door.close()

    run(work())


def test_a_repeated_press_gets_its_present_stage_and_no_new_row(database: FreshDatabase, tmp_path: Path) -> None:
    async def work() -> None:
        async with served(database, tmp_path) as scene:
            door = await CoapUnit.open(scene)
            await door.ask(scene.unit.seal(alarm(1)))
            await scene.take_cases()
            changes = scene.value("SELECT count(*) FROM case_log")
            assert scene.unit.items(await door.ask(scene.unit.seal(alarm(1, attempt=2)))) == [(1, 1, 3)]
            assert scene.presses() == [(1, 1, 1)]
            assert scene.value("SELECT count(*) FROM case_log") == changes
            door.close()

    run(work())


def test_an_odd_press_goes_through_and_is_marked(database: FreshDatabase, tmp_path: Path) -> None:
    """The clock of 1970, no kind, an unknown kind, numbers beyond the database's, fields of a wrong shape."""
    odd: list[tuple[dict[str, object], set[str]]] = [
        ({"clock": 12}, {"clock_wrong"}),
        ({"kind": None}, {"field_dropped"}),
        ({"kind": 77}, {"unknown_kind"}),
        ({"kind": 0xFFFFFFFF}, {"unknown_kind", "field_dropped"}),
        ({"flags": 0xFFFFFFFF}, {"age_lower_bound", "field_dropped", "silent", "stuck", "late"}),
        ({"input": 0xFFFFFFFF, "count": 0xFFFFFFFF, "attempt": 0xFFFFFFFF, "bearer": 0xFFFFFFFF}, {"field_dropped"}),
        ({"age": 0xFFFFFFFF, "clock": 0xFFFFFFFF}, {"late", "clock_wrong"}),
        ({"extra": {99: b"new"}}, {"field_unknown"}),
    ]

    async def work() -> None:
        async with served(database, tmp_path) as scene:
            door = await CoapUnit.open(scene)
            for seq, (fields, _) in enumerate(odd, 1):
                assert scene.unit.items(await door.ask(scene.unit.seal(alarm(seq, **fields)))) == [(1, seq, 1)]
            wrong_shape = {0: 0x11, 1: 1, 2: 50, 3: b"manual", 6: -5, 9: 101}
            assert scene.unit.items(await door.ask(scene.unit.seal(cbor.encode(wrong_shape)))) == [(1, 50, 1)]
            for seq, (_, expected) in enumerate(odd, 1):
                assert set(marks(scene, seq)) == expected, odd[seq - 1]
            assert marks(scene, 50) == ["field_dropped"]
            assert scene.rows("SELECT kind, input, count FROM presses WHERE seq = 2") == [(1, 0, 1)]
            door.close()

    run(work())


def test_a_poisoned_press_harms_nobody_else(database: FreshDatabase, tmp_path: Path) -> None:
    """One press of the batch holds what PostgreSQL cannot: it is stored bare, all others whole, in order."""

    async def work() -> None:
        async with served(database, tmp_path) as scene, make_pool(database.app_url, "ingest", size=1) as pool:
            batch = [press(1 + seq % 2, seq) for seq in range(1, 10)]
            batch[4] = press(2, 5, age_s=2**70, kind=2**40)
            async with pool.connection() as connection:
                fates = await store_apart(connection, batch)
            assert [
                (fate.key.seq, fate.stage, fate.double) for fate in fates if not isinstance(fate, psycopg.Error)
            ] == [(seq, 1, False) for seq in range(1, 10)]
            assert len(scene.presses()) == 9
            assert scene.rows("SELECT kind, age_s, marks FROM presses WHERE seq = 5") == [(1, None, ["field_dropped"])]
            assert scene.value("SELECT count(*) FROM presses WHERE marks = '{}'") == 8

    run(work())


def test_a_press_that_no_table_can_hold_fails_alone(database: FreshDatabase, tmp_path: Path) -> None:
    async def work() -> None:
        async with served(database, tmp_path), make_pool(database.app_url, "ingest", size=1) as pool:
            async with pool.connection() as connection:
                fates = await store_apart(connection, [press(1, 1), press(999, 2), press(2, 3)])
            assert [isinstance(fate, psycopg.Error) for fate in fates] == [False, True, False]

    run(work())


def test_a_press_with_an_old_counter_is_stored_and_marked(database: FreshDatabase, tmp_path: Path) -> None:
    """Never refused: it opens its case, and the mark says that its freshness is not proven."""

    async def work() -> None:
        async with served(database, tmp_path) as scene:
            door = await CoapUnit.open(scene)
            held_back = scene.unit.seal(alarm(1), counter=5)
            await door.ask(scene.unit.seal(heartbeat(2), counter=26))
            assert scene.unit.items(await door.ask(held_back)) == [(1, 1, 1)]
            assert scene.unit.items(await door.ask(scene.unit.seal(alarm(3), context=bytes(8), counter=0))) == [
                (1, 3, 1)
            ]
            await door.ask(scene.unit.seal(alarm(4), counter=27))
            assert marks(scene, 1) == marks(scene, 3) == ["freshness_unproven"]
            assert marks(scene, 4) == []
            door.close()

    run(work())


def test_a_recorded_heartbeat_fakes_no_life(database: FreshDatabase, tmp_path: Path) -> None:
    async def work() -> None:
        async with served(database, tmp_path) as scene:
            door = await CoapUnit.open(scene)
            recorded = scene.unit.seal(heartbeat(1), counter=5)
            latest = scene.unit.seal(heartbeat(2), counter=6)
            assert scene.unit.items(await door.ask(latest)) == [(1, 2, 1)]
            before = scene.rows("SELECT * FROM unit_states")
            door.send(recorded)
            await scene.until(lambda: scene.dropped("coap", "stale_counter") == 1)
            assert scene.unit.items(await door.ask(latest)) == [(1, 2, 1)], "a known key gets the same receipt again"
            assert scene.rows("SELECT * FROM unit_states") == before
            assert scene.value("SELECT count(*) FROM readings") == 1
            assert door.received.empty()
            door.close()

    run(work())


def test_a_heartbeat_sent_again_with_a_new_counter_is_one_reading(database: FreshDatabase, tmp_path: Path) -> None:
    async def work() -> None:
        async with served(database, tmp_path) as scene:
            door = await CoapUnit.open(scene)
            for _ in range(2):
                assert scene.unit.items(await door.ask(scene.unit.seal(heartbeat(1)))) == [(1, 1, 1)]
            assert scene.value("SELECT count(*) FROM readings") == 1
            assert scene.value("SELECT counter_high FROM unit_keys WHERE unit_id = 1") == 2
            scene.change("UPDATE readings SET day = day - 1")  # it came before midnight
            assert scene.unit.items(await door.ask(scene.unit.seal(heartbeat(1)))) == [(1, 1, 1)]
            assert scene.value("SELECT count(*) FROM readings") == 1
            door.close()

    run(work())


def test_a_unit_without_counters_is_heard_and_its_counter_kept_apart(database: FreshDatabase, tmp_path: Path) -> None:
    async def work() -> None:
        async with served(database, tmp_path) as scene:
            door = await CoapUnit.open(scene)
            await door.ask(scene.unit.seal(heartbeat(1), counter=50))
            context = secrets.token_bytes(8)
            frame = scene.unit.seal(heartbeat(1, boot=2**31), counter=0, context=context)
            for _ in range(2):
                assert scene.unit.items(await door.ask(frame)) == [(2**31, 1, 1)]
            assert scene.value("SELECT count(*) FROM readings") == 2
            assert scene.value("SELECT counter_high FROM unit_keys WHERE unit_id = 1") == 50
            door.close()

    run(work())


def test_events_and_answers_are_kept_once(database: FreshDatabase, tmp_path: Path) -> None:
    async def work() -> None:
        async with served(database, tmp_path) as scene:
            door = await CoapUnit.open(scene)
            event = messages.Event(boot=1, seq=1, kind=0xFFFFFFFF, age=3, about_boot=1, about_seq=9, data={1: 5})
            answer = messages.Answer(boot=1, seq=2, number=2**64 - 1, result=0, data={1: b"x"})
            for _ in range(2):
                assert scene.unit.items(await door.ask(scene.unit.seal(event))) == [(1, 1, 1)]
                assert scene.unit.items(await door.ask(scene.unit.seal(answer))) == [(1, 2, 1)]
            assert scene.rows("SELECT seq, kind, age_s, about_seq, data FROM unit_events ORDER BY seq") == [
                (1, 2**31 - 1, 3, 9, cbor.encode({1: 5})),
                (2, -6, None, None, cbor.encode({3: 2**64 - 1, 4: 0, 5: {1: b"x"}})),
            ]
            door.close()

    run(work())


def test_the_state_of_a_unit_is_what_it_last_said(database: FreshDatabase, tmp_path: Path) -> None:
    async def work() -> None:
        async with served(database, tmp_path) as scene:
            door = await CoapUnit.open(scene)
            status = {messages.STATUS_VERSION: "1.2", messages.STATUS_TEMPERATURE: -45}
            await door.ask(scene.unit.seal(heartbeat(1, status=status, flags=3, next_due=600)))
            await door.ask(scene.unit.seal(messages.Heartbeat(boot=1, seq=2, next_due=60, battery=12)))
            await door.ask(scene.unit.seal(alarm(3, battery=11, flags=4)))
            query = "SELECT seq, battery, signal, flags, status, version, temperature, transport, interval_s "
            query += "FROM unit_states"
            state = (3, 11, -80, 0, cbor.encode(status), "1.2", -45, "coap", 60)
            await scene.until(lambda: scene.rows(query) == [state], query)
            due = scene.value("SELECT due_at FROM unit_states")
            assert timedelta(0) < due - datetime.now(UTC) <= timedelta(seconds=60), "an alarm promises no next sign"
            assert scene.value("SELECT counter_high FROM unit_keys WHERE unit_id = 1") == 3
            door.close()

    run(work())


def test_queries_tell_stages_of_the_units_own_presses_only(database: FreshDatabase, tmp_path: Path) -> None:
    async def work() -> None:
        async with served(database, tmp_path) as scene:
            one, other = scene.units
            door = await CoapUnit.open(scene)
            await door.ask(one.seal(alarm(1)))
            await door.ask(other.seal(alarm(2)))
            query = messages.Query(open=[(1, 1), (1, 2), (1, 1)])
            assert one.items(await door.ask(one.seal(query))) == [(1, 1, 1)]
            assert other.items(await door.ask(other.seal(query))) == [(1, 2, 1)]
            scene.change("UPDATE presses SET accepted_at = now() WHERE seq = 1")
            assert one.items(await door.ask(one.seal(query))) == [(1, 1, 2)]
            door.close()

    run(work())


def test_many_units_at_once_are_committed_together(database: FreshDatabase, tmp_path: Path) -> None:
    async def work() -> None:
        async with served(database, tmp_path, units=200) as scene:
            doors = [await CoapUnit.open(scene) for _ in scene.units]
            pairs = list(zip(scene.units, doors, strict=True))
            receipts = await asyncio.gather(*(door.ask(unit.seal(heartbeat(1))) for unit, door in pairs))
            assert [unit.items(receipt) for unit, receipt in zip(scene.units, receipts, strict=True)] == [
                [(1, 1, 1)]
            ] * 200
            receipts = await asyncio.gather(*(door.ask(unit.seal(alarm(2))) for unit, door in pairs))
            assert [unit.items(receipt) for unit, receipt in zip(scene.units, receipts, strict=True)] == [
                [(1, 2, 1)]
            ] * 200
            assert len(scene.presses()) == 200 == scene.value("SELECT count(*) FROM cases")
            counters = scene.ingest.counters
            assert counters["reading_batches"] < 200 and counters["press_batches"] < 200
            for door in doors:
                door.close()

    run(work())


def test_receipts_before_the_commit_are_noticed(database: FreshDatabase, tmp_path: Path) -> None:
    """The negative control: acknowledging early gives a receipt for a press that is stored nowhere."""

    async def work() -> None:
        for acknowledge, answered in (("before_commit", True), ("after_commit", False)):
            async with served(database, tmp_path / acknowledge, units=0, acknowledge=acknowledge) as scene:
                unit = await scene.add_unit(7 + answered, certificate=False)
                door = await CoapUnit.open(scene)
                await door.ask(unit.seal(messages.Query(open=[(1, 1)])))  # the unit is known from here on
                blocker = await psycopg.AsyncConnection.connect(database.owner_url)
                await blocker.execute("LOCK TABLE presses IN ACCESS EXCLUSIVE MODE")
                door.send(unit.seal(alarm(1)))
                first = await door.next()  # a receipt, or only the promise of one
                assert bool(first.payload) is answered
                await blocker.close()
                door.close()

    run(work())
