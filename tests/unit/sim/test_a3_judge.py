"""The verdict of A3 on a centre whose people do not answer: who waited for a person, and who no longer did."""

import pytest

from fleet.forwarding.decide import compare
from sim.scenarios.a3_judge import NightJudge, Played, Sent, Traces
from sim.scenarios.a3_story import Alarm, Mode, Night
from sim.scenarios.evidence import Evidence, Stored, Told
from sim.scenarios.fleet_under_test import PRIMARY, SECONDARY
from sim.scenarios.truth import Happened

UNIT, AGAIN_S, TOLD_S = 0x2B60, 198.33, 263.11
FIRST, SECOND = f"{UNIT:08x}-1-2", f"{UNIT:08x}-1-3"


def judged(name, presses, told, people):
    """The check of this name on a wearer's presses, (finger, when the fleet stored it)."""
    fingers = [Happened(at, UNIT, "social") for at, _ in presses]
    night = Night(Mode.NO_PERSON, tuple(Alarm(one.at, UNIT, False) for one in fingers), (-10.0, 6000.0), (), 7200.0)
    found = Evidence()
    found.presses[UNIT] = [Stored(at, UNIT, 1, seq, 1, 0, 1) for seq, (_, at) in enumerate(presses, 2)]
    found.told = told
    traces = Traces(found, people, [], [], frozenset(), "+46700000002")
    checks = NightJudge(Played(night, 0.0, fingers, compare({}, {})), traces).checks()
    [check] = [one for one in checks if one.name.startswith(f"no person: {name}")]
    return check


def worst_without_a_person(taken_at, first_told=TOLD_S):
    """The check on two presses of one wearer, as in seed 2: the second opens the case again, and the secondary gets
    both a minute later. Somebody at the primary takes the first one ``taken_at`` seconds after it, or nobody.
    """
    told = [
        Told(0.2, PRIMARY, FIRST, False), Told(AGAIN_S + 0.2, PRIMARY, SECOND, False),
        Told(first_told, SECONDARY, FIRST, False), Told(TOLD_S, SECONDARY, SECOND, False),
    ]  # fmt: skip
    people = [] if taken_at is None else [Sent(taken_at, PRIMARY, FIRST, "dispatched")]
    return judged("at the secondary without a human receipt", [(0.0, 0.0), (AGAIN_S, AGAIN_S)], told, people)


def test_whoever_was_taken_just_after_the_minute_waits_for_nobody_when_the_case_is_opened_again():
    check = worst_without_a_person(62.25)
    assert check.ok and check.value == round(TOLD_S - AGAIN_S, 2) and "worst of 1 " in check.name


@pytest.mark.parametrize("taken_at", [None, 90.5, 270.0])
def test_whoever_nobody_took_in_time_is_judged_by_when_the_secondary_was_told(taken_at):
    check = worst_without_a_person(taken_at)
    assert not check.ok and check.value == TOLD_S and "worst of 2 " in check.name


def test_taken_after_the_secondary_was_told_is_judged_by_that():
    check = worst_without_a_person(80.0, first_told=65.0)
    assert check.ok and "worst of 2 " in check.name


@pytest.mark.parametrize(
    ("second", "twice"),
    [((30.552, 30.913), 0), ((30.9, 31.2), 0), ((30.552, 30.7), 1), (None, 1)],
    ids=["on its way while he took it, as in seed 4", "pressed after he took it", "known when he took it", "none"],
)
def test_somebody_is_sent_twice_unless_a_press_came_in_between(second, twice):
    presses = [(0.0, 0.3), *([] if second is None else [second])]
    people = [Sent(30.805, SECONDARY, FIRST, "dispatched"), Sent(56.427, SECONDARY, SECOND, "dispatched")]
    assert judged("dispatched twice", presses, [], people).value == twice
