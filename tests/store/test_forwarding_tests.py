"""Tests and drills: the whole way, answered by machine, never an operator's second, never in an alarm's way."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from fleet.alarms import store as alarms
from fleet.alarms.model import PressKey
from fleet.forwarding import store as outbox
from fleet.forwarding.model import Policy
from fleet.store.pool import make_pool, tenant_transaction
from sim.centre import Centre
from tests.database import FreshDatabase
from tests.two_centres import Stage, escalation, forwarding, two_centres


async def shown(s: Stage) -> list[str]:
    """What an operator has before him, and what his page's stream has told him, as units."""
    async with make_pool(s.database.app_url, "web", size=1) as pool, tenant_transaction(pool, [1]) as connection:
        queue = await alarms.cases_not_closed(connection)
        stream = await alarms.changes_after(connection, 0)
        closed = await alarms.closed_cases(connection)
    return [case["unit"] for case in [*queue, *(change["case"] for change in stream), *closed]]


@pytest.mark.parametrize("test", [{"kind": 9}, {"kind": 1, "flags": 2}, {"kind": 3, "flags": 2}])
def test_a_test_goes_the_whole_way_without_a_person(
    database: FreshDatabase, tmp_path: Path, test: dict[str, int]
) -> None:
    async def run() -> None:
        async with two_centres(database, tmp_path) as s, forwarding(s), escalation(s):
            await s.press(1, input=2, bearer=4, **test)
            await s.until("SELECT state FROM cases", "closed")
            assert s.rows("SELECT closed_by, outcome, taken_by FROM cases") == [("machine", "test", "machine")]
            assert [record.category for record in s.a.records] == ["TEST_MANUAL"]
            async with s.ingest.connection() as connection:
                (told,) = await alarms.stages(connection, [PressKey(1, 1, 1)])
            assert told.stage == 3, "the unit's lamp shows the whole way"
            proofs = s.rows(
                "SELECT unit_id, input, bearer, at >= %s FROM button_proofs", s.clock.now().replace(year=2000)
            )
            assert proofs == [(1, 2, 4, True)]
            assert s.value("SELECT count(*) FROM case_timers") == 0
            assert await shown(s) == []

    asyncio.run(run())


def test_a_drill_that_nobody_pressed_proves_no_button_and_is_closed_all_the_same(
    database: FreshDatabase, tmp_path: Path
) -> None:
    async def run() -> None:
        async with two_centres(database, tmp_path) as s, forwarding(s), escalation(s):
            await s.press(1, bearer=4, kind=9, flags=2, input=None)
            await s.until("SELECT state FROM cases", "closed")
            assert s.rows("SELECT closed_by, outcome, taken_by FROM cases") == [("machine", "test", "machine")]
            assert [record.category for record in s.a.records] == ["TEST_MANUAL"]
            assert s.rows("SELECT input, bearer FROM presses") == [(None, 4)]
            assert s.value("SELECT count(*) FROM button_proofs") == 0
            # The same unit's button, pressed by a finger, is proven.
            await s.press(1, input=0, bearer=4, kind=9, flags=2)
            await s.until("SELECT count(*) FROM button_proofs", 1)

    asyncio.run(run())


def test_a_duress_is_never_a_test(database: FreshDatabase, tmp_path: Path) -> None:
    async def run() -> None:
        async with two_centres(database, tmp_path) as s, forwarding(s):
            await s.press(21, kind=2, flags=2)
            await s.until("SELECT accepted_by FROM cases", "A")
            assert s.rows("SELECT state, test, priority FROM cases") == [("open", False, 1)]
            assert [record.category for record in s.a.records] == ["DURESS"]

    asyncio.run(run())


def test_a_test_beside_a_live_case_changes_nothing_about_it(database: FreshDatabase, tmp_path: Path) -> None:
    async def run() -> None:
        async with two_centres(database, tmp_path) as s, forwarding(s):
            await s.press(1)
            await s.until("SELECT accepted_by FROM cases", "A")
            await s.take(1)
            kept = "SELECT state, priority, kind, presses, marks, accepted_by, taken_by, last_press_at FROM cases"
            before = s.rows(kept)
            await s.press(1, kind=9)
            await s.until("SELECT count(*) FROM button_proofs", 1)
            assert s.rows(kept) == before
            assert s.case_log() == ["opened", "accepted", "taken", "tested"]
            assert [record.category for record in s.a.records] == ["PERSONAL_HELP", "TEST_MANUAL"]

    asyncio.run(run())


def test_a_live_press_makes_an_unanswered_test_a_case_of_its_own_right(database: FreshDatabase, tmp_path: Path) -> None:
    async def run() -> None:
        async with two_centres(database, tmp_path) as s:
            await s.press(1, kind=9)
            await s.clock.sleep(5)
            pressed = s.clock.now()
            await s.press(1, input=3, received_at=pressed)
            assert s.rows("SELECT test, priority, kind, input, presses, opened_at = %s FROM cases", pressed) == [
                (False, 2, 1, 3, 1, True)
            ]
            assert s.value("SELECT count(*) FROM case_timers") == 1
            assert set(await shown(s)) == {"00000001"}
            async with forwarding(s):
                await s.until("SELECT count(*) FROM button_proofs", 1)
                await s.until("SELECT accepted_by FROM cases", "A")
            assert s.value("SELECT state FROM cases") == "open", "a machine takes no live alarm"
            assert [record.category for record in s.a.records] == ["PERSONAL_HELP", "TEST_MANUAL"]

    asyncio.run(run())


async def _flood(s: Stage, monkeypatch: pytest.MonkeyPatch) -> int:
    """120 tests wait at a centre; a live alarm comes when it has had a few. How many had it before the live one?"""
    judge = Centre._judge
    enough = asyncio.Event()

    def counting(self: Centre, *arguments: object) -> object:
        if len(self.records) == 10:
            enough.set()
        return judge(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(Centre, "_judge", counting)
    for _ in range(20):
        await s.presses(range(1, 7), kind=9)
    async with forwarding(s, policy=Policy(failover=False)):
        await enough.wait()
        live = await s.press(21)
        await s.has(s.a, live)
        await s.until("SELECT count(*) FROM button_proofs", 120)
    return [record.reference for record in s.a.records].index(live)


def test_a_flood_of_tests_delays_no_live_alarm(
    database: FreshDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run() -> None:
        async with two_centres(database, tmp_path) as s:
            assert await _flood(s, monkeypatch) < 60

    asyncio.run(run())


def test_first_come_first_served_would_delay_it(
    database: FreshDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Negative control."""
    fifo = outbox.SQL["claim"].replace("ORDER BY o.test, o.outbox_id", "ORDER BY o.outbox_id")
    fifo = fifo.replace("FROM first WHERE NOT test\n", "FROM first\n")
    fifo = fifo.replace("WHERE test AND NOT EXISTS", "WHERE false AND NOT EXISTS")
    fifo = fifo.replace("ORDER BY k.test, k.outbox_id", "ORDER BY k.outbox_id")
    assert fifo != outbox.SQL["claim"]
    monkeypatch.setitem(outbox.SQL, "claim", fifo)

    async def run() -> None:
        async with two_centres(database, tmp_path) as s:
            assert await _flood(s, monkeypatch) == 120

    asyncio.run(run())
