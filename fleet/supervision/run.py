"""The supervisor: one leader among all processes looks at what the front doors wrote, and writes what it means.

It holds the watch in memory and everything that was decided in the database. When anything goes wrong between the two
it forgets the watch and begins again from the database, as after a restart: what lies between is our own downtime, and
no unit is blamed for it. The watch's clock never runs beyond the moment at which a front door is known to have
listened: the last time their mark grew, or the newest heartbeat.
"""

from __future__ import annotations

import gc
import logging
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, Final

import psycopg

from fleet.clock import Clock, SystemClock, pause
from fleet.loops import Loops
from fleet.store.borrow import AWAY
from fleet.store.pool import Connection, Pool, make_pool
from fleet.supervision import store
from fleet.supervision.incidents import LATE_PRESS_S, Outcome
from fleet.supervision.model import VERDICTS, Change, Word
from fleet.supervision.watch import Watch
from fleet.technicians.store import open_task

log = logging.getLogger("livlina.supervision")

LOOK_LEAST_S: Final = 1.0
UNITS_A_LOOK_S: Final = 50_000
"""A fleet of so many units is looked at every second, a greater one that much less often."""
STAND_BY_S: Final = 5.0
OVERLAP: Final = timedelta(seconds=20)
"""A front door stamps a message and commits it soon after; a look goes back by this."""
DOORS_SILENT_S: Final = 25.0
"""The front doors raise their mark every ten seconds; after this nobody listens for units."""
REGISTRY_S: Final = 30.0
UNITS_A_READING_S: Final = 1000
"""The registry is read again every half a minute, of greater fleets once in so many seconds a thousand units."""
TASK: Final = "silent"

_WORDS: Final = {
    ("mains lost", True): Word.MAINS_LOST,
    ("mains lost", False): Word.MAINS_BACK,
    ("battery low", True): Word.BATTERY_LOW,
    ("not worn", True): Word.NOT_WORN,
    ("not worn", False): Word.WORN,
}


class Supervisor:
    """Nothing is opened before ``start``."""

    def __init__(self, database_url: str, *, clock: Clock | None = None, stand_by_s: float = STAND_BY_S) -> None:
        self._clock: Clock = clock or SystemClock()
        self._pool: Pool = make_pool(database_url, "supervise", size=1)
        self._loops = Loops("supervision")
        self._stand_by_s = stand_by_s
        self.looks = 0
        self.turned_away = 0
        self.leading = False

    async def start(self) -> None:
        """Starts the loop; a database that is away at start is waited for."""
        await self._pool.open()
        self._loops.start(self._run())

    async def stop(self) -> None:
        """Ends it. Another process may lead at once; what is in the database is all that it needs."""
        await self._loops.stop()
        await self._pool.close()

    async def watch(self) -> None:
        """Raises RuntimeError when the loop has ended by a fault of ours."""
        await self._loops.watch()

    async def _run(self) -> None:
        while True:
            try:
                async with self._pool.connection() as connection:
                    try:
                        await self._lead(connection)
                    finally:
                        # The lock is the connection's: it goes with it, whatever state a look has left it in.
                        self.leading = False
                        with suppress(psycopg.Error):
                            await connection.close()
            except AWAY as error:
                log.warning("the database is away, nobody is judged meanwhile: %s", type(error).__name__)
            await pause(self._clock, self._stand_by_s)

    async def _lead(self, connection: Connection) -> None:
        async with connection.transaction():
            if not await store.lead(connection):
                self.turned_away += 1
                return
            look = Look(self._clock.now())
            await look.begin(connection)
        self.leading = True
        while True:
            async with connection.transaction():
                await look.once(connection, self._clock.now(), self._clock.steady())
            self.looks += 1
            await pause(self._clock, max(LOOK_LEAST_S, len(look.watch) / UNITS_A_LOOK_S))


