"""Units by their signs of life alone, on a simulated clock: what the supervision's tests and its bench are made of.

Every unit beats at its own phase. An outage takes the units of a condition off their path for a time; a unit with a
spare SIM comes back on that, some time after its first unanswered heartbeat. Losses come in bursts (two states, a mean
of two heartbeats a burst); a burst swallows probes of the data path, and an SMS wake gets through but for one in a
hundred.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush
from typing import Final, NamedTuple

from fleet.supervision.incidents import Incident
from fleet.supervision.model import Action, Change, Heard, Place, Profile, Spare, Step, UnitInfo, Word
from fleet.supervision.watch import Watch

SECOND: Final = 1000
SWITCH_S: Final = (60, 330)
"""A unit tries its spare SIM so long after its first unanswered heartbeat."""
MASTS_S: Final = (20, 90)
"""A unit whose modem says that its masts are gone is on its spare SIM so long after."""
REPORT_FIRST_S: Final = 5
"""Its heartbeat there follows its report of the change by so long."""
WAKE_S: Final = (3, 25)
WAKE_LOST: Final = 0.01
BURST_MEAN: Final = 2.0
OPERATORS: Final = ("24001", "24005", "24008")


class Outage(NamedTuple):
    """Places that are out from a time to a time, in milliseconds."""

    begins_ms: int
    ends_ms: int
    hits: Callable[[Place], bool]


@dataclass
class Unit:
    """A unit's truth: its paths, whether it lives, and its next events."""

    number: int
    interval_s: int
    places: list[Place]
    on: int = 0
    dead_ms: int | None = None
    losing: bool = False
    seq: int = 0
    trying: bool = False


