"""What looks as if somebody else spoke for a unit: one row a unit and hour, however much there was of it.

Only authentic frames are counted, so nobody can make a notice about a unit whose key he does not have a recording of.
Counting never waits and never touches the database; what could not be written yet is written later. A notice changes
nothing about an alarm.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from typing import Final

import psycopg

from fleet.loops import again_and_again
from fleet.store.borrow import AWAY, borrow
from fleet.store.pool import Pool
from fleet.store.sql_file import read_statements

log = logging.getLogger("livlina.ingest")
SQL = read_statements("fleet.ingest")

EVERY_S: Final = 1.0
STALE: Final = "stale"
"""A frame with a new key and an old counter: a recording that was never received, or two units with one key."""
UNPROVEN: Final = "unproven"
"""A press of doubtful age; its unit is asked."""
REPEATED: Final = "repeated"
"""A frame that was received before, byte for byte."""
MANY: Final = 20
"""A network doubles datagrams, and units repeat what is not receipted: fewer repetitions in an hour are no notice."""

Seen = tuple[int, int, datetime]
"""Unit, municipality, hour."""


class Notices:
    """One per process. ``run`` must be running; cancel it to stop, then call `flush` once more."""

    def __init__(self, pool: Pool, clock: Callable[[], datetime]) -> None:
        self._pool = pool
        self._clock = clock
        self._owed: dict[Seen, Counter[str]] = {}
        self._noticed: set[Seen] = set()

    def count(self, unit: int, municipality: int, what: str) -> None:
        """One more of these."""
        hour = self._clock().replace(minute=0, second=0, microsecond=0)
        self._owed.setdefault((unit, municipality, hour), Counter())[what] += 1

    async def run(self) -> None:
        """Writes for ever."""
        await again_and_again(self.flush, EVERY_S)

    async def flush(self) -> None:
        """Writes what is owed; few repetitions are kept in memory until they are many or the hour is over.

        In an hour that has its notice already each repetition is written: what the row says of the hour does not
        hang on which second the rest of it came in.
        """
        now = self._clock()
        hour = now.replace(minute=0, second=0, microsecond=0)
        rows, kept = [], {}
        self._noticed = {seen for seen in self._noticed if seen[2] == hour}
        for seen, counts in self._owed.items():
            if counts[STALE] or counts[UNPROVEN] or counts[REPEATED] >= MANY or seen in self._noticed:
                rows.append((seen, counts))
            elif seen[2] == hour:
                kept[seen] = counts
        self._owed = kept
        if not rows:
            return
        rows.sort(key=lambda row: row[0])
        columns = {
            "unit_id": [seen[0] for seen, _ in rows],
            "municipality_id": [seen[1] for seen, _ in rows],
            "hour": [seen[2] for seen, _ in rows],
            **{name: [counts[name] for _, counts in rows] for name in (STALE, UNPROVEN, REPEATED)},
            "at": now,
        }
        try:
            async with borrow(self._pool) as connection:
                await connection.execute(SQL["keep_notices"], columns)
        except (*AWAY, psycopg.Error) as error:
            log.warning("security notices are written later: %s", type(error).__name__)
            for seen, counts in rows:
                self._owed.setdefault(seen, Counter()).update(counts)
        else:
            self._noticed.update(seen for seen, _ in rows if seen[2] == hour)
