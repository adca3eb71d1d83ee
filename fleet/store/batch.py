"""Commit together what arrived while the last commit ran (group commit, decision D4)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class Overloaded(RuntimeError):
    """The queue is full: the sender must keep the item and try again."""


class Batcher(Generic[Item, Result]):
    """Hands items to ``commit`` in batches; an item's result exists only after the commit that holds it.

    An idle batcher commits at once; under load a batch is what queued up meanwhile, at most ``most`` items.
    ``linger`` (seconds) lets a batch grow where delay is harmless. ``commit`` gets the items in order of arrival and
    returns one result for each. When it raises, every item of the batch gets that exception and nothing is retried
    here: whoever sent the item still has it. Nothing is ever dropped silently: a full queue raises Overloaded. Items
    submitted as ``first`` go before all that wait otherwise, in a queue of the same length of their own.
    """

    def __init__(
        self,
        commit: Callable[[Sequence[Item]], Awaitable[Sequence[Result]]],
        *,
        most: int = 1000,
        linger: float = 0.0,
        queue: int = 20_000,
    ) -> None:
        self._commit = commit
        self._most = most
        self._linger = linger
        self._limit = queue
        self._waiting: list[tuple[Item, asyncio.Future[Result]]] = []
        self._first: list[tuple[Item, asyncio.Future[Result]]] = []
        self._arrived = asyncio.Event()
        self.batches = 0
        self.items = 0

    def submit(self, item: Item, *, first: bool = False) -> asyncio.Future[Result]:
        """Queues the item. Raises Overloaded when the queue is full."""
        queue = self._first if first else self._waiting
        if len(queue) >= self._limit:
            raise Overloaded(f"{self._limit} items wait for their commit: try again later")
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        queue.append((item, future))
        self._arrived.set()
        return future

    async def run(self) -> None:
        """Commits for ever; cancel it to stop. Items that still wait then are cancelled too."""
        try:
            while True:
                await self._arrived.wait()
                if self._linger and len(self._first) + len(self._waiting) < self._most:
                    await asyncio.sleep(self._linger)
                batch, self._first = self._first[: self._most], self._first[self._most :]
                room = self._most - len(batch)
                batch, self._waiting = batch + self._waiting[:room], self._waiting[room:]
                if not self._first and not self._waiting:
                    self._arrived.clear()
                await self._settle(batch)
        finally:
            for _, future in (*self._first, *self._waiting):
                future.cancel()

    async def _settle(self, batch: list[tuple[Item, asyncio.Future[Result]]]) -> None:
        try:
            results = await self._commit([item for item, _ in batch])
            if len(results) != len(batch):
                raise AssertionError(f"commit returned {len(results)} results for {len(batch)} items")
        except BaseException as error:
            for _, future in batch:
                if not future.done():
                    if isinstance(error, asyncio.CancelledError):
                        future.cancel()
                    else:
                        future.set_exception(error)
            if not isinstance(error, Exception):
                raise
            return
        self.batches += 1
        self.items += len(batch)
        for (_, future), result in zip(batch, results, strict=True):
            if not future.done():
                future.set_result(result)
