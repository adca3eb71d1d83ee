"""The day of A8: one that its operators could answer if nobody tested, so that what is missed is the tests' doing."""

import random

from sim.scenarios.a8_story import QUICK, QUICK_S, SLOW, SLOW_S, answerable_day, day, handling, share, waits_alone
from sim.scenarios.a8_test_flood import SCENARIO


def alone(drawn, numbers, seed, limit):
    waits = waits_alone(drawn.alarms, int(numbers["operators"]), handling(numbers, seed))
    return share(waits, limit, len(waits))


def test_whoever_comes_while_all_are_busy_waits_for_the_first_who_is_free():
    assert waits_alone([(0.0, 1), (1.0, 2), (2.0, 3)], 2, lambda: 10.0) == [0.5, 0.5, 8.5]


def test_a_day_that_nobody_could_answer_is_drawn_again():
    numbers = SCENARIO.numbers
    first = day(SCENARIO.units, numbers, random.Random("day 3"))
    assert alone(first, numbers, 3, QUICK_S) < QUICK
    drawn, said = answerable_day(SCENARIO.units, numbers, 3)
    assert drawn != first and said == alone(drawn, numbers, 3, QUICK_S) > QUICK
    assert alone(drawn, numbers, 3, SLOW_S) > SLOW
    assert len(drawn.alarms) == len(first.alarms) and len(drawn.drills) == len(first.drills)


def test_a_day_that_can_be_answered_is_the_seeds_own():
    assert answerable_day(SCENARIO.units, SCENARIO.numbers, 1)[0] == day(
        SCENARIO.units, SCENARIO.numbers, random.Random("day 1")
    )


def test_too_few_operators_stay_too_few():
    few = {**SCENARIO.numbers, "operators": 2}
    drawn, said = answerable_day(SCENARIO.units, few, 1)
    assert drawn == day(SCENARIO.units, few, random.Random("day 1")) and said < QUICK
