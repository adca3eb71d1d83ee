"""The verdict of A9 on whoever presses so shortly before midnight that it comes in after it."""

import pytest

from sim.scenarios.a9_judge import Guards, _alarms
from sim.scenarios.a9_story import Part, Press

GUARDS = Guards(("North", "+1"), ("South", "+2"))


@pytest.mark.parametrize(("at", "right"), [(-0.08, True), (-60.0, False)])
def test_a_press_on_its_way_over_midnight_may_be_the_new_companys(at, right):
    presses = [Press(one, unit, Part.USUAL, one) for unit, one in enumerate((-500.0, at, 500.0))]
    told = {0: [(-499.0, "+1")], 1: [(0.3, "+2")], 2: [(501.0, "+2")]}
    [check] = [one for one in _alarms(presses, told, 3, GUARDS) if one.name.startswith("cases before midnight told")]
    assert check.ok is right
