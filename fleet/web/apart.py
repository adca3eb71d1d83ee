"""Work on the database beside the loop on which alarms come in: a thread, a loop and a connection of its own.

For what is rare and long, as an import is, and for the few writes that need another duty than the pages have. What the
interpreter does for such work it does in slices, between which the other loop runs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from starlette.concurrency import run_in_threadpool

from fleet.store.pool import Connection, Duty, make_pool, tenant_transaction

Result = TypeVar("Result")
# What is reckoned between two statements takes its time on a busy machine.
_PATIENT = (
    "SET LOCAL idle_in_transaction_session_timeout = '120s'",
    "SET LOCAL statement_timeout = '120s'",
)


async def apart(
    url: str,
    duty: Duty,
    work: Callable[[Connection], Awaitable[Result]],
    *,
    municipalities: Sequence[int] = (),
    patience: float = 30.0,
) -> Result:
    """What the work returns, done in one transaction under this duty and, for the pages' duty, in these municipalities.

    Whatever it raises undoes the transaction and is raised here. TimeoutError after ``patience`` seconds: then it was
    undone too. Raises one of the database's own errors where the database is away.
    """
    return await run_in_threadpool(lambda: asyncio.run(_run(url, duty, work, municipalities, patience)))


async def _run(
    url: str,
    duty: Duty,
    work: Callable[[Connection], Awaitable[Result]],
    municipalities: Sequence[int],
    patience: float,
) -> Result:
    async with (
        make_pool(url, duty, size=1, name=f"{duty}-apart") as pool,
        asyncio.timeout(patience),
        tenant_transaction(pool, municipalities) as connection,
    ):
        for setting in _PATIENT:
            await connection.execute(setting)
        return await work(connection)
