"""What needs attention, by the looks themselves over a real database: who is noticed, counted, and noticed no more."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import psycopg

from fleet.attention import store
from fleet.attention.model import CONCERNS
from fleet.attention.weekend import weekend
from fleet.attention.worker import work
from fleet.connectivity import sunset_store
from fleet.connectivity.calendar import Row
from fleet.settings import Settings
from fleet.store.pool import Connection, make_pool
from fleet.technicians.store import tasks
from livlina.plan_weekend import weekend_list
from tests.database import FreshDatabase

AT = datetime.now(UTC)


def sql(database: FreshDatabase, statement: str, *values: Any) -> list[tuple[Any, ...]]:
    with psycopg.connect(database.owner_url, autocommit=True) as connection:
        cursor = connection.execute(statement, values or None)  # type: ignore[call-overload]
        return cursor.fetchall() if cursor.description else []


def town(database: FreshDatabase) -> None:
    """Units 1 to 4 of municipality 1 and 5 of municipality 2, each somebody's; all on two networks, all proven."""
    for statement in (
        "INSERT INTO municipalities (municipality_id, name) VALUES (1, 'Ettan'), (2, 'Tvåan')",
        "INSERT INTO centres (municipality_id, name, protocol, host, port) VALUES (0, 'C', 'dc09', 'h', 1)",
        "INSERT INTO units (unit_id, municipality_id, unit_type, life, grounds) "
        "SELECT n, CASE n WHEN 5 THEN 2 ELSE 1 END,"
        " CASE n WHEN 4 THEN 'personal' ELSE 'social' END, 'active', 'import:1' FROM generate_series(1, 5) n",
        "INSERT INTO unit_inputs (unit_id, input, municipality_id, kind) "
        "SELECT unit_id, 0, municipality_id, 'own' FROM units",
        "INSERT INTO button_proofs (unit_id, boot, seq, municipality_id, input, at, centre_id) "
        "SELECT unit_id, 1, 1, municipality_id, 0, now(), (SELECT centre_id FROM centres) FROM units",
        "INSERT INTO unit_states (unit_id, municipality_id, seen_at) SELECT unit_id, municipality_id, now() FROM units",
        "INSERT INTO unit_paths (unit_id, slot, operator, radio, municipality_id, first_seen_at, seen_at) "
        "SELECT unit_id, s, CASE s WHEN 1 THEN 24001 ELSE 24007 END, 3, municipality_id, now(), now() "
        "FROM units, generate_series(1, 2) s",
        "INSERT INTO care_recipients (municipality_id, reference, priority, made_at) "
        "SELECT municipality_id, 'K-' || unit_id, 1 + unit_id % 3, now() FROM units",
        "INSERT INTO unit_recipients (unit_id, recipient_id, municipality_id, unit_type, role, since) "
        "SELECT unit_id, recipient_id, u.municipality_id, unit_type, 'responsible', now() FROM units u "
        "JOIN care_recipients r ON r.reference = 'K-' || unit_id",
    ):
        sql(database, statement)


def do(database: FreshDatabase, act: Callable[[Connection], Awaitable[Any]]) -> Any:
    async def run() -> Any:
        async with (
            make_pool(database.app_url, "supervise", size=1) as pool,
            pool.connection() as connection,
            connection.transaction(),
        ):
            return await act(connection)

    return asyncio.run(run())


async def look_at_all(connection: Connection) -> None:
    for concern in CONCERNS:
        if concern in store.BY_SQL:
            await store.look(connection, concern, AT)


def concerns(database: FreshDatabase) -> list[tuple[Any, ...]]:
    return sql(database, "SELECT concern, unit_id FROM unit_concerns ORDER BY concern, rank, unit_id")


def counts(database: FreshDatabase) -> list[tuple[Any, ...]]:
    return sql(database, "SELECT municipality_id, concern, sum(units) FROM concern_counts GROUP BY 1, 2 ORDER BY 2, 1")


def test_a_fleet_in_order_has_no_concern_and_each_fault_is_noticed_and_forgotten(database: FreshDatabase) -> None:
    town(database)
    do(database, look_at_all)
    assert concerns(database) == []
    assert counts(database) == [(1, "units", 4), (2, "units", 1)]
    sql(
        database,
        "INSERT INTO unit_supervision (unit_id, municipality_id, state, cause, since) VALUES "
        "(1, 1, 'silent', 'no answer', now() - interval '1 hour'),"
        "(2, 1, 'off', 'battery', now() - interval '2 hours'),"
        "(3, 1, 'late', 'overdue', now())",
    )
    sql(database, "DELETE FROM unit_paths WHERE unit_id = 3 AND slot = 2")
    # Tele2 and Telenor are two operators and one network.
    sql(database, "UPDATE unit_paths SET operator = 24008 WHERE unit_id = 5 AND slot = 1")
    sql(database, "UPDATE button_proofs SET at = now() - interval '401 days' WHERE unit_id = 4")
    do(database, look_at_all)
    assert concerns(database) == [
        ("silent", 2), ("silent", 1), ("single_path", 3), ("single_path", 5), ("unprotected", 1),
        ("unprotected", 4), ("unprotected", 2), ("unproven_button", 4),
    ]  # fmt: skip
    assert (1, "silent", 2) in counts(database) and (2, "single_path", 1) in counts(database)
    sql(database, "DELETE FROM unit_supervision WHERE unit_id = 1")
    sql(database, "UPDATE unit_paths SET operator = 24001, seen_at = now() WHERE unit_id = 5 AND slot = 1")
    do(database, look_at_all)
    assert ("silent", 1) not in concerns(database) and ("single_path", 5) not in concerns(database)
    assert (2, "single_path", 1) not in counts(database)


