"""The loop of escalation: any number of processes run it, each timer is taken by one of them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Iterable
from typing import Any

from fleet.clock import Clock, SystemClock, pause
from fleet.escalation import store
from fleet.loops import Part
from fleet.store.borrow import AWAY, borrow
from fleet.store.listening import listen
from fleet.store.pool import Pool, make_pool

log = logging.getLogger("livlina.escalation")

POLL_S = 1.0


class Escalation(Part):
    """Takes the steps of routines when they are due. Nothing is opened before ``start``."""

    def __init__(self, database_url: str, *, clock: Clock | None = None) -> None:
        self._url = database_url
        self._clock: Clock = clock or SystemClock()
        self._pool: Pool = make_pool(database_url, "forward", size=2, name="escalation")
        self._wake = asyncio.Event()
        super().__init__("escalation", self._pool)
        self.steps = 0

    def works(self) -> Iterable[Coroutine[Any, Any, None]]:
        """One that is woken and one that looks."""
        return self._listen(), self._run()

    async def _run(self) -> None:
        while True:
            self._wake.clear()
            try:
                async with borrow(self._pool) as connection:
                    at = self._clock.now()
                    taken = 0
                    if await store.any_due(connection, at):
                        taken = await store.take_steps(connection, at)
                    self.steps += taken
            except AWAY as error:
                log.warning("the database is away, timers wait: %s", type(error).__name__)
                taken = 0
            if not taken:
                await pause(self._clock, POLL_S, self._wake)

    async def _listen(self) -> None:
        await listen(self._url, {"livlina_timers": self._wake.set}, self._clock, POLL_S, log)
