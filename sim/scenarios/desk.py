"""Operators at the fleet's own console: they see the queue that the console shows, in its order, and nothing else."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import psycopg

from fleet.alarms import store as alarms
from fleet.alarms.model import TakeRefused
from fleet.store.pool import Pool, make_pool, tenant_transaction
from sim.scenarios.people import Hands
from sim.scenarios.world import World


class Desk:
    """So many operators. Whoever is free takes what stands first in the queue, is busy with it for `handling()`
    seconds, and closes it.

    The log has `at` (s of the scenario), `unit`, `case` and `what`: *taken* or *closed*.
    """

    def __init__(
        self, world: World, url: str, log: Path, *, operators: int, handling: Callable[[], float],
        municipalities: Sequence[int],
    ) -> None:  # fmt: skip
        self._world = world
        self._url = url
        self._log = log
        self._free = [f"operator {number}" for number in range(operators, 0, -1)]
        self._handling = handling
        self._municipalities = list(municipalities)
        self._pool: Pool = make_pool(url, "web", size=1, name="desk")
        self._hands = Hands(world)
        self._looking = asyncio.Lock()
        self._listening: asyncio.Task[None] | None = None
        log.touch()

    async def start(self) -> None:
        """They log in."""
        await self._pool.open()
        listener = await psycopg.AsyncConnection.connect(self._url, autocommit=True)
        await listener.execute("LISTEN livlina_case_log")
        self._listening = asyncio.create_task(self._listen(listener))

    async def stop(self) -> None:
        """They log out."""
        if self._listening is not None:
            self._listening.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._listening
        await self._hands.rest()
        await self._pool.close()

    def check(self) -> None:
        """Raises what has gone wrong in something that they did."""
        self._hands.check()
        if self._listening is not None and self._listening.done():
            self._listening.result()

    async def _listen(self, listener: psycopg.AsyncConnection[tuple[object, ...]]) -> None:
        async with listener:
            async for _ in listener.notifies():
                if self._free:
                    self._hands.begin(self._look())

    async def _look(self) -> None:
        """Whoever is free takes something, as long as there is anything."""
        async with self._looking:
            while self._free:
                async with tenant_transaction(self._pool, self._municipalities) as connection:
                    queue = await alarms.cases_not_closed(connection)
                waiting = next((case for case in queue if case["state"] == "open"), None)
                if waiting is None or not await self._take(int(waiting["id"]), str(waiting["unit"])):
                    return

    async def _take(self, case: int, unit: str) -> bool:
        operator = self._free.pop()
        try:
            async with tenant_transaction(self._pool, self._municipalities) as connection:
                await alarms.take_case(connection, case, operator, self._world.time.now())
        except TakeRefused:
            self._free.append(operator)
            return False
        self._note(unit, case, "taken")
        self._hands.later(self._handling(), lambda: self._close(case, unit, operator))
        return True

    async def _close(self, case: int, unit: str, operator: str) -> None:
        with contextlib.suppress(TakeRefused):  # pressed again meanwhile: it stands in the queue
            async with tenant_transaction(self._pool, self._municipalities) as connection:
                await alarms.close_case(connection, case, operator, "helped", self._world.time.now())
        self._note(unit, case, "closed")
        self._free.append(operator)
        await self._look()

    def _note(self, unit: str, case: int, what: str) -> None:
        line = {"at": self._world.clock.now(), "unit": int(unit, 16), "case": case, "what": what}
        with self._log.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
