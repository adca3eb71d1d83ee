"""The loop that moves open pairings on. Any number of processes may run it; each pairing is one process's at a time.

The person's telephone has no part in it: a pairing that was sent goes on, and is proven, while the telephone is away.
Beside it the same loop ends absences and searches whose time is over.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Coroutine, Iterable
from datetime import datetime
from typing import Any

import psycopg

from fleet.clock import Clock, SystemClock, pause
from fleet.loops import Part
from fleet.pairing import store
from fleet.pairing.decide import REPEAT_AFTER
from fleet.registry import searches, units
from fleet.store.borrow import AWAY, borrow
from fleet.store.pool import Pool, make_pool

log = logging.getLogger("livlina.pairing")

LOOK_S = 1.0
HOUSEKEEPING_S = 60.0


class PairingWatch(Part):
    """``order`` asks a unit for a test press (`fleet.ingest.commands`, joined in the composition root). Nothing is
    opened before ``start``. ``proven`` counts what this process has made active."""

    def __init__(self, database_url: str, order: store.QueueOrder, *, clock: Clock | None = None) -> None:
        self._clock: Clock = clock or SystemClock()
        self._order = order
        self._pool: Pool = make_pool(database_url, "registry", size=2, name="pairing")
        super().__init__("pairing", self._pool)
        self._pushed: dict[int, datetime] = {}
        self.proven = 0

    def works(self) -> Iterable[Coroutine[Any, Any, None]]:
        """Pairings, and what ends by itself."""
        return self._run(), self._keep_house()

    async def _run(self) -> None:
        while True:
            try:
                await self._look()
            except AWAY as error:
                log.warning("the database is away, pairings are looked at later: %s", type(error).__name__)
            await pause(self._clock, LOOK_S)

    async def _look(self) -> None:
        at = self._clock.now()
        async with borrow(self._pool) as connection:
            due, silent = await store.look(connection, at)
            again = [unit for unit in silent if at - self._pushed.setdefault(unit, at) >= REPEAT_AFTER]
            if again:
                await store.push_again(connection, again)
        self._pushed = {unit: at if unit in again else self._pushed[unit] for unit in silent}
        for pairing in due:
            await self._settle(pairing, at)

    async def _settle(self, pairing: int, at: datetime) -> None:
        """One pairing a transaction: what is wrong with one holds up no other."""
        try:
            async with borrow(self._pool) as connection, connection.transaction():
                became = await store.settle(connection, pairing, self._order, at)
        except AWAY:
            raise
        except units.LifeError as error:
            # The unit was revoked, or changed by hand, while it was being paired.
            log.warning("pairing %d is given up: %s", pairing, error)
            await self._give_up(pairing, str(error), at)
            return
        except psycopg.Error as error:
            log.error("pairing %d stays as it is: %s", pairing, type(error).__name__)
            return
        if became == "active":
            self.proven += 1

    async def _give_up(self, pairing: int, reason: str, at: datetime) -> None:
        async with borrow(self._pool) as connection, connection.transaction():
            with contextlib.suppress(ValueError, LookupError):  # somebody has ended it meanwhile
                await store.give_up(connection, pairing, reason, store.MACHINE, at)

    async def _keep_house(self) -> None:
        while True:
            try:
                async with borrow(self._pool) as connection, connection.transaction():
                    await units.end_absences(connection, self._clock.now())
                    await searches.purge(connection, self._clock.now())
            except AWAY as error:
                log.warning("the database is away, absences and searches end later: %s", type(error).__name__)
            await pause(self._clock, HOUSEKEEPING_S)
