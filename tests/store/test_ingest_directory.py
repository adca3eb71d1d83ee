"""The directory of units against a real PostgreSQL: bounded, never stale for long, one query for many."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg
import pytest

from fleet.registry import directory as directory_module
from fleet.registry import store as registry
from fleet.registry.directory import Directory, Found, Miss
from fleet.registry.secret_box import SecretBox, SecretBoxError
from fleet.store.batch import Overloaded
from fleet.store.embedded_postgres import EmbeddedPostgres
from fleet.store.pool import Pool, make_pool
from protocols.wire import seal
from tests.database import FreshDatabase
from tests.fleet_server import Unit, alarm, run, settled
from tests.fleet_server import own_postgres as postgres

__all__ = ["postgres"]  # a test here kills it


class Clock:
    """A monotonic clock that only the test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Scene:
    """A running directory over a registry with units 1..n, all with the same secret."""

    def __init__(self, database: FreshDatabase, pool: Pool, directory: Directory, clock: Clock, secret: bytes) -> None:
        self.database, self.pool, self.directory, self.clock, self.secret = database, pool, directory, clock, secret

    async def find(self, unit: int) -> Found:
        return await settled(asyncio.shield(self.directory.find(unit)))

    async def change(self, query: str) -> None:
        async with self.pool.connection() as connection:
            await connection.execute(query.encode())


@asynccontextmanager
async def directory_of(database: FreshDatabase, units: int = 3, **more: int) -> AsyncIterator[Scene]:
    box, clock, secret = SecretBox(secrets.token_bytes(32)), Clock(), secrets.token_bytes(16)
    pool = make_pool(database.app_url, "registry", size=2)
    await pool.open()
    async with pool.connection() as connection:
        await registry.add_municipality(connection, 1, "One")
        for unit in range(1, units + 1):
            await registry.add_unit(
                connection, box, unit=unit, municipality=1, unit_type="social", generation=1, secret=secret,
                fingerprint=secrets.token_bytes(32), serial="1",
            )  # fmt: skip
    directory = Directory(pool, box, now=clock, **more)
    running = asyncio.create_task(directory.run())
    try:
        yield Scene(database, pool, directory, clock, secret)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await pool.close()


def test_units_that_are_missing_together_are_asked_for_together(database: FreshDatabase) -> None:
    async def work() -> None:
        async with directory_of(database, units=50) as scene:
            found = await asyncio.gather(*(scene.find(unit) for unit in range(1, 101)))
            assert [one is not None for one in found] == [True] * 50 + [False] * 50
            assert scene.directory.queries <= 2
            assert scene.directory.at_hand(1) is found[0]
            assert scene.directory.at_hand(100) is None
            assert scene.directory.at_hand(101) is Miss.MISS

    run(work())


