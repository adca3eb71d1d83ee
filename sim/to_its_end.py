"""Work in a thread that a Ctrl-C does not leave half done. It decides nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


async def to_its_end(work: Callable[[], object]) -> None:
    """Runs `work` in a thread. A cancellation waits for it, so that nothing is stopped that is still starting."""
    working = asyncio.create_task(asyncio.to_thread(work))
    try:
        await asyncio.shield(working)
    except asyncio.CancelledError:
        # How it ended no longer matters: it may well have failed of the same Ctrl-C.
        await asyncio.gather(working, return_exceptions=True)
        raise
