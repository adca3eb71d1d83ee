"""Cases and presses in a real PostgreSQL: exactly once, grouped, logged in commit order, and each tenant for itself."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from fleet.alarms import store
from fleet.alarms.model import Press, PressKey, TakeRefused
from fleet.registry import store as registry
from fleet.registry.secret_box import SecretBox
from fleet.store.migrate import MigrationError, migrate
from fleet.store.pool import Pool, make_pool, tenant_transaction
from fleet.store.postgres_cluster import APP
from tests.database import FreshDatabase
from tests.presses import press


@dataclass
class Pools:
    """The duties that these tests act as."""

    ingest: Pool
    web: Pool


@asynccontextmanager
async def pools(database: FreshDatabase, size: int = 1) -> AsyncIterator[Pools]:
    """Units 1..9 belong to municipality 1, 11..19 to municipality 2; only 1 has a centre."""
    setup = make_pool(database.app_url, "registry", size=1)
    made = Pools(make_pool(database.app_url, "ingest", size=size), make_pool(database.app_url, "web", size=size))
    await setup.open()
    async with setup.connection() as connection:
        box = SecretBox(secrets.token_bytes(32))
        for municipality in (1, 2):
            await registry.add_municipality(connection, municipality, f"Municipality {municipality}")
            for unit in range(municipality * 10 - 9, municipality * 10):
                await registry.add_unit(
                    connection, box, unit=unit, municipality=municipality, unit_type="social", generation=1,
                    secret=bytes(16), fingerprint=secrets.token_bytes(32), serial="1",
                )  # fmt: skip
        centre = await registry.add_centre(connection, name="A", protocol="dc09", host="127.0.0.1", port=1)
        await registry.route_to(connection, 1, centre)
    await setup.close()
    await made.ingest.open()
    await made.web.open()
    try:
        yield made
    finally:
        await made.ingest.close()
        await made.web.close()


def value(database: FreshDatabase, query: str) -> object:
    with psycopg.connect(database.owner_url) as connection:
        row = connection.execute(query).fetchone()
    assert row is not None
    return row[0]


def test_a_press_is_stored_once_whatever_the_batch_repeats(database: FreshDatabase) -> None:
    async def run() -> None:
        async with pools(database) as p, p.ingest.connection() as connection:
            fates = await store.store_presses(connection, [press(1, 1), press(1, 1), press(2, 1)])
            assert [(fate.key.unit, fate.stage, fate.double) for fate in fates] == [
                (1, 1, False), (1, 1, True), (2, 1, False),
            ]  # fmt: skip
            (again,) = await store.store_presses(connection, [replace(press(1, 1), raw=b"other", age_s=9)])
            assert again.double
            assert again.stage == 1
        assert value(database, "SELECT count(*) FROM presses") == 2
        assert value(database, "SELECT count(*) FROM cases") == 2
        assert value(database, "SELECT count(*) FROM outbox") == 2
        assert value(database, "SELECT raw FROM presses WHERE unit_id = 1") == b"\x00", "the first frame is kept"

    asyncio.run(run())


def test_repeats_join_the_case_and_raise_it_until_it_is_closed(database: FreshDatabase) -> None:
    async def run() -> None:
        async with pools(database) as p:
            async with p.ingest.connection() as connection:
                await store.store_presses(connection, [press(1, 1)])
                await store.store_presses(connection, [press(1, 2)])
            async with tenant_transaction(p.web, [1]) as connection:
                (case,) = await store.cases_not_closed(connection)
                assert (case["presses"], case["priority"]) == (2, 1)
                await store.take_case(connection, case["id"], "a")
            async with p.ingest.connection() as connection:
                await store.store_presses(connection, [press(1, 3)])
                keys = [PressKey(1, 1, seq) for seq in (1, 3)]
                stages = {fate.key.seq: fate.stage for fate in await store.stages(connection, keys)}
                assert stages == {1: 3, 3: 1}, "nobody has seen the third press yet"
            async with tenant_transaction(p.web, [1]) as connection:
                (case,) = await store.cases_not_closed(connection)
                assert (case["state"], case["taken_by"], case["taken_before_by"]) == ("open", None, "a")
                with pytest.raises(TakeRefused):
                    await store.close_case(connection, case["id"], "a", "helped")
            async with tenant_transaction(p.web, [1]) as connection:
                await store.take_case(connection, case["id"], "b")
                await store.close_case(connection, case["id"], "a", "helped")
            async with p.ingest.connection() as connection:
                await store.store_presses(connection, [press(1, 4)])
            async with tenant_transaction(p.web, [1]) as connection:
                (fresh,) = await store.cases_not_closed(connection)
                assert fresh["id"] != case["id"]
                assert fresh["presses"] == 1
                history = await store.case_history(connection, case["id"])
                assert [entry["change"] for entry in history["log"]] == [
                    "opened", "repeated", "taken", "repeated", "taken", "closed",
                ]  # fmt: skip

    asyncio.run(run())


def test_two_presses_in_one_batch_raise_the_case_at_once(database: FreshDatabase) -> None:
    async def run() -> None:
        async with pools(database) as p, p.ingest.connection() as connection:
            await store.store_presses(
                connection, [press(1, 1), press(1, 2), press(2, 1, priority=4), press(2, 2, priority=4)]
            )
        assert value(database, "SELECT priority FROM cases WHERE unit_id = 1") == 1
        assert value(database, "SELECT priority FROM cases WHERE unit_id = 2") == 4, "tests stay tests"

    asyncio.run(run())


def test_a_press_without_a_route_is_on_the_page_all_the_same(database: FreshDatabase) -> None:
    async def run() -> None:
        async with pools(database) as p, p.ingest.connection() as connection:
            await store.store_presses(connection, [press(11, 1, municipality=2)])
        assert value(database, "SELECT count(*) FROM outbox") == 0
        assert value(database, "SELECT count(*) FROM cases") == 1

    asyncio.run(run())


def test_of_many_who_take_one_gets_the_case(database: FreshDatabase) -> None:
    async def run() -> None:
        async with pools(database, size=5) as p:
            async with p.ingest.connection() as connection:
                await store.store_presses(connection, [press(1, 1)])

            async def take(actor: str) -> str | None:
                try:
                    async with tenant_transaction(p.web, [1]) as connection:
                        return str((await store.take_case(connection, 1, actor))["taken_by"])
                except TakeRefused as refused:
                    assert refused.case["state"] == "taken"
                    return None

            winners = [name for name in await asyncio.gather(*(take(f"o{n}") for n in range(20))) if name]
            assert len(winners) == 1
            assert value(database, "SELECT taken_by FROM cases") == winners[0]
            assert value(database, "SELECT count(*) FROM case_log WHERE change = 'taken'") == 1

    asyncio.run(run())


def test_a_reader_by_cursor_misses_nothing_while_many_commit(database: FreshDatabase) -> None:
    """Positions are handed out under the log's lock: what a reader sees first has the lower numbers."""

    async def run() -> None:
        async with pools(database, size=5) as p:
            done = asyncio.Event()

            async def writer(unit: int) -> None:
                for seq in range(1, 31):
                    async with p.ingest.connection() as connection:
                        await store.store_presses(connection, [press(unit, seq)])

            async def reader() -> list[int]:
                seen: list[int] = []
                while not done.is_set() or seen[-1:] != [await last()]:
                    async with tenant_transaction(p.web, [1]) as connection:
                        changes = await store.changes_after(connection, seen[-1] if seen else 0)
                    seen += [change["position"] for change in changes]
                return seen

            async def last() -> int:
                async with tenant_transaction(p.web, [1]) as connection:
                    return await store.last_position(connection)

            reading = asyncio.create_task(reader())
            await asyncio.gather(*(writer(unit) for unit in range(1, 6)))
            done.set()
            seen = await reading
            assert seen == sorted(seen)
            assert len(seen) == value(database, "SELECT count(*) FROM case_log") == 150

    asyncio.run(run())


