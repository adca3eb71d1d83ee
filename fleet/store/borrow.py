"""A connection for a piece of work that must end in bounded time, whatever the database does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg
from psycopg_pool import PoolTimeout

from fleet.store.pool import Connection, Pool

# The database is away, restarting or too busy: the same work may succeed later, and only then is it acknowledged.
AWAY = (psycopg.OperationalError, psycopg.InterfaceError, PoolTimeout, TimeoutError)
PATIENCE_S = 5.0
_ASK_AGAIN_S = 0.25
COMMIT_S = 15.0


@asynccontextmanager
async def borrow(pool: Pool) -> AsyncIterator[Connection]:
    """A connection of the pool, within ``PATIENCE_S``; the block has ``COMMIT_S`` to finish.

    The pool tries to connect when it is asked, so it is asked often: work goes on soon after the database is back.
    Raises one of AWAY.
    """
    connection = await _connection(pool, PATIENCE_S)
    try:
        async with asyncio.timeout(COMMIT_S), connection:
            yield connection
    finally:
        await pool.putconn(connection)


async def _connection(pool: Pool, patience: float) -> Connection:
    """The timeout is for a database that hangs: it keeps connections open and answers nothing."""
    async with asyncio.timeout(patience + _ASK_AGAIN_S):
        deadline = asyncio.get_running_loop().time() + patience
        while True:
            try:
                return await pool.getconn(timeout=_ASK_AGAIN_S)
            except PoolTimeout:
                if asyncio.get_running_loop().time() >= deadline:
                    raise
