"""The planner: which visits are in time, their order, the shortage, travel; held against every possible choice."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from itertools import combinations, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleet.connectivity import calendar, classify, working_days
from fleet.connectivity.calendar import Row
from fleet.connectivity.plan import band, plan, risk
from fleet.connectivity.plan_model import Capacity, Plan
from fleet.connectivity.sunset_model import Unit, Verdict
from sim import sunset_fleet

START = date(2026, 10, 1)
CLOSES = START + timedelta(days=89)
FIVE = Capacity(5, 8, START)
NOW = datetime(2026, 10, 1, tzinfo=UTC)


def verdict(number: int, days: int | None, *, stranded: bool = True, personal: bool = False, alone: bool = False,
            district: str = "A", what: str = "hardware_swap", priority: int = 3,
            active: bool = True) -> Verdict:  # fmt: skip
    of = Unit(number, "personal" if personal else "social", 1, district, alone, priority, active=active)
    end = None if days is None else START + timedelta(days=days)
    return Verdict(of, what, True, stranded, True, end, (), "")  # type: ignore[arg-type]


def sample(units: int, seed: int = 1, **other: float) -> list[Verdict]:
    made = sunset_fleet.make(units, seed, START, operators=("north",), **other)  # type: ignore[arg-type]
    dates = calendar.of([Row("north", "gsm", "SE", CLOSES, "test")])
    return classify.judge_all(made.units, dates, START)


def test_a2_as_it_is_written() -> None:
    found = plan(sample(11_000), FIVE)
    assert (found.doomed, found.classes["over_the_air"], found.classes["hardware_swap"]) == (4400, 1320, 3080)
    worst = found.shortage
    assert worst is not None
    assert (worst.working_days, worst.possible, worst.short, worst.heads, worst.finish_day) == (62, 2480, 600, 6.2, 77)
    assert worst.sentence == "600 short, 6.2 installers needed or finish day 77"
    assert sum(visit.late for visit in found.visits) == 600 == len(found.person_visits)
    assert [left for _, _, left in found.burn_down][-1] == 0
    assert sum(len(stage.units) for stage in found.stages) == 1320


def test_personal_alarms_and_those_who_live_alone_are_first() -> None:
    found = plan(sample(2000, 4), Capacity(1, 8, START))
    by_number = {visit.unit: visit for visit in found.visits}
    of_day = [[visit.band for visit in found.visits if visit.day == day] for day in range(1, found.visits[-1].day + 1)]
    assert all(max(one) <= min(after) for one, after in pairwise(of_day))
    assert not any(visit.late for visit in by_number.values() if visit.unit_type == "personal")


def test_no_visit_on_a_closed_day_and_no_installer_has_too_many() -> None:
    shut = frozenset({START, date(2026, 10, 15)})
    found = plan(sample(3000), Capacity(3, 7, START, shut))
    assert all(working_days.is_working(visit.on, shut) for visit in found.visits)
    assert max(Counter((visit.day, visit.installer) for visit in found.visits).values()) == 7
    assert {visit.installer for visit in found.visits} == {1, 2, 3}


def test_moving_a_date_plans_anew_with_the_old_plan_untouched() -> None:
    made = sunset_fleet.make(1000, 1, START, operators=("north", "south"))
    dates = calendar.of([Row(name, "gsm", "SE", CLOSES, "test") for name in ("north", "south")])
    one = Capacity(1, 4, START)
    before = plan(classify.judge_all(made.units, dates, START), one)
    moved = dates.moved(Row("north", "gsm", "SE", date(2027, 12, 31), "test"), actor="a", at=NOW)
    after = plan(classify.judge_all(made.units, moved, START), one)
    assert len(before.visits) == len(after.visits)
    late = [sum(visit.late for visit in found.visits) for found in (before, after)]
    assert late[0] == 32 and late[1] == 0


def test_who_is_cut_off_already_comes_first_and_is_told_as_overdue() -> None:
    found = plan([verdict(1, 30, alone=True), verdict(2, -40), verdict(3, -40, stranded=False)], Capacity(1, 1, START))
    assert [visit.unit for visit in found.visits] == [2, 1, 3]
    assert found.overdue == 2 and found.person_visits == (2,)


def test_a_deadline_goes_before_urgency_only_where_both_fit() -> None:
    # The less urgent one has the sooner deadline: both can be in time, so both are.
    found = plan([verdict(1, 60, alone=True), verdict(2, 0)], Capacity(1, 1, START))
    assert [visit.unit for visit in found.visits] == [2, 1] and not any(visit.late for visit in found.visits)


def test_nobody_is_sent_to_a_unit_that_nobody_relies_on_or_that_is_helped_over_the_air() -> None:
    found = plan([verdict(1, 9, active=False), verdict(2, 9, what="over_the_air"), verdict(3, 9)], FIVE)
    assert [visit.unit for visit in found.visits] == [3]
    assert [stage.units for stage in found.stages] == [(2,)]


def test_units_with_another_path_try_a_profile_first() -> None:
    fleet = [verdict(number, 60, what="over_the_air", stranded=number > 5) for number in range(1, 101)]
    assert set(plan(fleet, FIVE).stages[0].units) <= {1, 2, 3, 4, 5}


def test_districts_are_visited_together() -> None:
    found = plan(sample(11_000), FIVE)
    stays, fewest = found.travel
    scattered = len({(v.day, v.installer, v.district) for v in shuffled(found)})
    assert fewest <= stays <= fewest * 1.35 < scattered


def shuffled(found: Plan) -> list[object]:
    """The same visits in the order of the units' numbers: what travel is without grouping."""
    from dataclasses import replace

    places = [(visit.day, visit.installer) for visit in found.visits]
    by_number = sorted(found.visits, key=lambda visit: visit.unit)
    return [
        replace(visit, day=day, installer=installer) for visit, (day, installer) in zip(by_number, places, strict=True)
    ]


