"""Who is visited when before the networks close: waves, installers' days, shortage, parts. Pure.

It decides which visits are in time, and in which order they are made. Every visit takes one place of an installer's
day, so that the visits which can all be in time are the independent sets of a matroid (unit tasks with deadlines): to
take them by risk, each that still fits, is the best choice there is, and no solver finds a better one. The order is
then made from the last place backwards (Lawler): the least urgent visit whose deadline allows it comes last. Travel is
grouped within a wave, which costs no time: see `travel`. docs/decisions/0020 has the comparison with a solver.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import date
from itertools import groupby, islice
from math import ceil

from fleet.connectivity import working_days
from fleet.connectivity.plan_model import BANDS, Capacity, Plan, Shortage, Stage, Visit, Wave
from fleet.connectivity.sunset_model import Verdict

STAGES = (0.01, 0.10, 1.0)
"""Shares of the units that are helped over the air: each stage goes out after the one before has proven itself."""
STAGE_DAYS = 3
"""Working days that a stage is watched."""
VISITED = frozenset({"sim_swap", "hardware_swap", "unknown"})


def band(verdict: Verdict, today: date) -> int:
    """How urgent a visit is, as a place in `BANDS`: 0 is the most urgent."""
    personal = verdict.unit.unit_type == "personal"
    if verdict.stranded and verdict.deadline is not None and verdict.deadline < today:
        return 0
    if verdict.stranded and (personal or verdict.unit.lives_alone):
        return 1
    if verdict.stranded or personal:
        return 2
    return 3 if verdict.unit.lives_alone else 4


def risk(verdict: Verdict, today: date) -> tuple[int, bool, int, int]:
    """The order in which places are given: the smaller, the sooner. Personal alarms lead their band."""
    unit = verdict.unit
    return band(verdict, today), unit.unit_type != "personal", unit.care_priority, unit.number


def plan(verdicts: Iterable[Verdict], capacity: Capacity) -> Plan:
    """The plan for a fleet that was judged. Units that nobody relies on are not visited. Raises ValueError for a
    capacity of nobody."""
    today = capacity.start
    relied_on = [one for one in verdicts if one.unit.active]
    doomed = [one for one in relied_on if one.doomed]
    to_visit = sorted((one for one in doomed if one.what in VISITED), key=lambda one: risk(one, today))
    days = _Days(capacity, to_visit)
    visits = _visits(_order(to_visit, days), days)
    return Plan(
        capacity=capacity,
        units=len(relied_on),
        classes=dict(Counter(one.what for one in relied_on)),
        doomed=len(doomed),
        stranded=sum(one.stranded for one in doomed),
        visits=visits,
        waves=_waves(visits),
        shortages=_shortages(to_visit, days),
        stages=_stages([one for one in doomed if one.what == "over_the_air"], days),
        surveys=tuple(one.unit.number for one in relied_on if one.what == "unknown" and not one.doomed),
        overdue=sum(1 for one in to_visit if one.deadline is not None and one.deadline < today),
        parts=_parts(doomed),
        burn_down=_burn_down(visits, days),
        travel=travel(visits, capacity.per_day),
    )


class _Days:
    """Working days of a capacity, as far as the visits reach; day 1 is the first."""

    def __init__(self, capacity: Capacity, to_visit: Sequence[Verdict]) -> None:
        self.capacity = capacity
        self.a_day = capacity.installers * capacity.per_day
        needed = ceil(len(to_visit) / self.a_day)
        spare = STAGE_DAYS * len(STAGES)
        self.dates = tuple(islice(working_days.from_day(capacity.start, capacity.closed), max(needed, spare) + 1))
        self._until: dict[date, int] = {}

    def until(self, last: date) -> int:
        """How many working days there are up to this one."""
        if last not in self._until:
            self._until[last] = working_days.between(self.capacity.start, last, self.capacity.closed)
        return self._until[last]

    def places(self, last: date) -> int:
        return self.until(last) * self.a_day


def _deadline(verdict: Verdict, today: date) -> date | None:
    """What a place must keep; None where the day has gone by: it is as late as it is, and only risk counts."""
    return None if verdict.deadline is None or verdict.deadline < today else verdict.deadline


def _order(to_visit: Sequence[Verdict], days: _Days) -> list[Verdict]:
    """Visits in the order of their places: those that are in time, then those that are late or have no day to keep.

    ``to_visit`` comes by risk. Persons who are cut off already are first of all and take their places before others.
    """
    today = days.capacity.start
    cut_off = [one for one in to_visit if band(one, today) == 0]
    others = to_visit[len(cut_off) :]
    ends = sorted({end for one in others if (end := _deadline(one, today)) is not None})
    place_of = {end: place for place, end in enumerate(ends)}
    room = [days.places(end) - len(cut_off) for end in ends]
    fitting, free, late = [], [], []
    for one in others:
        end = _deadline(one, today)
        if end is None:
            free.append(one)
        elif min(room[place_of[end] :]) > 0:
            fitting.append(one)
            for place in range(place_of[end], len(room)):
                room[place] -= 1
        else:
            late.append(one)
    tail = sorted([*late, *free], key=lambda one: _run(one, today))
    return [*cut_off, *_backwards(fitting, days, len(cut_off)), *tail]


def _run(verdict: Verdict, today: date) -> tuple[int, bool, int]:
    """Visits with the same may change places with each other."""
    end = verdict.deadline or date.max
    return band(verdict, today), verdict.unit.unit_type != "personal", end.toordinal()


def _backwards(fitting: Sequence[Verdict], days: _Days, taken: int) -> list[Verdict]:
    """All of these in the places after ``taken``, each in time, the most urgent first as far as deadlines allow."""
    today = days.capacity.start
    by_end = sorted(fitting, key=lambda one: one.deadline or date.max)
    waiting: list[tuple[int, int, int, int]] = []
    found: list[Verdict] = []
    left = len(by_end)
    for place in range(taken + len(fitting), taken, -1):
        while left and days.places(by_end[left - 1].deadline or date.max) >= place:
            left -= 1
            urgency, others, end = _run(by_end[left], today)
            heapq.heappush(waiting, (-urgency, -int(others), -end, left))
        found.append(by_end[heapq.heappop(waiting)[3]])
    return found[::-1]


def _grouped(order: Sequence[Verdict], today: date) -> list[Verdict]:
    """The same order, with districts together where it changes nothing for anybody: a district with the person whose
    care comes first is visited first."""
    found: list[Verdict] = []
    for _, run in groupby(order, key=lambda one: _run(one, today)):
        members = list(run)
        first: dict[tuple[int, str], int] = {}
        for one in members:
            place = _place(one)
            first[place] = min(first.get(place, one.unit.care_priority), one.unit.care_priority)
        members.sort(key=lambda one: (first[_place(one)], _place(one), one.unit.care_priority, one.unit.number))
        found += members
    return found


def _place(verdict: Verdict) -> tuple[int, str]:
    return verdict.unit.municipality, verdict.unit.district


def _visits(order: Sequence[Verdict], days: _Days) -> tuple[Visit, ...]:
    today, found = days.capacity.start, []
    waves: dict[tuple[int, date | None], int] = {}
    grouped = _grouped(order, today)
    for one in grouped:
        waves.setdefault((band(one, today), one.deadline), len(waves) + 1)
    for start in range(0, len(grouped), days.a_day):
        day = start // days.a_day + 1
        on = days.dates[day - 1]
        for place, one in enumerate(sorted(grouped[start : start + days.a_day], key=_place)):
            late = one.deadline is not None and on > one.deadline
            urgency = band(one, today)
            found.append(
                Visit(
                    one.unit.number, one.unit.unit_type, one.what, day, on, place // days.capacity.per_day + 1,
                    waves[urgency, one.deadline], urgency, one.unit.municipality, one.unit.district, one.deadline,
                    late, late and one.stranded,
                )
            )  # fmt: skip
    return tuple(found)


def _waves(visits: Sequence[Visit]) -> tuple[Wave, ...]:
    members: dict[int, list[Visit]] = {}
    for visit in visits:
        members.setdefault(visit.wave, []).append(visit)
    return tuple(
        Wave(
            number, BANDS[of[0].band], of[0].deadline, len(of), sum(one.late for one in of), of[0].on, of[-1].on,
            tuple(sorted({one.district for one in of})),
        )
        for number, of in sorted(members.items())
    )  # fmt: skip


def _shortages(to_visit: Sequence[Verdict], days: _Days) -> tuple[Shortage, ...]:
    """For each deadline ahead: what is due by it, with those before that must be visited first, and what fits."""
    today, found = days.capacity.start, []
    cut_off = sum(band(one, today) == 0 for one in to_visit)
    due_on = Counter(end for one in to_visit if (end := _deadline(one, today)) is not None)
    due = cut_off
    for end in sorted(due_on):
        due += due_on[end]
        open_days, possible = days.until(end), days.places(end)
        finish = ceil(due / days.a_day)
        heads = round(due / (open_days * days.capacity.per_day), 1) if open_days else None
        found.append(
            Shortage(
                end,
                open_days,
                due,
                possible,
                max(0, due - max(possible, cut_off)),
                heads,
                finish,
                days.dates[finish - 1],
            )
        )
    return tuple(found)


def _stages(over_the_air: Sequence[Verdict], days: _Days) -> tuple[Stage, ...]:
    """Units that keep another path go first: a profile that fails must not cost somebody his last one."""
    today = days.capacity.start
    order = sorted(over_the_air, key=lambda one: risk(one, today), reverse=True)
    found, done = [], 0
    for number, share in enumerate(STAGES):
        upto = max(ceil(len(order) * share), done)
        members, begins = order[done:upto], days.dates[number * STAGE_DAYS]
        if members:
            late = sum(one.deadline is not None and one.deadline < begins for one in members)
            found.append(Stage(number + 1, begins, tuple(one.unit.number for one in members), late))
        done = upto
    return tuple(found)


def _parts(doomed: Iterable[Verdict]) -> dict[str, int]:
    """What has to be ordered. Where nobody knows what a modem can do, a unit is taken along."""
    found: Counter[str] = Counter()
    for one in doomed:
        if one.what == "sim_swap":
            found["SIM"] += sum(sim.doomed for sim in one.sims)
        elif one.what in VISITED:
            found[f"unit, {one.unit.unit_type}"] += 1
    return dict(sorted(found.items()))


def _burn_down(visits: Sequence[Visit], days: _Days) -> tuple[tuple[int, date, int], ...]:
    made, found, left = Counter(visit.day for visit in visits), [], len(visits)
    for day in sorted(made):
        left -= made[day]
        found.append((day, days.dates[day - 1], left))
    return tuple(found)


def travel(visits: Iterable[Visit], per_day: int) -> tuple[int, int]:
    """(stays of an installer in a district on a day, the fewest that all visits could take).

    A run of visits that may change places adds at most one stay for each of its districts and one for each installer's
    day above the fewest of that run; what comes above that is the price of urgency.
    """
    stays, places = set(), Counter[tuple[int, str]]()
    for visit in visits:
        stays.add((visit.day, visit.installer, visit.municipality, visit.district))
        places[visit.municipality, visit.district] += 1
    return len(stays), sum(ceil(number / per_day) for number in places.values())
