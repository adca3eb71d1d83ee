"""Counts what was dropped at the edge, by transport and reason: the only thing that a bad frame may write."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime

import psycopg

from fleet.loops import again_and_again
from fleet.store.borrow import AWAY, borrow
from fleet.store.pool import Pool
from fleet.store.sql_file import read_statements

log = logging.getLogger("livlina.ingest")
SQL = read_statements("fleet.ingest")
FLUSH_S = 1.0


class Drops:
    """Counters in memory, added to ``ingest_drops`` of the present day at most once a second in one statement.

    Reasons are words from our own code, never from the outside, so the table stays small. Counting never waits,
    never fails and never touches the database; what could not be written yet is written later.
    """

    def __init__(self, pool: Pool, clock: Callable[[], datetime]) -> None:
        self._pool = pool
        self._clock = clock
        self._total: Counter[tuple[str, str]] = Counter()
        self._owed: Counter[tuple[str, str]] = Counter()

    def count(self, transport: str, reason: str) -> None:
        """One more was dropped."""
        key = transport, reason.replace(" ", "_")
        self._total[key] += 1
        self._owed[key] += 1

    @property
    def totals(self) -> dict[tuple[str, str], int]:
        """(transport, reason) -> dropped since this process started."""
        return dict(self._total)

    async def run(self) -> None:
        """Writes for ever; cancel it to stop, then call `flush` once more."""
        await again_and_again(self.flush, FLUSH_S)

    async def flush(self) -> None:
        """Writes what is owed. A database that is away leaves it owed."""
        owed, self._owed = self._owed, Counter()
        if not owed:
            return
        rows = sorted(owed.items())
        columns = {
            "day": self._clock().astimezone(UTC).date(),
            "transport": [transport for (transport, _), _ in rows],
            "reason": [reason for (_, reason), _ in rows],
            "dropped": [dropped for _, dropped in rows],
        }
        try:
            async with borrow(self._pool) as connection:
                await connection.execute(SQL["add_drops"], columns)
        except (*AWAY, psycopg.Error) as error:
            log.warning("counters of dropped frames are written later: %s", type(error).__name__)
            self._owed.update(owed)