def test_what_goes_on_keeps_the_moment_when_it_began_and_is_not_written_again(database: FreshDatabase) -> None:
    town(database)
    sql(database, "DELETE FROM unit_paths WHERE unit_id = 3")
    do(database, lambda c: store.look(c, "single_path", AT))
    before = sql(database, "SELECT unit_id, since, xmin::text FROM unit_concerns")
    do(database, lambda c: store.look(c, "single_path", AT + timedelta(hours=1)))
    assert sql(database, "SELECT unit_id, since, xmin::text FROM unit_concerns") == before
    assert before[0][:2] == (3, AT)


def test_reporting_times_are_kept_to_the_second_or_counted(database: FreshDatabase) -> None:
    """Chosen are DP3 (3 min, 25 h), DP4 (90 s, 5 h) and, in municipality 2, times of its own."""
    town(database)
    for unit, proven_s, interval_s in (
        (1, 90_000, 145), (2, 90_001, 146), (3, 90_001, 300), (4, 18_001, 63), (5, 3_601, 86)
    ):  # fmt: skip
        sql(
            database,
            "UPDATE unit_paths SET first_seen_at = %s, seen_at = %s, proven_at = %s, proof = 'own:1/1' "
            "WHERE unit_id = %s AND slot = 2",
            AT - timedelta(days=9), AT - timedelta(days=9), AT - timedelta(seconds=proven_s), unit,
        )  # fmt: skip
        sql(database, "UPDATE unit_states SET interval_s = %s WHERE unit_id = %s", interval_s, unit)
    sql(database, "UPDATE units SET life = 'absent', life_until = now() + interval '9 days' WHERE unit_id = 3")
    assert noticed_by_profile(database) == [], "nobody has chosen, so nobody was promised anything"
    sql(
        database,
        "INSERT INTO supervision_profiles (municipality_id, unit_type, name, report_s, spare_s, source, set_by) "
        "VALUES (1, 'social', 'DP3', 180, 90000, 'norm', 'test'), (1, 'personal', 'DP4', 90, 18000, 'norm', 'test'), "
        "(2, 'social', 'ours', 120, 3600, 'contract 12', 'test')",
    )
    assert noticed_by_profile(database) == [
        ("seldom_heard", 2), ("seldom_heard", 5), ("unproven_path", 2), ("unproven_path", 4), ("unproven_path", 5),
    ]  # fmt: skip
    assert (2, "unproven_path", 1) in counts(database)
    # One falls silent, one has a single path, one chooses other times; and a second SIM that was never heard.
    sql(
        database,
        "INSERT INTO unit_supervision (unit_id, municipality_id, state, cause, since) "
        "VALUES (2, 1, 'silent', 'no answer', now())",
    )
    sql(database, "DELETE FROM unit_paths WHERE unit_id IN (1, 4) AND slot = 2")
    sql(database, "UPDATE unit_paths SET first_seen_at = %s WHERE unit_id = 1", AT - timedelta(days=9))
    sql(
        database,
        "INSERT INTO unit_sims (unit_id, slot, municipality_id, iccid) VALUES (1, 2, 1, '894600000000000001')",
    )
    sql(database, "UPDATE supervision_profiles SET report_s = 180, spare_s = NULL WHERE municipality_id = 2")
    assert noticed_by_profile(database) == [("seldom_heard", 2), ("unproven_path", 1)]
    detail = {"profile": "DP3", "within_s": 90_000, "ever": False}
    assert sql(database, "SELECT detail FROM unit_concerns WHERE concern = 'unproven_path'") == [(detail,)]


def noticed_by_profile(database: FreshDatabase) -> list[tuple[Any, ...]]:
    for concern in sorted(store.BY_PROFILE):
        do(database, lambda c, concern=concern: store.look(c, concern, AT))  # type: ignore[misc]
    return concerns(database)


