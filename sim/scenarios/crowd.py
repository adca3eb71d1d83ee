"""Many units by their signs of life alone: their heartbeats are written as the front doors write them.

Units that somebody presses are whole ones (`wearers`); these stand around them, so that a scenario may have thousands.
Every unit beats at its own phase. Where its path is out it hears no answer; with a second SIM it changes to that, looks
after the first one about once an hour, and goes back when it answers. Losses come in bursts of two.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import timedelta
from heapq import heapify, heappop, heappush
from typing import Any, Final, NamedTuple

import psycopg

from sim.scenarios.own_database import fill
from sim.scenarios.world import START

SIM_1, SIM_2 = 3, 4
CHANGE_S: Final = (35.0, 85.0)
"""A unit is on its other SIM so long after its first unanswered heartbeat (docs/firmware: times of logged modems)."""
LOOKS_BACK_S: Final = (3600.0, 4500.0)
BURST: Final = 2.0
RATE_WINDOW_S: Final = 10.0
DISTRICTS: Final = 12
NUMBERS: Final = "+46700"
"""A unit's number is this and its own number."""
WAKE_S: Final = (3.0, 25.0)
WAKE_LOST: Final = 0.01


class Way(NamedTuple):
    """A bearer of the wire, an operator, a tracking area and whoever issued the SIM."""

    bearer: int
    operator: int
    tac: int
    issuer: str


@dataclass(slots=True)
class One:
    """A unit of the crowd. ``alone``: it has no second path. ``battery``: it has lost its mains."""

    unit: int
    ways: list[Way]
    district: str
    priority: int
    on: int = 0
    seq: int = 0
    first: float = 0.0
    losing: bool = False
    trying: bool = False
    battery: bool = False
    dead: bool = False
    moved_at: float | None = None
    returns: list[float] = field(default_factory=list)

    @property
    def way(self) -> Way:
        """The one in use."""
        return self.ways[self.on]


Out = Callable[[One, Way, float], bool]
_HEARD = """
INSERT INTO unit_states AS s (unit_id, municipality_id, seen_at, due_at, boot, seq, transport, bearer, operator, tac,
                              flags)
SELECT t.unit_id, 1, t.at, t.at + %(interval)s, 1, t.seq, 'coap', t.bearer, t.operator, t.tac, t.flags
FROM unnest(%(unit_id)s::bigint[], %(at)s::timestamptz[], %(seq)s::bigint[], %(bearer)s::int[], %(operator)s::bigint[],
            %(tac)s::int[], %(flags)s::int[]) AS t(unit_id, at, seq, bearer, operator, tac, flags)
ON CONFLICT (unit_id) DO UPDATE SET seen_at = excluded.seen_at, due_at = excluded.due_at, seq = excluded.seq,
    bearer = excluded.bearer, operator = excluded.operator, tac = excluded.tac, flags = excluded.flags
"""
_MAINS = """
INSERT INTO unit_conditions AS c (unit_id, condition, municipality_id, active, at, boot, seq)
SELECT unit, 'mains lost', 1, %(lost)s, %(at)s, 1, 1 FROM unnest(%(unit_id)s::bigint[]) unit
ON CONFLICT (unit_id, condition, part) DO UPDATE SET active = excluded.active, at = excluded.at
"""


