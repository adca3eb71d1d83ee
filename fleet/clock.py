"""The clock that every worker of the server is given. It decides nothing; it says what time it is and wakes.

Whoever judges time takes ``at`` (an aware UTC datetime) as an argument; workers get it from here, and statements get it
as a parameter, so that a scenario can run two hours in seconds on a real database.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Protocol


class Handle(Protocol):
    """A call that is to come, and may be called off."""

    def cancel(self) -> None:
        """Calls it off; harmless when it has been made."""


class Clock(Protocol):
    """Wall time for what is written and compared between processes, steady time for how long something takes."""

    def now(self) -> datetime:
        """The time, aware, UTC. It may be set back or forth."""

    def steady(self) -> float:
        """Seconds that never run backwards, from any beginning."""

    def call_later(self, seconds: float, call: Callable[[], object]) -> Handle:
        """Makes the call in ``seconds`` of this clock, in the running event loop."""


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        """The machine's time."""
        return datetime.now(UTC)

    def steady(self) -> float:
        """The machine's monotonic clock."""
        return time.monotonic()

    def call_later(self, seconds: float, call: Callable[[], object]) -> Handle:
        """By the event loop."""
        return asyncio.get_running_loop().call_later(max(seconds, 0.0), call)


async def pause(clock: Clock, seconds: float, event: asyncio.Event | None = None) -> None:
    """Returns after ``seconds`` of this clock, or when the event is set, which is then cleared."""
    woken = event if event is not None else asyncio.Event()
    handle = clock.call_later(seconds, woken.set)
    try:
        await woken.wait()
    finally:
        handle.cancel()
    woken.clear()


@asynccontextmanager
async def within(clock: Clock, seconds: float) -> AsyncIterator[None]:
    """``asyncio.timeout`` by this clock: raises TimeoutError when the block has taken ``seconds``."""
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(None) as scope:

        def end() -> None:
            # The block may have ended in the same turn of the loop.
            with contextlib.suppress(RuntimeError):
                scope.reschedule(loop.time())

        handle = clock.call_later(seconds, end)
        try:
            yield
        finally:
            handle.cancel()