class Look:
    """The leader's memory: the watch, and until where the database was read."""

    def __init__(self, at: datetime) -> None:
        self.watch = Watch()
        self._since = at - OVERLAP
        self._rows: dict[int, Mapping[str, Any]] = {}
        self._marks: dict[int, int] = {}
        self._said: dict[int, store.Said] = {}
        self._read: dict[int, datetime] = {}
        self._closes: dict[int, datetime] = {}
        self._words: dict[tuple[int, str], datetime] = {}
        self._mark: int | None = None
        self._mark_at = 0.0
        self._listened = at
        self._asleep = False
        self._registry_at: float | None = None
        self._tasks: set[int] = set()

    async def begin(self, connection: Connection) -> None:
        """Takes up what was decided before; the time since the last leader's last look is our own downtime."""
        self.watch = Watch(first_incident=await store.next_incident(connection))
        for incident in await store.open_incidents(connection):
            self.watch.detector.restore(incident)
        at = self._since + OVERLAP
        await self._registry(connection, at)
        self._tasks = {unit for unit, row in self._rows.items() if row["told"]}
        last = await store.last_tick(connection)
        self.watch.suspend(store.milliseconds(last or at))
        self._asleep = True
        self._mark = await store.front_doors_mark(connection)
        gc.freeze()  # a fleet is a million objects that stay; looking through them again and again would be our lag

    async def once(self, connection: Connection, at: datetime, steady: float) -> Outcome:
        """One look: read, judge, write, in the caller's transaction. After an error begin anew."""
        if self._registry_at is None or steady - self._registry_at >= max(
            REGISTRY_S, len(self._rows) / UNITS_A_READING_S
        ):
            await self._registry(connection, at)
            self._registry_at = steady
        await self._read_all(connection)
        await self._listen(connection, at, steady)
        now_ms = store.milliseconds(min(at, self._listened))
        out = self.watch.tick(now_ms)
        await self._write(connection, out, at, now_ms)
        await store.keep_tick(connection, at, self._mark or 0)
        self._since = at - OVERLAP
        self._read = {unit: seen for unit, seen in self._read.items() if seen > self._since}
        return out

    async def _registry(self, connection: Connection, at: datetime) -> None:
        """Takes up whoever is new, and what has changed in the registry; lets go whoever is relied on no more."""
        now_ms = store.milliseconds(at)
        marks = await store.registry_marks(connection)
        changed = [unit for unit, mark in marks.items() if self._marks.get(unit) != mark]
        for info, row in await store.units(connection, changed) if changed else ():
            self._rows[info.unit] = row
            self._said.setdefault(info.unit, store.said_in(row))
            self.watch.add(info, now_ms)
        for unit in self._rows.keys() - marks.keys():
            self.watch.remove(unit)
            del self._rows[unit]
        self._marks = marks

    async def _read_all(self, connection: Connection) -> None:
        for row in await store.heard_since(connection, self._since):
            unit = row["unit_id"]
            if unit not in self._rows or self._read.get(unit) == row["seen_at"]:
                continue
            self._read[unit] = row["seen_at"]
            self._listened = max(self._listened, row["seen_at"])
            self.watch.heard(store.sign_of(row, self._rows[unit], self._said[unit]))
            self._said[unit] = store.said_in(row)
        for row in await store.conditions_since(connection, self._since):
            key = (row["unit_id"], row["condition"])
            word = _WORDS.get((row["condition"], row["active"]))
            if word is None or row["unit_id"] not in self._rows or self._words.get(key) == row["at"]:
                continue
            self._words[key] = row["at"]
            self.watch.word(row["unit_id"], word, store.milliseconds(row["at"]))
        for unit, closed_at in await store.closes_since(connection, self._since):
            if unit in self._rows and self._closes.get(unit) != closed_at:
                self._closes[unit] = closed_at
                self.watch.closed(unit, store.milliseconds(closed_at))
        for unit, attached in await store.sim_views(connection, self._since):
            self.watch.sim_view(unit, attached)
        members = {unit for incident in self.watch.detector.open.values() for unit in incident.members}
        if members:
            for press in await store.late_presses(connection, self._since, LATE_PRESS_S, members):
                self.watch.press(*press)

    async def _listen(self, connection: Connection, at: datetime, steady: float) -> None:
        """Whether somebody listens for units at all: a mark that stands still is our own fault, not theirs."""
        mark = await store.front_doors_mark(connection)
        if mark != self._mark:
            self._mark, self._mark_at = mark, steady
            self._listened = max(self._listened, at)
            if self._asleep:
                log.info("the front doors listen; units have an interval to be heard")
                self.watch.resume(store.milliseconds(at))
                self._asleep = False
        elif not self._asleep and steady - self._mark_at > DOORS_SILENT_S:
            log.warning("no front door has listened for %.0f s: no unit is judged", DOORS_SILENT_S)
            self.watch.suspend(store.milliseconds(self._listened))
            self._asleep = True

    async def _write(self, connection: Connection, out: Outcome, at: datetime, now_ms: int) -> None:
        for incident in out.incidents.values():
            await store.keep_incident(connection, incident, now_ms)
        await store.keep_changes(connection, out.changes)
        await store.ask(connection, out.actions)
        await self._tell(connection, out.changes, at)
        if out.incidents or out.actions or any(change.told for change in out.changes):
            await connection.execute(store.SQL["notify"], {"what": str(max(out.incidents, default=0))})

    async def _tell(self, connection: Connection, changes: list[Change], at: datetime) -> None:
        """A single unit that nobody else explains is a technician's task, and the unit's own return ends it."""
        for change in changes:
            if change.told:
                detail = {"state": change.state.name.lower(), "cause": change.cause.value}
                await open_task(connection, change.unit, TASK, None, detail, at, by="supervision")
                self._tasks.add(change.unit)
            elif change.unit in self._tasks and change.was in VERDICTS and change.state not in VERDICTS:
                await store.close_task(connection, change.unit, TASK, at)
                self._tasks.discard(change.unit)
