"""A sunset plan as a document: judges units, plans visits, and says what it costs. Joins what is pure; opens nothing.

The command line and the planner's page show the same document.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime
from typing import Any

from fleet.connectivity import classify
from fleet.connectivity.calendar import Calendar, Row
from fleet.connectivity.cost_compare import SOURCE, Figures, compare
from fleet.connectivity.plan import plan
from fleet.connectivity.plan_model import Capacity, Plan
from fleet.connectivity.sunset_model import CLASSES, Unit, Verdict


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked for. ``moves`` are of `calendar.read_move`; ``work_list`` adds all visits and units."""

    capacity: Capacity
    moves: tuple[tuple[str, str, str, date], ...] = ()
    work_list: bool = False


def calendar_of(
    base: Calendar, rows: Iterable[Row], moves: Iterable[tuple[str, str, str, date]], actor: str, at: datetime
) -> Calendar:
    """A calendar with these rows and then these moves, each a change with its actor."""
    found = base
    for row in rows:
        found = found.moved(row, actor=actor, at=at)
    for operator, technology, region, last_day in moves:
        found = found.moved(Row(operator, technology, region, last_day, "what if"), actor=actor, at=at)
    return found


def report(units: Sequence[Unit], dates: Calendar, asked: Asked) -> dict[str, Any]:
    """The whole answer as one document; dates are ISO 8601."""
    return make(units, dates, asked)[0]


def make(units: Sequence[Unit], dates: Calendar, asked: Asked) -> tuple[dict[str, Any], Plan]:
    """The document, and the plan that it was made of."""
    verdicts = classify.judge_all(units, dates, asked.capacity.start)
    made = plan(verdicts, asked.capacity)
    return _document(made, verdicts, dates, asked), made


def _document(made: Plan, verdicts: Sequence[Verdict], dates: Calendar, asked: Asked) -> dict[str, Any]:
    worst = made.shortage
    document: dict[str, Any] = {
        "start": made.capacity.start.isoformat(),
        "installers": made.capacity.installers,
        "per_day": made.capacity.per_day,
        "units": made.units,
        "classes": {name: made.classes.get(name, 0) for name in CLASSES},
        "doomed": made.doomed,
        "stranded": made.stranded,
        "visits": len(made.visits),
        "overdue": made.overdue,
        "shortage": None if worst is None else _shortage(worst),
        "deadlines": [_shortage(one) for one in made.shortages],
        "person_visits": len(made.person_visits),
        "waves": [_plain(asdict(wave)) for wave in made.waves],
        "over_the_air": [
            {"stage": one.number, "begins": one.begins.isoformat(), "units": len(one.units), "late": one.late}
            for one in made.stages
        ],
        "surveys": len(made.surveys),
        "parts": dict(made.parts),
        "burn_down": [{"day": day, "date": on.isoformat(), "left": left} for day, on, left in made.burn_down],
        "travel": {"stays": made.travel[0], "fewest": made.travel[1]},
        "costs": _costs(made),
        "model_list": _listed(verdicts),
        "calendar": [_plain(asdict(row)) for row in dates.rows.values()],
        "changes": [_plain(asdict(change)) for change in dates.changes],
    }
    if asked.work_list:
        document["work_list"] = [_plain(asdict(visit)) for visit in made.visits]
        document["units_by_class"] = {
            name: [one.unit.number for one in verdicts if one.what == name and one.unit.active] for name in CLASSES
        }
        document["doomed_units"] = [one.unit.number for one in verdicts if one.doomed and one.unit.active]
    return document


def _shortage(one: Any) -> dict[str, Any]:
    return {**_plain(asdict(one)), "sentence": one.sentence}


def _costs(made: Plan) -> dict[str, Any] | None:
    """New units by both contracts; only the units that are swapped are counted."""
    units = sum(visit.what != "sim_swap" for visit in made.visits)
    if not units:
        return None
    found = compare(replace(Figures(), units=units))
    return {
        "units": units,
        "source": SOURCE,
        "buying_year_1": found["sums"][0]["buying"],
        "leasing_year_1": found["sums"][0]["leasing"],
        "year_1_buying_costs_more": found["year_1_buying_costs_more"],
        "saved_a_year_by_buying": found["saved_a_year_by_buying"],
        "break_even_years": found["break_even_years"],
        "sums": found["sums"],
    }


def _listed(verdicts: Sequence[Verdict]) -> dict[str, int]:
    """What planning by a list of models would have done: nothing is judged by it."""
    known = [one for one in verdicts if one.unit.listed is not None and one.unit.active]
    stays = {"lte", "lte_m", "nb_iot"}
    says_swap = {one.unit.number for one in known if not (one.unit.listed or frozenset()) & stays}
    is_swap = {one.unit.number for one in known if one.what == "hardware_swap"}
    return {
        "units_listed": len(known),
        "would_be_missed": len(is_swap - says_swap),
        "would_be_swapped_for_nothing": len(says_swap - is_swap),
    }


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    return value.isoformat() if isinstance(value, date) else value
