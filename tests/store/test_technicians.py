"""Tasks and conditions in a real PostgreSQL: unique while open, newest word counts, closed by name, rights and rows."""

from __future__ import annotations

import asyncio
import random
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from fleet.registry import store as registry
from fleet.registry.secret_box import SecretBox
from fleet.store.pool import Connection, make_pool, tenant_transaction
from fleet.technicians import store
from fleet.technicians.model import UnitEvent
from tests.database import FreshDatabase, do

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
MISSED, BACK, STUCK, RELEASED, FAULT, LOW = 8, 9, 6, 7, 5, 4


@pytest.fixture(autouse=True)
def units(database: FreshDatabase) -> None:
    """Units 1 and 2 in municipality 1, 3 in municipality 2."""

    async def add(connection: Connection) -> None:
        for municipality in (1, 2):
            await registry.add_municipality(connection, municipality, f"Number {municipality}")
        for unit in (1, 2, 3):
            await registry.add_unit(
                connection, SecretBox(bytes(32)), unit=unit, municipality=1 + (unit == 3), unit_type="social",
                generation=0, secret=bytes(16), fingerprint=unit.to_bytes(32, "big"), serial=f"{unit}",
            )  # fmt: skip

    do(database, add, "registry")


def event(kind: int, seq: int, *, unit: int = 1, boot: int = 1, minutes: float | None = None, **data: int) -> UnitEvent:
    at = START + timedelta(minutes=seq if minutes is None else minutes)
    keyed = {int(name[1:]): value for name, value in data.items()}
    return UnitEvent(unit, 1 + (unit == 3), kind, at, keyed, boot, seq)


def note(database: FreshDatabase, *events: UnitEvent) -> None:
    do(database, lambda connection: store.note_events(connection, events))


def tasks(database: FreshDatabase, **more: Any) -> list[dict[str, Any]]:
    return do(database, lambda connection: store.tasks(connection, **more))


def short(database: FreshDatabase, *, closed: bool = False) -> list[tuple[Any, ...]]:
    return [(one["unit"], one["kind"], one["part"], one["reports"]) for one in tasks(database, closed=closed)]


def state(database: FreshDatabase, unit: int = 1) -> dict[tuple[str, int | None], bool]:
    found = do(database, lambda connection: store.conditions(connection, unit))
    return {(one["condition"], one["part"]): one["active"] for one in found}


def test_a_report_joins_the_open_task_and_opens_a_new_one_after_it_was_closed(database: FreshDatabase) -> None:
    note(database, event(STUCK, 1, _1=2, _2=1))
    note(database, event(STUCK, 2, _1=2, _2=2), event(STUCK, 3, _1=3), event(STUCK, 4, _1=2, unit=2))
    assert short(database) == [
        ("00000001", "stuck input", 2, 2), ("00000001", "stuck input", 3, 1), ("00000002", "stuck input", 2, 1),
    ]  # fmt: skip
    first = tasks(database)[0]
    assert first["detail"] == {"why": "chatters"} and first["opened_by"] == "unit 00000001"
    at = START + timedelta(hours=1)
    shut = do(database, lambda connection: store.close_task(connection, first["id"], "Karin", at), "registry")
    assert (shut["closed_by"], shut["closed_at"]) == ("Karin", at.isoformat())
    with pytest.raises(LookupError, match="closed by Karin"):
        do(database, lambda connection: store.close_task(connection, first["id"], "Bo", at), "registry")
    with pytest.raises(LookupError, match="no task"):
        do(database, lambda connection: store.close_task(connection, 999, "Bo", at), "registry")
    note(database, event(STUCK, 90, _1=2))
    assert ("00000001", "stuck input", 2, 1) in short(database)
    assert len(short(database, closed=True)) == 4


def test_without_the_unique_index_there_would_be_two(database: FreshDatabase) -> None:
    """Negative control: what keeps a chattering contact from filling the list is the database."""
    with psycopg.connect(database.owner_url, autocommit=True) as owner:
        row = (
            "INSERT INTO technician_tasks (municipality_id, unit_id, kind, opened_at, opened_by, last_at) "
            "VALUES (1, 1, 'fault', now(), 'x', now())"
        )
        owner.execute(row)
        with pytest.raises(psycopg.errors.UniqueViolation):
            owner.execute(row)
        owner.execute("DROP INDEX technician_tasks_one_open")
        owner.execute(row)
    assert len(tasks(database)) == 2


def test_a_released_input_closes_nothing_and_is_noted(database: FreshDatabase) -> None:
    note(database, event(STUCK, 1, _1=0))
    note(database, event(RELEASED, 2, _1=0))
    (task,) = tasks(database)
    assert (task["note"], task["noted_at"]) == ("released", (START + timedelta(minutes=2)).isoformat())
    assert task["closed_at"] is None
    assert state(database) == {("stuck input", 0): False}


def test_a_pendant_that_is_back_closes_its_own_task_only(database: FreshDatabase) -> None:
    note(database, event(MISSED, 1, _1=1, _2=7200), event(MISSED, 2, _1=2))
    note(database, event(BACK, 3, _1=1))
    assert short(database) == [("00000001", "pendant missed", 2, 1)]
    assert state(database) == {("pendant missed", 1): False, ("pendant missed", 2): True}
    closed = next(one for one in tasks(database, closed=True) if one["part"] == 1)
    assert closed["closed_by"] == "unit 00000001" and closed["detail"] == {"silent_s": 7200}


