"""Steps of a test on an event loop of their own, which must end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

LIMIT_S = 90.0


def in_loop(steps: Callable[[], Awaitable[None]]) -> None:
    """Runs a test's steps. TimeoutError after LIMIT_S."""

    async def bounded() -> None:
        async with asyncio.timeout(LIMIT_S):
            await steps()

    asyncio.run(bounded())
