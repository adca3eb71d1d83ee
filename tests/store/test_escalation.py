"""Cases that nobody takes: steps by rows that outlive processes, each taken once, and nothing muted."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from fleet.alarms import store as alarms
from fleet.alarms.model import TakeRefused
from fleet.forwarding import taken
from fleet.store.pool import make_pool
from sim.centre import Behaviour
from tests.database import FreshDatabase
from tests.two_centres import MONDAY, Stage, escalation, forwarding, notices, two_centres

SINCE = (MONDAY - timedelta(days=30)).isoformat()
LEAD = {
    "recipient": [{"name": "Lead", "channel": "sms", "address": "+46700000001"}],
    "role": [{"name": "shift_lead"}],
    "holder": [{"role": "shift_lead", "recipient": "Lead", "valid_from": SINCE}],
}
SECONDS = (
    "SELECT detail ->> 'place', extract(epoch FROM l.at - c.opened_at)::int "
    "FROM case_log l JOIN cases c USING (case_id) WHERE change = 'escalated' ORDER BY position"
)


class Telephone:
    """A gateway that takes every message and remembers it."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, str]] = []

    async def send(self, address: str, text: str) -> str:
        self.messages.append((address, text))
        return "delivered"


def test_without_a_person_the_second_centre_and_then_the_shift_lead_are_told(
    database: FreshDatabase, tmp_path: Path
) -> None:
    telephone = Telephone()

    async def run() -> None:
        async with (
            two_centres(database, tmp_path) as s, forwarding(s), escalation(s), notices(s, {"sms": telephone}),
        ):  # fmt: skip
            await s.routine(LEAD)
            reference = await s.press(1)
            await s.has(s.a, reference)
            await s.has(s.b, reference)
            assert s.value("SELECT escalated_place FROM cases") == 2
            await s.until("SELECT responsible FROM cases", "B")
            await s.until("SELECT count(*) FROM notices WHERE delivered_at IS NOT NULL", 1)
            assert s.value("SELECT responsible FROM cases") == "Lead"
            assert [address for address, _ in telephone.messages] == ["+46700000001"]
            assert telephone.messages[0][1] == ("Ingen har tagit larmet: enhet 00000001, tryckt 1 mars kl. 10.00.")
            places = s.rows(SECONDS)
            assert [place for place, _ in places] == ["2", "3"]
            assert places[0][1] >= 60
            assert places[1][1] >= 180

    asyncio.run(run())


def test_a_person_who_takes_it_ends_the_chain_and_a_further_press_begins_it_anew(
    database: FreshDatabase, tmp_path: Path
) -> None:
    async def run() -> None:
        async with two_centres(database, tmp_path) as s, forwarding(s), escalation(s):
            first = await s.press(1)
            await s.has(s.a, first)
            await s.take(1)
            await s.clock.sleep(200)
            assert s.b.records == []
            assert s.value("SELECT ended_at IS NOT NULL FROM case_timers") is True
            again = await s.press(1)
            await s.has(s.b, first, again)
            assert s.rows("SELECT state, priority, taken_before_by FROM cases") == [("open", 1, "anna")]

    asyncio.run(run())


def test_a_centre_that_was_away_is_not_told_of_a_case_that_somebody_has_taken(
    database: FreshDatabase, tmp_path: Path
) -> None:
    """B is away when nobody takes the case in time; then A's people do. Nobody may be sent to it hours later."""
    waits = "SELECT count(*) FROM outbox o JOIN centres USING (centre_id) WHERE name = 'B' AND attempts > 0"
    withdrawn = "SELECT count(*) FROM outbox WHERE reason = 'escalation' AND withdrawn_at IS NOT NULL"

    async def run() -> None:
        async with two_centres(database, tmp_path) as s, forwarding(s), escalation(s):
            await s.b.switch(Behaviour.REFUSE)
            first = await s.press(1)
            await s.has(s.a, first)
            await s.until(waits, 1)
            await s.take(1)
            await s.until(withdrawn, 1)
            await s.b.switch(Behaviour.ACK)
            await s.clock.sleep(60)
            assert s.b.records == []
            # Pressed again, and again nobody comes: now B is told of all that there is.
            second = await s.press(1)
            await s.has(s.b, first, second)

    asyncio.run(run())


