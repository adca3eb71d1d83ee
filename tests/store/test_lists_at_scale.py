"""Lists and searches with a nation's units, by the pages' own SQL: each answer within 100 ms in `make proof`."""

from __future__ import annotations

import asyncio
import statistics
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from fleet.store.pool import Connection, fetch_all, make_pool, tenant_transaction
from fleet.supervision.store import SQL as SUPERVISION
from fleet.web.attention import SQL as FLEET
from fleet.web.incidents import SQL as INCIDENTS
from fleet.web.recipients import SQL as RECIPIENTS
from fleet.web.timeline import SQL as TIMELINE
from fleet.web.units import SQL as UNITS
from tests.database import FreshDatabase

TOWNS = 290
DAY = timedelta(days=1)
MOST_MS = 100.0
FEW, MANY = 2_000, 250_000
_TIMES = 5
_PAGE = 26


def fill(database: FreshDatabase, units: int) -> None:
    """Units over all municipalities, nine of ten heard lately, each with a recipient; a few are absent."""
    with psycopg.connect(database.owner_url, autocommit=True) as connection:
        for statement in (
            "INSERT INTO municipalities (municipality_id, name) "
            f"SELECT n, 'Town ' || n FROM generate_series(1, {TOWNS}) n",
            "INSERT INTO units (unit_id, municipality_id, unit_type, life, life_until, grounds) "
            f"SELECT n, 1 + n % {TOWNS}, 'social', CASE WHEN n % 5000 = 7 THEN 'absent' ELSE 'active' END, "
            "CASE WHEN n % 5000 = 7 THEN now() + interval '9 days' END, 'import:1' "
            f"FROM generate_series(1, {units}) n",
            "INSERT INTO unit_states (unit_id, municipality_id, seen_at, due_at, battery) "
            "SELECT unit_id, municipality_id, now(), now() + CASE WHEN unit_id % 10 = 3 THEN interval '-1 hour' "
            "ELSE interval '5 minutes' END, 90 FROM units",
            "INSERT INTO care_recipients (municipality_id, reference, priority, district, made_at) "
            "SELECT municipality_id, 'K-' || (100000 + unit_id), 3, 'District ' || unit_id % 12, now() FROM units",
            "INSERT INTO unit_recipients (unit_id, recipient_id, municipality_id, unit_type, role, since) "
            "SELECT u.unit_id, r.recipient_id, u.municipality_id, 'social', 'responsible', now() FROM units u "
            "JOIN care_recipients r ON r.reference = 'K-' || (100000 + u.unit_id)",
            # All lose a network, one in thirty is silent, one in a thousand is somebody without protection.
            "INSERT INTO unit_concerns (unit_id, concern, municipality_id, unit_type, rank, since) "
            "SELECT unit_id, concern, municipality_id, unit_type, unit_id % 900, now() FROM units "
            "JOIN (VALUES ('doomed', 1), ('silent', 30), ('unprotected', 1000)) c(concern, one_in) "
            "ON unit_id % one_in = 0",
            "INSERT INTO concern_counts SELECT municipality_id, concern, unit_type, count(*) FROM unit_concerns "
            "GROUP BY 1, 2, 3",
            "INSERT INTO saved_filters (owner, name, concern, municipality, made_at) "
            "SELECT 'person:1', 'F' || n, 'doomed', CASE WHEN n > 1 THEN n END, now() FROM generate_series(1, 30) n",
            # An outage of a tenth of them; an eighth of these has no other path.
            "INSERT INTO incidents (incident_id, kind, scopes, began_at, opened_at, report) "
            "VALUES (1, 'outage', '[]', now() - interval '1 hour', now(), '{}')",
            "INSERT INTO incident_units (incident_id, unit_id, municipality_id, fate, fate_at, since, single, "
            "switch_by, was_down, priority, district, reference) SELECT 1, unit_id, municipality_id, "
            "CASE WHEN unit_id % 80 = 0 THEN 'down' ELSE 'other path' END, now(), now(), true, now(), true, 3, '', '' "
            "FROM units WHERE unit_id % 10 = 0",
            "ANALYZE",
        ):
            connection.execute(statement.encode())


