"""The verdict on A2: the plan and what became of it, held against what is so of each unit."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from fleet.connectivity.plan_model import Plan
from fleet.connectivity.sunset_model import Verdict
from sim.scenarios.scenario import Check

REPLAN_S: Final = 5.0
BIG_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Played:
    """The day after: units in use that nobody hears any more, units with a task, and what activation is told."""

    cut_off: set[int]
    tasks: set[int]
    refusals: Mapping[str, str | None]


def judge(
    truth: Mapping[int, str], listed: Mapping[int, bool], verdicts: Sequence[Verdict], made: Plan, later: Plan,
    moved_s: float, air: Mapping[str, Any], swapped: Sequence[int], played: Played, days: int, big: int,
    big_s: float | None,
) -> list[Check]:  # fmt: skip
    """All checks. ``listed``: whether the list of models says that a unit can stay."""
    doomed = {unit for unit, what in truth.items() if what != "fine"}
    found = {one.unit.number for one in verdicts if one.doomed}
    wrong = sum(one.what != truth[one.unit.number] for one in verdicts)
    misled = sum(listed[unit] == (what == "hardware_swap") for unit, what in truth.items())
    swaps = {unit for unit, what in truth.items() if what == "hardware_swap"}
    checks = [
        Check("units that lose their network, found", len(found), f"exactly the {len(doomed)}", found == doomed),
        Check("units put into a wrong class", wrong, 0, wrong == 0),
        Check("units that the list of models is wrong about", misled, "any", True),
        *_shortage(made, len(swaps), days),
        _order(made),
        *_moved(made, later, moved_s),
        Check("over the air: how the change ended", air["state"], "done", air["state"] == "done"),
        Check("over the air: units done", _done(air), f"{sum(w == 'over_the_air' for w in truth.values())}",
              _done(air) == sum(what == "over_the_air" for what in truth.values())),
        Check("over the air: ordered before the stage ahead was settled", air["too_early"], 0, air["too_early"] == 0),
        *_afterwards(swaps, set(swapped), played),
    ]  # fmt: skip
    if big_s is not None:
        checks.append(Check(f"{big} units judged and planned (s)", round(big_s, 1), BIG_S, big_s <= BIG_S))
    return checks


def _done(air: Mapping[str, Any]) -> int:
    return sum(int(stage.get("done", 0)) for stage in air["stages"])


def _shortage(made: Plan, swaps: int, days: int) -> list[Check]:
    a_day = made.capacity.installers * made.capacity.per_day
    short, finish = max(0, swaps - days * a_day), math.ceil(swaps / a_day)
    heads = swaps / (days * made.capacity.per_day)
    said = made.shortage
    sentence = "nothing has a deadline" if said is None else said.sentence
    right = said is not None and (said.short, said.finish_day, said.working_days) == (short, finish, days)
    if short:
        right = right and said is not None and said.heads is not None and round(said.heads, 1) == round(heads, 1)
    wanted = f"{short} short, {heads:.1f} installers, day {finish} of {days}"
    return [
        Check("visits", len(made.visits), swaps, len(made.visits) == swaps),
        Check("shortage as said", sentence, wanted, right),
    ]


def _order(made: Plan) -> Check:
    """Personal alarms, and who has no other path, before everybody else: by day."""
    last_band, wrong = 0, 0
    by_day: dict[int, list[int]] = {}
    for visit in made.visits:
        by_day.setdefault(visit.day, []).append(visit.band)
    for _, bands in sorted(by_day.items()):
        wrong += min(bands) < last_band
        last_band = max(bands)
    personal = [visit.day for visit in made.visits if visit.unit_type == "personal"]
    others = [visit.day for visit in made.visits if visit.unit_type != "personal"]
    wrong += bool(personal and others and max(personal) > min(others))
    return Check("days on which somebody less urgent comes first", wrong, 0, wrong == 0)


def _moved(made: Plan, later: Plan, seconds: float) -> list[Check]:
    short = None if later.shortage is None else later.shortage.short
    days = math.ceil(len(made.visits) / (made.capacity.installers * made.capacity.per_day))
    fits = later.shortage is not None and later.shortage.working_days >= days
    return [
        Check("a date is moved: read, judged and planned anew (s)", round(seconds, 2), REPLAN_S, seconds <= REPLAN_S),
        Check("a date is moved: visits short", short, "0 where the days are enough", not fits or short == 0),
    ]


def _afterwards(swaps: set[int], swapped: set[int], played: Played) -> list[Check]:
    left = swaps - swapped
    without = played.cut_off - played.tasks
    for_nothing = played.tasks - played.cut_off
    said = played.refusals
    refused = said["doomed"] is not None and "closed on" in said["doomed"]
    return [
        Check("the day after: units in use that depend on it", len(played.cut_off), f"the {len(left)} not visited",
              played.cut_off == left),
        Check("the day after: of these without a visit to the person", len(without), 0, not without),
        Check("the day after: persons visited for nothing", len(for_nothing), 0, not for_nothing),
        Check("activating a unit that lives on it", said["doomed"] or "allowed", "refused with a reason", refused),
        Check("activating another one, or on the last day", said["fine"] or said["in time"] or "allowed", "allowed",
              said["fine"] is None and said["in time"] is None),
    ]  # fmt: skip
