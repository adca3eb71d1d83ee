"""What units report besides presses: kept once, receipted after the commit, told to technicians and to the case."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from fleet.ingest import effects
from fleet.ingest.states import unit_status
from fleet.store.pool import make_pool
from protocols.wire import cbor, messages
from tests.database import FreshDatabase
from tests.fleet_server import CoapUnit, Scene, alarm, heartbeat, run, served
from tests.paho_unit import PahoUnit

EVERY_KIND = {
    messages.EVENT_POSITION: {1: 560200000, 2: 141500000, 3: 7, 4: 12, 5: 3, 6: 99, 7: 5},
    messages.EVENT_MAINS_LOST: None,
    messages.EVENT_MAINS_BACK: None,
    messages.EVENT_BATTERY_LOW: {1: 9, 2: 3400},
    messages.EVENT_FAULT: {1: 17, 2: 3, 3: "flash slow"},
    messages.EVENT_INPUT_STUCK: {1: 0, 2: 1},
    messages.EVENT_INPUT_RELEASED: {1: 0},
    messages.EVENT_PENDANT_MISSED: {1: 2, 2: 7200},
    messages.EVENT_PENDANT_BACK: {1: 2},
    messages.EVENT_PENDANT_BATTERY_LOW: {1: 2, 2: 11},
    messages.EVENT_NOT_WORN: None,
    messages.EVENT_WORN: None,
    messages.EVENT_SIM_CHANGED: {1: 1, 2: 0},
    messages.EVENT_SIM_PROVEN: {1: 1, 2: 1},
    messages.EVENT_PATHS_NOT_DIVERSE: {1: 24001, 2: 24001},
    messages.EVENT_TECHNOLOGY_CLOSING: {1: 0, 2: 24001, 3: 1, 4: 1830211200},
    messages.EVENT_CANCELLED: {1: 0},
}


def event(seq: int, kind: int, data: dict[int, Any] | None = None, **more: Any) -> messages.Event:
    return messages.Event(boot=1, seq=seq, kind=kind, data=data, **more)


def tasks(scene: Scene) -> list[tuple[str, int | None]]:
    return [
        tuple(row)
        for row in scene.rows("SELECT kind, part FROM technician_tasks WHERE closed_at IS NULL ORDER BY 1, 2")
    ]  # type: ignore[misc]


def conditions(scene: Scene) -> dict[str, bool]:
    return dict(scene.rows("SELECT condition, active FROM unit_conditions WHERE unit_id = 1"))


async def status(scene: Scene, unit: int = 1) -> dict[str, Any]:
    async with make_pool(scene.database.app_url, "registry", size=1) as pool, pool.connection() as connection:
        return await unit_status(connection, unit)


@pytest.mark.parametrize("transport", ["coap", "mqtt"])
def test_every_kind_of_event_is_kept_once_and_receipted(
    database: FreshDatabase, tmp_path: Path, transport: str
) -> None:
    async def work() -> None:
        async with served(database, tmp_path, certificates=True) as scene:
            client: CoapUnit | PahoUnit
            if transport == "coap":
                client = await CoapUnit.open(scene)
            else:
                client = PahoUnit(scene, scene.unit)
                await client.open()
            for turn in range(2):
                for seq, (kind, data) in enumerate(EVERY_KIND.items(), 1):
                    frame = scene.unit.seal(event(seq, kind, data, age=turn))
                    assert scene.unit.items(await client.ask(frame)) == [(1, seq, 1)]
            kept = scene.rows("SELECT kind, data FROM unit_events ORDER BY seq")
            assert kept == [(kind, cbor.encode(data) if data else None) for kind, data in EVERY_KIND.items()]
            assert tasks(scene) == [
                ("battery low", None), ("fault", 17), ("paths not diverse", None), ("pendant battery low", 2),
                ("stuck input", 0), ("technology closing", 0),
            ]  # fmt: skip
            assert scene.value("SELECT max(reports) FROM technician_tasks") == 1, "the second turn changed nothing"
            assert conditions(scene) == {
                "SIM changed": True, "SIM not proven": False, "battery low": True, "fault": True, "mains lost": False,
                "not worn": False, "paths not diverse": True, "pendant battery low": True, "pendant missed": False,
                "stuck input": False, "technology closing": True,
            }  # fmt: skip
            if isinstance(client, PahoUnit):
                await client.close()
            else:
                client.close()

    run(work())


def test_event_data_of_any_shape_harms_nothing(database: FreshDatabase, tmp_path: Path) -> None:
    """A kind that nobody knows, wrong types, numbers beyond the database's, text that it cannot hold."""
    odd: list[tuple[int, Any]] = [
        (99, {1: 1}), (5, {1: 2**63, 3: "a\x00b\x1b"}), (5, {1: True, 2: "x"}), (6, {1: [1, 2], 2: {}}), (6, None),
        (8, {1: 2**40}), (9, {}), (13, {2: 77}), (14, {1: 0}), (15, {1: "x"}), (16, {1: b"\x00"}), (4, {1: -4}),
    ]  # fmt: skip

    async def work() -> None:
        async with served(database, tmp_path) as scene:
            door = await CoapUnit.open(scene)
            for seq, (kind, data) in enumerate(odd, 1):
                receipt = await door.ask(scene.unit.seal(event(seq, kind, data, age=0xFFFFFFFF)))
                assert scene.unit.items(receipt) == [(1, seq, 1)], (kind, data)
            assert scene.value("SELECT count(*) FROM unit_events") == len(odd)
            assert scene.rows("SELECT detail FROM technician_tasks WHERE kind = 'fault'") == [({"text": "a?b?"},)]
            door.close()

    run(work())


