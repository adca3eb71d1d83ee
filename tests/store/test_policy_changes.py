"""Staged changes of SIM policies in a real PostgreSQL: gates, the stop rule, when a unit is done."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from fleet.connectivity import changes
from fleet.connectivity.policy import PolicyError
from fleet.ingest.sim_orders import order_policy
from fleet.registry import store as registry
from fleet.registry.secret_box import SecretBox
from fleet.store.pool import Connection
from tests.database import FreshDatabase, do, rows

START = datetime(2027, 3, 1, 9, tzinfo=UTC)
HOUR = timedelta(hours=1)
UNITS = 10


def add_units(database: FreshDatabase, number: int) -> None:
    """Units 1 to `number` of one municipality, all in use."""

    async def add(connection: Connection) -> None:
        await registry.add_municipality(connection, 1, "One")
        for unit in range(1, number + 1):
            await registry.add_unit(
                connection, SecretBox(bytes(32)), unit=unit, municipality=1, unit_type="social", generation=0,
                secret=bytes(16), fingerprint=unit.to_bytes(32, "big"), serial=f"{unit}",
            )  # fmt: skip

    do(database, add, "registry")
    rows(database, "UPDATE units SET life = 'active', grounds = 'test:1'")


@pytest.fixture(autouse=True)
def units(database: FreshDatabase) -> None:
    """Units 1 to 10 in use, each seen on SIM 2; unit 11 has no SIM 2."""
    add_units(database, UNITS + 1)
    rows(
        database,
        "INSERT INTO unit_paths (unit_id, slot, operator, radio, municipality_id, first_seen_at, seen_at) "
        "SELECT unit_id, 2, 24002, 3, 1, %s, %s FROM units WHERE unit_id <= 10", START, START,
    )  # fmt: skip


def begin(database: FreshDatabase, stages: tuple[int, ...] = (10, 50, 100), **more: Any) -> int:
    said = {"soak_s": 600, "most_failed": 1, "within_s": 7200, "seed": 1} | more

    async def work(connection: Connection) -> int:
        found = await changes.begin(
            connection, {"preferred": 2, "forbidden": [24008]}, stages=stages, actor="console:t", at=START, **said
        )
        return int(found["change"])

    return do(database, work, "registry")


def look(database: FreshDatabase, hours: float) -> int:
    async def work(connection: Connection) -> int:
        async with connection.transaction():
            return await changes.advance(connection, order_policy, START + hours * HOUR)

    return do(database, work)


def report(database: FreshDatabase, change: int) -> dict[str, Any]:
    return do(database, lambda c: changes.report(c, change), "registry")


def answer(database: FreshDatabase, hours: float, result: int = 0) -> None:
    rows(
        database, "UPDATE unit_commands SET answered_at = %s, result = %s WHERE answered_at IS NULL",
        START + hours * HOUR, result,
    )  # fmt: skip


def prove(database: FreshDatabase, hours: float) -> None:
    """A test on SIM 2 of every unit."""
    rows(database, "UPDATE unit_paths SET proven_at = %s, proof = 'alarm:1/1'", START + hours * HOUR)


def state_of(database: FreshDatabase, change: int) -> tuple[str, list[dict[str, int]]]:
    found = report(database, change)
    return found["state"], [{k: v for k, v in one.items() if k != "share"} for one in found["stages"]]


def test_a_unit_is_done_when_it_reports_the_policy_and_a_test_came_since(database: FreshDatabase) -> None:
    prove(database, -1)
    change = begin(database)
    assert look(database, 0) == 1
    kind, number = rows(database, "SELECT kind, count(*) FROM unit_commands GROUP BY 1")[0]
    assert (kind, number) == (4, 1)
    prove(database, 0.1)
    assert look(database, 0.2) == 0, "a test without a report opens no gate"
    answer(database, 0.3)
    assert look(database, 0.4) == 0
    assert state_of(database, change) == ("running", [{"reported": 1}, {"waiting": 4}, {"waiting": 5}])
    prove(database, 0.5)
    assert look(database, 0.6) == 4
    answer(database, 0.7)
    prove(database, 0.75)
    assert look(database, 0.7) == 0, "the stage has not had its time"
    assert look(database, 0.8) == 5
    answer(database, 0.9)
    prove(database, 0.95)
    look(database, 1.0)
    assert state_of(database, change) == ("done", [{"done": 1}, {"done": 4}, {"done": 5}])
    assert rows(database, "SELECT count(*) FROM unit_commands WHERE unit_id = 11") == [(0,)]
    acted = [row[0] for row in rows(database, "SELECT action FROM audit_records ORDER BY record_id")]
    assert acted[0] == "sim_policy.change_begun"
    assert acted[-1] == "sim_policy.change_done"


def test_one_failure_too_many_stops_it_and_takes_back_what_no_unit_has_taken(database: FreshDatabase) -> None:
    change = begin(database, stages=(50, 100))
    assert look(database, 0) == 5
    first = rows(database, "SELECT unit_id FROM unit_commands ORDER BY 1")
    for place, (unit,) in enumerate(first[:3]):
        rows(
            database, "UPDATE unit_commands SET answered_at = %s, result = %s WHERE unit_id = %s",
            START + HOUR / 4, 0 if place == 0 else 4, unit,
        )  # fmt: skip
    assert look(database, 0.5) == 0
    found = report(database, change)
    assert (found["state"], len(found["failed"])) == ("stopped", 2)
    assert "2 units failed, 1 may" in found["why"]
    assert rows(database, "SELECT count(*) FROM unit_commands WHERE answered_at IS NULL AND expires_at > %s",
                START + HOUR / 2) == [(0,)]  # fmt: skip
    assert look(database, 24) == 0, "nothing goes out any more"


def test_a_unit_that_is_silent_or_untested_has_failed_after_its_time(database: FreshDatabase) -> None:
    change = begin(database, stages=(100,), most_failed=10)
    assert look(database, 0) == 10
    rows(database, "UPDATE unit_commands SET answered_at = %s, result = 0 WHERE unit_id = 1", START + HOUR)
    look(database, 1.9)
    assert state_of(database, change) == ("running", [{"ordered": 9, "reported": 1}])
    look(database, 2)
    whys = {one["why"] for one in report(database, change)["failed"]}
    assert whys == {"the unit did not answer", "no test came on the preferred SIM"}
    assert report(database, change)["state"] == "done", "ten may fail"


def test_a_unit_that_has_just_returned_is_ordered_an_hour_later(database: FreshDatabase) -> None:
    change = begin(database, stages=(100,))
    rows(
        database,
        "INSERT INTO unit_events (unit_id, boot, seq, municipality_id, received_at, kind, raw) "
        "VALUES (3, 1, 1, 1, %s, 13, '')", START - HOUR / 2,
    )  # fmt: skip
    assert look(database, 0) == 9
    assert state_of(database, change)[1] == [{"ordered": 9, "waiting": 1}]
    assert look(database, 0.49) == 0
    assert look(database, 0.5) == 1


def test_a_change_is_ended_by_a_person_and_a_unit_is_in_one_change(database: FreshDatabase) -> None:
    change = begin(database)
    with pytest.raises(PolicyError, match="another change"):
        begin(database)
    do(database, lambda c: changes.end(c, change, actor="console:t", at=START), "registry")
    assert report(database, change)["state"] == "stopped"
    assert begin(database) > change
    with pytest.raises(LookupError):
        do(database, lambda c: changes.end(c, change, actor="console:t", at=START), "registry")
