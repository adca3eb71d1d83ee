"""Scenario A8 in small: it passes, and each protection that is switched off is missed.

One sabotage is in every run, all are in `make proof`.
"""

from __future__ import annotations

import random
from functools import partial

import pytest

from fleet.alarms.store import SQL as CASES
from fleet.forwarding.store import SQL as OUTBOX
from sim.scenarios.a8_story import Silent, day
from sim.scenarios.a8_test_flood import SABOTAGES, SCENARIO, applied
from sim.scenarios.scenario import ScenarioError
from tests.scenario_verdict import each_sabotage, failed, run_scenario, show

SMALL = ("--units", "24", "--set", "hours=0.7")

NOTICED = {
    "tests-to-operators": "operator seconds on tests",
    "fifo": "operator seconds on tests",
    "no-drill-watch": "silent failures on the technicians' list",
    "proof-by-hub": "tests with a receipt that names unit, button, bearer and time",
}
"""The check that must fail with each."""
QUICK = "no-drill-watch"


_run = partial(run_scenario, "A8")


def test_it_passes() -> None:
    status, document = _run(*SMALL, "--seed", "3")
    assert (status, failed(document), document["passed"]) == (0, set(), True)


def test_every_sabotage_has_a_check_that_must_notice_it() -> None:
    assert set(NOTICED) == set(SABOTAGES)


@each_sabotage(NOTICED, QUICK)
def test_a_sabotage_is_noticed(sabotage: str) -> None:
    status, document = _run(*SMALL, "--sabotage", sabotage)
    assert status == 1
    assert NOTICED[sabotage] in failed(document)


def test_nothing_stays_sabotaged() -> None:
    before = dict(CASES), dict(OUTBOX)
    for sabotage in SABOTAGES:
        with applied(sabotage):
            pass
    assert (dict(CASES), dict(OUTBOX)) == before


@pytest.mark.parametrize("units", [20, 25, 400, 11000])
def test_a_day_fits_its_fleet(units: int) -> None:
    plan = day(units, SCENARIO.numbers, random.Random(units))
    testers, calling = {one.unit for one in plan.drills}, {unit for _, unit in plan.alarms}
    assert not testers & calling
    assert len(testers | calling) <= units
    assert {one.silent for one in plan.drills} == {None, *Silent}
    assert len(plan.drills) > len(testers)
    if units == SCENARIO.units:
        assert len(plan.drills) == 2880
        assert sum(one.silent is not None for one in plan.drills) == 40


@pytest.mark.parametrize(
    ("units", "numbers"), [(1, {}), (10, {}), (400, {"hours": 0.5}), (400, {"silent": 2}), (400, {"obey": 1})]
)
def test_a_day_without_room_is_refused(units: int, numbers: dict[str, float]) -> None:
    with pytest.raises(ScenarioError, match="at least"):
        day(units, {**SCENARIO.numbers, **numbers}, random.Random(1))


@pytest.mark.proof
@pytest.mark.timeout(900)
def test_a_whole_fleet_on_one_day() -> None:
    status, document = _run()
    show(document, "A8")
    assert (status, failed(document)) == (0, set())
    assert document["seconds"] <= 600