def test_a_status_is_shown_field_by_field_and_kept_whole(database: FreshDatabase, tmp_path: Path) -> None:
    full = {
        messages.STATUS_VERSION: "1.2\x00", messages.STATUS_PROFILE: 1, messages.STATUS_REBOOT: 0x8006,
        messages.STATUS_HEAP_LOW: 41_000, messages.STATUS_TEMPERATURE: -45, messages.STATUS_BATTERY_MV: 3900,
        messages.STATUS_SUPPLY_MV: 5010, messages.STATUS_ICCID1: bytes.fromhex("8946071234567890123f"),
        messages.STATUS_ICCID2: bytes.fromhex("89460712345678901245"), messages.STATUS_CELL: 0xFFFFFFFF,
        messages.STATUS_TAC: 4711, messages.STATUS_LAST_CAUSE: 15, messages.STATUS_PSM_ACTIVE: 16,
        messages.STATUS_PSM_TAU: 3600, messages.STATUS_EDRX: 20, messages.STATUS_JOURNAL: bytes(range(8)),
        messages.STATUS_UPTIME: 86_400, messages.STATUS_MODEM: "BG95M3LAR02A04",
        messages.STATUS_IMEI: bytes.fromhex("864475041234567f"), messages.STATUS_CLOCK: 1_790_000_000, 99: "newer",
    }  # fmt: skip

    async def work() -> None:
        async with served(database, tmp_path) as scene:
            door = await CoapUnit.open(scene)
            first = heartbeat(1, status=full, operator=24001, radio=4, attempts=2, open=1, refused=3, flags=5)
            await door.ask(scene.unit.seal(first))
            await door.ask(scene.unit.seal(heartbeat(2, status={messages.STATUS_CELL: 7}, operator=24008, radio=5)))
            shown = await status(scene)
            said = shown["status"]
            assert said.pop("at") is not None
            assert said == {
                "version": "1.2?", "profile": 1, "reboot": 0x8006, "heap_low": 41_000, "temperature": -45,
                "battery_mv": 3900, "supply_mv": 5010, "iccid1": "8946071234567890123",
                "iccid2": "89460712345678901245", "cell": 7, "tac": 4711, "last_cause": 15, "psm_active": 16,
                "psm_tau": 3600, "edrx": 20, "journal": "0001020304050607", "uptime": 86_400,
                "modem": "BG95M3LAR02A04", "imei": "864475041234567", "clock": 1_790_000_000,
            }  # fmt: skip
            state = shown["state"]
            assert (state["operator"], state["radio"], state["attempts"]) == (24008, "NB-IoT", 2)
            assert (state["refused"], state["open_presses"], state["bearer"]) == (3, 1, "Wi-Fi")
            assert {one["condition"]: one["active"] for one in shown["conditions"]} == {
                "mains lost": False, "not worn": False,
            }  # fmt: skip
            assert scene.rows("SELECT status, refused FROM readings ORDER BY seq") == [
                (cbor.encode(full), 3), (cbor.encode({messages.STATUS_CELL: 7}), None),
            ]  # fmt: skip
            assert (await status(scene, 2))["state"] is None, "never heard"
            door.close()

    run(work())


