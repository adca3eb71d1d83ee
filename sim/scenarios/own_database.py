"""A migrated PostgreSQL of a scenario's own, for stories that need no front door."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import psycopg

from fleet.store.embedded_postgres import EmbeddedPostgres
from fleet.store.pool import Connection, Duty, make_pool
from fleet.store.postgres_cluster import APP
from sim.migrated import start_migrated
from sim.to_its_end import to_its_end

T = TypeVar("T")


class OwnDatabase:
    """`owner` is the world's hand, past row level security; `acting` is the product's, by duty."""

    def __init__(self, postgres: EmbeddedPostgres) -> None:
        self._postgres = postgres

    @property
    def owner_url(self) -> str:
        """The schema's owner."""
        return self._postgres.owner_url

    @property
    def app_url(self) -> str:
        """The product."""
        return self._postgres.app_url

    def owner(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """One statement of the world's."""
        with psycopg.connect(self.owner_url) as connection:
            cursor = connection.execute(statement.encode(), values)
            return cursor.fetchall() if cursor.description else []

    def fill(self, table: str, columns: str, rows: list[tuple[Any, ...]]) -> None:
        """Many rows of one table."""
        fill(self.owner_url, table, columns, rows)

    async def acting(self, duty: Duty, act: Callable[[Connection], Awaitable[T]]) -> T:
        """In one transaction of the product's."""
        async with (
            make_pool(self.app_url, duty, size=1) as pool,
            pool.connection() as connection,
            connection.transaction(),
        ):
            return await act(connection)


def fill(url: str, table: str, columns: str, rows: list[tuple[Any, ...]]) -> None:
    """Many rows of one table, by whoever may write them all."""
    with (
        psycopg.connect(url) as connection,
        connection.cursor() as cursor,
        cursor.copy(f"COPY {table} ({columns}) FROM STDIN".encode()) as copy,
    ):
        for row in rows:
            copy.write_row(row)


def _make_folder(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    folder.parent.chmod(0o755)  # PostgreSQL's own user must be able to enter it
    folder.chmod(0o755)


@asynccontextmanager
async def own_database(folder: Path) -> AsyncIterator[OwnDatabase]:
    """Starts and migrates it; it is gone afterwards. A commit waits for no disk: nobody cuts its power here."""
    await asyncio.to_thread(_make_folder, folder)
    postgres = EmbeddedPostgres(folder)
    try:
        await to_its_end(lambda: start_migrated(postgres))
        with psycopg.connect(postgres.owner_url, autocommit=True) as connection:
            connection.execute(f"ALTER ROLE {APP} SET synchronous_commit = off")
        yield OwnDatabase(postgres)
    finally:
        await asyncio.to_thread(postgres.destroy)