def questions(units: int) -> dict[str, tuple[str, dict[str, Any], tuple[int, ...]]]:
    """What a page asks: statement, parameters, whose municipalities."""
    every, one = tuple(range(1, TOWNS + 1)), (14,)
    base = {"after": 0, "municipality": None, "overdue": False, "life": None, "at": datetime.now(UTC), "most": _PAGE}
    reference = f"K-{100000 + units // 2}"
    concern = {"concern": "doomed", "municipality": None, "unit_type": None, "after_rank": None, "after_unit": None,
               "most": _PAGE}  # fmt: skip
    incident = {"incident_id": None, "at": base["at"], "most": 50}
    persons = {"municipality": None, "after": 0, "most": _PAGE, "low": "", "high": ""}
    return {
        "units, first page, the nation": (UNITS["units"], base, every),
        "units, first page, one municipality": (UNITS["units"], base, one),
        "units, page in the middle": (UNITS["units"], base | {"after": units // 2}, every),
        "units of one municipality, the nation's reader": (UNITS["units"], base | {"municipality": 14}, every),
        "units in a rare state": (UNITS["units"], base | {"life": "absent"}, every),
        "units in a state that none has": (UNITS["units"], base | {"life": "returned"}, every),
        "units overdue": (UNITS["units"], base | {"overdue": True}, every),
        "units overdue, one municipality": (UNITS["units"], base | {"overdue": True}, one),
        "fleet, all counts, the nation": (FLEET["counts"], {"unit_type": None}, every),
        "fleet, all counts, one municipality": (FLEET["counts"], {"unit_type": None}, one),
        "fleet, own filters": (FLEET["filters"], {}, every),
        "fleet, units of a concern": (FLEET["units"], concern, every),
        "fleet, units of a concern, page in the middle": (
            FLEET["units"], concern | {"after_rank": 450.0, "after_unit": units // 2}, every,
        ),
        "fleet, units of a concern, one municipality": (FLEET["units"], concern, one),
        "fleet, units of a concern of a rare type": (FLEET["units"], concern | {"unit_type": "tracker"}, every),
        "incidents, the nation": (INCIDENTS["incidents"], incident, every),
        "incidents, one municipality": (INCIDENTS["incidents"], incident, one),
        "one incident's visits, one municipality": (SUPERVISION["visits"], {"incident_id": 1, "at": base["at"]}, one),
        "one incident, who came back, the nation": (
            INCIDENTS["recovered"], {"incident_id": 1, "most": 200}, every,
        ),
        "one unit's last days": (
            TIMELINE["timeline"],
            {"unit_id": units // 2, "before": base["at"] + DAY, "source": "", "key": "", "since": base["at"] - 7 * DAY,
             "most": 13},
            every,
        ),
        "one unit": (UNITS["unit"], {"unit_id": units // 2}, every),
        "recipients, first page": (RECIPIENTS["recipients"], persons, every),
        "recipients, one municipality": (RECIPIENTS["recipients"], persons, one),
        "recipient by whole reference": (
            RECIPIENTS["recipients_by_reference"], persons | {"low": reference, "high": reference + "\uffff"}, every,
        ),
        "recipients by beginning of a reference": (
            RECIPIENTS["recipients_by_reference"], persons | {"low": "K-1", "high": "K-1\uffff"}, every,
        ),
        "recipients by beginning, one municipality": (
            RECIPIENTS["recipients_by_reference"], persons | {"low": "K-12", "high": "K-12\uffff"}, one,
        ),
    }  # fmt: skip


def ask_all(database: FreshDatabase, units: int) -> dict[str, tuple[float, int]]:
    """Median milliseconds and rows of each question, as the pages' duty under row level security."""

    async def run() -> dict[str, tuple[float, int]]:
        async with make_pool(database.app_url, "web", size=1) as pool:
            found = {}
            for name, (statement, values, towns) in questions(units).items():
                taken = []
                for _ in range(_TIMES):
                    async with tenant_transaction(pool, towns) as connection:
                        await connection.execute("SET LOCAL livlina.actor = 'person:1'")
                        began = time.perf_counter()
                        rows = await fetch_all(connection, statement, values)
                        taken.append((time.perf_counter() - began) * 1000)
                found[name] = (statistics.median(taken), len(rows))
            return found

    return asyncio.run(run())


def plans(database: FreshDatabase, units: int) -> dict[str, str]:
    """How the database goes about each question."""

    async def run() -> dict[str, str]:
        pool = make_pool(database.app_url, "web", size=1)
        await pool.open()

        async def plan(connection: Connection, statement: str, values: dict[str, Any]) -> str:
            rows = await fetch_all(connection, "EXPLAIN (COSTS OFF) " + statement, values)
            return "\n".join(str(next(iter(row.values()))) for row in rows)

        try:
            found = {}
            for name, (statement, values, towns) in questions(units).items():
                async with tenant_transaction(pool, towns) as connection:
                    found[name] = await plan(connection, statement, values)
            return found
        finally:
            await pool.close()

    return asyncio.run(run())


def test_each_question_has_its_answer(database: FreshDatabase) -> None:
    fill(database, FEW)
    answers = {name: rows for name, (_, rows) in ask_all(database, FEW).items()}
    assert answers["one unit"] == answers["recipient by whole reference"] == 1
    assert answers["units in a rare state"] == 1
    assert answers["fleet, all counts, the nation"] >= TOWNS and answers["fleet, units of a concern"] == _PAGE
    assert answers["units in a state that none has"] == 0
    assert all(answers[name] == _PAGE for name in ("units, first page, the nation", "recipients, first page"))
    assert 0 < answers["units overdue, one municipality"] <= 1 + FEW // TOWNS


@pytest.mark.proof
@pytest.mark.timeout(600)
def test_a_nation_is_answered_within_100_ms(database: FreshDatabase) -> None:
    fill(database, MANY)
    answers = ask_all(database, MANY)
    for name, plan in plans(database, MANY).items():
        print(f"-- {name}: {answers[name][0]:.1f} ms, {answers[name][1]} rows\n{plan}\n")
    slow = {name: round(ms, 1) for name, (ms, _) in answers.items() if ms > MOST_MS}
    assert slow == {}