def test_who_comes_by_another_sim_is_not_on_the_first_one_s_network(database: FreshDatabase, tmp_path: Path) -> None:
    """Else a unit that left an operator that is out would be heard there, and its cell area would look well."""

    async def work() -> None:
        async with served(database, tmp_path) as scene:
            door = await CoapUnit.open(scene)
            said = [
                ({"bearer": 3, "operator": 24001, "radio": 4}, 24001), ({"bearer": 4}, None), ({"bearer": 4}, None),
                ({"bearer": 4, "operator": 24002, "radio": 4}, 24002), ({"bearer": 3}, 24001), ({"bearer": 4}, 24002),
            ]  # fmt: skip
            for seq, (more, operator) in enumerate(said, 1):
                await door.ask(scene.unit.seal(heartbeat(seq, **more)))
                assert (await status(scene))["state"]["operator"] == operator, seq
            door.close()

    run(work())


def test_what_the_alarm_says_of_itself_is_kept_with_the_press(database: FreshDatabase, tmp_path: Path) -> None:
    async def work() -> None:
        async with served(database, tmp_path) as scene:
            door = await CoapUnit.open(scene)
            for seq, flags in enumerate((0, messages.ALARM_STUCK, messages.ALARM_LATE, 24), 1):
                await door.ask(scene.unit.seal(alarm(seq, flags=flags)))
            assert scene.rows("SELECT stuck, late FROM presses ORDER BY seq") == [
                (False, False), (True, False), (False, True), (True, True),
            ]  # fmt: skip
            door.close()

    run(work())


def test_a_stuck_input_marks_the_open_case_and_its_release_is_noted(database: FreshDatabase, tmp_path: Path) -> None:
    async def work() -> None:
        async with served(database, tmp_path) as scene:
            door = await CoapUnit.open(scene)
            for unit in scene.units:
                await door.ask(unit.seal(alarm(1)))
            marks = "SELECT marks FROM cases ORDER BY unit_id"
            for _ in range(2):  # the same report twice is one mark and one line in the log
                await door.ask(scene.unit.seal(event(2, messages.EVENT_INPUT_STUCK, {1: 0, 2: 1})))
            await scene.until(lambda: scene.rows(marks) == [(["stuck"],), ([],)])
            log = "SELECT change, actor FROM case_log WHERE change NOT IN ('opened') ORDER BY position"
            assert scene.rows(log) == [("stuck", "unit 00000001")]
            await door.ask(scene.unit.seal(event(3, messages.EVENT_INPUT_RELEASED, {1: 0})))
            await scene.until(lambda: scene.rows(log) == [("stuck", "unit 00000001"), ("released", "unit 00000001")])
            assert scene.rows("SELECT state FROM cases WHERE unit_id = 1") == [("open",)], "a release closes nothing"
            assert scene.rows("SELECT kind, part, note FROM technician_tasks") == [("stuck input", 0, "released")]
            assert scene.value("SELECT count(*) FROM case_effects") == 0
            door.close()

    run(work())


