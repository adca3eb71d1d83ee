"""Quiet days: how often supervision cries out when nothing is wrong but 1 % of heartbeats, lost in bursts of two.

The watch is the product's. A heartbeat in time changes nothing that anybody sees, so those between two losses of a unit
are told to the watch as one, and counted for its cohorts in bulk: a month of 95 million heartbeats takes minutes. With
``--plain`` each is told by itself; both ways give the same steps, which `tests/unit/supervision` holds them to.

``--dead N`` is another question: N units die one after another, and it says how long it took until a person was told.
"""

from __future__ import annotations

import argparse
import gc
import json
import random
import time
from collections import Counter, defaultdict
from heapq import heappop, heappush
from math import log1p
from typing import Any, Final

from bench import options
from fleet.supervision import decide
from fleet.supervision.model import Action, Heard, Place, Spare, Step, UnitInfo
from fleet.supervision.profiles import BY_TYPE, DEFAULTS
from fleet.supervision.watch import Watch
from protocols.wire.messages import BEARER_SIM1

START_S: Final = 1_800_000_000
DAY_S: Final = 86_400
LOOK_S: Final = 5
BURST: Final = 2.0
LOSS: Final = 0.01
WAKE_S: Final = (3, 25)
WAKE_LOST: Final = 0.01
OPERATORS: Final = {"24001": 0.5, "24008": 0.3, "24005": 0.2}
AREAS: Final = 40
DISTRICTS: Final = 12
FALSE_OFFLINE_A_DAY: Final = 1.0
FALSE_INCIDENTS: Final = 1
DEAD: Final = {"social": (60, 200.0), "personal": (30, 90.0)}
"""By type: seconds between heartbeats, and how long it may take until a person hears of a dead one."""
DEAD_UNITS: Final = 500
APART_S: Final = 600


def _place(chance: random.Random, number: int) -> Place:
    operator = chance.choices(list(OPERATORS), list(OPERATORS.values()))[0]
    issuer = "issuer A" if chance.random() < 0.7 else "issuer B"
    area, district = chance.randrange(AREAS), f"1: D{chance.randrange(DISTRICTS):02d}"
    return Place(operator, issuer, f"net {operator}", f"{operator} {area}", "m2m", f"2.{number % 3}", district, "coap")


class Quiet:
    """A fleet that loses heartbeats and nothing else. Times are whole seconds of its clock."""

    def __init__(
        self,
        units: int,
        interval_s: int,
        seed: int,
        unit_type: str = "social",
        *,
        plain: bool = False,
        loss: float = LOSS,
    ) -> None:
        self.chance = random.Random(f"quiet {seed}")
        self.interval_s = interval_s
        self.now = START_S
        self.beats = 0
        self.watch = Watch()
        self.told: list[tuple[int, int]] = []
        self.incidents: dict[int, str] = {}
        self.steps: list[tuple[int, int, str]] = []
        self.dead: set[int] = set()
        self._plain = plain
        self._healthy = -log1p(-loss / (1 - loss) / BURST) if loss else 0.0
        self._slots: list[list[int]] = [[] for _ in range(interval_s)]
        self._lost_at: dict[int, list[int]] = defaultdict(list)
        self._next: list[float] = []
        self._seq: list[int] = []
        self._away: set[int] = set()
        self._woken: list[tuple[int, int]] = []
        profile = DEFAULTS[BY_TYPE[unit_type]]
        for number in range(units):
            phase = self.chance.randrange(interval_s)
            self._slots[phase].append(number)
            seen = START_S + phase - interval_s
            self.watch.add(
                UnitInfo(number, profile, _place(self.chance, number), Spare.NONE, seen_ms=seen * 1000,
                         interval_s=interval_s),
                START_S * 1000,
            )  # fmt: skip
            self._seq.append(0)
            self._next.append(0.0)
            self._plan(number, START_S + phase)
            self._ahead(number, seen)
        self._whole = [Counter(map(self.watch.signature, slot)) for slot in self._slots]

    def run(self, until: int) -> None:
        """Goes forward, looking every few seconds."""
        while self.now < until:
            till = min(until, self.now + LOOK_S)
            for second in range(self.now, till):
                self._happen(second)
            self.now = till
            out = self.watch.tick(till * 1000)
            self.told += [(till, change.unit) for change in out.changes if change.told]
            for incident in out.incidents.values():
                self.incidents.setdefault(incident.number, incident.log[0][1])
            for action in out.actions:
                self._obey(action)

    def _happen(self, second: int) -> None:
        while self._woken and self._woken[0][0] <= second:
            number = heappop(self._woken)[1]
            if number in self._away:
                self._hear(number, second, woken=True)
        slot = second % self.interval_s
        units, lost = self._slots[slot], self._lost_at.pop(second, [])
        self.beats += len(units)
        silent = set(lost) | self.dead
        if self._plain:
            for number in units:
                if number not in silent:
                    self._hear(number, second)
        else:
            # Who is away is heard by himself, and is no heartbeat in time.
            back = [number for number in units if number in self._away]
            apart = Counter(map(self.watch.signature, {*lost, *back}))
            late = decide.late_at(second * 1000, self.interval_s)
            self.watch.tally.hits(self._whole[slot] - apart if apart else self._whole[slot], late)
            for number in back:
                if number not in silent:
                    self._hear(number, second)
        for number in lost:
            self._away.add(number)
            if self.chance.random() >= 1 / BURST:
                self._next[number] = second + self.interval_s
                self._lost_at[second + self.interval_s].append(number)
            else:
                self._plan(number, second + self.interval_s)

    def _hear(self, number: int, second: int, *, woken: bool = False) -> None:
        """Who was woken beats at his own time as before, and is heard by himself until then."""
        if number in self.dead:
            return
        self._seq[number] += 1
        self.watch.heard(Heard(number, second * 1000, self._seq[number], self.interval_s, bearer=BEARER_SIM1))
        if woken:
            return
        self._away.discard(number)
        if second < self._next[number]:
            since = second - (second - self._phase(number)) % self.interval_s
            self._ahead(number, since)

    def _phase(self, number: int) -> int:
        return int(self._next[number]) % self.interval_s if self._next[number] < float("inf") else 0

    def _plan(self, number: int, first: int) -> None:
        """When it loses a heartbeat next, from that one on."""
        if self._healthy:
            at = first + int(self.chance.expovariate(self._healthy)) * self.interval_s
            self._next[number] = at
            self._lost_at[at].append(number)
        else:
            self._next[number] = float("inf")

    def _ahead(self, number: int, since: int) -> None:
        """Tells the watch of the heartbeats until the next that is lost."""
        last = self._next[number] - self.interval_s
        if not self._plain and last >= since + self.interval_s:
            self._seq[number] += 1
            self.watch.on_time(number, int(last) * 1000, self._seq[number])

    def _obey(self, action: Action) -> None:
        self.steps.append((self.now, action.unit, action.step.value))
        if action.step is Step.WAKE and self.chance.random() >= WAKE_LOST:
            heappush(self._woken, (self.now + self.chance.randrange(*WAKE_S), action.unit))


