"""The loop that looks for what needs attention. Any number of processes may run it; one looks at a time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from typing import Any, Final

from fleet.attention import store
from fleet.attention.decide import due
from fleet.attention.model import CONCERNS, Concern
from fleet.attention.worker import WorkerFailed, in_worker
from fleet.clock import Clock, SystemClock, pause
from fleet.loops import Part
from fleet.store.borrow import AWAY, borrow
from fleet.store.pool import Pool, make_pool

log = logging.getLogger("livlina.attention")

LOOK_S: Final = 5.0
AGAIN_S: Final = 60.0
"""After a worker that failed, its concern is left alone for so long."""
LONGEST_LOOK_S: Final = 90.0
SHARE: Final = 10.0
"""A look takes a tenth of the time at most: one that takes seconds comes that much less often."""
FIRST_S: Final = 30.0
"""A server that has just started takes alarms first: what takes long waits for so long."""

Work = Callable[[str, Mapping[str, Any]], Awaitable[dict[str, Any]]]


class Attention(Part):
    """Nothing is opened before ``start``. ``work`` does a job apart from this process's loop."""

    def __init__(self, database_url: str, *, clock: Clock | None = None, work: Work = in_worker) -> None:
        self._url = database_url
        self._work = work
        self._clock: Clock = clock or SystemClock()
        self._pool: Pool = make_pool(database_url, "supervise", size=2, name="attention")
        self._not_before: dict[Concern, float] = {}
        super().__init__("attention", self._pool)
        self.looks = 0

    def works(self) -> Iterable[Coroutine[Any, Any, None]]:
        """Looks that SQL makes, and those that a worker makes: a long one never holds up a short one."""
        quick = tuple(one for one in CONCERNS if one in store.BY_SQL)
        return self._run(quick), *(self._run((one,)) for one in CONCERNS if one not in store.BY_SQL)

    async def _run(self, concerns: tuple[Concern, ...]) -> None:
        if not store.BY_SQL.issuperset(concerns):
            await pause(self._clock, FIRST_S)
        while True:
            try:
                for concern in await self._due(concerns):
                    await self._look(concern)
                    self.looks += 1
            except AWAY as error:
                log.warning("the database is away, nothing is looked at meanwhile: %s", type(error).__name__)
            await pause(self._clock, LOOK_S)

    async def _due(self, concerns: tuple[Concern, ...]) -> list[Concern]:
        at, steady = self._clock.now(), self._clock.steady()
        async with borrow(self._pool) as connection, connection.transaction():
            looked = await store.looked_at(connection)
        return [
            one for one in concerns if due(one, looked.get(one), at) and steady >= self._not_before.get(one, steady)
        ]

    async def _look(self, concern: Concern) -> None:
        if concern in store.BY_SQL:
            # Longer than others may borrow a connection: a nation's units take seconds. Nobody waits for it.
            async with (
                asyncio.timeout(LONGEST_LOOK_S), self._pool.connection() as connection, connection.transaction()
            ):  # fmt: skip
                if await store.may_look(connection):
                    began = self._clock.steady()
                    await store.look(connection, concern, self._clock.now())
                    self._not_before[concern] = began + SHARE * (self._clock.steady() - began)
            return
        try:
            await self._work(self._url, {"job": concern})
        except (WorkerFailed, TimeoutError) as error:
            self._not_before[concern] = self._clock.steady() + AGAIN_S
            log.error("the look for %s has failed, again in %.0f s: %s", concern, AGAIN_S, error)
