"""`livlina scenario A5` at reduced size: it passes, on the brain and on real firmware, and each sabotage is noticed.

One sabotage is in every run; all of them, and the sizes that the scenario stands for, are in `make proof`.
"""

from __future__ import annotations

import itertools
import random

import pytest

from firmware.core import presses as inputs
from firmware.core import profiles
from fleet.alarms import store as alarms
from fleet.escalation import decide
from fleet.escalation import store as escalation
from fleet.ingest import presses
from sim.scenarios.a5_judge import _counted
from sim.scenarios.a5_sabotage import SABOTAGES, applied
from sim.scenarios.a5_story import cast, fine_spans, leads_due, story
from sim.scenarios.a5_stuck_button import SCENARIO
from sim.scenarios.evidence import Stored
from sim.scenarios.scenario import ScenarioError
from tests.scenario_verdict import Verdict, each_sabotage, failed, run_scenario, show

SMALL = {"hours": 0.2, "short_presses": 2, "short_min": 2, "long_presses": 3, "long_min": 4}

NOTICED = {
    "no-stuck-guard": "messages of a stuck input within 5 min, most",
    "late-stuck-flag": "contact closed to case flagged stuck, worst (s)",
    "deaf-while-stuck": "pendant pressed meanwhile to database, worst (s)",
    "mute-wobbles": "nobody answers: closings in the units' counts",
    "wobble-opens-case": "case taken: presses told by the wobbling contact",
    "never-released": "button pressed after the release to a centre, worst (s)",
    "release-put-off": "release told after it was due, worst (s)",
    "taken-stays-taken": "case taken: open again by the press after the release",
    "lead-told-once": "shift lead told again: furthest from the pace (s)",
    "lead-never-slower": "shift lead told again: furthest from the pace (s)",
    "no-stuck-mark": "contact closed to case flagged stuck, worst (s)",
    "no-technician-task": "technician's tasks for the stuck input, per unit",
    "split-cases": "keeps pressing: cases per wearer",
    "no-priority-rise": "wearers whose priority rose from 2 to 1 at press 2",
    "mute-repeats": "stored presses that no centre has",
    "no-escalation": "first press to the second centre (s)",
    "no-second-centre": "first press to the second centre (s)",
    "no-shift-lead": "first press to the shift lead (s)",
}
"""The check that must fail with each."""
QUICK = "mute-repeats"


def _run(*arguments: str, small: bool = True) -> Verdict:
    numbers = [word for name, value in SMALL.items() for word in ("--set", f"{name}={value}")] if small else []
    return run_scenario("A5", *numbers, *arguments)


def test_it_passes() -> None:
    status, document = _run("--units", "5", "--seed", "3")
    assert (status, failed(document), document["passed"]) == (0, set(), True)


def test_it_passes_with_real_firmware_in_lock_step() -> None:
    status, document = _run("--units", "3", "--firmware")
    assert (status, failed(document)) == (0, set())
    values = {check["name"]: check["value"] for check in document["checks"]}
    assert values["units in MicroPython"] == 3
    assert values["clock factor (simulated s in a real s)"] > 0


def test_every_sabotage_has_a_check_that_must_notice_it() -> None:
    assert set(NOTICED) == set(SABOTAGES)


@each_sabotage(NOTICED, QUICK)
def test_a_sabotage_is_noticed(sabotage: str) -> None:
    # Half an hour at one pace comes before a slower one; the others are seen at once.
    long = ("--set", "hours=0.8") if sabotage == "lead-never-slower" else ()
    status, document = _run("--units", "4", *long, "--sabotage", sabotage)
    assert status == 1
    assert NOTICED[sabotage] in failed(document)


@pytest.mark.proof
def test_a_sabotage_of_the_firmware_is_noticed_too() -> None:
    for sabotage in ("no-stuck-guard", "wobble-opens-case"):
        status, document = _run("--units", "4", "--firmware", "--sabotage", sabotage)
        assert status == 1
        assert NOTICED[sabotage] in failed(document)


def test_nothing_stays_sabotaged() -> None:
    def protections() -> tuple[object, ...]:
        return (
            profiles.Input, inputs.Inputs, alarms.SQL["store_presses"], presses.store_presses,  # type: ignore[attr-defined]
            escalation.timer_after, decide.AT_PACE,  # type: ignore[attr-defined]
        )  # fmt: skip

    before = protections()
    for sabotage in SABOTAGES:
        with applied(sabotage):
            pass
    assert protections() == before


def test_a_story_is_the_seeds_and_begins_with_every_part() -> None:
    def told(seed: int) -> list[object]:
        return list(story(cast(40), SCENARIO.numbers, random.Random(seed)))

    assert told(1) == told(1) != told(2)
    for units in (3, 4, 5, 6, 19, 40, 400):
        players = cast(units)
        parts = (players.stuck, players.short, players.long, players.neighbours)
        assert sorted(unit for part in parts for unit in part) == list(range(1, units + 1))
        assert all(parts[:3])
    acts = story(cast(6), SCENARIO.numbers, random.Random(1))
    spans = fine_spans(cast(6), acts)
    assert all(earlier[1] < later[0] for earlier, later in itertools.pairwise(spans))


def test_the_lead_is_told_sixteen_times_in_a_night_of_eight_hours() -> None:
    """As docs/decisions/0014 has it, from the first message on."""
    times = leads_due(180 + 8 * 3600)
    assert (times[0], len(times)) == (180, 16)


@pytest.mark.parametrize(
    ("units", "numbers"),
    [(2, {}), (6, {"hours": 0.1}), (6, {"short_presses": 1}), (6, {"long_min": 10}), (6, {"long_min": 20})],
)
def test_a_story_without_room_is_refused(units: int, numbers: dict[str, float]) -> None:
    with pytest.raises(ScenarioError, match=r"at least|needs"):
        story(cast(units), {**SCENARIO.numbers, **numbers}, random.Random(1))


@pytest.mark.parametrize(
    ("counts", "presses_made"),
    [([], 0), ([1], 1), ([1, 2, 3], 3), ([1, 1, 1], 3), ([1, 5], 5), ([1, 2, 1, 4], 6), ([3], 3)],
)
def test_counts_of_units_add_up_over_their_runs(counts: list[int], presses_made: int) -> None:
    stored = [Stored(float(n), 1, 1, n, 1, 0, count) for n, count in enumerate(counts)]
    assert _counted(stored) == presses_made


@pytest.mark.proof
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    "arguments", [(), ("--firmware",), ("--units", "40", "--seed", "11")], ids=["brains", "firmware", "40 units"]
)
def test_ten_hours(arguments: tuple[str, ...]) -> None:
    status, document = _run(*arguments, small=False)
    show(document, f"A5 {' '.join(arguments)}")
    assert (status, failed(document)) == (0, set())
    assert document["seconds"] <= 600