def quiet(
    units: int, days: float, interval_s: int, seed: int, unit_type: str = "social", *, plain: bool = False
) -> dict[str, Any]:
    """Days without an outage."""
    began = time.perf_counter()
    fleet = Quiet(units, interval_s, seed, unit_type, plain=plain)
    gc.collect()
    gc.freeze()
    fleet.run(START_S + round(days * DAY_S))
    return {
        "units": units, "unit_type": unit_type, "days": days, "interval_s": interval_s, "seed": seed,
        "heartbeats": fleet.beats,
        "false_offline": len(fleet.told), "false_offline_a_day": round(len(fleet.told) / days, 3),
        "false_incidents": len(fleet.incidents), "what": sorted(fleet.incidents.values()),
        "steps_a_day": {step: round(n / days) for step, n in Counter(what for _, _, what in fleet.steps).items()},
        "seconds": round(time.perf_counter() - began, 1),
    }  # fmt: skip


def dead(count: int, unit_type: str, seed: int) -> dict[str, Any]:
    """Units die at random moments of their interval; everybody else goes on losing heartbeats."""
    interval_s, limit = DEAD[unit_type]
    fleet = Quiet(DEAD_UNITS, interval_s, seed, unit_type, plain=True)
    moments: dict[int, int] = {}
    for number in fleet.chance.sample(range(DEAD_UNITS), count):
        fleet.run(fleet.now + APART_S + fleet.chance.randrange(interval_s))
        fleet.dead.add(number)
        moments[number] = fleet.now
    fleet.run(fleet.now + APART_S)
    first: dict[int, int] = {}
    for at, unit in fleet.told:
        first.setdefault(unit, at)
    took = sorted(first[unit] - at for unit, at in moments.items() if unit in first and first[unit] > at)
    return {
        "unit_type": unit_type, "interval_s": interval_s, "dead": count, "told": len(took), "limit_s": limit,
        "median_s": took[len(took) // 2] if took else None, "longest_s": took[-1] if took else None,
        "others_told": sum(unit not in moments for _, unit in fleet.told),
    }  # fmt: skip


def main() -> int:
    """Prints the figures; exit 1 where a limit does not hold."""
    parser = argparse.ArgumentParser(prog="python -m bench.quiet", description=__doc__)
    parser.add_argument("--units", type=options.whole(1, 1_000_000), default=11_000)
    parser.add_argument("--days", type=options.real(0.01, 3653), default=30.0)
    parser.add_argument("--interval", type=options.whole(10, 86_400), default=300)
    parser.add_argument("--seed", type=options.SEED, default=1)
    parser.add_argument("--type", choices=sorted(BY_TYPE), default="social", help="whose profile they are judged by")
    parser.add_argument("--plain", action="store_true", help="tell the watch of every heartbeat by itself")
    parser.add_argument("--dead", type=options.whole(0, DEAD_UNITS), default=0, metavar="N")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    if given.dead:
        found = [dead(given.dead, unit_type, given.seed) for unit_type in DEAD]
        ok = all(one["told"] == given.dead and one["longest_s"] <= one["limit_s"] for one in found)
    else:
        found = [quiet(given.units, given.days, given.interval, given.seed, given.type, plain=given.plain)]
        ok = found[0]["false_offline_a_day"] <= FALSE_OFFLINE_A_DAY and found[0]["false_incidents"] <= FALSE_INCIDENTS
    if given.json:
        print(json.dumps({"dead" if given.dead else "quiet": found, "ok": ok}))
    else:
        for one in found:
            print(", ".join(f"{name.replace('_', ' ')} {value}" for name, value in one.items()))
    return 0 if ok else 1


if __name__ == "__main__":
    options.run(main)
