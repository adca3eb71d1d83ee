"""Tasks that must not end while the server runs, and the parts of the server that consist of them.

It decides nothing: it notices when a task has ended by our fault.
"""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, Protocol

AGAIN_S = 10.0
"""A task that has not ended by then is cancelled again."""


async def end(tasks: Iterable[asyncio.Task[Any]], again_s: float = AGAIN_S) -> None:
    """Cancels tasks until all have ended; what they raised is not raised here.

    Once is not always enough: a task that waits for a connection which comes in the very moment of its cancellation
    gets the connection and goes on (psycopg_pool's getconn), and who waits for it would wait for ever.
    """
    left = set(tasks)
    while left:
        for task in left:
            task.cancel()
        ended, left = await asyncio.wait(left, timeout=again_s)
        for task in ended:
            # Looked at, so that asyncio does not complain that nobody has.
            _ = task.cancelled() or task.exception()


async def again_and_again(write: Callable[[], Coroutine[Any, Any, None]], every_s: float) -> None:
    """Calls `write` for ever, with pauses between. A cancellation takes effect behind a call that has begun, which
    must end in bounded time: what it has taken out of memory is written then, or owed again, and never half of both.
    """
    while True:
        await asyncio.sleep(every_s)
        writing, cancelled = asyncio.create_task(write()), False
        while not writing.done():
            try:
                await asyncio.wait([writing])
            except asyncio.CancelledError:
                cancelled = True
        writing.result()
        if cancelled:
            raise asyncio.CancelledError


class Loops:
    """A set of endless tasks of one part of the server; ``watch`` raises when one of them has ended."""

    def __init__(self, part: str) -> None:
        self._part = part
        self._log = logging.getLogger(f"livlina.{part}")
        self._tasks: set[asyncio.Task[None]] = set()
        self._broken = asyncio.Event()

    def start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Runs one loop. Cancel the task to end it without complaint."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    async def stop(self) -> None:
        """Cancels all and waits for their end."""
        await end(self._tasks)

    async def watch(self) -> None:
        """Waits until a loop has ended by a fault of ours, and raises RuntimeError: work would lie here unseen."""
        await self._broken.wait()
        raise RuntimeError(f"a loop of {self._part} has ended: see the log")

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            self._log.critical("a loop of %s has ended", self._part, exc_info=task.exception())
            self._broken.set()


class Opened(Protocol):
    """What is opened before the loops and closed behind them: a pool of connections."""

    async def open(self) -> object:
        """Opens it; a database that is away is waited for when it is first asked."""

    async def close(self) -> object:
        """Closes it."""


class Part(ABC):
    """A part of the server: loops on pools of its own. A subclass gives its loops in ``works``; what it holds besides,
    it closes in ``hang_up``. Nothing is opened before ``start``."""

    def __init__(self, name: str, *pools: Opened) -> None:
        self._loops = Loops(name)
        self._pools = pools

    @abstractmethod
    def works(self) -> Iterable[Coroutine[Any, Any, None]]:
        """The loops, each to run until it is cancelled."""

    async def hang_up(self) -> None:  # noqa: B027 - most parts hold nothing besides
        """Called when no loop runs any more, and before the pools are closed."""

    async def start(self) -> None:
        """Starts the loops; a database that is away at start is waited for."""
        for pool in self._pools:
            await pool.open()
        for work in self.works():
            self._loops.start(work)

    async def stop(self) -> None:
        """Ends the loops. What they have to do are rows: whoever comes next goes on with them."""
        await self._loops.stop()
        await self.hang_up()
        for pool in self._pools:
            await pool.close()

    async def watch(self) -> None:
        """Waits until a loop has ended by a fault of ours, and raises RuntimeError: work would lie here unseen."""
        await self._loops.watch()
