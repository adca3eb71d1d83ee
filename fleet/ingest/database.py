"""How the commit loops meet the database: patience while it is away, and one bad row that harms no other."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TypeVar

import psycopg
from psycopg_pool import PoolTimeout

from fleet.store.pool import Connection, Pool

log = logging.getLogger("livlina.ingest")

Item = TypeVar("Item")
Result = TypeVar("Result")

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


def reported(
    what: str, commit: Callable[[Sequence[Item]], Awaitable[Sequence[Result]]]
) -> Callable[[Sequence[Item]], Awaitable[Sequence[Result]]]:
    """The same commit; a failure is logged once a batch before it goes to those who wait for it."""

    async def run(items: Sequence[Item]) -> Sequence[Result]:
        try:
            return await commit(items)
        except AWAY as error:
            log.warning("%d %s are not committed, the database is away: %s", len(items), what, type(error).__name__)
            raise
        except Exception:
            log.exception("%d %s are not committed: this is a fault of the server", len(items), what)
            raise

    return run


async def commit_apart(
    commit: Callable[[Sequence[Item]], Awaitable[Sequence[Result]]], items: Sequence[Item]
) -> list[Result | psycopg.Error]:
    """Commits the batch whole; where the database refuses its content, in halves, down to the item at fault.

    The item at fault gets the error as its result; all others are committed. Order is kept. Raises one of AWAY; what
    was committed by then is committed, and sending it again changes nothing.
    """
    try:
        return list(await commit(items))
    except AWAY:
        raise
    except psycopg.Error as error:
        if len(items) == 1:
            return [error]
    middle = len(items) // 2
    return await commit_apart(commit, items[:middle]) + await commit_apart(commit, items[middle:])
