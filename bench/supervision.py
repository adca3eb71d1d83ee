"""What supervision costs: ``python -m bench.supervision [--units N] [--interval S] [--seed N] [--json]``.

So many units, heartbeats at their own phases, an operator that goes out in the middle. Each simulated second's
heartbeats and its tick are timed; the lag is how far a process on one core of this machine would be behind the clock,
second for second, and its worst is printed. Making the heartbeats is not counted.
"""

from __future__ import annotations

import argparse
import gc
import json
import random
import time
from typing import Any

from bench import options
from fleet.supervision.model import Heard, Place, UnitInfo
from fleet.supervision.profiles import DEFAULTS
from fleet.supervision.watch import Watch
from protocols.wire.messages import BEARER_SIM1

START_MS = 1_800_000_000_000
OPERATORS = ("24001", "24005", "24007", "24008")


def place(number: int, operator: str, cells: int) -> Place:
    """A unit's place: cell areas of some fifty units each, four firmwares, districts of a few hundred."""
    return Place(
        operator, f"issuer {number % 3}", operator, f"{operator} tac-{number % cells}", f"apn {number % 2}",
        f"2.{number % 4}", f"d{number % max(1, cells // 5)}", "coap",
    )  # fmt: skip


def load(units: int, interval_s: int, seconds: int, seed: int) -> dict[str, Any]:
    """Runs the fleet for some simulated seconds; the operator 24001 is out for the second half."""
    chance = random.Random(seed)
    watch, cells = Watch(), max(1, units // 50)
    slots: list[list[int]] = [[] for _ in range(interval_s)]
    places = [place(n, chance.choice(OPERATORS), cells) for n in range(units)]
    for number in range(units):
        phase = chance.randrange(interval_s)
        slots[phase].append(number)
        watch.add(
            UnitInfo(number, DEFAULTS["SP3"], places[number], seen_ms=START_MS - (interval_s - phase) * 1000,
                     interval_s=interval_s, priority=1 + number % 5),
            START_MS,
        )  # fmt: skip
    gc.collect()
    gc.freeze()  # as the supervisor does once its fleet is taken up
    lag = worst = busy = 0.0
    slowest, detected, beats, incidents = 0.0, None, 0, 0
    for second in range(seconds):
        now = START_MS + second * 1000
        gone = second >= seconds // 2
        signs = [
            Heard(n, now, second, interval_s, bearer=BEARER_SIM1) for n in slots[second % interval_s]
            if not (gone and places[n].operator == OPERATORS[0])
        ]  # fmt: skip
        begun = time.process_time()
        for sign in signs:
            watch.heard(sign)
        out = watch.tick(now)
        work = time.process_time() - begun
        beats += len(signs)
        busy += work
        slowest = max(slowest, work)
        lag = max(0.0, lag + work - 1.0)
        worst = max(worst, lag)
        for number, incident in out.incidents.items():
            incidents = max(incidents, number)
            if detected is None:
                detected = (now - START_MS) / 1000 - seconds // 2
                first = incident.report(now)
    return {
        "units": units, "interval_s": interval_s, "seconds": seconds, "heartbeats": beats,
        "core_used_percent": round(100 * busy / seconds, 2), "worst_lag_s": round(worst, 3),
        "slowest_second_s": round(slowest, 3), "microseconds_a_heartbeat": round(1e6 * busy / max(1, beats), 2),
        "incidents": incidents, "detected_after_s": detected,
        "scope": first["scope"] if detected is not None else None,
    }  # fmt: skip


def main() -> int:
    """Prints the figures; exit 1 when the load was not kept up with."""
    parser = argparse.ArgumentParser(prog="python -m bench.supervision", description=__doc__)
    parser.add_argument("--units", type=options.whole(1, 1_000_000), default=250_000)
    parser.add_argument("--interval", type=options.whole(1, 86_400), default=300)
    parser.add_argument("--seconds", type=options.whole(1, 86_400), default=600)
    parser.add_argument("--seed", type=options.SEED, default=1)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    found = {"load": load(given.units, given.interval, given.seconds, given.seed)}
    ok = found["load"]["worst_lag_s"] < 1.0 and found["load"]["incidents"] == 1
    if given.json:
        print(json.dumps({**found, "ok": ok}))
    else:
        for name, figures in found.items():
            print(f"{name}:", ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in figures.items()))
    return 0 if ok else 1


if __name__ == "__main__":
    options.run(main)
