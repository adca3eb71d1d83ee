"""A1's outages on the watch alone: no database, no doors; the same story, crowd and limits as `livlina scenario A1`.

It plays until the visit list has been looked at, and with --whole until the incident is closed. Some seconds an outage,
so that many seeds, sizes and parts can be asked for. What the whole server makes of it is the scenario's to say.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from typing import Any, Final

from bench import options
from fleet.supervision.model import Heard, Place, Profile, Spare, Step, UnitInfo
from fleet.supervision.watch import Watch
from sim.scenarios.a1_story import PROFILE, Story
from sim.scenarios.crowd import Crowd, One, Way
from sim.scenarios.scenario import ScenarioError

START_MS: Final = 1_800_000_000_000
DETECTED_S: Final = 60.0
MOVED_S: Final = 390.0
AFTER_S: Final = 2400.0
LOOK_S: Final = 1.0


def place(one: One, way: Way) -> Place:
    """As `fleet.supervision.places` makes it of a row."""
    return Place(str(way.operator), way.issuer, str(way.operator), f"{way.operator} {way.tac}", "", "",
                 f"1: {one.district}", "coap")  # fmt: skip


class Outage:
    """One of them. ``watch`` supervises, ``crowd`` beats; ``at`` is seconds of the story."""

    def __init__(self, units: int, seed: int, numbers: dict[str, float]) -> None:
        chance = random.Random(f"a1 {seed}")
        self.story = Story(units, numbers, chance)
        self.crowd = Crowd("", self.story.people(), self.story.interval_s, numbers["loss"], chance)
        self.crowd.out = self.story.out
        self.watch = Watch()
        self.told: list[int] = []
        self.steps: dict[str, int] = {}
        self.at = 0.0
        self._on: dict[int, int] = {}
        profile = Profile(*PROFILE)
        self.crowd.begin(0.0)
        for one, seen in self.crowd.taken():
            self.watch.add(
                UnitInfo(
                    one.unit, profile, place(one, one.way), Spare.SPARE_SIM if len(one.ways) > 1 else Spare.NONE,
                    priority=one.priority, reference=f"R{one.unit}", seen_ms=START_MS + round(seen * 1000),
                    interval_s=self.story.interval_s,
                ),
                START_MS,
            )  # fmt: skip

    def forward(self, until: float) -> None:
        """Lets time pass, with a look every second."""
        while self.at < until:
            self.at = min(until, self.at + LOOK_S)
            self.crowd.happen(self.at)
            for one, at in sorted(self.crowd.taken(), key=lambda heard: heard[1]):
                moved = self._on.get(one.unit, 0) != one.on
                self._on[one.unit] = one.on
                self.watch.heard(
                    Heard(one.unit, START_MS + round(at * 1000), one.seq, self.story.interval_s,
                          place(one, one.way) if moved else None, one.way.bearer)
                )  # fmt: skip
            out = self.watch.tick(START_MS + round(self.at * 1000))
            self.told += [change.unit for change in out.changes if change.told]
            for action in out.actions:
                self.steps[action.step.value] = self.steps.get(action.step.value, 0) + 1
                if action.step is Step.WAKE:
                    self.crowd.woken(action.unit, self.at)

    def judge(self, whole: bool) -> dict[str, Any]:
        """Plays it and says what came of it."""
        story, detector = self.story, self.watch.detector
        visits_at = story.visits_at(self.crowd)
        self.forward(visits_at)
        now_ms = START_MS + round(self.at * 1000)
        first = next(iter(detector.open.values()), None)
        opened = None if first is None else (first.opened_ms - START_MS) / 1000 - story.begins
        limit = max(DETECTED_S, story.shown_after(self.crowd))
        gone = {one.unit for one in self.crowd.units.values() if all(story.out(one, way, self.at) for way in one.ways)}
        listed = {visit.unit for incident in detector.open.values() for visit in incident.visits(now_ms)}
        found: dict[str, Any] = {
            "hit": story.hit, "detected_after_s": opened, "limit_s": round(limit, 1),
            "visits_after_s": round(visits_at - story.begins, 1), "without_path": len(gone), "listed": len(listed),
            "missing": len(gone - listed), "extra": len(listed - gone),
        }  # fmt: skip
        ok = opened is not None and 0 <= opened <= limit and gone == listed
        if whole:
            self.forward(story.ends + AFTER_S)
            dual = [one for one in self.crowd.units.values() if one.unit <= story.hit and len(one.ways) > 1]
            hit = [one for one in dual if story.out(one, one.ways[0], story.begins)]
            moved = sum(one.moved_at is not None and one.moved_at - story.begins <= MOVED_S for one in hit)
            found["moved"] = round(moved / len(hit), 4) if hit else None
            found["closed"] = not detector.open
            ok = ok and not detector.open and (not hit or moved >= 0.99 * len(hit))
        found["incidents"] = detector.count
        found["scope"] = [] if first is None else [f"{kind.name.lower()} {name}" for kind, name in first.scopes]
        found["told"] = len(self.told)
        found["steps"] = self.steps
        found["ok"] = ok and detector.count == 1 and not self.told
        return found


def main() -> int:
    """Prints a line for each; exit 1 where one does not hold."""
    parser = argparse.ArgumentParser(prog="python -m bench.outages", description=__doc__)
    parser.add_argument("--units", type=options.whole(1, 1_000_000), nargs="+", default=[200, 1000, 3000, 11_000])
    parser.add_argument("--part", type=options.real(0.001, 1), nargs="+", default=[1.0, 0.3, 0.1])
    parser.add_argument("--by", choices=["area", "issuer"], nargs="+", default=["area", "issuer"])
    parser.add_argument("--seed", type=options.SEED, nargs="+", default=[1, 2, 3, 4, 5])
    parser.add_argument("--minutes", type=options.real(5, 1440), default=60.0)
    parser.add_argument("--whole", action="store_true", help="play on until the incident is closed")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    rows = []
    for units in given.units:
        for part in given.part:
            for by in given.by if part < 1 else given.by[:1]:
                for seed in given.seed:
                    numbers = {"minutes": given.minutes, "part": part, "by_issuer": float(by == "issuer"), "dual": 0.8,
                               "others": 0.5, "heartbeat_s": 300.0, "loss": 0.01}  # fmt: skip
                    began = time.perf_counter()
                    try:
                        found = Outage(units, seed, numbers).judge(given.whole)
                    except ScenarioError as error:
                        parser.error(str(error))
                    row = {"units": units, "part": part, "by": by if part < 1 else "operator", "seed": seed, **found,
                           "seconds": round(time.perf_counter() - began, 1)}  # fmt: skip
                    rows.append(row)
                    if not given.json:
                        print(", ".join(f"{name.replace('_', ' ')} {value}" for name, value in row.items()), flush=True)
    ok = all(row["ok"] for row in rows)
    if given.json:
        print(json.dumps({"outages": rows, "ok": ok}))
    else:
        print(f"{sum(row['ok'] for row in rows)} of {len(rows)} hold")
    return 0 if ok else 1


if __name__ == "__main__":
    options.run(main)
