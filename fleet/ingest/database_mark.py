"""Notices that the database came out of a backup: a number in it that only grows, and the last one beside it in a file.

A database whose number is lower than the file's has lost what was received since. Then no counter in it says what is
new: every key is doubted until something younger comes from its unit, and orders that were never answered are not sent
again, because they may have been obeyed. Where the number is there and the file is not, the same is done: a database
that is put on a new machine comes without it.

It decides nothing about a frame (`fleet.ingest.freshness` does) and never keeps an alarm out: a file that cannot be
read or written is told in the log.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Final

import psycopg

from fleet.registry.keys import doubt_all
from fleet.store.borrow import AWAY, borrow
from fleet.store.pool import Connection, Pool, fetch_all
from fleet.store.private_file import keep_private
from fleet.store.sql_file import read_statements

log = logging.getLogger("livlina.ingest")
SQL = read_statements("fleet.ingest")

FILE: Final = "database-mark"
EVERY_S: Final = 10.0
"""What a backup that is younger than this misses is not noticed."""


class DatabaseMark:
    """One per process. ``folder`` is the installation's data folder, ``clock`` the server's time."""

    def __init__(self, folder: Path, clock: Callable[[], datetime]) -> None:
        self._file = folder / FILE
        self._clock = clock
        self._checked = False
        self._one_at_a_time = asyncio.Lock()

    async def checked(self, connection: Connection) -> None:
        """Compares, the first time it is called. Raises what the database raises; then nothing was compared."""
        if not self._checked:
            async with self._one_at_a_time:
                if not self._checked:
                    await self._compare(connection)

    async def compare(self, connection: Connection) -> bool:
        """Compares, and counts on. True where the database was restored: then every key is doubted, committed."""
        async with self._one_at_a_time:
            return await self._compare(connection)

    async def _compare(self, connection: Connection) -> bool:
        known = await asyncio.to_thread(self._known)
        async with connection.transaction():
            mark = int((await fetch_all(connection, SQL["mark"]))[0]["mark"])
            restored = mark < known if known is not None else mark > 0
            if restored:
                units = await doubt_all(connection, self._clock())
                log.warning(
                    "the database came out of a backup: presses of %d units are marked until each has proven that it "
                    "speaks now",
                    units,
                )
            values = {"known": known or 0}
            mark = int((await fetch_all(connection, SQL["next_mark"], values))[0]["mark"])
        self._checked = True
        await asyncio.to_thread(self._keep, mark)
        return restored

    async def run(self, pool: Pool) -> None:
        """Counts on for ever; cancel it to stop."""
        while True:
            try:
                async with borrow(pool) as connection:
                    await self.compare(connection)
            except (*AWAY, psycopg.Error) as error:
                log.warning("the database's mark is compared later: %s", type(error).__name__)
            await asyncio.sleep(EVERY_S)

    def _known(self) -> int | None:
        try:
            return int(self._file.read_text("ascii"))
        except FileNotFoundError:
            return None
        except (OSError, ValueError):
            log.error("%s cannot be read: the database counts as restored", self._file.name)
            return None

    def _keep(self, mark: int) -> None:
        try:
            keep_private(self._file, str(mark))
        except OSError as error:
            log.error("%s cannot be written, a restore may go unnoticed: %s", self._file.name, error.strerror)
