"""People around a fleet under test: those at alarm centres, and the gateway by which others are told.

`CentrePeople` see what their centre's log has, and take it through the fleet's one door, as a centre that reports
*taken* by webhook does. For whom they sent somebody stands in a log of theirs.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from fleet.alarms import store as alarms
from fleet.alarms.model import TakeRefused
from fleet.clock import pause
from fleet.forwarding.model import Outcome, Owed
from fleet.forwarding.run import CentreLink
from fleet.forwarding.taken import take_for_centre
from fleet.store.pool import Pool, make_pool
from sim.centre import Centre, Record
from sim.scenarios.fleet_under_test import Telephone
from sim.scenarios.world import START, World

WAY = "webhook"
"""How centres with people say that a person has taken an alarm."""


class MortalTelephone(Telephone):
    """A gateway that does not answer while `dead` says so: whoever asks it waits `hangs_s`, in vain."""

    def __init__(self, world: World, log: Path, dead: Callable[[], bool], hangs_s: float = 10.0) -> None:
        super().__init__(world, log)
        self._dead = dead
        self._hangs_s = hangs_s
        self.unanswered = 0

    async def send(self, address: str, text: str) -> str:
        """One message, or a wait."""
        await self.answer()
        if self._dead():
            self.unanswered += 1
            return "the gateway does not answer"
        return await super().send(address, text)

    async def answer(self) -> None:
        """Returns at once where the gateway lives."""
        if self._dead():
            await pause(self._world.time, self._hangs_s)


class Counted:
    """A link to a centre that says when it begins to probe."""

    def __init__(self, link: CentreLink, begins: Callable[[], None]) -> None:
        self._link = link
        self._begins = begins

    async def deliver(self, owed: Owed) -> Outcome:
        """One attempt."""
        return await self._link.deliver(owed)

    async def probe(self) -> Outcome:
        """Whether the centre answers at all."""
        self._begins()
        return await self._link.probe()

    async def close(self) -> None:
        """Hangs up."""
        await self._link.close()


class Hands:
    """What people do at the fleet's doors: the world waits for it."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(self, work: Coroutine[Any, Any, None]) -> None:
        """Does it now."""
        self._world.talks += 1
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def later(self, seconds: float, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Does it in so many seconds of the world."""
        self._world.clock.call_later(seconds, lambda: self.begin(work()))

    def check(self) -> None:
        """Raises what has gone wrong."""
        for task in [task for task in self._tasks if task.done()]:
            task.result()
            self._tasks.discard(task)

    async def rest(self) -> None:
        """Waits for what has been begun."""
        await asyncio.gather(*self._tasks)

    def _done(self, _: asyncio.Task[None]) -> None:
        self._world.talks -= 1
        self._world.touch()


class CentrePeople:
    """Everybody at one centre. `reaction(reference)` gives the seconds until somebody looks at an alarm, None where
    nobody does; `handling` those until the case is closed. What nobody has looked at yet, `look_at_all` finds.

    The log has `at` (s of the scenario), `centre`, `reference`, `what`: *dispatched* or *stood down*.
    """

    def __init__(
        self, world: World, centre: Centre, name: str, url: str, log: Path, *,
        reaction: Callable[[str], float | None], handling: Callable[[str], float],
    ) -> None:  # fmt: skip
        self.reaction = reaction
        self._world = world
        self._name = name
        self._log = log
        self._handling = handling
        self._pool: Pool = make_pool(url, "forward", size=2, name=f"people of {name}")
        self._waiting: dict[str, None] = {}
        self._hands = Hands(world)
        centre.heard = self._heard
        log.touch()

    async def start(self) -> None:
        """They come to work."""
        await self._pool.open()

    async def stop(self) -> None:
        """They go."""
        await self._hands.rest()
        await self._pool.close()

    def look_at_all(self, within_s: float) -> None:
        """Somebody works through everything that nobody has looked at."""
        waiting = list(self._waiting)
        for place, reference in enumerate(waiting):
            self._plan(reference, within_s * place / len(waiting))

    def check(self) -> None:
        """Raises what has gone wrong in something that they did."""
        self._hands.check()

    def _heard(self, record: Record) -> None:
        if record.duplicate or record.reference is None or record.reference in self._waiting:
            return
        self._waiting[record.reference] = None
        seconds = self.reaction(record.reference)
        if seconds is not None:
            self._plan(record.reference, seconds)

    def _plan(self, reference: str, seconds: float) -> None:
        self._hands.later(seconds, lambda: self._take(reference))

    async def _take(self, reference: str) -> None:
        if reference not in self._waiting:
            return
        del self._waiting[reference]
        at = self._world.time.now()
        try:
            async with self._pool.connection() as connection, connection.transaction():
                case = await take_for_centre(connection, self._name, reference, WAY, at)
        except TakeRefused:
            self._note(reference, "stood down")
            return
        self._note(reference, "dispatched")
        number = int(case["id"])
        self._hands.later(self._handling(reference), lambda: self._close(number))

    async def _close(self, case: int) -> None:
        try:
            async with self._pool.connection() as connection, connection.transaction():
                await alarms.close_case(connection, case, f"centre {self._name}", "helped", self._world.time.now())
        except TakeRefused:
            return  # pressed again meanwhile: whoever takes it then closes it

    def _note(self, reference: str, what: str) -> None:
        line = {"at": self._world.clock.now(), "centre": self._name, "reference": reference, "what": what}
        with self._log.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


def next_local(after: float, weekday: int, hour: int, zone: Any) -> float:
    """Seconds of the scenario when the clocks of the zone next show this hour of this day of the week (0 Monday)."""
    local = (START + timedelta(seconds=after)).astimezone(zone)
    wanted = local.replace(hour=hour, minute=0, second=0, microsecond=0) + timedelta(
        days=(weekday - local.weekday()) % 7
    )
    while wanted <= local:
        wanted += timedelta(days=7)
    return (datetime.fromtimestamp(wanted.timestamp(), UTC) - START).total_seconds()
