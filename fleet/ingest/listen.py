"""One LISTEN connection for all channels, held for ever.

Notifications only ever save time: whoever listens must be right without them. After every interruption `on_gap` is
called, because notifications may have been missed meanwhile.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Final

import psycopg
from psycopg import AsyncConnection, sql

log = logging.getLogger("livlina.ingest")

_FIRST_PAUSE_S: Final = 0.25
_LONGEST_PAUSE_S: Final = 5.0
# A connection that is dead without a word is noticed after these.
_ALIVE_EVERY_S: Final = 15.0
_ALIVE_WITHIN_S: Final = 5.0


class Listener:
    """Hands the text of each notification to its channel's handler. ``channels`` maps names to handlers."""

    def __init__(
        self, database_url: str, channels: Mapping[str, Callable[[str], None]], on_gap: Callable[[], None]
    ) -> None:
        self._url = database_url
        self._channels = dict(channels)
        self._on_gap = on_gap
        self.listening = asyncio.Event()

    async def run(self) -> None:
        """Listens for ever; cancel it to stop."""
        pause = _FIRST_PAUSE_S
        while True:
            try:
                await self._listen()
            except (psycopg.Error, TimeoutError) as error:
                log.warning("notifications are interrupted, trying again: %s", type(error).__name__)
            if self.listening.is_set():
                self.listening.clear()
                pause = _FIRST_PAUSE_S
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE_S)

    async def _listen(self) -> None:
        connection = await AsyncConnection.connect(
            self._url, autocommit=True, connect_timeout=5, application_name="livlina-listen"
        )
        async with connection:
            for channel in self._channels:
                await connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))
            self._on_gap()
            self.listening.set()
            while True:
                async for notice in connection.notifies(timeout=_ALIVE_EVERY_S):
                    self._channels[notice.channel](notice.payload)
                async with asyncio.timeout(_ALIVE_WITHIN_S):
                    await connection.execute("SELECT 1")


def units_in(payload: str) -> list[int]:
    """Unit numbers out of a notification: 8 hex digits each, separated by spaces. What is none is left out."""
    return [int(word, 16) for word in payload.split() if len(word) == 8 and set(word) <= set("0123456789abcdef")]
