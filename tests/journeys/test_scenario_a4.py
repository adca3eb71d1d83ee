"""Scenario A4 in small: it passes, and each protection that is switched off is missed.

One sabotage is in every run, all are in `make proof`.
"""

from __future__ import annotations

import random
from collections import Counter

import pytest

from fleet.pairing import decide, store
from sim.scenarios.a4_pairing import SABOTAGES, SCENARIO, applied
from sim.scenarios.a4_story import FAULTS, LEAST, Fault, fitted, story
from sim.scenarios.scenario import ScenarioError
from tests.scenario_verdict import Verdict, each_sabotage, failed, run_scenario, show

SMALL = {"unread": 1, "swapped": 2, "double": 2, "together": 1}

NOTICED = {
    "active-without-every-button": "installs: wrong ACTIVE, at any time",
    "no-swap-check": "installs: wrong ACTIVE, at any time",
    "no-idempotency": "installs: correct refused or not active",
    "old-unit-at-once": "hallway: old unit responsible while pending (looks)",
}
"""The check that must fail with each."""
QUICK = "no-swap-check"


def _run(*arguments: str, small: bool = True) -> Verdict:
    numbers = [word for name, value in SMALL.items() for word in ("--set", f"{name}={value}")] if small else []
    return run_scenario("A4", *numbers, *arguments)


@pytest.mark.parametrize("seed", ["1", pytest.param("7", marks=pytest.mark.proof)])
def test_it_passes(seed: str) -> None:
    status, document = _run("--units", "16", "--seed", seed)
    assert (status, failed(document), document["passed"]) == (0, set(), True)


def test_every_sabotage_has_a_check_that_must_notice_it() -> None:
    assert set(NOTICED) == set(SABOTAGES)


@each_sabotage(NOTICED, QUICK)
def test_a_sabotage_is_noticed(sabotage: str) -> None:
    status, document = _run("--units", "16", "--sabotage", sabotage)
    assert status == 1
    assert NOTICED[sabotage] in failed(document)


def test_nothing_stays_sabotaged() -> None:
    def protections() -> tuple[object, ...]:
        return decide.done, decide.plan, decide._at_hand, store.begin, store._sent_before, dict(store.SQL)

    before = protections()
    for sabotage in SABOTAGES:
        with applied(sabotage):
            assert protections() != before
    assert protections() == before


def test_a_story_is_the_seeds_and_has_every_fault() -> None:
    def told(seed: int) -> list[object]:
        return list(story(1238, SCENARIO.numbers, random.Random(seed)))

    assert told(1) == told(1) != told(2)
    installs = story(1238, SCENARIO.numbers, random.Random(1))
    counts = Counter(one.fault for one in installs if one.fault is not None)
    assert counts == {
        Fault.UNREAD: 7, Fault.WRONG_PICK: 3, Fault.WRONG_PAPER: 2, Fault.DOUBLE: 2, Fault.AGAIN: 1, Fault.TOGETHER: 2
    }  # fmt: skip
    units = [unit for one in installs for unit in (one.new, one.old, one.second) if unit is not None]
    assert len(units) == len(set(units))
    by_person = {one.person: one for one in installs}
    for one in installs:
        if one.fault is Fault.WRONG_PAPER:
            assert one.other is not None and by_person[one.other].old is not None and one.old is not None
    with pytest.raises(ScenarioError, match="at least"):
        story(10, SCENARIO.numbers, random.Random(1))


@pytest.mark.parametrize("installs", [LEAST, 3, 5, 20, 35, 1238])
def test_a_few_installs_have_as_many_faults_as_there_is_room_for(installs: int) -> None:
    fit = fitted(installs, SCENARIO.numbers)
    told = story(installs, fit, random.Random(1))
    faults = sum(one.fault is not None for one in told)
    assert faults == sum(int(fit[name]) for name in FAULTS) == min(17, (installs - 2) // 2)
    assert all(fit[name] <= value for name, value in SCENARIO.numbers.items())


@pytest.mark.proof
@pytest.mark.timeout(900)
def test_the_whole_batch() -> None:
    status, document = _run(small=False)
    show(document, "A4")
    assert (status, failed(document)) == (0, set())
    assert document["seconds"] <= 600
