"""A6 on many seeds: recall and precision of the list before a weekend, and of the fixed percentage, on the same fleets.

Nearly all the time of `livlina scenario A6` goes to pendants that are nowhere near their end. Here those are left out
(``--whole`` keeps them): a pendant that had more than a fifth of its charge two weeks ago does not die, and no rule
lists it.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence

from bench import options
from fleet.supervision.battery_end import FIXED_PERCENT, LIKELY, Cell, Score, before, by_percent, score
from sim.battery_truth import WEEKEND_DAYS
from sim.scenarios.a6_battery_weekend import NEAR_THE_END, PRECISION, RECALL, fleet, forecast_of


def weekend(units: int, seed: int, likely: Sequence[float], *, whole: bool = False) -> dict[str, Score]:
    """One fleet's scores, by rule."""
    worn = fleet(units, seed, 1.0 if whole else NEAR_THE_END)
    died = [unit.unit for unit in worn if unit.dies is not None]
    cells = [Cell(unit.unit, forecast_of(unit), unit.percent) for unit in worn]
    made = {f"fixed {FIXED_PERCENT} %": score(by_percent(cells), died)}
    for least in likely:
        made[f"{100 * least:g} %"] = score([stop.unit for stop in before(cells, WEEKEND_DAYS, likely=least)], died)
    return made


def _worst(scores: Sequence[Score]) -> dict[str, float | int | None]:
    """A fleet in which nobody died has no recall, and one of which nobody is listed no precision: neither is a miss."""
    recall = [one.recall for one in scores if one.recall is not None]
    precision = [one.precision for one in scores if one.precision is not None]
    misses = sum(
        (one.recall is not None and one.recall < RECALL) or (one.precision is not None and one.precision < PRECISION)
        for one in scores
    )
    return {
        "recall_mean": round(sum(recall) / len(recall), 4) if recall else None,
        "recall_lowest": round(min(recall), 3) if recall else None,
        "precision_mean": round(sum(precision) / len(precision), 3) if precision else None,
        "precision_lowest": round(min(precision), 3) if precision else None,
        "seeds_that_miss": misses,
    }


def main() -> int:
    """Prints a line a rule; exit 1 where a seed misses a limit by the shipped rule."""
    parser = argparse.ArgumentParser(prog="python -m bench.weekend", description=__doc__)
    parser.add_argument("--units", type=options.whole(1, 1_000_000), default=11_000)
    parser.add_argument("--seed", type=options.SEED, nargs=2, default=(1, 40), metavar=("FIRST", "LAST"))
    parser.add_argument(
        "--likely", type=options.real(0, 1), nargs="*", default=[], help="other least likelihoods to list a unit"
    )
    parser.add_argument("--whole", action="store_true")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    seeds = range(given.seed[0], given.seed[1] + 1)
    if not seeds:
        parser.error("the last seed comes before the first")
    by_rule: dict[str, list[Score]] = {}
    for seed in seeds:
        for rule, found in weekend(given.units, seed, [LIKELY, *given.likely], whole=given.whole).items():
            by_rule.setdefault(rule, []).append(found)
    shipped = f"{100 * LIKELY:g} %"
    rows = {rule: _worst(scores) for rule, scores in by_rule.items()}
    ok = rows[shipped]["seeds_that_miss"] == 0
    deaths = [one.died for one in by_rule[shipped]]
    if given.json:
        print(json.dumps({"seeds": [*given.seed], "deaths": deaths, "rules": rows, "shipped": shipped, "ok": ok}))
    else:
        print(f"{len(seeds)} fleets of {given.units} units, {min(deaths)} to {max(deaths)} deaths each")
        for rule, row in rows.items():
            figures = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in row.items())
            print(f"{rule}{' (ships)' if rule == shipped else ''}: {figures}")
    return 0 if ok else 1


if __name__ == "__main__":
    options.run(main)
