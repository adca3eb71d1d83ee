"""Forwarding against a real database and a centre that refuses, stays silent, dies and comes back."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from fleet.alarms import store as alarms
from fleet.alarms.model import Press
from fleet.forwarding.decide import back_off, category_of, fate_of, sequence_of
from fleet.forwarding.link_dc09 import Dc09Link
from fleet.forwarding.model import Outcome
from fleet.forwarding.run import Forwarding
from fleet.registry import store as registry
from fleet.registry.secret_box import SecretBox
from fleet.store.pool import Pool, make_pool
from sim.centre import Behaviour, Centre
from tests.database import FreshDatabase
from tests.presses import press
from tests.questions import ask

UNITS = 3


@dataclass
class Scene:
    """One database, one centre, any number of forwarders."""

    database: FreshDatabase
    ingest: Pool
    centre: Centre
    log: Path
    port: int

    async def press(self, *presses: Press) -> None:
        async with self.ingest.connection() as connection:
            await alarms.store_presses(connection, presses)

    def value(self, query: str) -> object:
        return ask(self.database.owner_url, query)[0][0]

    async def until(self, query: str, expected: object, seconds: float = 60) -> None:
        ends = time.monotonic() + seconds
        while (found := await asyncio.to_thread(self.value, query)) != expected:
            assert time.monotonic() < ends, f"{query}: {found!r}, not {expected!r}, after {seconds} s"
            await asyncio.sleep(0.05)

    async def told_at_once(self, query: str, expected: object) -> None:
        """The same, while nothing has to wait for its next try: not even what is refused in this very moment."""
        again = "UPDATE outbox SET next_try_at = now() WHERE next_try_at > now()"
        async with asyncio.timeout(60):
            while await asyncio.to_thread(self.value, query) != expected:
                await asyncio.to_thread(ask, self.database.owner_url, again)
                await asyncio.sleep(0.05)


@asynccontextmanager
async def scene(database: FreshDatabase, folder: Path) -> AsyncIterator[Scene]:
    log = folder / "centre.jsonl"
    centre = Centre()
    port = await centre.start("127.0.0.1", 0, log)
    pool = make_pool(database.app_url, "registry", size=1)
    ingest = make_pool(database.app_url, "ingest", size=1)
    await pool.open()
    await ingest.open()
    async with pool.connection() as connection:
        await registry.add_municipality(connection, 1, "One")
        number = await registry.add_centre(connection, name="A", protocol="dc09", host="127.0.0.1", port=port)
        await registry.route_to(connection, 1, number)
        for unit in range(1, UNITS + 1):
            await registry.add_unit(
                connection, SecretBox(secrets.token_bytes(32)), unit=unit, municipality=1, unit_type="social",
                generation=1, secret=bytes(16), fingerprint=secrets.token_bytes(32), serial="1",
            )  # fmt: skip
    await pool.close()
    try:
        yield Scene(database, ingest, centre, log, port)
    finally:
        await ingest.close()
        await centre.stop()


@asynccontextmanager
async def forwarding(scene: Scene, workers: int = 1) -> AsyncIterator[list[Forwarding]]:
    running = [
        Forwarding(scene.database.app_url, lambda centre: Dc09Link(centre.host, centre.port)) for _ in range(workers)
    ]
    for one in running:
        await one.start()
    try:
        yield running
    finally:
        for one in running:
            await one.stop()


OWED = "SELECT count(*) FROM outbox WHERE delivered_at IS NULL"


def test_an_alarm_is_accepted_once_the_centre_has_it(database: FreshDatabase, tmp_path: Path) -> None:
    async def run() -> None:
        async with scene(database, tmp_path) as s, forwarding(s):
            await s.press(press(1, 1), press(2, 1))
            await s.until(OWED, 0)
            assert s.value("SELECT count(*) FROM presses WHERE accepted_at IS NOT NULL") == 2
            assert s.value("SELECT count(*) FROM cases WHERE accepted_by = 'A'") == 2
            assert s.value("SELECT count(*) FROM case_log WHERE change = 'accepted'") == 2
            assert sorted(record.reference for record in s.centre.alarms) == ["00000001-1-1", "00000002-1-1"]

    asyncio.run(run())


def test_a_repeated_press_is_told_too(database: FreshDatabase, tmp_path: Path) -> None:
    async def run() -> None:
        async with scene(database, tmp_path) as s, forwarding(s):
            await s.press(press(1, 1))
            await s.until(OWED, 0)
            await s.press(press(1, 2))
            await s.until(OWED, 0)
            assert [record.reference for record in s.centre.alarms] == ["00000001-1-1", "00000001-1-2"]
            assert s.value("SELECT count(*) FROM cases") == 1
            assert s.value("SELECT priority FROM cases") == 1

    asyncio.run(run())


@pytest.mark.parametrize("behaviour", [Behaviour.SILENT, Behaviour.REFUSE, Behaviour.MUTE])
def test_a_centre_that_fails_is_tried_until_it_answers(
    database: FreshDatabase, tmp_path: Path, behaviour: Behaviour
) -> None:
    """The case is in the queue all the same, nothing counts as accepted, and nothing is told twice in the end."""

    async def run() -> None:
        async with scene(database, tmp_path) as s:
            await s.centre.switch(behaviour)
            async with forwarding(s):
                await s.press(press(1, 1), press(2, 1))
                await s.until(
                    "SELECT coalesce(max(attempts), 0) >= 1 AND max(last_outcome) = 'no answer' FROM outbox", True
                )
                assert s.value("SELECT count(*) FROM cases WHERE state = 'open' AND accepted_at IS NULL") == 2
                await s.centre.switch(Behaviour.ACK)
                await s.until(OWED, 0)
            new = [record.reference for record in s.centre.alarms if not record.duplicate]
            assert sorted(new) == ["00000001-1-1", "00000002-1-1"]

    asyncio.run(run())


def test_a_refusal_shows_on_the_case_and_the_minimal_form_follows(database: FreshDatabase, tmp_path: Path) -> None:
    async def run() -> None:
        async with scene(database, tmp_path) as s:
            await s.centre.switch(Behaviour.DUH)
            async with forwarding(s):
                await s.press(press(1, 1))
                await s.until("SELECT refused_by FROM cases", "A")
                await s.until("SELECT attempts >= 2 FROM outbox", True)
                assert s.value("SELECT count(*) FROM case_log WHERE change = 'refused'") == 1
                await s.centre.switch(Behaviour.ACK)
                await s.told_at_once(OWED, 0)
                assert s.value("SELECT refused_by FROM cases") is None
            assert [record.reference for record in s.centre.alarms] == ["00000001-1-1"]

    asyncio.run(run())


def test_a_case_is_not_accepted_while_the_centre_lacks_its_newest_press(
    database: FreshDatabase, tmp_path: Path
) -> None:
    async def run() -> None:
        async with scene(database, tmp_path) as s, forwarding(s):
            await s.press(press(1, 1))
            await s.until("SELECT accepted_by FROM cases", "A")
            await s.centre.switch(Behaviour.DUH)
            await s.press(press(1, 2))
            await s.until("SELECT refused_by FROM cases", "A")
            assert s.value("SELECT accepted_by FROM cases") is None
            await s.centre.switch(Behaviour.ACK)
            await s.told_at_once("SELECT accepted_by FROM cases", "A")
            assert s.value("SELECT refused_by FROM cases") is None

    asyncio.run(run())


def test_many_workers_tell_everything_once(database: FreshDatabase, tmp_path: Path) -> None:
    async def run() -> None:
        async with scene(database, tmp_path) as s:
            await s.press(*(press(unit, seq) for unit in range(1, UNITS + 1) for seq in range(1, 41)))
            async with forwarding(s, workers=3):
                await s.until(OWED, 0)
            references = [record.reference for record in s.centre.alarms]
            assert len(references) == len(set(references)) == UNITS * 40

    asyncio.run(run())


def test_a_test_press_never_arrives_as_live(database: FreshDatabase, tmp_path: Path) -> None:
    async def run() -> None:
        async with scene(database, tmp_path) as s, forwarding(s):
            await s.press(press(1, 1, kind=9))
            await s.until(OWED, 0)
            assert [record.category for record in s.centre.alarms] == ["TEST_MANUAL"]

    asyncio.run(run())


def test_a_killed_workers_claims_are_free_again_after_the_lease(database: FreshDatabase, tmp_path: Path) -> None:
    async def run() -> None:
        async with scene(database, tmp_path) as s:
            await s.press(press(1, 1))
            with psycopg.connect(s.database.owner_url) as connection:
                connection.execute("UPDATE outbox SET claimed_until = now() + interval '2 seconds', attempts = 1")
            async with forwarding(s):
                await s.until(OWED, 0)
            assert s.value("SELECT attempts FROM outbox") == 2

    asyncio.run(run())


def test_decisions() -> None:
    assert [back_off(attempt) for attempt in (1, 2, 6, 7, 10_000)] == [1.0, 2.0, 30.0, 30.0, 30.0]
    assert fate_of(Outcome.DELIVERED, 1).delivered
    assert not fate_of(Outcome.NO_ANSWER, 10_000).delivered
    assert fate_of(Outcome.REFUSED, 1).delay_s == 0.0
    assert [sequence_of(outbox) for outbox in (1, 9999, 10_000)] == [1, 9999, 1]
    assert category_of("personal", 1) == "PERSONAL_ATTACK"
    assert category_of("social", 200) == "PERSONAL_HELP"


def test_no_clock_that_was_wrong_holds_an_alarm_up(database: FreshDatabase, tmp_path: Path) -> None:
    """A front door's clock that runs ahead, and moments that were written before the database's clock was set back."""

    async def run() -> None:
        async with scene(database, tmp_path) as s:
            ahead = datetime.now(UTC) + timedelta(hours=1)
            await s.press(replace(press(1, 1), received_at=ahead))
            await s.press(press(2, 1))
            await s.press(press(3, 1))
            with psycopg.connect(s.database.owner_url) as connection:
                connection.execute("UPDATE outbox SET next_try_at = now() + interval '1 hour' WHERE unit_id = 2")
                connection.execute("UPDATE outbox SET claimed_until = now() + interval '1 hour' WHERE unit_id = 3")
            async with forwarding(s):
                await s.until(OWED, 0)

    asyncio.run(run())
