"""Our SCAIP receiver as foreign programs meet it: on a loopback port, with what it found at hand."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from livlina.centre_receive_scaip import ScaipReceiver
from tests.ports import free_port


def suffix(transport: str) -> str:
    """What a SIP URI says of its transport."""
    return "" if transport == "udp" else f";transport={transport}"


@asynccontextmanager
async def receiver(
    transport: str = "udp", context: ssl.SSLContext | None = None, status: int = 0, **more: Any
) -> AsyncIterator[tuple[int, Callable[[type], Any]]]:
    """Its port, and what waits for the next event of a kind; those before it are passed over."""
    found: asyncio.Queue[Any] = asyncio.Queue()

    async def on_event(event: Any) -> int:
        await found.put(event)
        return status

    ours = ScaipReceiver(on_event, **more)
    address = await ours.listen("127.0.0.1", free_port(), transport, context)
    run = asyncio.create_task(ours.run())

    async def next_of(kind: type) -> Any:
        while True:
            event = await found.get()
            if isinstance(event, kind):
                return event

    try:
        yield address[1], next_of
    finally:
        run.cancel()
        await asyncio.gather(run, return_exceptions=True)
