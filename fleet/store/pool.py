"""Connections: one small pool a duty, each under the database role of that duty."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Literal

import psycopg
from psycopg import AsyncConnection, sql
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool

Duty = Literal["registry", "ingest", "forward", "web", "login", "evidence", "supervise", "notify"]
Connection = AsyncConnection[DictRow]
Pool = AsyncConnectionPool[Connection]

# A transaction that hangs must not hold the case log's lock for long: the server ends it.
_SESSION = (
    "SET idle_in_transaction_session_timeout = '10s'",
    "SET lock_timeout = '10s'",
    "SET statement_timeout = '30s'",
    "SET timezone = 'UTC'",
)


def make_pool(url: str, duty: Duty, *, size: int, name: str | None = None) -> Pool:
    """A closed pool whose connections act as ``livlina_<duty>``; open it with ``await pool.open()``.

    It opens nothing itself. A lost database is not an error of the pool: it connects again by itself, and callers
    get ``psycopg_pool.PoolTimeout`` or ``psycopg.OperationalError`` until then.
    """

    async def configure(connection: Connection) -> None:
        # Sent as one: a server opens dozens of connections at its start, and all anew when its database is back.
        role = sql.SQL("SET ROLE {}").format(sql.Identifier(f"livlina_{duty}"))
        await connection.execute(sql.SQL("; ").join([role, *map(sql.SQL, _SESSION)]))
        await connection.commit()

    async def check(connection: Connection) -> None:
        # One dead connection means that all have died with the server. Found one by one, with the pool's growing
        # pauses in between, four of them would outlast the caller's patience.
        try:
            await AsyncConnectionPool.check_connection(connection)
        except psycopg.OperationalError:
            await pool.drain()
            raise

    pool: Pool = AsyncConnectionPool(
        url,
        connection_class=AsyncConnection[DictRow],
        kwargs={"row_factory": dict_row, "connect_timeout": 5, "application_name": f"livlina-{name or duty}"},
        min_size=size,
        max_size=size,
        open=False,
        configure=configure,
        check=check,
        timeout=5,
        reconnect_timeout=0,
        reconnect_failed=None,
        name=name or duty,
    )
    return pool


@asynccontextmanager
async def tenant_transaction(pool: Pool, municipalities: Sequence[int]) -> AsyncIterator[Connection]:
    """A transaction that sees the rows of these municipalities only (row level security, ``SET LOCAL``)."""
    async with pool.connection() as connection, connection.transaction():
        await connection.execute(
            "SELECT set_config('livlina.municipalities', %s, true)", [",".join(str(m) for m in municipalities)]
        )
        yield connection


async def fetch_all(connection: Connection, query: Any, parameters: Any = None) -> list[DictRow]:
    """Runs one statement and returns all its rows as dicts."""
    cursor = await connection.execute(query, parameters)
    return await cursor.fetchall()