def test_a_case_gets_its_mark_after_a_crash_between_report_and_mark(
    database: FreshDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The effect is committed with the report; nobody carries it out before the server ends, the next one does."""
    owed = effects.Effects.run

    async def idle(self: effects.Effects) -> None:
        await asyncio.Event().wait()

    async def work() -> None:
        monkeypatch.setattr(effects.Effects, "run", idle)
        async with served(database, tmp_path) as scene:
            door = await CoapUnit.open(scene)
            await door.ask(scene.unit.seal(alarm(1)))
            frame = scene.unit.seal(event(2, messages.EVENT_INPUT_STUCK, {1: 0}))
            assert scene.unit.items(await door.ask(frame)) == [(1, 2, 1)]
            assert scene.rows("SELECT marks FROM cases") == [([],)], "the control: nobody has carried it out"
            monkeypatch.setattr(effects.Effects, "run", owed)
            monkeypatch.setattr(effects, "SWEEP_S", 0.05)
            await scene.restart()
            await scene.until(lambda: scene.rows("SELECT marks FROM cases") == [(["stuck"],)])
            door.close()

    run(work())


def test_alarms_pass_while_a_case_waits_for_what_it_is_owed(database: FreshDatabase, tmp_path: Path) -> None:
    """Decision D4: an effect that the database refuses holds up neither reports nor alarms nor other effects."""

    async def work() -> None:
        async with served(database, tmp_path) as scene:
            door = await CoapUnit.open(scene)
            one, other = scene.units
            for unit in scene.units:
                await door.ask(unit.seal(alarm(1)))
            scene.change("ALTER TABLE case_log ADD CONSTRAINT none_of_unit_1 CHECK (case_id <> 1) NOT VALID")
            await door.ask(one.seal(event(2, messages.EVENT_INPUT_STUCK, {1: 0})))
            await door.ask(other.seal(event(2, messages.EVENT_INPUT_STUCK, {1: 0})))
            case = "SELECT marks FROM cases WHERE unit_id = %s"
            await scene.until(lambda: scene.rows(case, 2) == [(["stuck"],)])
            assert scene.rows("SELECT unit_id FROM case_effects WHERE failed_at IS NOT NULL") == [(1,)]
            assert other.items(await door.ask(other.seal(alarm(3)))) == [(1, 3, 1)]
            door.close()

    run(work())


def test_without_its_commit_an_event_gets_no_receipt(database: FreshDatabase, tmp_path: Path) -> None:
    """A task that cannot be written takes its event with it: the unit keeps what is not receipted."""

    async def work() -> None:
        async with served(database, tmp_path) as scene:
            door = await CoapUnit.open(scene)
            scene.change("ALTER TABLE technician_tasks ADD CONSTRAINT none CHECK (kind <> 'fault')")
            door.send(scene.unit.seal(event(1, messages.EVENT_FAULT, {1: 1})))
            await scene.until(lambda: scene.dropped("coap", "not_storable") == 1)
            assert scene.value("SELECT count(*) FROM unit_events") == 0
            scene.change("ALTER TABLE technician_tasks DROP CONSTRAINT none")
            receipt = await door.ask(scene.unit.seal(event(1, messages.EVENT_FAULT, {1: 1})))
            assert scene.unit.items(receipt) == [(1, 1, 1)] and tasks(scene) == [("fault", 1)]
            door.close()

    run(work())


def test_faults_go_before_heartbeats_that_wait(
    database: FreshDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fleet.ingest.intake.MOST_READINGS", 4)

    async def work() -> None:
        async with served(database, tmp_path, units=20) as scene:
            door = await CoapUnit.open(scene)
            for unit in scene.units:
                await door.ask(unit.seal(heartbeat(1)))
            blocker = await psycopg.AsyncConnection.connect(database.owner_url)
            await blocker.execute("LOCK TABLE readings, unit_events IN ACCESS EXCLUSIVE MODE")
            for unit in scene.units[:-1]:
                door.send(unit.seal(heartbeat(2)))
            await asyncio.sleep(0)
            await scene.until(lambda: scene.value("SELECT count(*) FROM pg_locks WHERE NOT granted") > 0)
            door.send(scene.units[-1].seal(event(2, messages.EVENT_FAULT, {1: 1})))
            await scene.until(lambda: len(scene.ingest._intake.readings._first) == 1)
            await blocker.close()
            await scene.until(lambda: scene.value("SELECT count(*) FROM readings WHERE seq = 2") == 19)
            # Rows of one transaction share xmin, and transactions of one loop are numbered as they come.
            order = scene.rows(
                "SELECT xmin::text::bigint, 'fault' FROM unit_events UNION "
                "SELECT xmin::text::bigint, 'heartbeat' FROM readings WHERE seq = 2 ORDER BY 1, 2"
            )
            assert [kind for _, kind in order].index("fault") <= 1, "right behind the batch that was under way"
            door.close()

    run(work())


def test_the_clock_is_the_one_that_the_server_was_given(database: FreshDatabase, tmp_path: Path) -> None:
    then = datetime(2031, 5, 4, 3, 2, 1, tzinfo=UTC)

    async def work() -> None:
        async with served(database, tmp_path, clock=lambda: then) as scene:
            door = await CoapUnit.open(scene)
            await door.ask(scene.unit.seal(event(1, messages.EVENT_FAULT, {1: 1}, age=60)))
            assert scene.value("SELECT opened_at FROM technician_tasks") == then - timedelta(minutes=1)
            assert scene.value("SELECT at FROM unit_conditions") == then - timedelta(minutes=1)
            assert scene.value("SELECT seen_at FROM unit_states") == then
            door.send(b"\x83")
            await scene.until(lambda: scene.rows("SELECT day FROM ingest_drops") == [(then.date(),)])
            door.close()

    run(work())