@dataclass
class SilentFleet:
    """A fleet and the watch over it. ``run`` goes forward; what came out is kept."""

    units: int = 1000
    interval_s: int = 300
    seed: int = 1
    loss: float = 0.0
    report_s: int = 1800
    dual: float = 0.8
    first_operator: float = 1.0
    cells: int = 40
    districts: int = 12
    start_ms: int = 1_800_000_000_000
    switch: bool = True
    now_ms: int = 0
    outages: list[Outage] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    actions: list[Action] = field(default_factory=list)
    incidents: dict[int, Incident] = field(default_factory=dict)
    last_heard: dict[int, tuple[int, int]] = field(default_factory=dict)
    beats: int = 0
    down: bool = False

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self.now_ms = self.start_ms
        self.watch = Watch()
        self.fleet: dict[int, Unit] = {}
        self._events: list[tuple[int, int, int]] = []
        profile = Profile("model", self.report_s)
        for number in range(1, self.units + 1):
            unit = self.fleet[number] = Unit(number, self.interval_s, self._paths(number))
            phase = self.random.randrange(self.interval_s * SECOND)
            self._events.append((self.start_ms + phase, 0, number))
            self.watch.add(
                UnitInfo(
                    number, profile, unit.places[0],
                    spare=Spare.SPARE_SIM if len(unit.places) > 1 else Spare.NONE,
                    seen_ms=self.start_ms + phase - self.interval_s * SECOND, interval_s=self.interval_s,
                    priority=1 + number % 5, reference=f"R-{number}",
                ),
                self.start_ms,
            )  # fmt: skip
        heapify(self._events)

    def _paths(self, number: int) -> list[Place]:
        chance = self.random.random
        first = OPERATORS[0] if chance() < self.first_operator else OPERATORS[1]
        cell, district = f"tac-{self.random.randrange(self.cells)}", f"d{number % self.districts}"
        issuer = "issuer A" if chance() < 0.7 else "issuer B"
        shared = {"firmware": f"2.{number % 3}", "district": district, "link": "coap"}
        paths = [Place(first, issuer, f"net {first}", f"{first} {cell}", "m2m", **shared)]
        if chance() < self.dual:
            paths.append(Place(OPERATORS[2], "issuer C", "net shared", f"{OPERATORS[2]} {cell}", "iot", **shared))
        return paths

    def out(self, place: Place) -> bool:
        """Whether a place is out now."""
        return any(o.begins_ms <= self.now_ms < o.ends_ms and o.hits(place) for o in self.outages)

    def kill(self, number: int, at_ms: int) -> None:
        """A unit dies, without a word."""
        self.fleet[number].dead_ms = at_ms

    def masts_gone(self) -> None:
        """The masts of what is out from now on are gone: who has a spare SIM need not miss a heartbeat to know."""
        for number, unit in self.fleet.items():
            if len(unit.places) > 1 and self.out(unit.places[0]):
                unit.trying = True
                heappush(self._events, (self.now_ms + self.random.randrange(*MASTS_S) * SECOND, 3, number))

    def beat_within(self, seconds: int) -> None:
        """They begin anew, all within so short a time from now, as a fleet does that has lost its connections."""
        spread = seconds * SECOND
        self._events = [(self.now_ms + self.random.randrange(spread), 0, number) for number in self.fleet]
        heapify(self._events)

    def say(self, number: int, word: Word) -> None:
        """A unit says something besides heartbeats, if it can be heard."""
        unit = self.fleet[number]
        if not self.out(unit.places[unit.on]):
            unit.seq += 1
            self.watch.word(number, word, self.now_ms, unit.seq)

    def run(self, until_ms: int, step_ms: int = 1000) -> None:
        """Goes forward in steps, with the watch's clock beside the world's."""
        while self.now_ms < until_ms:
            self.now_ms = min(until_ms, self.now_ms + step_ms)
            while self._events and self._events[0][0] <= self.now_ms:
                self._happen(*heappop(self._events))
            out = self.watch.tick(self.now_ms)
            self.changes += out.changes
            self.actions += out.actions
            self.incidents.update(out.incidents)
            for action in out.actions:
                self._obey(action)

    def _happen(self, at_ms: int, kind: int, number: int) -> None:
        unit = self.fleet[number]
        if unit.dead_ms is not None and at_ms >= unit.dead_ms:
            return
        if kind == 0:
            heappush(self._events, (at_ms + unit.interval_s * SECOND, 0, number))
            self._beat(unit, at_ms)
        elif kind == 1:
            unit.trying = False
            if self.out(unit.places[unit.on]):
                unit.on = 1 - unit.on
                self._heard(unit, at_ms)
        elif kind == 2:
            self._heard(unit, at_ms)
        elif kind == 3:
            # The report of its change comes first, by the spare SIM, and does not say so.
            self.watch.heard(Heard(number, at_ms, unit.seq + 1))
            unit.on, unit.trying, unit.seq = 1, False, unit.seq + 2
            heappush(self._events, (at_ms + REPORT_FIRST_S * SECOND, 2, number))

    def _beat(self, unit: Unit, at_ms: int) -> None:
        self.beats += 1
        unit.seq += 1
        if self.loss:
            leave, enter = 1 / BURST_MEAN, self.loss / (1 - self.loss) / BURST_MEAN
            unit.losing = self.random.random() >= leave if unit.losing else self.random.random() < enter
        place = unit.places[unit.on]
        if self.outages and self.out(place):
            if self.switch and len(unit.places) > 1 and not unit.trying:
                unit.trying = True
                heappush(self._events, (at_ms + self.random.randrange(*SWITCH_S) * SECOND, 1, unit.number))
            return
        if unit.on == 1 and self.outages and not self.out(unit.places[0]) and self.random.random() < 0.1:
            unit.on = 0
        if not unit.losing:
            self._heard(unit, at_ms)

    def _heard(self, unit: Unit, at_ms: int) -> None:
        place = unit.places[unit.on]
        if self.down or (self.outages and self.out(place)):
            return
        moved = self.last_heard.get(unit.number, (0, 0))[1] != unit.on
        self.last_heard[unit.number] = (at_ms, unit.on)
        self.watch.heard(
            Heard(unit.number, at_ms, unit.seq, unit.interval_s, place if moved else None, bearer=3 + unit.on)
        )

    def _obey(self, action: Action) -> None:
        if action.step is Step.WAKE and self.random.random() >= WAKE_LOST:
            heappush(self._events, (self.now_ms + self.random.randrange(*WAKE_S) * SECOND, 2, action.unit))

    def told(self) -> list[Change]:
        """What a person was told about single units."""
        return [change for change in self.changes if change.told]

    def without_path(self) -> Iterator[int]:
        """The truth that a visit list is compared with: units whose every path is out now."""
        return (number for number, unit in self.fleet.items() if all(self.out(place) for place in unit.places))
