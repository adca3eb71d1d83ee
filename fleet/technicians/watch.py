"""The loop that looks for drills that were ordered and never came. Any number of processes may run it."""

from __future__ import annotations

import logging
from collections.abc import Coroutine, Iterable
from typing import Any

from fleet.clock import Clock, SystemClock, pause
from fleet.loops import Part
from fleet.store.borrow import AWAY, borrow
from fleet.store.pool import Pool, make_pool
from fleet.technicians import drills

log = logging.getLogger("livlina.technicians")

LOOK_S = 30.0


class DrillWatch(Part):
    """Nothing is opened before ``start``."""

    def __init__(self, database_url: str, *, clock: Clock | None = None) -> None:
        self._clock: Clock = clock or SystemClock()
        self._pool: Pool = make_pool(database_url, "ingest", size=1, name="drills")
        super().__init__("technicians", self._pool)
        self.missed = 0

    def works(self) -> Iterable[Coroutine[Any, Any, None]]:
        """Drills."""
        return (self._run(),)

    async def _run(self) -> None:
        while True:
            try:
                async with borrow(self._pool) as connection, connection.transaction():
                    self.missed += await drills.settle(connection, self._clock.now())
            except AWAY as error:
                log.warning("the database is away, drills are looked at later: %s", type(error).__name__)
            await pause(self._clock, LOOK_S)
