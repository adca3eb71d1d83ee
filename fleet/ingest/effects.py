"""Carries out what reports mean for cases: an outbox between the reports' transaction and the alarms' domain.

A report and what it means for a case are one commit: the effect is owed in a row of ``case_effects``. It is carried
out in a short transaction of its own, because a case is changed under the case log's lock, and that lock must never
wait for a batch of heartbeats (decision D4). Several processes may run it; a row is done by one of them.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final

import psycopg

from fleet.alarms.model import PressKey
from fleet.alarms.verdicts import clear_freshness, clear_stuck, close_as_replay, mark_stuck
from fleet.store.borrow import AWAY, borrow
from fleet.store.pool import Connection, Pool, fetch_all
from fleet.store.sql_file import read_statements

log = logging.getLogger("livlina.ingest")
SQL = read_statements("fleet.ingest")

SWEEP_S: Final = 5.0
"""What another process owed and did not do is found after this."""

AGAIN_AFTER: Final = timedelta(minutes=1)
"""An effect that the database refused is tried again after this; others go on meanwhile."""


class Effects:
    """One per process; `run` must be running. ``clock`` gives the server's time, aware."""

    def __init__(self, pool: Pool, clock: Callable[[], datetime]) -> None:
        self._pool = pool
        self._clock = clock
        self._owed = asyncio.Event()
        self.done = 0

    def owed(self) -> None:
        """Something was committed that a case is owed."""
        self._owed.set()

    async def run(self) -> None:
        """Carries out for ever; cancel it to stop."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(SWEEP_S):
                    await self._owed.wait()
            self._owed.clear()
            try:
                while await self._one():
                    self.done += 1
            except (*AWAY, psycopg.Error) as error:
                log.warning("effects on cases are carried out later: %s", type(error).__name__)

    async def _one(self) -> bool:
        """Carries out the oldest; False where there is none. One that the database refuses is put aside for a while."""
        async with borrow(self._pool) as connection:
            row: dict[str, Any] | None = None
            try:
                async with connection.transaction():
                    found = await fetch_all(connection, SQL["claim_effect"], {"before": self._clock() - AGAIN_AFTER})
                    if not found:
                        return False
                    row = found[0]
                    await carry_out(connection, row)
                    await connection.execute(SQL["effect_done"], {"effect_id": row["effect_id"]})
            except AWAY:
                raise
            except psycopg.Error as error:
                if row is None:
                    raise
                why = type(error).__name__
                log.error("effect %s on a case of unit %08x is refused: %s", row["effect"], row["unit_id"], why)
                values = {"effect_id": row["effect_id"], "at": self._clock()}
                async with connection.transaction():
                    await connection.execute(SQL["effect_failed"], values)
            return True


async def carry_out(connection: Connection, row: dict[str, Any]) -> None:
    """One effect, inside the caller's transaction. A unit without such a case or press is no error: nothing to do."""
    unit, at = row["unit_id"], row["at"]
    if row["effect"] == "stuck":
        await mark_stuck(connection, unit, row["input"], at)
    elif row["effect"] == "released":
        await clear_stuck(connection, unit, row["input"], at)
    elif row["effect"] == "genuine":
        await clear_freshness(connection, PressKey(unit, row["boot"], row["seq"]), at)
    else:
        await close_as_replay(connection, PressKey(unit, row["boot"], row["seq"]), at)
