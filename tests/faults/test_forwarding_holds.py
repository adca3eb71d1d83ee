"""What must not stop the server from telling centres: database connections that hang, a wrong address, a lost start."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from pathlib import Path

import psutil
import psycopg
import pytest

from fleet.store import borrow
from fleet.store.embedded_postgres import EmbeddedPostgres
from livlina import serve
from tests.database import FreshDatabase
from tests.store.test_forwarding import OWED, forwarding, press, scene


def backends(database: FreshDatabase, name: str) -> list[psutil.Process]:
    with psycopg.connect(database.owner_url) as connection:
        rows = connection.execute("SELECT pid FROM pg_stat_activity WHERE application_name = %s", [name]).fetchall()
    return [psutil.Process(row[0]) for row in rows]


def test_connections_that_hang_are_given_up(
    database: FreshDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a host has vanished: nothing answers and nothing says so, but new connections work."""

    async def run() -> None:
        async with scene(database, tmp_path) as s, forwarding(s):
            await s.press(press(1, 1))
            await s.until(OWED, 0)
            hung = backends(database, "livlina-forward")
            assert hung
            monkeypatch.setattr(borrow, "PATIENCE_S", 1.0)
            monkeypatch.setattr(borrow, "COMMIT_S", 2.0)
            for process in hung:
                process.suspend()
            try:
                await s.press(press(2, 1))
                await s.until(OWED, 0, 180)
            finally:
                for process in hung:
                    with contextlib.suppress(psutil.NoSuchProcess):
                        process.resume()

    asyncio.run(run())


def test_a_centre_with_an_impossible_name_harms_no_other(database: FreshDatabase, tmp_path: Path) -> None:
    async def run() -> None:
        async with scene(database, tmp_path) as s:
            with psycopg.connect(database.owner_url) as connection:
                connection.execute("INSERT INTO municipalities VALUES (2, 'Two')")
                connection.execute("UPDATE units SET municipality_id = 2 WHERE unit_id = 2")
                connection.execute(
                    "INSERT INTO centres (municipality_id, name, protocol, host, port) "
                    "VALUES (0, 'B', 'dc09', 'b..c', 9)"
                )
                connection.execute("INSERT INTO routes SELECT 2, 1, centre_id FROM centres WHERE name = 'B'")
            async with forwarding(s) as (one,):
                broken = asyncio.create_task(one.watch())
                await s.press(press(2, 1, municipality=2))
                await s.until("SELECT attempts >= 1 AND last_outcome = 'no answer' FROM outbox", True)
                await s.press(press(1, 1))
                await s.until(OWED, 1)
                assert not broken.done()
                broken.cancel()

    asyncio.run(run())


def test_a_database_that_cannot_start_again_is_started_later(
    postgres: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody else has its port for a while: it comes back once that has ended, without anybody's help."""
    monkeypatch.setattr(serve, "_POSTGRES_AGAIN_S", 0.2)

    async def run(thief: socket.socket) -> None:
        watching = asyncio.create_task(serve._watch(postgres))
        with thief:
            postgres.kill()
            async with asyncio.timeout(60):
                while postgres.poll() is None:
                    await asyncio.sleep(0.01)
            thief.bind(("127.0.0.1", postgres.port))
            thief.listen()
            said = postgres._log
            async with asyncio.timeout(60):
                while "could not bind" not in said.read_text(errors="replace"):
                    await asyncio.sleep(0.05)
        async with asyncio.timeout(60):
            # A process that has begun need not listen yet, and may end once more.
            while await asyncio.to_thread(_answers, postgres) is None:
                assert not watching.done()
                await asyncio.sleep(0.05)
        watching.cancel()

    taken = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    asyncio.run(run(taken))
    assert _answers(postgres) == (1,)


def _answers(postgres: EmbeddedPostgres) -> tuple[int, ...] | None:
    try:
        with psycopg.connect(postgres.owner_url) as connection:
            return connection.execute("SELECT 1").fetchone()
    except psycopg.OperationalError:
        return None
