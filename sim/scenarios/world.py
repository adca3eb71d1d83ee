"""One clock for a scenario: units, centres and the fleet's own workers on a time that moves when all have come to rest.

The fleet's code is asynchronous, its database is a process of its own, and units may be processes in lock step
(`sim.lockstep`). Time moves to the next thing that anybody waits for once units have declared that they rest, requests
of units are answered, messages to centres are answered, and the database has nothing to do. So ten hours pass as fast
as the work in them is done, and a busy machine does not look like a slow server. The server's own milliseconds are
therefore in no figure of a scenario: `bench` and the demo measure those.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Coroutine, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest import mock

import psycopg

from fleet.clock import Handle
from fleet.forwarding.model import Outcome, Owed
from fleet.forwarding.run import CentreLink
from sim.lockstep import EPOCH, LockStep, StuckError
from sim.modem.clock import SteppedClock

START = datetime.fromtimestamp(EPOCH, UTC)
"""What the server's clock says at time 0; units' own clocks say the same."""
FINE_S = 0.25
COARSE_S = 10.0
"""How far the fleet's own polling may be put off, so that quiet hours cost little. What is late by it is late in the
figures too."""
TICK_S = 1.0
"""In fine spans nothing waits longer than this to be looked at."""
PATIENCE_S = 5.0
"""Real seconds that time waits for an answer that must come; a busy machine may take some of them. Where somebody is
silent on purpose, less will do."""
UNITS_S = 60.0
"""The same for a unit, which always comes to rest."""
_PAUSE_S = 0.0002
_SAME_S = 1e-6
_LOOK = (
    "SELECT count(*) FILTER (WHERE state <> 'idle'), max(state_change) FROM pg_stat_activity "
    "WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
)


class World:
    """`lockstep` holds the units that are real firmware, if there are any; its clock is then the clock of all.

    Attributes: `clock`; `time`, the same for the fleet (`fleet.clock.Clock`); `awaited`, requests of units that the
    fleet has not answered; `talks`, messages that centres have not answered; `fine`, spans (from, until) in which the
    fleet polls as often as it wants to. Elsewhere polling is put off by at most `coarse_s`, which a scenario may
    change on its way.
    """

    def __init__(
        self,
        lockstep: LockStep | None = None,
        *,
        coarse_s: float = COARSE_S,
        fine_s: float = FINE_S,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self.lockstep = lockstep
        self.clock: SteppedClock = lockstep.clock if lockstep is not None else SteppedClock()
        self.time = FleetTime(self)
        self.awaited: set[object] = set()
        self.talks = 0
        self.fine: list[tuple[float, float]] = []
        self.steps = 0
        self.coarse_s = coarse_s
        self._fine_s = fine_s
        self._touched = True
        self._patience_s = self._patience = patience_s
        self._database: psycopg.AsyncConnection[tuple[int, datetime | None]] | None = None
        self._rested: tuple[int, datetime | None] | None = None
        self._statements = Statements()

    async def watch(self, database_url: str) -> None:
        """From now on this database is one of those who must rest. The login must see other logins' sessions."""
        self._database = await psycopg.AsyncConnection.connect(database_url, autocommit=True)
        self._statements.watch(self._database)
        if self.lockstep is not None:
            poller = self.lockstep.poller
            asyncio.get_running_loop().add_reader(poller.fileno(), lambda: poller.turn(0))

    async def close(self) -> None:
        """Nobody is watched any more."""
        self._statements.close()
        if self.lockstep is not None:
            asyncio.get_running_loop().remove_reader(self.lockstep.poller.fileno())
        if self._database is not None:
            await self._database.close()

    def touch(self) -> None:
        """The fleet has been given something to do."""
        self._touched = True

    def put_off(self, seconds: float) -> float:
        """When polling that is wanted in so many seconds takes place: at the next point of the grid, and at the latest
        when a fine span begins."""
        now, fine = self.clock.now(), self._fine()
        grain = self._fine_s if fine else self.coarse_s
        wanted = now + max(seconds, 0.0)
        due = -(-wanted // grain) * grain
        return due if fine else min([due, *(since for since, _ in self.fine if wanted <= since < due)])

    def _fine(self) -> bool:
        now = self.clock.now()
        return any(since <= now < until for since, until in self.fine)

    async def run_until(self, at: float) -> None:
        """Lets time pass up to there. Raises StuckError where a unit does not come to rest."""
        while True:
            await self.settle()
            due = self.clock.next_due()
            wanting = self._unit_due()
            first = min((moment for moment in (due, wanting and wanting[0]) if moment is not None), default=None)
            until = at
            if self._fine():
                # Who was woken up may have been slow to wake, in real time: it is looked after again soon.
                until = min(at, self.clock.now() + TICK_S)
            if first is None or first > until:
                self.clock.move(until)
                if until == at:
                    return
                self._touched = True
                continue
            self.steps += 1
            if wanting is not None and (due is None or wanting[0] < due):
                self.clock.move(wanting[0])
                assert self.lockstep is not None
                self.lockstep.units[wanting[1]].tell_time()
                continue
            self.clock.step()
            while (due := self.clock.next_due()) is not None and due <= self.clock.now() + _SAME_S:
                self.clock.step()

    def _unit_due(self) -> tuple[float, int] | None:
        return None if self.lockstep is None else self.lockstep.restless.first()

    async def settle(self) -> None:
        """Until everybody rests, or nothing is left but answers that do not come."""
        self._settle_units()
        if not self._touched:
            return
        self._touched = False
        began = time.monotonic()
        # What was seen at the end of the last rest: where it is still so, nobody has asked the database anything since.
        seen = self._rested
        while True:
            waited = time.monotonic() - began
            if not self._units_rest():
                if waited > UNITS_S:
                    raise StuckError(f"a unit does not come to rest at {self.clock.now():.3f} s: {self._accounts()}")
                seen = None
            elif self.awaited or self.talks:
                if waited > self._patience:
                    self.awaited.clear()
                    # Whoever was silent once is not waited for so long again.
                    self._patience = self._patience_s / 20
                    return
                seen = None
            elif self._statements.under_way and waited < self._patience_s:
                seen = None
            else:
                self._patience = self._patience_s
                found = await self._look()
                if found == seen and not found[0] and not self._touched and not self._statements.under_way:
                    self._rested = found
                    return
                seen = found
                self._touched = False
                continue
            await asyncio.sleep(_PAUSE_S)

    def _settle_units(self) -> None:
        """Until the units rest, or one has sent something to the fleet: nobody else has anything to do before."""
        while not (self._touched or self._units_rest()):
            assert self.lockstep is not None
            if not self.lockstep.poller.turn(UNITS_S):
                raise StuckError(f"a unit does not come to rest at {self.clock.now():.3f} s: {self._accounts()}")

    async def _look(self) -> tuple[int, datetime | None]:
        """(how many sessions of the database work, when any of them last began or ended something)."""
        if self._database is None:
            await asyncio.sleep(0)
            return 0, None
        row = await (await self._database.execute(_LOOK)).fetchone()
        return row if row is not None else (0, None)

    def _units_rest(self) -> bool:
        return self.lockstep is None or self.lockstep.at_rest()

    def _accounts(self) -> str:
        assert self.lockstep is not None
        return self.lockstep.accounts()


class Statements:
    """Which statements this process is waiting for, so that the database is asked whether it rests only when nobody
    waits. Listening for notifications is no waiting."""

    def __init__(self) -> None:
        self.under_way: set[object] = set()
        self._patched = contextlib.ExitStack()

    def watch(self, own: psycopg.AsyncConnection[Any]) -> None:
        """From now on, of all connections but this one."""
        whole = psycopg.AsyncConnection.wait
        under_way = self.under_way

        async def wait(connection: psycopg.AsyncConnection[Any], answer: Any, *more: Any, **named: Any) -> Any:
            if connection is own or answer.__name__ == "notifies":
                return await whole(connection, answer, *more, **named)
            under_way.add(answer)
            try:
                return await whole(connection, answer, *more, **named)
            finally:
                under_way.discard(answer)

        self._patched.enter_context(mock.patch.object(psycopg.AsyncConnection, "wait", wait))

    def close(self) -> None:
        """No more."""
        self._patched.close()


class FleetTime:
    """The world's clock as the fleet's workers see it. What they put off is put off to the next point of a grid."""

    def __init__(self, world: World) -> None:
        self._world = world

    def now(self) -> datetime:
        """The server's time, aware."""
        return START + timedelta(seconds=self._world.clock.now())

    def steady(self) -> float:
        """Seconds since the scenario began."""
        return self._world.clock.now()

    def call_later(self, seconds: float, call: Callable[[], object]) -> Handle:
        """By the world's clock, at the first point of the grid that is not earlier."""
        now = self._world.clock.now()
        due = self._world.put_off(seconds)

        def made() -> None:
            self._world.touch()
            call()

        return self._world.clock.call_later(due - now, made)


class WatchedLink:
    """A link to a centre; the world knows when it is waiting for an answer. `answers` says whether one will come: for
    a centre that is silent on purpose nobody waits."""

    def __init__(self, world: World, link: CentreLink, answers: Callable[[], bool] = lambda: True) -> None:
        self._world = world
        self._link = link
        self._answers = answers

    async def deliver(self, owed: Owed) -> Outcome:
        """One attempt."""
        return await self._watched(self._link.deliver(owed))

    async def probe(self) -> Outcome:
        """Whether the centre answers at all."""
        return await self._watched(self._link.probe())

    async def close(self) -> None:
        """Hangs up."""
        await self._link.close()

    async def _watched(self, talk: Coroutine[object, object, Outcome]) -> Outcome:
        waiting = int(self._answers())
        self._world.talks += waiting
        try:
            return await talk
        finally:
            self._world.talks -= waiting
            self._world.touch()


def merged(spans: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """The same spans without overlaps, in order."""
    made: list[tuple[float, float]] = []
    for since, until in sorted(spans):
        if made and since <= made[-1][1]:
            made[-1] = made[-1][0], max(made[-1][1], until)
        else:
            made.append((since, until))
    return made
