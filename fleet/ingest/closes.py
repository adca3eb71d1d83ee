"""Tells supervision whose connection ended without a farewell: a hint to ask after the unit, never a verdict.

A thousand connections that end at once are one statement. Telling never waits and never touches the database; what
could not be written yet is written later, and a unit that is back by then is told as back.
"""

from __future__ import annotations

import logging
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
FLUSH_S: Final = 1.0
FAREWELLS: Final = frozenset({"client disconnected", "taken over", "stopping", "refused", "connection_revoked"})
"""Ends that say nothing about a unit: its own word, its newer connection, or ours."""


class Closes:
    """One per process. ``clock`` is the server's time."""

    def __init__(self, pool: Pool, clock: Callable[[], datetime]) -> None:
        self._pool = pool
        self._clock = clock
        self._owed: dict[int, datetime | None] = {}
        self._closed: set[int] = set()

    def ended(self, unit: int, reason: str) -> None:
        """A unit's present connection has ended."""
        if reason not in FAREWELLS:
            self._owed[unit] = self._clock()
            self._closed.add(unit)

    def back(self, unit: int) -> None:
        """It is connected again."""
        if unit in self._closed:
            self._closed.discard(unit)
            self._owed[unit] = None

    async def run(self) -> None:
        """Writes for ever; cancel it to stop, then call `flush` once more."""
        await again_and_again(self.flush, FLUSH_S)

    async def flush(self) -> None:
        """Writes what is owed. A database that is away leaves it owed; what has happened since goes before it."""
        owed, self._owed = self._owed, {}
        if not owed:
            return
        units = sorted(owed)
        columns = {"unit_id": units, "closed_at": [owed[unit] for unit in units], "at": self._clock()}
        try:
            async with borrow(self._pool) as connection:
                await connection.execute(SQL["note_closes"], columns)
        except (*AWAY, psycopg.Error) as error:
            log.warning("ends of connections are told later: %s", type(error).__name__)
            self._owed = {**owed, **self._owed}
