"""The fleet under test with its supervisor, and a crowd of units around those that somebody presses."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final
from unittest import mock

import psycopg
from psycopg.rows import dict_row

from fleet.ingest import intake
from fleet.ingest.database_mark import FILE
from fleet.ingest.probe_orders import order_probe
from fleet.ingest.run import Ingest
from fleet.supervision.run import Supervisor
from fleet.supervision.steps import Steps
from sim.scenarios.crowd import NUMBERS, Crowd
from sim.scenarios.evidence import seconds
from sim.scenarios.fleet_under_test import FleetUnderTest, Part
from sim.scenarios.path import Path as Datagrams
from sim.scenarios.world import World

MARK_S = 10.0
STEP_S = 5.0
COMPARED_S: Final = 60.0
CALM_S: Final = 20.0
"""In calm spans, where nothing is measured and nothing begins or ends, time goes in such steps: shorter than what the
supervisor takes for silent doors."""


class Interrupted:
    """A part of the fleet that may be ended and begun anew, as a restart of the server does it."""

    def __init__(self, made: Callable[[], Part]) -> None:
        self._made = made
        self.part: Part | None = None

    async def start(self) -> None:
        """A new one."""
        self.part = self._made()
        await self.part.start()

    async def stop(self) -> None:
        """Ends it; harmless where it has ended."""
        if self.part is not None:
            part, self.part = self.part, None
            await part.stop()

    async def watch(self) -> None:
        """Of the first one."""
        assert self.part is not None
        await self.part.watch()


class _Sms:
    """A gateway to the units: the crowd's are woken by it."""

    def __init__(self, fleet: SupervisedFleet) -> None:
        self._fleet = fleet

    async def send(self, address: str, text: str) -> str:
        """One message."""
        unit = int(address.removeprefix(NUMBERS))
        if unit in self._fleet.modems:
            self._fleet.modems[unit](text)
        elif self._fleet.crowd is not None:
            self._fleet.crowd.woken(unit, self._fleet.world.clock.now())
        return "delivered"


class SupervisedFleet(FleetUnderTest):
    """Front doors, forwarding and supervision. `stop_server` and `start_server` are what a restart is made of.
    `modems`: units that have one, each with what an SMS to it does."""

    def __init__(self, world: World, folder: Path) -> None:
        super().__init__(world, folder)
        self.crowd: Crowd | None = None
        self.modems: dict[int, Callable[[str], None]] = {}
        self.up = True
        self.calm: list[tuple[float, float]] = []
        self._doors = Interrupted(self._make_doors)
        self._supervisor = Interrupted(lambda: Supervisor(self.postgres.app_url, clock=world.time, stand_by_s=1.0))
        self._marked = -MARK_S
        self._place: socket.socket | None = None
        self._mark: psycopg.AsyncConnection[Any] | None = None

    def further_parts(self) -> Sequence[Part]:
        return [
            self._supervisor,
            Steps(self.postgres.app_url, self._box, order_probe, _Sms(self), clock=self.world.time),
        ]

    def _parts(self) -> list[Part]:
        parts = super()._parts()
        assert self._ingest is not None
        first = self._ingest
        made = iter([first])
        self._doors = Interrupted(lambda: next(made, None) or self._make_doors())
        return [self._doors, *parts[1:]]

    def _make_doors(self) -> Ingest:
        settings = replace(self.settings, coap_port=self.door[1])
        with mock.patch.object(intake, "READINGS_LINGER_S", 0.0):
            self._ingest = Ingest(settings, self.postgres.app_url, self._box, clock=self.world.time.now)
        return self._ingest

    async def stop_server(self) -> None:
        """Nobody listens and nobody supervises."""
        self.up = False
        if self.crowd is not None:
            self.crowd.door_open = False
        await self._supervisor.stop()
        await self._doors.stop()
        # Held meanwhile: another program that was given the port would keep it, or hear our units.
        self._place = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._place.bind(self.door)

    async def start_server(self) -> None:
        """The same program again, on the same address."""
        if self._place is not None:
            self._place.close()
            self._place = None
        await self._doors.start()
        await self._supervisor.start()
        self.up = True
        if self.crowd is not None:
            self.crowd.door_open = True

    def _step(self) -> float:
        """How far time goes at once from now: in calm spans further than where something begins, ends or is pressed."""
        now = self.world.clock.now()
        calm = next((until for since, until in self.calm if since <= now < until), None)
        if calm is None or any(since < now + CALM_S and now < until for since, until in self.world.fine):
            self.world.coarse_s = STEP_S
            return STEP_S
        self.world.coarse_s = CALM_S
        return min(CALM_S, calm - now)

    def _compared(self) -> None:
        ends = time.monotonic() + COMPARED_S
        while not (self.folder / FILE).exists() and time.monotonic() < ends:
            time.sleep(0.02)

    async def forward(self, until: float) -> None:
        """Lets time pass: the crowd beats, the doors say that they listen, the world moves."""
        world = self.world
        if self._mark is None:
            # Counting on before the doors have compared would look to them like a database out of a backup.
            await asyncio.to_thread(self._compared)
            self._mark = await psycopg.AsyncConnection.connect(self.postgres.owner_url, autocommit=True)
        while world.clock.now() < until:
            step = min(until, world.clock.now() + self._step())
            if self.crowd is not None:
                await self.crowd.forward(step)
            if self.up and step - self._marked >= MARK_S:
                # The doors' own mark counts on by the machine's clock; here it counts on by the world's.
                await self._mark.execute("UPDATE database_mark SET mark = mark + 1")
                self._marked = step
            world.touch()
            await world.run_until(step)
            self.check()

    def profile(self, name: str, report_s: int, spare_s: int) -> None:
        """The municipality's own reporting times for social alarms."""
        with psycopg.connect(self.postgres.owner_url) as connection:
            connection.execute(
                "INSERT INTO supervision_profiles (municipality_id, unit_type, name, report_s, spare_s, source, set_by)"
                " VALUES (1, 'social', %s, %s, %s, 'the scenario', 'scenario')", (name, report_s, spare_s),
            )  # fmt: skip

    async def close(self) -> None:
        """The scenario is over."""
        if self.crowd is not None:
            await self.crowd.close()
        if self._mark is not None:
            await self._mark.close()
        if self._place is not None:
            self._place.close()

    def rows(self, query: str, *values: object) -> list[dict[str, Any]]:
        """What is in the database, past row level security."""
        with psycopg.connect(self.postgres.owner_url, row_factory=dict_row) as connection:
            return list(connection.execute(query.encode(), values))

    def incidents(self) -> list[dict[str, Any]]:
        """All of them, with times in seconds of the scenario."""
        found = self.rows("SELECT * FROM incidents ORDER BY incident_id")
        for row in found:
            for name in ("began_at", "opened_at", "closed_at"):
                row[name] = None if row[name] is None else seconds(row[name])
        return found

    def told(self) -> list[int]:
        """Single units that a person was told about, from the first day on."""
        rows = self.rows("SELECT unit_id FROM technician_tasks WHERE kind = 'silent' ORDER BY task_id")
        return [row["unit_id"] for row in rows]


class Gate(Datagrams):
    """A way that may be out: `closed()` says whether nothing gets through now."""

    closed: Callable[[], bool] = staticmethod(lambda: False)

    def _carry(self, arrive: Callable[[], None]) -> None:
        if self.closed():
            self.lost += 1
            return
        super()._carry(arrive)