def test_a_closed_network_is_a_visit_until_the_unit_is_on_one_that_stays(database: FreshDatabase) -> None:
    """Nobody active depends on a closed network without a task, and no click makes the task go away for good."""
    town(database)
    seen = AT - timedelta(days=3)
    sql(
        database,
        "INSERT INTO unit_bearers (unit_id, slot, operator, radio, municipality_id, first_seen, last_seen, proven_at) "
        "SELECT unit_id, 1, 24001, CASE WHEN unit_id < 3 THEN 1 ELSE 3 END, municipality_id, %s, %s, %s FROM units",
        seen, seen, seen,
    )  # fmt: skip
    closed = (AT - timedelta(days=1)).date()

    async def close_gsm(connection: Connection) -> None:
        row = Row("telia", "gsm", "SE", closed, "a letter")
        await sunset_store.move_date(connection, row, "console:test", AT)

    async def registry() -> None:
        async with make_pool(database.app_url, "registry", size=1) as pool, pool.connection() as connection:
            await close_gsm(connection)

    asyncio.run(registry())
    answer = asyncio.run(work(database.app_url, {"job": "doomed"}))
    assert answer == {"units": 2, "tasks_opened": 2, "tasks_closed": 0}
    [detail] = sql(database, "SELECT detail FROM unit_concerns WHERE concern = 'doomed' AND unit_id = 1")[0]
    assert detail["cut_off"] and detail["stranded"] and date.fromisoformat(detail["last_day"]) == closed
    do(database, lambda c: store.look(c, "unprotected", AT))
    assert {unit for concern, unit in concerns(database) if concern == "unprotected"} == {1, 2}
    again = asyncio.run(work(database.app_url, {"job": "doomed"}))
    assert again["tasks_opened"] == 0 and sql(database, "SELECT max(reports) FROM technician_tasks") == [(1,)]
    sql(database, "UPDATE technician_tasks SET closed_at = now(), closed_by = 'anna' WHERE unit_id = 1")
    assert asyncio.run(work(database.app_url, {"job": "doomed"}))["tasks_opened"] == 1
    # Unit 1 is proven on LTE; unit 2 is replaced.
    sql(
        database,
        "INSERT INTO unit_bearers (unit_id, slot, operator, radio, municipality_id, first_seen, last_seen, proven_at) "
        "VALUES (1, 1, 24001, 3, 1, now(), now(), now())",
    )
    sql(database, "UPDATE units SET life = 'replaced' WHERE unit_id = 2")
    assert asyncio.run(work(database.app_url, {"job": "doomed"})) == {"units": 0, "tasks_opened": 0, "tasks_closed": 2}
    assert do(database, tasks) == []


def test_batteries_are_sampled_forecast_and_the_low_ones_listed(database: FreshDatabase, tmp_path: Path) -> None:
    town(database)
    sql(
        database,
        "INSERT INTO units (unit_id, municipality_id, unit_type, life, grounds) "
        "VALUES (6, 2, 'personal', 'active', 'i:1')",
    )
    for unit, mv in ((4, 3450), (6, 4100), (1, 3300)):
        sql(
            database,
            "INSERT INTO unit_states AS s (unit_id, municipality_id, seen_at, battery_mv, temperature, signal, "
            "battery, status_at) "
            "SELECT unit_id, municipality_id, now(), %s, 200, -90, 11, now() FROM units WHERE unit_id = %s "
            "ON CONFLICT (unit_id) DO UPDATE SET battery_mv = excluded.battery_mv, temperature = excluded.temperature, "
            "signal = excluded.signal, battery = excluded.battery, status_at = excluded.status_at",
            mv, unit,
        )  # fmt: skip
    assert asyncio.run(work(database.app_url, {"job": "low_battery"})) == {"units": 1}
    assert sql(database, "SELECT unit_id FROM battery_forecasts ORDER BY 1") == [(4,), (6,)], "a hub lives on mains"
    [(unit, detail)] = sql(database, "SELECT unit_id, detail FROM unit_concerns WHERE concern = 'low_battery'")
    assert unit == 4 and detail["least"] <= detail["days"] <= detail["most"] < 9
    made = do(database, lambda c: store.cells(c, AT, municipality=1))
    assert [(cell.unit, cell.percent, cell.care_priority) for cell in made] == [(4, 11, 2)]
    friday = AT + timedelta(days=(4 - AT.weekday()) % 7)
    listed = do(database, lambda c: weekend(c, friday, ZoneInfo("Europe/Stockholm"), stops=1))
    assert [(stop.unit, stop.order, stop.fits) for stop in listed.stops] == [(4, 1, True)]
    assert listed.stops[0].district == "Ettan"
    assert (listed.forecast_units, listed.by_fixed_percent) == (2, 2)
    assert (listed.until.weekday(), listed.until.hour) == (0, 8)
    settings = Settings(data=tmp_path, database_url=database.app_url, owner_url=database.owner_url)
    assert weekend_list(settings, 2, None)["stops"] == [], "the other municipality's battery is full"