def test_a_cursor_without_the_lock_skips_a_late_commit(database: FreshDatabase) -> None:
    """Negative control: two writers who do not take the lock hide a row from a reader for ever."""
    with psycopg.connect(database.owner_url, autocommit=True) as owner:
        owner.execute("INSERT INTO municipalities VALUES (1, 'One')")
        owner.execute("INSERT INTO units (unit_id, municipality_id, unit_type) VALUES (1, 1, 'social')")
        owner.execute(
            "INSERT INTO cases (municipality_id, unit_id, unit_type, priority, kind, presses, opened_at, "
            "last_press_at) VALUES (1, 1, 'social', 2, 1, 1, now(), now())"
        )
        entry = (
            "INSERT INTO case_log (municipality_id, case_id, at, change, actor) VALUES (1, 1, now(), 'repeated', 'x') "
            "RETURNING position"
        )
        with psycopg.connect(database.owner_url) as slow, psycopg.connect(database.owner_url) as quick:
            late = slow.execute(entry).fetchone()
            quick.execute(entry)
            quick.commit()
            row = owner.execute("SELECT max(position) FROM case_log").fetchone()
            slow.commit()
        assert late is not None
        assert row is not None
        assert late[0] < row[0], "the reader's cursor has passed a row that it never saw"


def test_a_tenant_sees_and_takes_only_its_own(database: FreshDatabase) -> None:
    async def run() -> None:
        async with pools(database) as p:
            async with p.ingest.connection() as connection:
                await store.store_presses(connection, [press(1, 1), press(11, 1, municipality=2)])
            async with tenant_transaction(p.web, [2]) as connection:
                (case,) = await store.cases_not_closed(connection)
                assert case["unit"] == "0000000b"
                assert [change["case"]["unit"] for change in await store.changes_after(connection, 0)] == ["0000000b"]
                with pytest.raises(LookupError):
                    await store.take_case(connection, 1 if case["id"] == 2 else 2, "b")
            async with tenant_transaction(p.web, []) as connection:
                assert await store.cases_not_closed(connection) == []
            async with p.web.connection() as connection:
                assert await store.cases_not_closed(connection) == [], "no tenant set, no rows"

    asyncio.run(run())


