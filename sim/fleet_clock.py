"""A clock for the fleet's workers that runs faster than the world, for scenarios and tests on real databases.

It goes forward in steps, one for each turn of the event loop that it gets: when this process is held up, its time is
held up too, so that a busy machine does not look like a silent centre. What other processes do (PostgreSQL) takes real
time.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Callable
from datetime import datetime, timedelta


class Appointment:
    """A call that is to come."""

    def __init__(self, call: Callable[[], object]) -> None:
        self.call: Callable[[], object] | None = call

    def cancel(self) -> None:
        """Calls it off."""
        self.call = None


class FastClock:
    """``factor`` seconds of its own for each second of the world, in steps of ``step_s`` of its own.

    It stands still until ``run`` is a task. ``fleet.clock.Clock`` is what it looks like to workers.
    """

    def __init__(self, start: datetime, *, factor: float = 40.0, step_s: float = 0.1) -> None:
        self._start = start
        self._factor = factor
        self._step_s = step_s
        self._elapsed = 0.0
        self._order = itertools.count()
        self._appointments: list[tuple[float, int, Appointment]] = []

    @property
    def factor(self) -> float:
        """How much faster than the world it runs at best."""
        return self._factor

    def now(self) -> datetime:
        """Its time, aware."""
        return self._start + timedelta(seconds=self._elapsed)

    def steady(self) -> float:
        """Seconds since its start."""
        return self._elapsed

    def call_later(self, seconds: float, call: Callable[[], object]) -> Appointment:
        """By its own seconds."""
        made = Appointment(call)
        heapq.heappush(self._appointments, (self._elapsed + max(seconds, 0.0), next(self._order), made))
        return made

    async def run(self) -> None:
        """Goes forward for ever."""
        while True:
            await asyncio.sleep(self._step_s / self._factor)
            self.advance(self._step_s)

    def advance(self, seconds: float) -> None:
        """Goes forward at once, and makes the calls that are due on the way, in order."""
        ends = self._elapsed + seconds
        while self._appointments and self._appointments[0][0] <= ends:
            at, _, made = heapq.heappop(self._appointments)
            self._elapsed = max(self._elapsed, at)
            if made.call is not None:
                made.call()
        self._elapsed = ends

    async def until(self, at: datetime) -> None:
        """Returns when its time has come there."""
        come = asyncio.Event()
        self.call_later((at - self.now()).total_seconds(), come.set)
        await come.wait()

    async def sleep(self, seconds: float) -> None:
        """Returns after so many of its seconds."""
        await self.until(self.now() + timedelta(seconds=seconds))
