"""The loops of forwarding: one worker a centre, woken by NOTIFY, and group commit for what was delivered."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Protocol

import psycopg

from fleet.forwarding import store
from fleet.forwarding.decide import fate_of
from fleet.forwarding.model import Centre, Outcome, Owed
from fleet.store.batch import Batcher
from fleet.store.borrow import AWAY, borrow
from fleet.store.pool import Pool, make_pool

log = logging.getLogger("livlina.forwarding")

CLAIM_MOST = 32
# Longer than the time one attempt may take, short enough that a killed worker's claims are soon free again.
LEASE_S = 8.0
# NOTIFY wakes the workers; the poll is for what becomes due by time and for a notification that was missed.
POLL_S = 1.0
CENTRES_AGAIN_S = 10.0


class CentreLink(Protocol):
    """One way to one centre. Never raises for what the centre or the network does: that is an outcome."""

    async def deliver(self, owed: Owed) -> Outcome:
        """One attempt, bounded in time by the link itself."""

    async def close(self) -> None:
        """Hangs up."""


class Forwarding:
    """Tells every centre what it is owed. Several of these, in any number of processes, share the work.

    ``link_to`` makes the link of a centre. Nothing is opened before ``start``.
    """

    def __init__(self, database_url: str, link_to: Callable[[Centre], CentreLink]) -> None:
        self._url = database_url
        self._link_to = link_to
        self._pool: Pool = make_pool(database_url, "forward", size=3)
        self._workers: dict[Centre, asyncio.Task[None]] = {}
        self._wake: dict[Centre, asyncio.Event] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._broken = asyncio.Event()
        self.delivered = 0

    async def start(self) -> None:
        """Starts the loops; a database that is away at start is waited for."""
        await self._pool.open()
        self._tasks = [self._loop(self._listen()), self._loop(self._follow_centres())]

    async def stop(self) -> None:
        """Ends the loops. What was claimed and not settled is due again when its lease has run out."""
        tasks = [*self._tasks, *self._workers.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._pool.close()

    async def watch(self) -> None:
        """Waits until a loop has ended by a fault of ours, and raises RuntimeError: alarms would stay here unseen."""
        await self._broken.wait()
        raise RuntimeError("a loop of forwarding has ended: see the log")

    def _loop(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled():
            log.critical("a loop of forwarding has ended", exc_info=task.exception())
            self._broken.set()

    async def _follow_centres(self) -> None:
        while True:
            try:
                async with borrow(self._pool) as connection:
                    configured = await store.centres(connection)
            except AWAY as error:
                log.warning("the database is away, centres are read again later: %s", type(error).__name__)
                await asyncio.sleep(POLL_S)
                continue
            for gone in set(self._workers) - set(configured):
                self._workers.pop(gone).cancel()
                self._wake.pop(gone)
            for centre in configured:
                if centre not in self._workers:
                    self._wake[centre] = asyncio.Event()
                    self._workers[centre] = self._loop(self._work(centre))
            await asyncio.sleep(CENTRES_AGAIN_S if configured else POLL_S)

    async def _listen(self) -> None:
        while True:
            try:
                async with await psycopg.AsyncConnection.connect(
                    self._url, autocommit=True, connect_timeout=5
                ) as connection:
                    await connection.execute("LISTEN livlina_outbox")
                    async for _ in connection.notifies():
                        for event in self._wake.values():
                            event.set()
            except psycopg.Error as error:
                log.warning("listening for presses failed, polling goes on: %s", type(error).__name__)
            await asyncio.sleep(POLL_S)

    async def _work(self, centre: Centre) -> None:
        link = self._link_to(centre)
        settled: Batcher[Owed, None] = Batcher(lambda owed: self._settle(centre, owed), most=CLAIM_MOST)
        settling = asyncio.create_task(settled.run())
        try:
            while True:
                try:
                    pause = await self._round(centre, link, settled)
                except AWAY as error:
                    log.warning("centre %s: the database is away: %s", centre.name, type(error).__name__)
                    pause = POLL_S
                if pause:
                    await self._sleep(centre, pause)
        finally:
            settling.cancel()
            await link.close()

    async def _sleep(self, centre: Centre, seconds: float) -> None:
        event = self._wake[centre]
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(event.wait(), seconds)
        event.clear()

    async def _round(self, centre: Centre, link: CentreLink, settled: Batcher[Owed, None]) -> float:
        """One claim, sent in order. Returns how long to pause; 0 says that more may be due now."""
        async with borrow(self._pool) as connection:
            owed = await store.claim(connection, centre.centre, most=CLAIM_MOST, lease_s=LEASE_S)
        if not owed:
            return POLL_S
        settling: list[asyncio.Future[None]] = []
        pause = 0.0
        started = asyncio.get_running_loop().time()
        for place, item in enumerate(owed):
            if asyncio.get_running_loop().time() - started > LEASE_S / 4:
                await self._release(owed[place:])
                break
            outcome = await link.deliver(item)
            fate = fate_of(outcome, item.attempts)
            if fate.delivered:
                settling.append(settled.submit(item))
                continue
            log.warning(
                "centre %s: %s of case %d, attempt %d: %s; again in %.0f s",
                centre.name, item.key.reference, item.case, item.attempts, outcome.value, fate.delay_s,
            )  # fmt: skip
            async with borrow(self._pool) as connection:
                await store.settle_failed(
                    connection, centre, item,
                    outcome=outcome.value, delay_s=fate.delay_s, refused=outcome is Outcome.REFUSED,
                )  # fmt: skip
            if fate.centre_is_down:
                await self._release(owed[place + 1 :])
                pause = min(fate.delay_s, 5.0)
                break
        await asyncio.gather(*settling)
        return pause

    async def _release(self, owed: Sequence[Owed]) -> None:
        async with borrow(self._pool) as connection:
            await store.release(connection, owed)

    async def _settle(self, centre: Centre, owed: Sequence[Owed]) -> list[None]:
        async with borrow(self._pool) as connection:
            await store.settle_delivered(connection, centre, owed)
        self.delivered += len(owed)
        return [None] * len(owed)
