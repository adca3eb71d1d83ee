"""Two centres on a real database: what one does not take goes to the other, is not told twice, and comes back later."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest

from fleet.forwarding.model import Policy
from protocols.centre.sia_dc09.receiver import AlarmReceived, Verdict
from sim.centre import Behaviour
from tests.database import FreshDatabase
from tests.two_centres import forwarding, two_centres

OWED = "SELECT count(*) FROM outbox WHERE delivered_at IS NULL AND withdrawn_at IS NULL"
OF_A = "SELECT h.* FROM centre_health h JOIN centres USING (centre_id) WHERE name = 'A'"
STATE_OF_A = f"SELECT state FROM ({OF_A}) a"


@pytest.mark.parametrize("behaviour", [Behaviour.REFUSE, Behaviour.SILENT, Behaviour.MUTE])
@pytest.mark.parametrize("unit", [1, 21])
def test_what_the_primary_does_not_take_goes_to_the_secondary(
    database: FreshDatabase, tmp_path: Path, behaviour: Behaviour, unit: int
) -> None:
    async def run() -> None:
        async with two_centres(database, tmp_path) as s, forwarding(s):
            await s.a.switch(behaviour)
            reference = await s.press(unit)
            await s.has(s.b, reference)
            await s.until(OWED, 0)
            assert s.rows("SELECT accepted_by, responsible FROM cases") == [("B", "B")]
            assert s.case_log() == ["opened", "moved", "accepted"]
            assert s.value("SELECT count(*) FROM outbox WHERE withdrawn_at IS NOT NULL") == 1, "A is not told as well"

    asyncio.run(run())


@pytest.mark.proof
@pytest.mark.parametrize("behaviour", [Behaviour.REFUSE, Behaviour.SILENT, Behaviour.MUTE])
@pytest.mark.parametrize(("unit", "limit"), [(1, 20), (21, 10)])
def test_the_secondary_has_it_in_time(
    database: FreshDatabase, tmp_path: Path, behaviour: Behaviour, unit: int, limit: int
) -> None:
    async def run() -> None:
        async with two_centres(database, tmp_path, factor=4) as s, forwarding(s):
            await s.a.switch(behaviour)
            pressed = s.clock.now()
            reference = await s.press(unit)
            await s.has(s.b, reference)
            took = s.after(s.clock.now(), pressed)
            print(f"takeover, {behaviour}, limit {limit} s: {took:.1f} s")
            assert took <= limit

    asyncio.run(run())


def test_without_failover_the_secondary_never_hears_of_it(database: FreshDatabase, tmp_path: Path) -> None:
    """Negative control."""

    async def run() -> None:
        async with two_centres(database, tmp_path) as s, forwarding(s, policy=Policy(failover=False)):
            await s.a.switch(Behaviour.REFUSE)
            await s.press(21)
            await s.clock.sleep(60)
            assert s.b.records == []
            assert s.value(OWED) == 1

    asyncio.run(run())


def test_all_that_waits_behind_a_silent_centre_moves_with_the_first_one(
    database: FreshDatabase, tmp_path: Path
) -> None:
    async def run() -> None:
        async with two_centres(database, tmp_path) as s, forwarding(s, workers=2):
            await s.a.switch(Behaviour.SILENT)
            references = await s.presses(range(1, 10))
            await s.has(s.b, *references)
            await s.until(OWED, 0)
            # Whoever comes now goes to B at once: A is in doubt.
            late = await s.press(21)
            await s.has(s.b, late)
            assert s.value("SELECT count(*) FROM outbox WHERE unit_id = 21") == 1
            assert len(s.b.records) == 10

    asyncio.run(run())


def test_a_centre_comes_back_after_ten_good_probes_and_open_cases_stay(database: FreshDatabase, tmp_path: Path) -> None:
    async def run() -> None:
        async with two_centres(database, tmp_path, factor=200) as s, forwarding(s):
            await s.a.switch(Behaviour.REFUSE)
            await s.press(1)
            await s.until(STATE_OF_A, "down")
            await s.until("SELECT accepted_by FROM cases", "B")
            before = s.a.heartbeats
            await s.a.switch(Behaviour.ACK)
            await s.until(STATE_OF_A, "probing")
            during = await s.press(2)
            await s.has(s.b, during)
            await s.until(f"SELECT state IN ('good', 'failing_back') FROM ({STATE_OF_A}) x", True)
            assert s.a.heartbeats - before >= 10
            assert s.a.records == [], "a probe reaches nobody"
            again, fresh = await s.press(1), await s.press(3)
            await s.has(s.b, again)
            await s.has(s.a, fresh)
            assert [record.reference for record in s.a.records] == [fresh]
            await s.until(STATE_OF_A, "good")

    asyncio.run(run())


# Twice as fast as the wall's clock: the 4 s of patience are then 2 real ones, and a busy machine answers within them.
def test_a_doubt_that_is_cleared_costs_one_alarm_and_no_more(database: FreshDatabase, tmp_path: Path) -> None:
    async def run() -> None:
        async with two_centres(database, tmp_path, factor=2) as s, forwarding(s):
            judge = s.a._judge
            s.a._judge = lambda event, now, at: (  # type: ignore[method-assign]
                Verdict.SILENT if isinstance(event, AlarmReceived) else judge(event, now, at)
            )
            moved = await s.press(1)
            await s.has(s.b, moved)
            await s.until(f"SELECT (state, doubts) = ('good', 1) FROM ({OF_A}) x", True)
            s.a._judge = judge  # type: ignore[method-assign]
            fresh = await s.press(2)
            await s.has(s.a, fresh)
            assert [record.reference for record in s.b.records] == [moved]

    asyncio.run(run())


def test_while_neither_answers_both_are_tried_and_the_first_one_gets_it(
    database: FreshDatabase, tmp_path: Path
) -> None:
    async def run() -> None:
        async with two_centres(database, tmp_path) as s, forwarding(s):
            await s.a.switch(Behaviour.REFUSE)
            await s.b.switch(Behaviour.REFUSE)
            first = await s.press(1)
            await s.until("SELECT count(*) FROM outbox WHERE attempts >= 2", 2)
            await s.until("SELECT count(*) FROM centre_health WHERE state = 'down'", 2)
            second = await s.press(2)
            assert s.value("SELECT count(*) FROM outbox WHERE unit_id = 2") == 2
            await s.a.switch(Behaviour.ACK)
            await s.has(s.a, first, second)
            await s.until(OWED, 0)
            assert s.b.records == []

    asyncio.run(run())


def test_an_alarm_that_a_killed_worker_holds_goes_to_the_other_centre(database: FreshDatabase, tmp_path: Path) -> None:
    """Its lease would run out later than a personal alarm may wait."""

    async def run() -> None:
        async with two_centres(database, tmp_path) as s:
            reference = await s.press(21)
            with psycopg.connect(database.owner_url) as connection:
                # As if that worker held on to it for ever, and the lease were longer.
                connection.execute("UPDATE outbox SET claimed_until = %s", [s.clock.now() + timedelta(seconds=7.9)])
            async with forwarding(s, policy=Policy(personal_s=2.0)):
                await s.has(s.b, reference)

    asyncio.run(run())


def test_a_refused_alarm_is_told_to_the_other_centre_and_nobody_is_down(
    database: FreshDatabase, tmp_path: Path
) -> None:
    async def run() -> None:
        async with two_centres(database, tmp_path) as s, forwarding(s):
            await s.a.switch(Behaviour.DUH)
            reference = await s.press(1)
            await s.has(s.b, reference)
            await s.until("SELECT accepted_by FROM cases", "B")
            assert s.value(STATE_OF_A) == "good"

    asyncio.run(run())


def test_many_workers_keep_the_order_of_a_unit(database: FreshDatabase, tmp_path: Path) -> None:
    async def run() -> None:
        async with two_centres(database, tmp_path) as s:
            for _ in range(12):
                await s.presses(range(1, 5))
            async with forwarding(s, workers=4):
                await s.until(OWED, 0)
            for unit in range(1, 5):
                told = [r.reference for r in s.a.alarms if r.reference and r.reference.startswith(f"{unit:08x}")]
                assert told == [f"{unit:08x}-1-{seq}" for seq in range(1, 13)]
            assert len(s.a.records) == 48

    asyncio.run(run())


def test_a_route_of_its_type_and_date_goes_before_the_others(database: FreshDatabase, tmp_path: Path) -> None:
    async def run() -> None:
        async with two_centres(database, tmp_path, factor=8) as s, forwarding(s):
            midnight = s.clock.now() + timedelta(seconds=20)
            await s.routine(
                {
                    "route": [
                        {"municipality": 1, "unit_type": "personal", "rank": 1, "centre": "B", "valid_from": midnight},
                        {"municipality": 1, "unit_type": "personal", "rank": 2, "centre": "A", "valid_from": midnight},
                    ]
                }
            )
            before = await s.press(21)
            await s.has(s.a, before)
            await s.clock.until(midnight)
            social, personal, still = await s.press(1), await s.press(22), await s.press(21)
            await s.has(s.a, social, still)
            await s.has(s.b, personal)
            assert [record.reference for record in s.b.records] == [personal], "an open case stays where it is"

    asyncio.run(run())
