"""Has plans reckoned in a process of their own, at most one at a time in each server process; pages wait a little.

It opens nothing and decides nothing: a plan is a row before it begins, and the row says what became of it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

from fleet.attention.plans import SQL
from fleet.attention.worker import WorkerFailed, in_worker
from fleet.loops import end
from fleet.store.borrow import AWAY
from fleet.store.pool import Pool, tenant_transaction

log = logging.getLogger("livlina.planner")

PATIENCE_S: Final = 6.0
"""So long the one who asks waits; the plan goes on without him."""
LONGEST_S: Final = 300.0

Work = Callable[[str, Mapping[str, Any]], Awaitable[dict[str, Any]]]


class PlanWork:
    """Nothing is started before the first plan."""

    def __init__(self, pool: Pool, database_url: str, work: Work | None = None) -> None:
        self._pool = pool
        self._url = database_url
        self._work: Work = work or _in_worker
        self._one = asyncio.Semaphore(1)
        self._tasks: set[asyncio.Task[None]] = set()

    async def begin(self, plan: int, municipalities: Sequence[int], patience_s: float = PATIENCE_S) -> None:
        """Has it reckoned; returns when it is done or after ``patience_s``, whatever comes first."""
        task = asyncio.create_task(self._run(plan, tuple(municipalities)))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        await asyncio.wait({task}, timeout=patience_s)

    async def stop(self) -> None:
        """Ends what is under way; its rows say *failed* after a while."""
        await end(self._tasks)

    async def _run(self, plan: int, municipalities: tuple[int, ...]) -> None:
        async with self._one:
            try:
                await self._work(self._url, {"job": "plan", "plan": plan, "municipalities": list(municipalities)})
            except (WorkerFailed, TimeoutError, OSError) as error:
                log.error("plan %d was not made: %s", plan, error)
                try:
                    async with tenant_transaction(self._pool, municipalities) as connection:
                        await connection.execute(SQL["failed"], {"plan_id": plan})
                except AWAY as away:
                    log.warning("the database is away, plan %d is given up by its age: %s", plan, type(away).__name__)


async def _in_worker(url: str, asked: Mapping[str, Any]) -> dict[str, Any]:
    return await in_worker(url, asked, longest_s=LONGEST_S)
