"""Troubles with a centre: one unit that it does not know, unit after unit, a password, a certificate."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from fleet.forwarding.model import Centre, Outcome, Owed, Policy
from fleet.forwarding.run import Forwarding
from tests.database import FreshDatabase
from tests.two_centres import Stage, two_centres

STATE_OF_A = "SELECT state FROM centre_health h JOIN centres USING (centre_id) WHERE name = 'A'"
OPEN = "SELECT kind, unit_id, times > 0 FROM centre_troubles WHERE ended_at IS NULL ORDER BY kind, unit_id"
TASKS = "SELECT unit_id, detail->>'centre', detail->>'said', closed_by FROM technician_tasks ORDER BY unit_id"


class Door:
    """A way to A or B whose outcome is told to it: what stands behind a real link is the peers' tests' business."""

    def __init__(self, centre: Centre, here: Doors) -> None:
        self._centre, self._here = centre, here
        self.said = ""

    async def deliver(self, owed: Owed) -> Outcome:
        outcome = self._here.judge(self._centre.name, owed.key.unit)
        self.said = "" if outcome is Outcome.DELIVERED else "5 not treated"
        self._here.told.append((self._centre.name, owed.key.unit, outcome))
        return outcome

    async def probe(self) -> Outcome:
        self.said = "sip 403"
        return self._here.probe

    async def close(self) -> None:
        """There is nothing to close."""


class Doors:
    def __init__(self, judge: Callable[[str, int], Outcome], probe: Outcome = Outcome.DELIVERED) -> None:
        self.judge, self.probe = judge, probe
        self.told: list[tuple[str, int, Outcome]] = []

    def forwarding(self, s: Stage, policy: Policy | None = None) -> Forwarding:
        return Forwarding(s.database.app_url, lambda centre: Door(centre, self), clock=s.clock, policy=policy)


def refusing(units: Collection[int], outcome: Outcome = Outcome.UNIT_REFUSED) -> Callable[[str, int], Outcome]:
    return lambda centre, unit: outcome if centre == "A" and unit in units else Outcome.DELIVERED


def at_b(s: Stage, unit: int) -> str:
    return (
        "SELECT count(*) FROM outbox JOIN centres USING (centre_id) "
        f"WHERE name = 'B' AND unit_id = {unit} AND delivered_at IS NOT NULL"
    )


def test_a_unit_that_a_centre_does_not_know_goes_to_the_other_one_and_the_centre_stays_up(
    database: FreshDatabase, tmp_path: Path
) -> None:
    async def run() -> None:
        async with two_centres(database, tmp_path) as s:
            doors = Doors(refusing({21}))
            forwarding = doors.forwarding(s)
            await forwarding.start()
            try:
                for seq in range(1, 4):
                    await s.press(21)
                    await s.until(at_b(s, 21), seq)
                await s.press(22)
                await s.until("SELECT accepted_by FROM cases WHERE unit_id = 22", "A")
                assert s.value(STATE_OF_A) == "good"
                assert s.rows(OPEN) == [("unit", 21, True)]
                assert s.rows(TASKS) == [(21, "A", "5 not treated", None)]
                moved = s.rows("SELECT detail FROM case_log WHERE change = 'moved' LIMIT 1")[0][0]
                assert moved == {"from": "A", "to": "B", "why": "unit refused"}
                assert s.rows(
                    "SELECT DISTINCT reason FROM outbox JOIN centres USING (centre_id) WHERE name = 'B' AND seq = 1"
                ) == [("failover",)]
                # The centre learns the unit: the task closes itself with the next press that is taken.
                doors.judge = refusing(())
                s.rows(
                    "UPDATE cases SET state = 'closed', taken_at = now(), taken_by = 'anna', closed_at = now(), "
                    "closed_by = 'anna', outcome = 'helped' WHERE unit_id = 21 RETURNING 1"
                )
                await s.press(21)
                await s.until(OPEN + " LIMIT 1", None)
                assert s.rows(TASKS)[0][3] == "centre A"
            finally:
                await forwarding.stop()

    asyncio.run(run())


@pytest.mark.parametrize("outcome", [Outcome.UNIT_REFUSED, Outcome.NOT_AUTHORIZED])
def test_a_centre_that_refuses_unit_after_unit_counts_as_down(
    database: FreshDatabase, tmp_path: Path, outcome: Outcome
) -> None:
    async def run() -> None:
        async with two_centres(database, tmp_path) as s:
            doors = Doors(refusing(range(100), outcome))
            forwarding = doors.forwarding(s)
            await forwarding.start()
            try:
                for unit in (1, 2, 3):
                    await s.press(unit)
                    await s.until(at_b(s, unit), 1)
                await s.until(STATE_OF_A, "down")
                assert ("refusing", None, True) in s.rows(OPEN)
                asked = [told for told in doors.told if told[0] == "A" and told[1] == 4]
                await s.press(4)
                await s.until(at_b(s, 4), 1)
                assert asked == [told for told in doors.told if told[0] == "A" and told[1] == 4], (
                    "A is not asked any more"
                )
            finally:
                await forwarding.stop()

    asyncio.run(run())


def test_refusals_between_which_others_are_taken_are_about_the_units(database: FreshDatabase, tmp_path: Path) -> None:
    """Negative control of the test above: as many units refused, and the centre takes the others."""

    async def run() -> None:
        async with two_centres(database, tmp_path) as s:
            doors = Doors(refusing({1, 2, 3, 4, 5}))
            forwarding = doors.forwarding(s)
            await forwarding.start()
            try:
                for refused, taken in ((1, 21), (2, 22), (3, 23), (4, 24), (5, 25)):
                    await s.press(refused)
                    await s.until(at_b(s, refused), 1)
                    await s.press(taken)
                    await s.until(f"SELECT accepted_by FROM cases WHERE unit_id = {taken}", "A")
                assert s.value(STATE_OF_A) == "good"
                assert [row[:2] for row in s.rows(OPEN)] == [("unit", unit) for unit in (1, 2, 3, 4, 5)]
            finally:
                await forwarding.stop()

    asyncio.run(run())


@pytest.mark.parametrize(
    ("outcome", "kind"),
    [
        (Outcome.NOT_AUTHORIZED, "authentication"),
        (Outcome.WRONG_CERTIFICATE, "certificate"),
        (Outcome.UNUSABLE, "configuration"),
    ],
)
def test_what_is_wrong_with_our_way_in_is_counted_and_ends_by_itself(
    database: FreshDatabase, tmp_path: Path, outcome: Outcome, kind: str
) -> None:
    async def run() -> None:
        async with two_centres(database, tmp_path) as s:
            doors = Doors(refusing(()), probe=outcome)
            forwarding = doors.forwarding(s)
            times = (
                f"SELECT coalesce(max(times), 0) >= 2 FROM centre_troubles WHERE kind = '{kind}' AND unit_id IS NULL"
            )
            await forwarding.start()
            try:
                await s.until(times, True)
                assert s.value(f"SELECT code FROM centre_troubles WHERE kind = '{kind}' LIMIT 1") == "sip 403"
                doors.probe = Outcome.DELIVERED
                await s.until("SELECT count(*) FROM centre_troubles WHERE ended_at IS NULL", 0)
            finally:
                await forwarding.stop()

    asyncio.run(run())


def test_the_window_of_refusals_ends(database: FreshDatabase, tmp_path: Path) -> None:
    async def run() -> None:
        async with two_centres(database, tmp_path) as s:
            doors = Doors(refusing(range(100)))
            forwarding = doors.forwarding(s, Policy(refused_window_s=60.0))
            await forwarding.start()
            try:
                for unit in (1, 2, 3):
                    await s.press(unit)
                    await s.until(at_b(s, unit), 1)
                    past: datetime = s.clock.now() - timedelta(seconds=120)
                    s.rows("UPDATE centre_troubles SET last_at = %s RETURNING 1", past)
                assert s.value(STATE_OF_A) == "good"
            finally:
                await forwarding.stop()

    asyncio.run(run())