def test_strangers_fill_no_memory_and_unknown_is_not_for_ever(
    database: FreshDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(directory_module, "MOST_UNKNOWN", 100)

    async def work() -> None:
        async with directory_of(database, units=3, most_units=2, most_waiting=400) as scene:
            named = [scene.directory.find(number) for number in range(1000, 1400)]
            with pytest.raises(Overloaded):
                scene.directory.find(2000)
            await settled(asyncio.gather(*named))
            assert len(scene.directory) == 100
            for unit in (1, 2, 3):
                await scene.find(unit)
            assert len(scene.directory) == 102
            assert scene.directory.at_hand(1399) is None
            scene.clock.now += 10
            assert scene.directory.at_hand(1399) is Miss.MISS

    run(work())


def test_a_revocation_counts_at_its_notification(database: FreshDatabase) -> None:
    async def work() -> None:
        async with directory_of(database) as scene:
            before = await scene.find(1)
            assert before is not None and before.active
            await scene.change("UPDATE units SET state = 'revoked' WHERE unit_id = 1")
            scene.directory.forget(1)
            assert scene.directory.at_hand(1) is Miss.MISS
            after = await scene.find(1)
            assert after is not None and not after.active

    run(work())


def test_a_revocation_counts_within_a_minute_without_any_notification(database: FreshDatabase) -> None:
    async def work() -> None:
        async with directory_of(database) as scene:
            await scene.find(1)
            await scene.change("UPDATE units SET state = 'revoked' WHERE unit_id = 1")
            scene.clock.now += 29
            held = scene.directory.at_hand(1)
            assert not isinstance(held, Miss) and held is not None and held.active, "the control: it is still trusted"
            scene.clock.now += 30
            assert scene.directory.at_hand(1) is Miss.MISS
            found = await scene.find(1)
            assert found is not None and not found.active

    run(work())


def test_an_entry_in_use_is_read_again_beside_its_use(database: FreshDatabase) -> None:
    async def work() -> None:
        async with directory_of(database) as scene:
            await scene.find(1)
            queries = scene.directory.queries
            await scene.change("UPDATE units SET state = 'revoked' WHERE unit_id = 1")
            scene.clock.now += 35
            assert scene.directory.at_hand(1) is not Miss.MISS
            async with asyncio.timeout(60):
                while (held := scene.directory.at_hand(1)) is None or isinstance(held, Miss) or held.active:
                    await asyncio.sleep(0.01)
            # Once for its age, and once more where the notification comes while it is read.
            assert queries < scene.directory.queries <= queries + 2

    run(work())


def test_what_changed_while_it_was_read_is_read_again(database: FreshDatabase) -> None:
    async def work() -> None:
        async with directory_of(database) as scene:
            blocker = await psycopg.AsyncConnection.connect(database.owner_url)
            await blocker.execute("LOCK TABLE unit_keys IN ACCESS EXCLUSIVE MODE")
            asked = scene.directory.find(1)
            async with asyncio.timeout(60):
                while not scene.directory.queries:
                    await asyncio.sleep(0.01)
            scene.directory.forget(1)  # the notification overtakes the reading
            await blocker.close()
            assert (await settled(asyncio.shield(asked))) is not None
            assert scene.directory.queries == 2

    run(work())


def test_lost_notifications_are_made_up_for(database: FreshDatabase) -> None:
    async def work() -> None:
        async with directory_of(database) as scene:
            await scene.find(1)
            await scene.find(99)
            scene.directory.distrust()
            assert scene.directory.at_hand(1) is scene.directory.at_hand(99) is Miss.MISS

    run(work())


def test_a_database_that_is_away_fails_the_question_and_not_the_directory(
    database: FreshDatabase, postgres: EmbeddedPostgres
) -> None:
    async def work() -> None:
        async with directory_of(database) as scene:
            postgres.kill()
            async with asyncio.timeout(60):
                while postgres.poll() is None:
                    await asyncio.sleep(0.01)
            with pytest.raises(psycopg.OperationalError):
                await scene.find(1)
            await asyncio.to_thread(postgres.restart_if_dead)
            async with asyncio.timeout(60):
                while True:
                    try:
                        assert await scene.find(1) is not None
                        break
                    except psycopg.OperationalError:
                        continue

    run(work())


def test_keys_open_frames_and_a_kid_context_takes_memory_only_once_it_opened(database: FreshDatabase) -> None:
    async def work() -> None:
        async with directory_of(database) as scene:
            unit = Unit(1, scene.secret)
            found = await scene.find(1)
            assert found is not None
            for context in (None, bytes(8), bytes(range(8))):
                envelope = seal.parse(unit.seal(alarm(1), context=context))
                keys = scene.directory.up_keys(found, envelope)
                assert keys is not None and seal.open_up(*keys, envelope) == alarm(1).encode()
                if context is not None:
                    again = scene.directory.up_keys(found, envelope)
                    assert again is not None and again[0] is not keys[0], "nothing is remembered yet"
                    scene.directory.opened(found, envelope, keys)
                    assert scene.directory.up_keys(found, envelope) is keys
            foreign = seal.parse(Unit(1, scene.secret, generation=2).seal(alarm(1)))
            assert scene.directory.up_keys(found, foreign) is None

    run(work())


def test_a_secret_of_another_key_file_opens_nothing(database: FreshDatabase) -> None:
    async def work() -> None:
        async with directory_of(database) as scene:
            stranger = Directory(scene.pool, SecretBox(bytes(32)), now=scene.clock)
            running = asyncio.create_task(stranger.run())
            found = await settled(asyncio.shield(stranger.find(1)))
            assert found is not None
            with pytest.raises(SecretBoxError):
                stranger.up_keys(found, seal.parse(Unit(1, scene.secret).seal(alarm(1))))
            running.cancel()

    run(work())