def test_who_keeps_pressing_has_one_case_that_only_rises(database: FreshDatabase, tmp_path: Path) -> None:
    """Eight presses in 29 minutes, and nobody answers."""
    telephone = Telephone()

    async def run() -> None:
        async with (
            two_centres(database, tmp_path, factor=300) as s, forwarding(s), escalation(s),
            notices(s, {"sms": telephone}),
        ):  # fmt: skip
            await s.routine(LEAD)
            references = []
            for number in range(8):
                references.append(await s.press(1))
                assert s.value("SELECT priority FROM cases") == (2 if number == 0 else 1)
                await s.clock.sleep(29 * 60 / 7)
            await s.until("SELECT count(*) FROM presses WHERE accepted_at IS NULL", 0)
            assert s.value("SELECT count(*) FROM cases") == 1
            assert {r.reference for r in [*s.a.records, *s.b.records]} == set(references)
            assert references[0] in {r.reference for r in s.b.records}
            assert s.case_log().count("repeated") == 7
            assert len(telephone.messages) >= 5, "the shift lead hears of it again and again"
            assert s.case_log().count("escalated") >= 6

    asyncio.run(run())


def test_timers_outlive_their_process(database: FreshDatabase, tmp_path: Path) -> None:
    async def run() -> None:
        async with two_centres(database, tmp_path) as s, forwarding(s):
            async with escalation(s):
                reference = await s.press(1)
                await s.until("SELECT place FROM case_timers", 2)
            await s.clock.sleep(120)
            assert s.b.records == [], "nobody was there to look"
            async with escalation(s):
                await s.has(s.b, reference)

    asyncio.run(run())


def test_a_timer_that_a_clock_ahead_has_set_is_due(database: FreshDatabase, tmp_path: Path) -> None:
    async def run() -> None:
        async with two_centres(database, tmp_path) as s, forwarding(s):
            await s.press(1, received_at=s.clock.now() + timedelta(hours=1))
            async with escalation(s):
                await s.until("SELECT place FROM case_timers", 2)

    asyncio.run(run())


def test_each_step_is_taken_by_one_of_many_processes(database: FreshDatabase, tmp_path: Path) -> None:
    telephone = Telephone()

    async def run() -> None:
        async with (
            two_centres(database, tmp_path) as s, forwarding(s), escalation(s, workers=4),
            notices(s, {"sms": telephone}), notices(s, {"sms": telephone}),
        ):  # fmt: skip
            await s.routine(LEAD)
            await s.presses(range(1, 10))
            await s.until("SELECT count(*) FROM notices WHERE delivered_at IS NOT NULL AND place = 3", 9)
            assert s.rows(
                "SELECT change, count(*) FROM case_log WHERE detail ->> 'place' IN ('2', '3') "
                "AND at < (SELECT max(opened_at) FROM cases) + interval '300 seconds' GROUP BY change"
            ) == [("escalated", 18)]
            assert len(telephone.messages) == s.value("SELECT count(*) FROM notices WHERE delivered_at IS NOT NULL")

    asyncio.run(run())


def test_where_a_centre_never_reports_a_person_silence_means_nothing(database: FreshDatabase, tmp_path: Path) -> None:
    async def run() -> None:
        async with two_centres(database, tmp_path) as s, forwarding(s), escalation(s):
            await s.routine({"centre": [{"name": "A", "reports_taken": "none"}]})
            reference = await s.press(1)
            await s.has(s.a, reference)
            await s.until("SELECT reports_taken FROM cases", "none")
            await s.until("SELECT ended_at IS NOT NULL FROM case_timers", True)
            assert s.b.records == []
            async with make_pool(database.app_url, "forward", size=1) as pool, pool.connection() as connection:
                assert (await alarms.case_by_id(connection, 1))["reports_taken"] == "none"

    asyncio.run(run())


def test_a_step_that_finds_nobody_gives_way_at_once(database: FreshDatabase, tmp_path: Path) -> None:
    async def run() -> None:
        async with two_centres(database, tmp_path) as s, forwarding(s), escalation(s):
            await s.routine(
                {
                    "role": [{"name": "on_call"}],
                    "routine": [
                        {
                            "municipality": 1, "name": "ours", "valid_from": SINCE,
                            "step": [
                                {"tell": ["primary_centre"], "limit_s": 30, "next": 2},
                                {"tell": ["on_call"], "limit_s": 3600, "next": 3},
                                {"tell": ["secondary_centre"], "limit_s": 600, "next": None},
                            ],
                        }
                    ],
                }
            )  # fmt: skip
            reference = await s.press(1)
            await s.has(s.b, reference)
            found = s.rows("SELECT detail FROM case_log WHERE change = 'escalated' ORDER BY position")
            assert found[0][0] == {"place": 2, "to": [], "nobody": ["on_call"]}

    asyncio.run(run())


