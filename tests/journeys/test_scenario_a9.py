"""Scenario A9 in small: it passes, and each protection that is switched off is missed.

One sabotage is in every run, all are in `make proof`.
"""

from __future__ import annotations

import random
from collections import Counter
from functools import partial

import pytest

from sim.scenarios.a9_guard_change import SABOTAGES, SCENARIO
from sim.scenarios.a9_story import IDLE_S, Part, story
from sim.scenarios.scenario import ScenarioError
from tests.scenario_verdict import each_sabotage, failed, run_scenario, show

SMALL = ("--units", "14", "--set", "hours=0.5", "--set", "others=6")

NOTICED = {
    "no-case-version": "of these to the new company",
    "wrong-zone": "cases after midnight told to Guard South and nobody else",
    "change-in-place": "rows written by the change",
    "config-in-units": "orders and settings sent to units",
}
"""The check that must fail with each."""
QUICK = "no-case-version"


_run = partial(run_scenario, "A9")


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


@pytest.mark.parametrize("units", [14, 25, 250, 2000])
def test_a_story_fits_its_fleet(units: int) -> None:
    presses = story(units, SCENARIO.numbers, random.Random(units))
    assert sum(one.at < 0 for one in presses) * 2 == len(presses) <= 2000
    for after in (False, True):
        usual = {one.unit % 6 for one in presses if one.part is Part.USUAL and (one.at >= 0) == after}
        assert usual == set(range(6))
    last: dict[int, float] = {}
    for one in presses:
        assert one.part is Part.AGAIN or one.at - last.get(one.unit, -1e9) > IDLE_S
        last[one.unit] = one.at
    parts = Counter(one.part for one in presses)
    assert parts[Part.OPEN] >= 2
    assert parts[Part.AGAIN] == parts[Part.OPEN] // 2


@pytest.mark.parametrize(
    ("units", "numbers"), [(13, {}), (1, {}), (250, {"hours": 0.2}), (250, {"open_cases": 1}), (250, {"alarms": 10})]
)
def test_a_story_without_room_is_refused(units: int, numbers: dict[str, float]) -> None:
    with pytest.raises(ScenarioError, match="at least"):
        story(units, {**SCENARIO.numbers, **numbers}, random.Random(1))


@pytest.mark.proof
@pytest.mark.timeout(900)
def test_a_thousand_alarms_on_each_side() -> None:
    status, document = _run()
    show(document, "A9")
    assert (status, failed(document)) == (0, set())
    assert document["seconds"] <= 600