def test_without_row_level_security_a_tenant_would_see_the_others(database: FreshDatabase) -> None:
    """Negative control for the test above."""

    async def run() -> None:
        async with pools(database) as p:
            async with p.ingest.connection() as connection:
                await store.store_presses(connection, [press(1, 1), press(11, 1, municipality=2)])
            with psycopg.connect(database.owner_url, autocommit=True) as owner:
                owner.execute("ALTER TABLE cases DISABLE ROW LEVEL SECURITY")
                owner.execute("ALTER TABLE municipalities DISABLE ROW LEVEL SECURITY")
            async with tenant_transaction(p.web, [2]) as connection:
                assert len(await store.cases_not_closed(connection)) == 2

    asyncio.run(run())


def test_every_table_carries_the_municipality_and_forces_row_level_security(database: FreshDatabase) -> None:
    with psycopg.connect(database.owner_url) as owner:
        rows = owner.execute(
            "SELECT c.relname, c.relrowsecurity AND c.relforcerowsecurity, EXISTS (SELECT 1 FROM pg_attribute a "
            "WHERE a.attrelid = c.oid AND a.attname = 'municipality_id' AND a.attnotnull) "
            "FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') "
            "AND c.relname <> 'schema_migrations'"
        ).fetchall()
    assert len(rows) > 15
    assert [name for name, forced, carries in rows if not forced or not carries] == []


