"""The emulator's time: real, real but faster, or stepped by a test. Nothing in sim/modem asks any other clock."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Callable
from typing import Protocol


class Timer(Protocol):
    """Something that may still be called off."""

    def cancel(self) -> None: ...


class Clock(Protocol):
    """Seconds since some moment, and calls in the future."""

    def now(self) -> float: ...

    def call_later(self, delay: float, call: Callable[[], None]) -> Timer: ...


class RealClock:
    """Time as it passes, `speed` times as fast: with 10, what takes a modem a second takes a tenth."""

    def __init__(self, speed: float = 1.0) -> None:
        self._loop = asyncio.get_running_loop()
        self._speed = speed
        self._start = self._loop.time()

    def now(self) -> float:
        return (self._loop.time() - self._start) * self._speed

    def call_later(self, delay: float, call: Callable[[], None]) -> Timer:
        return self._loop.call_later(delay / self._speed, call)


class _Due:
    __slots__ = ("call",)

    def __init__(self, call: Callable[[], None]) -> None:
        self.call: Callable[[], None] | None = call

    def cancel(self) -> None:
        self.call = None


class SteppedClock:
    """Time that stands still until `advance`; calls are made in the order of their times."""

    def __init__(self) -> None:
        self._now = 0.0
        self._due: list[tuple[float, int, _Due]] = []
        self._order = itertools.count()

    def now(self) -> float:
        return self._now

    def call_later(self, delay: float, call: Callable[[], None]) -> Timer:
        due = _Due(call)
        heapq.heappush(self._due, (self._now + max(0.0, delay), next(self._order), due))
        return due

    def next_due(self) -> float | None:
        """When the next call is due."""
        while self._due and self._due[0][2].call is None:
            heapq.heappop(self._due)
        return self._due[0][0] if self._due else None

    def step(self) -> None:
        """Let time pass up to the next call, and make that one call. Nothing happens where there is none."""
        if self.next_due() is not None:
            at, _, timer = heapq.heappop(self._due)
            self._now = max(self._now, at)
            if timer.call is not None:
                timer.call()

    def move(self, to: float) -> None:
        """Let time pass up to this moment without a call; only where none is due before."""
        self._now = max(self._now, to)

    def advance(self, seconds: float) -> None:
        """Let so much time pass."""
        end = self._now + seconds
        while (due := self.next_due()) is not None and due <= end:
            self.step()
        self._now = end
