"""Scenario A3 in small: it passes, and each protection that is switched off is missed.

One of each is in every run, all are in `make proof`.
"""

from __future__ import annotations

import random
from functools import partial

import pytest

from fleet.alarms.store import SQL as CASES
from fleet.forwarding import health
from sim.scenarios.a3_primary_out import SCENARIO
from sim.scenarios.a3_sabotage import SABOTAGES, applied
from sim.scenarios.a3_story import nights
from sim.scenarios.scenario import ScenarioError
from tests.scenario_verdict import each_sabotage, failed, run_scenario, show

SMALL = ("--units", "30", "--set", "minutes=22", "--set", "outage_min=6")

NOTICED = {
    "no-failover": (1, "refuses: personal at the secondary"),
    "no-compare-and-set": (3, "no person: dispatched twice"),
    "no-probe-count": (1, "refuses: good probes before new alarms"),
    "sent-is-delivered": (2, "silent: reconcile"),
    "one-queue-for-all": (1, "refuses: SMS gateway dead: personal alarm at a centre"),
    "no-withdrawal": (1, "refuses: told the primary though the secondary had it"),
    "no-escalation": (3, "no person: at the secondary without a human receipt"),
}
"""The mode that misses it, and how the name of the check that must fail begins."""
QUICK = "no-failover"


_run = partial(run_scenario, "A3")


@pytest.mark.parametrize("mode", [1, pytest.param(2, marks=pytest.mark.proof)])
def test_it_passes(mode: int) -> None:
    status, document = _run(*SMALL, "--set", f"mode={mode}")
    assert (status, failed(document), document["passed"]) == (0, set(), True)


def test_a_check_for_a_sabotage_is_for_one_that_there_is() -> None:
    assert set(NOTICED) == set(SABOTAGES)


@pytest.mark.timeout(400)
@each_sabotage(NOTICED, QUICK)
def test_a_sabotage_is_noticed(sabotage: str) -> None:
    mode, check = NOTICED[sabotage]
    status, document = _run(*SMALL, "--set", f"mode={mode}", "--sabotage", sabotage)
    assert status == 1
    assert any(name.startswith(check) for name in failed(document))


def test_nothing_stays_sabotaged() -> None:
    before = dict(CASES), health.withdraw_answered
    for sabotage in SABOTAGES:
        with applied(sabotage):
            pass
    assert (dict(CASES), health.withdraw_answered) == before


@pytest.mark.parametrize("units", [30, 200, 930, 11000])
def test_the_nights_fit_their_fleet(units: int) -> None:
    made = nights(units, SCENARIO.numbers, random.Random(units))
    assert [len(night.alarms) for night in made] == [min(310, units // 3)] * 3
    pressing = [{alarm.unit for alarm in night.alarms} for night in made]
    assert not pressing[0] & pressing[1] | pressing[1] & pressing[2] | pressing[0] & pressing[2]


@pytest.mark.parametrize(
    ("units", "numbers"), [(1, {}), (29, {}), (900, {"alarms": 5}), (900, {"mode": 4}), (900, {"outage_min": 110})]
)
def test_a_night_without_room_is_refused(units: int, numbers: dict[str, float]) -> None:
    with pytest.raises(ScenarioError):
        nights(units, {**SCENARIO.numbers, **numbers}, random.Random(1))


@pytest.mark.proof
@pytest.mark.timeout(900)
def test_three_saturdays() -> None:
    status, document = _run()
    show(document, "A3")
    assert (status, failed(document)) == (0, set())
    assert document["seconds"] <= 600