@pytest.mark.parametrize("together", [True, False])
def test_events_that_come_in_a_wrong_order_leave_what_happened_last(database: FreshDatabase, together: bool) -> None:
    """Every order of missed, back, missed, back of two boots ends as it ended at the unit."""
    story = [
        event(MISSED, 5, boot=7, minutes=1, _1=1), event(BACK, 6, boot=7, minutes=1, _1=1),
        event(MISSED, 1, boot=8, minutes=9, _1=1), event(BACK, 2, boot=8, minutes=9, _1=1),
    ]  # fmt: skip
    for seed in range(6):
        unit = 1 + seed % 2
        with psycopg.connect(database.owner_url, autocommit=True) as owner:
            owner.execute("DELETE FROM unit_conditions")
        shuffled = [one._replace(unit=unit) for one in random.Random(seed).sample(story, 4)]
        if together:
            note(database, *shuffled)
        else:
            for one in shuffled:
                note(database, one)
        assert state(database, unit) == {("pendant missed", 1): False}, seed
        assert short(database) == [], seed


def test_a_condition_without_an_end_of_its_own_ends_with_its_task(database: FreshDatabase) -> None:
    note(database, event(FAULT, 1, _1=17, _2=3), event(LOW, 2, _1=9), event(STUCK, 3, _1=0))
    assert state(database) == {("battery low", None): True, ("fault", 17): True, ("stuck input", 0): True}
    for task in tasks(database):
        at = START + timedelta(hours=2)
        do(
            database,
            lambda connection, task=task, at=at: store.close_task(connection, task["id"], "Karin", at),
            "registry",
        )  # type: ignore[misc]
    assert state(database) == {("battery low", None): False, ("fault", 17): False, ("stuck input", 0): True}


def test_heartbeat_flags_and_events_tell_of_mains_together(database: FreshDatabase) -> None:
    def flags(value: int, seq: int) -> store.Flags:
        return store.Flags(1, 1, value, START + timedelta(minutes=seq), 1, seq)

    def say(*said: store.Flags) -> None:
        do(database, lambda connection: store.note_flags(connection, said))

    say(flags(0, 1))
    assert state(database) == {}, "nothing to say, no row"
    note(database, event(2, 2))
    assert state(database) == {("mains lost", None): True}
    say(flags(5, 3))
    assert state(database) == {("mains lost", None): True, ("not worn", None): True}
    say(flags(0, 5), flags(5, 4))
    assert state(database) == {("mains lost", None): False, ("not worn", None): False}
    say(flags(1, 2))
    assert state(database)["mains lost", None] is False, "an older heartbeat changes nothing"


def test_other_domains_open_tasks_for_known_units(database: FreshDatabase) -> None:
    def open_one(unit: int) -> int:
        return do(database, lambda c: store.open_task(c, unit, "test failed", None, {"n": 1}, START, by="tests"))

    assert open_one(1) == open_one(1)
    assert tasks(database)[0]["opened_by"] == "tests" and tasks(database)[0]["reports"] == 2
    with pytest.raises(LookupError):
        open_one(77)


def test_a_technician_of_one_municipality_sees_its_own_tasks_only(database: FreshDatabase) -> None:
    note(database, event(STUCK, 1, _1=0), event(STUCK, 2, _1=0, unit=3))

    async def seen(municipalities: list[int]) -> list[str]:
        async with (
            make_pool(database.app_url, "web", size=1) as pool,
            tenant_transaction(pool, municipalities) as connection,
        ):
            return [task["unit"] for task in await store.tasks(connection)]

    assert asyncio.run(seen([2])) == ["00000003"]
    assert asyncio.run(seen([])) == []
    with psycopg.connect(database.owner_url, autocommit=True) as owner:
        owner.execute("ALTER TABLE technician_tasks DISABLE ROW LEVEL SECURITY")
    assert asyncio.run(seen([2])) == ["00000001", "00000003"], "the control: it is the database that hides them"


def test_duties_hold_no_more_of_the_new_tables_than_they_need(database: FreshDatabase) -> None:
    def refused(duty: str, statement: str) -> bool:
        with psycopg.connect(database.app_url) as connection:
            connection.execute(f"SET ROLE livlina_{duty}".encode())
            try:
                connection.execute(statement.encode())
            except psycopg.errors.InsufficientPrivilege:
                return True
            return False

    assert refused("ingest", "DELETE FROM technician_tasks")
    assert refused("ingest", "UPDATE technician_tasks SET opened_by = 'x'")
    assert refused("ingest", "UPDATE unit_commands SET number = 1")
    assert refused("ingest", "DELETE FROM unit_commands")
    assert refused("ingest", "UPDATE sms_gateways SET token_hash = ''")
    assert refused("ingest", "UPDATE presses SET raw = ''")
    assert refused("web", "SELECT token_hash FROM sms_gateways")
    assert refused("web", "SELECT args FROM unit_commands")
    assert refused("web", "UPDATE technician_tasks SET kind = 'x'")
    assert refused("forward", "SELECT token_hash FROM sms_gateways")
    assert refused("forward", "INSERT INTO unit_commands DEFAULT VALUES")
    assert refused("login", "SELECT * FROM technician_tasks")
    assert refused("registry", "UPDATE unit_commands SET result = 0")
    assert refused("registry", "DELETE FROM case_effects")
    assert not refused("ingest", "UPDATE presses SET marks = '{}'")
    assert not refused("registry", "SELECT count(*) FROM technician_tasks")