class Crowd:
    """``out(unit, way, at)`` says whether a way is out. Times are seconds of the scenario."""

    def __init__(self, url: str, units: list[One], interval_s: int, loss: float, chance: random.Random) -> None:
        self.units = {one.unit: one for one in units}
        self.interval_s = interval_s
        self.out: Out = lambda one, way, at: False
        self.door_open = True
        self.beats = 0
        self.rate: Counter[int] = Counter()
        self._url = url
        self._loss = loss
        self._chance = chance
        self._events: list[tuple[float, int, int]] = []
        self._now = 0.0
        self._lines: dict[int, tuple[One, float]] = {}
        self._connection: psycopg.AsyncConnection[Any] | None = None

    async def register(self, at: float, first_day: timedelta = timedelta(days=30)) -> None:
        """All of them in use, heard in the interval before ``at``, each in somebody's home."""
        self._now = at
        units = list(self.units.values())
        since = START - first_day
        fill(self._url, "units", "unit_id, municipality_id, unit_type, life, grounds",
             [(one.unit, 1, "social", "active", "import:scenario") for one in units])  # fmt: skip
        self.know(units, since)
        self._connection = await psycopg.AsyncConnection.connect(self._url, autocommit=True)
        self.begin(at)
        await self._write()

    def begin(self, at: float) -> None:
        """They beat from here on, each at its own phase; each was heard in the interval before."""
        self._now = at
        for one in self.units.values():
            one.first = at + self._chance.uniform(0, self.interval_s)
            self._events.append((one.first, 0, one.unit))
            self._lines[one.unit] = (one, one.first - self.interval_s)
        heapify(self._events)

    def woken(self, unit: int, at: float) -> None:
        """An SMS is on its way to a unit; one in a hundred is lost."""
        if unit in self.units and self._chance.random() >= WAKE_LOST:
            heappush(self._events, (at + self._chance.uniform(*WAKE_S), 3, unit))

    def know(self, units: list[One], since: Any) -> None:
        """The registry's part of these: SIM cards, and the person by reference, priority and district."""
        fill(self._url, "unit_sims", "unit_id, slot, municipality_id, iccid, issuer",
             [(one.unit, slot, 1, iccid(one.unit, slot), way.issuer)
              for one in units for slot, way in enumerate(one.ways, 1)])  # fmt: skip
        fill(self._url, "sims", "iccid, municipality_id, msisdn, issuer, state, made_at",
             [(iccid(one.unit, slot), 1, f"{NUMBERS[1:]}{one.unit:07d}", way.issuer, "active", since)
              for one in units for slot, way in enumerate(one.ways, 1)])  # fmt: skip
        fill(self._url, "care_recipients", "municipality_id, reference, priority, district, made_at",
             [(1, f"R{one.unit}", one.priority, one.district, since) for one in units])  # fmt: skip
        with psycopg.connect(self._url) as connection:
            connection.execute(
                "INSERT INTO unit_recipients (unit_id, recipient_id, municipality_id, unit_type, role, since)"
                " SELECT t.unit, r.recipient_id, 1, 'social', 'responsible', %s FROM unnest(%s::bigint[]) AS t(unit)"
                " JOIN care_recipients r ON r.reference = 'R' || t.unit",
                (since, [one.unit for one in units]),
            )

    async def close(self) -> None:
        """No more heartbeats."""
        if self._connection is not None:
            await self._connection.close()

    async def forward(self, at: float) -> None:
        """Everything up to ``at``, written as one batch."""
        self.happen(at)
        await self._write()

    def happen(self, at: float) -> None:
        """Everything up to ``at``; nothing is written."""
        self._now = at
        while self._events and self._events[0][0] <= at:
            self._happen(*heappop(self._events))

    def taken(self) -> list[tuple[One, float]]:
        """Who was heard since this was last asked, and when."""
        lines, self._lines = list(self._lines.values()), {}
        return lines

    def overdue(self, since: float, units: Collection[int], grace_s: float) -> list[float]:
        """When each of these became late that is heard no more since then, the first one first."""
        step = self.interval_s
        return sorted(
            one.first + step * max(0, -(-(since - one.first) // step)) + grace_s
            for one in self.units.values() if one.unit in units
        )  # fmt: skip

    async def mains(self, units: list[int], lost: bool, at: float) -> None:
        """They lose their mains or get it back, and say so, as far as they are heard."""
        said = []
        for unit in units:
            one = self.units[unit]
            one.battery = lost
            if self._gets_through(one, at):
                said.append(unit)
        assert self._connection is not None
        await self._connection.execute(
            _MAINS, {"unit_id": said, "lost": lost, "at": START + timedelta(seconds=at)}
        )  # fmt: skip

    def _happen(self, at: float, kind: int, unit: int) -> None:
        one = self.units[unit]
        if one.dead:
            return
        if kind == 0:
            heappush(self._events, (at + self.interval_s, 0, unit))
            self._beat(one, at)
        elif kind == 1:
            one.trying = False
            if self.out(one, one.way, at):
                one.on = 1 - one.on
                one.moved_at = at
                self._hear(one, at)
            if one.on:
                heappush(self._events, (at + self._chance.uniform(*LOOKS_BACK_S), 2, unit))
        elif kind == 3:
            self._hear(one, at)
        elif one.on:
            if self.out(one, one.ways[0], at):
                heappush(self._events, (at + self._chance.uniform(*LOOKS_BACK_S), 2, unit))
            else:
                one.on = 0
                one.returns.append(at)
                self._hear(one, at)

    def _beat(self, one: One, at: float) -> None:
        self.beats += 1
        if self._loss:
            enter = self._loss / (1 - self._loss) / BURST
            one.losing = self._chance.random() >= 1 / BURST if one.losing else self._chance.random() < enter
        if self._gets_through(one, at):
            if not one.losing:
                self._hear(one, at)
        elif self.door_open and len(one.ways) > 1 and not one.trying:
            one.trying = True
            heappush(self._events, (at + self._chance.uniform(*CHANGE_S), 1, one.unit))

    def _gets_through(self, one: One, at: float) -> bool:
        return self.door_open and not self.out(one, one.way, at)

    def _hear(self, one: One, at: float) -> None:
        if self._gets_through(one, at):
            one.seq += 1
            self.rate[int(at // RATE_WINDOW_S)] += 1
            self._lines[one.unit] = (one, at)

    async def _write(self) -> None:
        if not self._lines:
            return
        assert self._connection is not None
        lines = self.taken()
        values = {
            "unit_id": [one.unit for one, _ in lines],
            "at": [START + timedelta(seconds=at) for _, at in lines],
            "seq": [one.seq for one, _ in lines],
            "bearer": [one.way.bearer for one, _ in lines],
            "operator": [one.way.operator for one, _ in lines],
            "tac": [one.way.tac for one, _ in lines],
            "flags": [int(one.battery) for one, _ in lines],
            "interval": timedelta(seconds=self.interval_s),
        }
        await self._connection.execute(_HEARD, values)


def iccid(unit: int, slot: int) -> str:
    """Of the SIM in this slot of a unit, 1 or 2."""
    return f"8946{unit:013d}{slot}0"


def peak_per_s(rate: Counter[int], since: float, until: float) -> float:
    """The most heartbeats a second that came, over ten seconds."""
    windows = range(int(since // RATE_WINDOW_S), int(until // RATE_WINDOW_S) + 1)
    return max((rate[window] for window in windows), default=0) / RATE_WINDOW_S