visits = st.lists(
    st.tuples(
        st.integers(-3, 12), st.booleans(), st.booleans(), st.booleans(), st.sampled_from("ABC"), st.integers(1, 5)
    ),
    max_size=9,
)  # fmt: skip


def can_be_in_time(chosen: tuple[Verdict, ...], capacity: Capacity, taken: int) -> bool:
    a_day = capacity.installers * capacity.per_day
    ends = sorted(working_days.between(START, one.deadline) * a_day for one in chosen if one.deadline is not None)
    return all(place + taken <= end for place, end in enumerate(ends, 1))


@settings(max_examples=150, deadline=None)
@given(visits, st.integers(1, 2), st.integers(1, 2))
def test_no_other_choice_would_have_more_in_time_or_more_urgent_ones(
    found: list[tuple[int, bool, bool, bool, str, int]], installers: int, per_day: int
) -> None:
    fleet = [
        verdict(number, days, stranded=stranded, personal=personal, alone=alone, district=district, priority=priority)
        for number, (days, stranded, personal, alone, district, priority) in enumerate(found, 1)
    ]
    capacity = Capacity(installers, per_day, START)
    made = plan(fleet, capacity)
    assert sorted(visit.unit for visit in made.visits) == [one.unit.number for one in fleet]
    taken = sum(band(one, START) == 0 for one in fleet)
    ahead = [one for one in fleet if one.deadline is not None and one.deadline >= START]
    in_time = {visit.unit for visit in made.visits if not visit.late}
    every = (chosen for size in range(len(ahead) + 1) for chosen in combinations(ahead, size))
    best = max(
        (chosen for chosen in every if can_be_in_time(chosen, capacity, taken)),
        key=lambda chosen: (len(chosen), [-part for one in sorted(chosen, key=by_risk) for part in by_risk(one)]),
    )  # fmt: skip
    mine = sorted((one for one in ahead if one.unit.number in in_time), key=by_risk)
    assert len(mine) == len(best)
    assert [by_risk(one) for one in mine] == [by_risk(one) for one in sorted(best, key=by_risk)]
    # What is short of the worst deadline is what is late: neither says more than the other.
    assert (0 if made.shortage is None else made.shortage.short) == len(ahead) - len(mine)
    assert made.travel[1] <= made.travel[0] <= len(fleet)


def by_risk(one: Verdict) -> tuple[int, ...]:
    return tuple(int(part) for part in risk(one, START))


def test_a_plan_needs_somebody() -> None:
    for installers, per_day in ((0, 8), (5, 0)):
        with pytest.raises(ValueError, match="at least one"):
            Capacity(installers, per_day, START)


def test_nothing_to_do_is_a_plan() -> None:
    found = plan([], FIVE)
    assert (found.visits, found.shortage, found.travel) == ((), None, (0, 0))


def test_swedish_holidays() -> None:
    assert [str(working_days.easter(year)) for year in (2024, 2025, 2026, 2027, 2038)] == [
        "2024-03-31", "2025-04-20", "2026-04-05", "2027-03-28", "2038-04-25",
    ]  # fmt: skip
    shut = (
        "2026-01-01 2026-01-06 2026-04-03 2026-04-06 2026-05-01 2026-05-14 2026-06-19 2026-12-24 2026-12-25 2026-12-31"
    )
    assert sorted(map(str, working_days.holidays(2026))) == shut.split()
    assert not working_days.is_working(date(2026, 6, 19)) and not working_days.is_working(date(2026, 6, 20))
    assert not working_days.is_working(date(2025, 6, 6)) and working_days.is_working(date(2026, 6, 18))
    assert working_days.between(START, CLOSES) == 62
    assert working_days.between(CLOSES, START) == 0
