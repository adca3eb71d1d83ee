"""Display receipts: what each logged-in console has painted, written in batches; and the end of streams without log-in.

This is how the server knows that a person can see an alarm. Supervision reads ``web_sessions.shown_position``.
"""

from __future__ import annotations

import asyncio
import logging

from fleet.store.pool import Pool
from fleet.web.follower import LOST_DATABASE, Console
from fleet.web.model import CURSOR_INVALID, NOT_LOGGED_IN, Timings
from fleet.web.sessions import SQL, Sessions

log = logging.getLogger(__name__)


class Receipts:
    """Keeps ``web_sessions`` up to date for all consoles of this process, in one statement a round."""

    def __init__(self, pool: Pool, sessions: Sessions, timings: Timings) -> None:
        self._pool = pool
        self._sessions = sessions
        self._timings = timings
        self._consoles: set[Console] = set()

    def add(self, console: Console) -> None:
        """Begins to keep a console's receipts and to check its log-in."""
        self._consoles.add(console)

    def remove(self, console: Console) -> None:
        """The stream has ended."""
        self._consoles.discard(console)

    def end(self, token_hash: bytes) -> None:
        """Cuts the streams of a session that has just been logged out; other processes notice in their next round."""
        for console in self._consoles:
            if console.token_hash == token_hash:
                console.end(NOT_LOGGED_IN)

    async def run(self) -> None:
        """Until cancelled. While the database is away receipts wait, and streams stay without beats."""
        while True:
            await asyncio.sleep(self._timings.receipts)
            try:
                async with asyncio.timeout(self._timings.read):
                    await self._round(list(self._consoles))
            except LOST_DATABASE as error:
                log.info("receipts wait for the database (%s)", type(error).__name__)

    async def _round(self, consoles: list[Console]) -> None:
        if not consoles:
            return
        hashes = sorted({console.token_hash for console in consoles})
        of = {token: [c for c in consoles if c.token_hash == token] for token in hashes}
        told = {console: console.painted for console in consoles}
        values = {
            "token_hash": hashes,
            "shown": [max(c.shown for c in of[token]) for token in hashes],
            "painted": [any(told[c] for c in of[token]) for token in hashes],
            "manned": [any(c.manned for c in of[token]) for token in hashes],
        }
        async with self._pool.connection() as connection:
            await connection.execute(SQL["keep_receipts"], {**values, **self._sessions.limits})
        valid = await self._sessions.valid(hashes)
        for console, painted in told.items():
            if painted:
                console.painted = False
        for console in consoles:
            if not valid.get(console.token_hash):
                console.end(NOT_LOGGED_IN)
            elif valid[console.token_hash] != console.municipalities:
                console.end(CURSOR_INVALID)
