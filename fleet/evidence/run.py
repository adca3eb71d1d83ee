"""The loops of evidence: chain what was committed, sign the end each minute, send the head elsewhere.

They share nothing with the alarm path but the database; any number of processes may run them.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any

from fleet.clock import Clock, SystemClock, pause
from fleet.evidence.chainer import MOST, SQL, chain_once
from fleet.evidence.heads import head_line, sign_head
from fleet.evidence.signing import SigningKey
from fleet.loops import Part
from fleet.store.borrow import AWAY, borrow
from fleet.store.pool import Pool, make_pool

log = logging.getLogger("livlina.evidence")

LOOK_S = 1.0
SIGN_S = 60.0
ANSWERS_KEPT = timedelta(days=1)

Publish = Callable[[str], Awaitable[None]]
"""Takes a head's line somewhere else. It may raise nothing: what fails is its own to report."""


class Evidence(Part):
    """Nothing is opened before ``start``."""

    def __init__(
        self,
        database_url: str,
        key: SigningKey,
        heads_file: Path,
        *,
        publish: Publish | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._clock: Clock = clock or SystemClock()
        self._pool: Pool = make_pool(database_url, "evidence", size=2)
        self._key = key
        self._file = heads_file
        self._publish = publish
        super().__init__("evidence", self._pool)
        self.chained = 0

    def works(self) -> Iterable[Coroutine[Any, Any, None]]:
        """The chain, and its signed heads."""
        return self._chain(), self._sign()

    async def _chain(self) -> None:
        while True:
            added = 0
            try:
                async with borrow(self._pool) as connection:
                    added = await chain_once(connection, self._clock.now())
                self.chained += added
            except AWAY as error:
                log.warning("the database is away, evidence is chained later: %s", type(error).__name__)
            if added < MOST:
                await pause(self._clock, LOOK_S)

    async def _sign(self) -> None:
        while True:
            await pause(self._clock, SIGN_S)
            try:
                async with borrow(self._pool) as connection:
                    head = await sign_head(connection, self._key, self._file, self._clock.now())
                    async with connection.transaction():
                        await connection.execute(SQL["forget_answers"], {"before": self._clock.now() - ANSWERS_KEPT})
            except AWAY as error:
                log.warning("the database is away, its head is signed later: %s", type(error).__name__)
                continue
            except OSError as error:
                # A full disk must not end the server: the chain goes on, and the head is signed a minute later.
                log.error("the head cannot be kept in its file: %s", error.strerror)
                continue
            if head is not None and self._publish is not None:
                await self._publish(head_line(head))