def test_duties_hold_no_more_than_they_need(database: FreshDatabase) -> None:
    def refused(duty: str, statement: str) -> bool:
        with psycopg.connect(database.app_url) as connection:
            connection.execute(f"SET ROLE livlina_{duty}")
            try:
                connection.execute(statement)
            except psycopg.errors.InsufficientPrivilege:
                return True
            return False

    assert refused("web", "SELECT secret FROM unit_keys")
    assert refused("web", "SELECT password_hash FROM users")
    assert refused("web", "UPDATE cases SET priority = 9")
    assert refused("web", "DELETE FROM cases")
    assert refused("ingest", "SELECT password_hash FROM users")
    assert refused("ingest", "UPDATE presses SET raw = ''")
    assert refused("ingest", "DELETE FROM presses")
    assert refused("forward", "SELECT secret FROM unit_keys")
    assert refused("forward", "UPDATE case_log SET actor = 'x'")
    assert refused("login", "SELECT * FROM cases")
    assert refused("registry", "DELETE FROM presses")
    assert not refused("web", "SELECT count(*) FROM cases")
    with psycopg.connect(database.app_url) as connection:
        row = connection.execute(
            "SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user"
        ).fetchone()
    assert row == (False,)


def test_an_old_press_keeps_its_age(database: FreshDatabase) -> None:
    async def run() -> None:
        async with pools(database) as p:
            old = replace(press(1, 1), pressed_at=datetime.now(UTC) - timedelta(hours=8), age_s=28_800, marks=("late",))
            async with p.ingest.connection() as connection:
                await store.store_presses(connection, [old])
            async with tenant_transaction(p.web, [1]) as connection:
                (case,) = await store.cases_not_closed(connection)
            assert case["marks"] == ["late"]
            assert datetime.fromisoformat(case["opened_at"]) - datetime.fromisoformat(case["pressed_at"]) > timedelta(
                hours=7
            )

    asyncio.run(run())


def test_migrations_apply_once_and_an_edited_or_newer_one_is_refused(database: FreshDatabase) -> None:
    assert migrate(database.owner_url, app_login=APP) == []
    with psycopg.connect(database.owner_url, autocommit=True) as owner:
        owner.execute("UPDATE schema_migrations SET digest = 'x' WHERE number = 1")
    with pytest.raises(MigrationError, match="edited"):
        migrate(database.owner_url, app_login=APP)
    with psycopg.connect(database.owner_url, autocommit=True) as owner:
        owner.execute("INSERT INTO schema_migrations (number, name, digest) VALUES (9999, 'later', 'y')")
    with pytest.raises(MigrationError, match="newer"):
        migrate(database.owner_url, app_login=APP)


def test_a_case_shows_its_gravest_press(database: FreshDatabase) -> None:
    """A test that was not closed must not make the real press after it look like a test, nor hide a duress."""

    def of(unit: int, seq: int, kind: int, number: int) -> Press:
        return replace(press(unit, seq, priority=4 if kind == 9 else 1), kind=kind, input=number)

    async def run() -> None:
        async with pools(database) as p, p.ingest.connection() as connection:
            await store.store_presses(connection, [of(1, 1, 9, 5), of(2, 1, 1, 5), of(3, 1, 2, 5)])
            await store.store_presses(connection, [of(1, 2, 1, 6), of(2, 2, 2, 6), of(3, 2, 1, 6)])
            await store.store_presses(connection, [of(1, 3, 9, 7), of(2, 3, 9, 7), of(3, 3, 9, 7)])
            await store.store_presses(connection, [of(4, 1, 9, 5), of(4, 2, 1, 6), of(4, 3, 2, 7), of(4, 4, 1, 8)])

    asyncio.run(run())
    with psycopg.connect(database.owner_url) as connection:
        shown = connection.execute("SELECT unit_id, kind, input, priority FROM cases ORDER BY unit_id").fetchall()
    assert shown == [(1, 1, 6, 1), (2, 2, 6, 1), (3, 2, 5, 1), (4, 2, 7, 1)]