async def _both_take(s: Stage) -> list[str | None]:
    """Centres A and B say at once that their operators have it; who was first?"""
    pool = make_pool(s.database.app_url, "forward", size=2)
    await pool.open()
    ready = asyncio.Barrier(2)

    async def take(centre: str) -> str | None:
        async with pool.connection() as connection, connection.transaction():
            await connection.execute("SELECT 1")
            await ready.wait()
            try:
                case = await taken.take_for_centre(connection, centre, "00000001-1-1", "webhook", s.clock.now())
            except TakeRefused as refused:
                assert refused.case["state"] == "taken"
                return None
            return str(case["taken_by"])

    try:
        return [name for name in await asyncio.gather(take("A"), take("B")) if name]
    finally:
        await pool.close()


async def _reported(s: Stage) -> None:
    await s.routine({"centre": [{"name": name, "reports_taken": "webhook"} for name in "AB"]})
    await s.press(1)
    await s.until("SELECT accepted_by FROM cases", "A")


def test_of_two_centres_one_takes(database: FreshDatabase, tmp_path: Path) -> None:
    async def run() -> None:
        async with two_centres(database, tmp_path) as s, forwarding(s):
            await _reported(s)
            winners = await _both_take(s)
            assert len(winners) == 1
            assert s.value("SELECT taken_by FROM cases") == winners[0]
            assert s.case_log().count("taken") == 1

    asyncio.run(run())


def test_without_compare_and_set_both_would_send_somebody(
    database: FreshDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Negative control."""
    naive = alarms.SQL["take_case"].replace("AND state = 'open'", "")
    monkeypatch.setitem(alarms.SQL, "take_case", naive)

    async def run() -> None:
        async with two_centres(database, tmp_path) as s, forwarding(s):
            await _reported(s)
            assert len(await _both_take(s)) == 2

    asyncio.run(run())


@pytest.mark.parametrize(
    ("centre", "reference", "way", "error"),
    [
        ("A", "00000001-1-1", "webhook", taken.NotReported),
        ("Z", "00000001-1-1", "webhook", LookupError),
        ("B", "00000001-1-2", "webhook", LookupError),
        ("B", "1-1-1", "webhook", ValueError),
        ("B", "0000000000000001-1-1", "webhook", ValueError),
    ],
)
def test_what_is_no_word_of_a_person_takes_nothing(
    database: FreshDatabase, tmp_path: Path, centre: str, reference: str, way: str, error: type[Exception]
) -> None:
    async def run() -> None:
        async with two_centres(database, tmp_path) as s:
            await s.routine({"centre": [{"name": "B", "reports_taken": "webhook"}]})
            await s.press(1)
            async with make_pool(database.app_url, "forward", size=1) as pool, pool.connection() as connection:
                with pytest.raises(error):
                    await taken.take_for_centre(connection, centre, reference, way, s.clock.now())
            assert s.value("SELECT state FROM cases") == "open"

    asyncio.run(run())


def test_both_centres_logs_are_held_against_our_rows(database: FreshDatabase, tmp_path: Path) -> None:
    async def run() -> None:
        async with two_centres(database, tmp_path) as s, forwarding(s):
            await s.presses([1, 2])
            await s.until("SELECT count(*) FROM outbox WHERE delivered_at IS NOT NULL", 2)
            await s.a.switch(Behaviour.MUTE)
            moved = await s.press(21)
            await s.has(s.b, moved)
            await s.until("SELECT count(*) FROM outbox WHERE delivered_at IS NOT NULL", 3)
            async with make_pool(database.app_url, "forward", size=1) as pool:

                async def reconcile(**reports: list[Any]) -> Any:
                    async with pool.connection() as connection:
                        return await taken.reconcile(connection, reports, MONDAY, s.clock.now() + timedelta(minutes=1))

                logs = {"A": [r.reference for r in s.a.alarms], "B": [r.reference for r in s.b.alarms]}
                found = await reconcile(**logs)
                assert found.agrees
                assert (found.presses, found.both, found.unnoticed) == (3, (moved,), (moved,))
                found = await reconcile(A=logs["A"][1:], B=[*logs["B"], "0000ffff-1-1"])
                assert (found.lost, found.unknown, found.unproven) == (
                    ("00000001-1-1",), ("0000ffff-1-1",), ("00000001-1-1",),
                )  # fmt: skip
                assert not found.agrees

    asyncio.run(run())
