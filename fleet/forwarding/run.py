"""The loops of forwarding: a worker a centre, woken by NOTIFY, and failover between centres."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from fleet.clock import Clock, SystemClock, pause
from fleet.forwarding import store
from fleet.forwarding.failover import Failover
from fleet.forwarding.model import Centre, Policy
from fleet.forwarding.positions import CHANNEL as POSITIONS
from fleet.forwarding.positions import Positions
from fleet.forwarding.worker import POLL_S, CentreLink, CentreWorker
from fleet.loops import Loops
from fleet.store.borrow import AWAY, borrow
from fleet.store.listening import listen
from fleet.store.pool import Pool, make_pool

log = logging.getLogger("livlina.forwarding")

CENTRES_AGAIN_S = 10.0

__all__ = ["CentreLink", "Forwarding"]


class Forwarding:
    """Tells every centre what it is owed. Several of these, in any number of processes, share the work.

    ``link_to`` makes a link of a centre. Nothing is opened before ``start``.
    """

    def __init__(
        self,
        database_url: str,
        link_to: Callable[[Centre], CentreLink],
        *,
        clock: Clock | None = None,
        policy: Policy | None = None,
    ) -> None:
        self._url = database_url
        self._link_to = link_to
        self._clock: Clock = clock or SystemClock()
        self._policy = policy or Policy()
        self._pool: Pool = make_pool(database_url, "forward", size=4)
        self._failover = Failover(self._pool, link_to, self._clock, self._policy)
        self._positions = Positions(database_url, link_to, self._clock)
        self._workers: dict[Centre, tuple[CentreWorker, asyncio.Task[None]]] = {}
        self._gone = 0
        self._loops = Loops("forwarding")

    @property
    def delivered(self) -> int:
        """Presses that centres have said they have, since the start."""
        return self._gone + sum(worker.delivered for worker, _ in self._workers.values())

    async def start(self) -> None:
        """Starts the loops; a database that is away at start is waited for."""
        await self._pool.open()
        await self._positions.start()
        self._loops.start(self._listen())
        self._loops.start(self._follow_centres())
        self._loops.start(self._failover.run())
        self._loops.start(self._positions.run())

    async def stop(self) -> None:
        """Ends the loops. What was claimed and not settled is due again when its lease has run out."""
        await self._loops.stop()
        await self._positions.stop()
        await self._pool.close()

    async def watch(self) -> None:
        """Waits until a loop has ended by a fault of ours, and raises RuntimeError: alarms would stay here unseen."""
        await self._loops.watch()

    async def _follow_centres(self) -> None:
        while True:
            try:
                async with borrow(self._pool) as connection:
                    configured = await store.centres(connection)
                await self._failover.follow(configured)
                self._positions.follow(configured)
            except AWAY as error:
                log.warning("the database is away, centres are read again later: %s", type(error).__name__)
                await pause(self._clock, POLL_S)
                continue
            for gone in set(self._workers) - set(configured):
                worker, task = self._workers.pop(gone)
                self._gone += worker.delivered
                task.cancel()
            for centre in configured:
                if centre not in self._workers:
                    worker = CentreWorker(centre, self._link_to(centre), self._pool, self._clock, self._policy)
                    self._workers[centre] = (worker, self._loops.start(worker.run()))
            await pause(self._clock, CENTRES_AGAIN_S if configured else POLL_S)

    async def _listen(self) -> None:
        heard = {"livlina_outbox": self._wake_workers, POSITIONS: self._positions.wake.set}
        await listen(self._url, heard, self._clock, POLL_S, log)

    def _wake_workers(self) -> None:
        for worker, _task in self._workers.values():
            worker.wake.set()
