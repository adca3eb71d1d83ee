"""The loop that looks for drills that were ordered and never came. Any number of processes may run it."""

from __future__ import annotations

import logging

from fleet.clock import Clock, SystemClock, pause
from fleet.loops import Loops
from fleet.store.borrow import AWAY, borrow
from fleet.store.pool import Pool, make_pool
from fleet.technicians import drills

log = logging.getLogger("livlina.technicians")

LOOK_S = 30.0


class DrillWatch:
    """Nothing is opened before ``start``."""

    def __init__(self, database_url: str, *, clock: Clock | None = None) -> None:
        self._clock: Clock = clock or SystemClock()
        self._pool: Pool = make_pool(database_url, "ingest", size=1, name="drills")
        self._loops = Loops("technicians")
        self.missed = 0

    async def start(self) -> None:
        """Starts the loop; a database that is away at start is waited for."""
        await self._pool.open()
        self._loops.start(self._run())

    async def stop(self) -> None:
        """Ends it. Orders are rows: what was not looked at is found by whoever comes next."""
        await self._loops.stop()
        await self._pool.close()

    async def watch(self) -> None:
        """Raises RuntimeError when the loop has ended by a fault of ours."""
        await self._loops.watch()

    async def _run(self) -> None:
        while True:
            try:
                async with borrow(self._pool) as connection, connection.transaction():
                    self.missed += await drills.settle(connection, self._clock.now())
            except AWAY as error:
                log.warning("the database is away, drills are looked at later: %s", type(error).__name__)
            await pause(self._clock, LOOK_S)
