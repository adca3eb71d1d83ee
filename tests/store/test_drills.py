"""Ordered drills in a real PostgreSQL: what never came is on the technicians' list once, and a proof takes it off."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from fleet.ingest import commands
from fleet.registry import store as registry
from fleet.registry.secret_box import SecretBox
from fleet.store.pool import Connection, make_pool
from fleet.technicians import drills, store
from fleet.technicians.watch import DrillWatch
from protocols.wire.messages import COMMAND_DRILL, COMMAND_STATUS
from sim.fleet_clock import FastClock
from tests.database import FreshDatabase, do

START = datetime(2027, 3, 1, 9, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
OWN, PENDANT = 0, 1


@pytest.fixture(autouse=True)
def units(database: FreshDatabase) -> None:
    """Units 1 to 3."""

    async def add(connection: Connection) -> None:
        await registry.add_municipality(connection, 1, "One")
        await registry.add_centre(connection, name="A", protocol="dc09", host="127.0.0.1", port=1)
        for unit in (1, 2, 3):
            await registry.add_unit(
                connection, SecretBox(bytes(32)), unit=unit, municipality=1, unit_type="social", generation=0,
                secret=bytes(16), fingerprint=unit.to_bytes(32, "big"), serial=f"{unit}",
            )  # fmt: skip

    do(database, add, "registry")


def order(database: FreshDatabase, unit: int, button: int = OWN, *, at: float = 0, kind: int = COMMAND_DRILL) -> int:
    """Ordered so many minutes after the start, within a quarter of an hour."""
    begins = START + at * MINUTE

    async def queue(connection: Connection) -> int:
        args = {1: button} if button else None
        return await commands.queue(
            connection, unit, kind, args, "anna", at=begins, expires_at=begins + 15 * MINUTE
        )  # fmt: skip

    return do(database, queue, "registry")


def run(database: FreshDatabase, statement: str, *values: object) -> list[tuple[Any, ...]]:
    with psycopg.connect(database.owner_url) as connection:
        cursor = connection.execute(statement.encode(), values)
        return cursor.fetchall() if cursor.description else []


def answer(database: FreshDatabase, unit: int, number: int, *, at: float, result: int = 0) -> None:
    run(
        database, "UPDATE unit_commands SET answered_at = %s, result = %s WHERE unit_id = %s AND number = %s",
        START + at * MINUTE, result, unit, number,
    )  # fmt: skip


def prove(database: FreshDatabase, unit: int, button: int = OWN, *, at: float) -> None:
    """As forwarding does when a centre has the test."""
    moment = START + at * MINUTE
    run(
        database, "INSERT INTO button_proofs SELECT %s, 1, %s, 1, %s, 2, %s, centre_id FROM centres",
        unit, int(moment.timestamp()), button, moment,
    )  # fmt: skip


def look(database: FreshDatabase, at: float) -> int:
    async def settle(connection: Connection) -> int:
        async with connection.transaction():
            return await drills.settle(connection, START + at * MINUTE)

    return do(database, settle)


def missed(database: FreshDatabase) -> list[tuple[str, int, str]]:
    found = do(database, store.tasks)
    return [(one["unit"], one["part"], one["detail"]["why"]) for one in found if one["kind"] == "drill missed"]


def test_what_never_came_is_on_the_list_once_and_what_came_is_not(database: FreshDatabase) -> None:
    for unit in (1, 2, 3):
        answer(database, unit, order(database, unit), at=1)
    prove(database, 2, at=2)
    prove(database, 3, PENDANT, at=2)
    assert look(database, 10.9) == 0
    assert missed(database) == []
    assert look(database, 11) == 2
    assert missed(database) == [("00000001", OWN, "no test came"), ("00000003", OWN, "no test came")]
    assert look(database, 60) == 0
    assert len(missed(database)) == 2


def test_a_unit_that_does_not_answer_is_waited_for_until_the_order_expires(database: FreshDatabase) -> None:
    order(database, 1, PENDANT)
    order(database, 2, kind=COMMAND_STATUS)
    assert look(database, 14.9) == 0
    assert look(database, 15) == 1
    assert missed(database) == [("00000001", PENDANT, "the unit did not answer")]


def test_a_proof_that_comes_late_takes_the_task_off_and_a_technician_s_word_stays(database: FreshDatabase) -> None:
    for unit in (1, 2):
        order(database, unit)
    assert look(database, 15) == 2
    prove(database, 1, PENDANT, at=20)
    assert look(database, 21) == 0
    assert len(missed(database)) == 2, "another button proves nothing"
    prove(database, 1, OWN, at=22)
    assert look(database, 23) == 0
    assert [unit for unit, _, _ in missed(database)] == ["00000002"]
    assert run(database, "SELECT closed_by FROM technician_tasks WHERE closed_at IS NOT NULL") == [("button proof",)]
    task = run(database, "SELECT task_id FROM technician_tasks WHERE closed_at IS NULL")[0][0]
    do(database, lambda c: store.close_task(c, task, "eva", START + 30 * MINUTE), "registry")
    assert look(database, 31) == 0
    assert missed(database) == [], "the same order does not open it again"
    order(database, 2, at=40)
    assert look(database, 55) == 1


def test_an_earlier_proof_does_not_answer_a_later_order(database: FreshDatabase) -> None:
    prove(database, 1, at=-5)
    order(database, 1)
    assert look(database, 15) == 1


def test_the_report_counts_buttons_and_not_units(database: FreshDatabase) -> None:
    order(database, 1)
    order(database, 1, PENDANT)
    order(database, 2)
    order(database, 3, at=10)
    prove(database, 1, at=1)
    prove(database, 1, PENDANT, at=2)
    prove(database, 1, PENDANT, at=3)

    async def report(connection: Connection) -> dict[str, Any]:
        return await drills.report(connection, START, START + 30 * MINUTE, START + 16 * MINUTE)

    found = do(database, report, "registry")
    assert {key: value for key, value in found.items() if key not in ("since", "until")} == {
        "buttons_proven": 2, "units_with_a_proven_button": 1, "active_units": 3, "buttons_ordered": 4,
        "buttons_ordered_and_proven": 2, "buttons_ordered_and_missed": 1, "buttons_ordered_and_waited_for": 1,
    }  # fmt: skip


def test_many_watches_make_one_task(database: FreshDatabase) -> None:
    for unit in (1, 2, 3):
        order(database, unit)

    async def watched() -> None:
        clock = FastClock(START, factor=600, step_s=5)
        running = asyncio.create_task(clock.run())
        watches = [DrillWatch(database.app_url, clock=clock) for _ in range(3)]
        for one in watches:
            await one.start()
        async with asyncio.timeout(180):
            while sum(one.missed for one in watches) < 3:
                await asyncio.sleep(0.01)
        await clock.sleep(120)
        for one in watches:
            await one.stop()
        running.cancel()
        assert sum(one.missed for one in watches) == 3

    asyncio.run(watched())
    assert run(database, "SELECT unit_id, reports FROM technician_tasks ORDER BY 1") == [(1, 1), (2, 1), (3, 1)]


def test_only_the_front_doors_duty_settles_drills(database: FreshDatabase) -> None:
    order(database, 1)

    async def settle() -> None:
        async with make_pool(database.app_url, "web", size=1) as pool, pool.connection() as connection:
            await drills.settle(connection, START)

    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        asyncio.run(settle())
