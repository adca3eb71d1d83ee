"""A SIM policy on its way to units: what can be held, who comes first, and when a stage is left."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware.core import profiles
from firmware.core.obey import Commands
from firmware.core.obey import policy as as_a_unit_reads_it
from firmware.core.sim_choice import held
from fleet.connectivity.policy import (
    EVERY_UNIT_KNOWS,
    Gate,
    PolicyError,
    Progress,
    checked_stages,
    gate,
    may_order,
    read_policy,
    staged,
    wire_arguments,
)
from protocols.wire import messages

NOW = datetime(2027, 3, 1, 9, tzinfo=UTC)
operators = st.integers(10_000, 999_999)
closings = st.fixed_dictionaries(
    {"operator": operators, "radio": st.sampled_from(["gsm", "umts", "lte", "lte-m", "nb-iot"]),
     "date": st.dates(datetime(2000, 1, 1).date(), datetime(2100, 1, 1).date()).map(str)}
)  # fmt: skip
documents = st.fixed_dictionaries(
    {"preferred": st.sampled_from([1, 2])},
    optional={
        "forbidden": st.lists(operators, max_size=16), "closings": st.lists(closings, max_size=16),
        "roaming": st.booleans(), "hold_s": st.integers(60, 86_400), "apart_s": st.integers(600, 86_400),
    },
)  # fmt: skip


def as_a_unit_keeps_it(args: dict[int, Any]) -> Any:
    commands = Commands(profiles.read({}), 2, None, lambda key: 0, ())
    outcome = commands.handle(messages.Command(number=1, kind=messages.COMMAND_SIM_POLICY, args=args), False)
    assert outcome is not None
    result, data, effects = outcome
    assert (result, data) == (messages.RESULT_DONE, {1: 6})
    assert as_a_unit_reads_it(effects[0][2]) == effects[0][2], "and it reads again what it has kept"
    return held(effects[0][2])


@given(documents)
def test_what_is_read_is_what_a_unit_holds(document: dict[str, Any]) -> None:
    policy = as_a_unit_keeps_it(wire_arguments(read_policy(document)))
    assert policy.preferred == document["preferred"] - 1
    assert list(policy.forbidden) == sorted(set(document.get("forbidden", [])))
    assert len(policy.closings) == len(document.get("closings", []))
    assert policy.roaming == document.get("roaming", True)
    assert policy.hold == document.get("hold_s", 3600) * 1000
    assert policy.apart == document.get("apart_s", 3600) * 1000


def test_a_policy_without_the_later_arguments_is_what_the_first_units_know() -> None:
    assert max(wire_arguments(read_policy({"preferred": 1, "roaming": True, "hold_s": 3600}))) <= EVERY_UNIT_KNOWS
    assert max(wire_arguments(read_policy({"preferred": 1, "roaming": False}))) > EVERY_UNIT_KNOWS


def test_best_is_chosen_before_it_is_sent() -> None:
    policy = read_policy({"preferred": "best", "margin_db": 3})
    assert (policy.preferred, policy.margin_db) == (None, 3)
    with pytest.raises(PolicyError):
        wire_arguments(policy)


@pytest.mark.parametrize(
    "wrong",
    [
        {}, {"preferred": 0}, {"preferred": True}, {"preferred": 1, "more": 1}, {"preferred": 1, "forbidden": [1]},
        {"preferred": "strongest"}, {"preferred": 1, "roaming": 0}, {"preferred": 1, "hold_s": 59},
        {"preferred": 1, "apart_s": 599}, {"preferred": 1, "hold_s": True}, {"preferred": 1, "margin_db": 6},
        {"preferred": 1, "forbidden": list(range(24001, 24018))}, {"preferred": 1, "forbidden": "24001"},
        {"preferred": 1, "closings": [{"operator": 24001, "radio": "5g", "date": "2027-12-31"}]},
        {"preferred": 1, "closings": [{"operator": 24001, "radio": "gsm", "date": "soon"}]},
    ],
)  # fmt: skip
def test_what_no_unit_can_hold_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(PolicyError):
        read_policy(wrong)


@given(st.sets(st.integers(1, 2**32 - 1), min_size=1, max_size=300), st.integers(0, 9))
def test_every_unit_has_one_stage_and_shares_hold(units: set[int], seed: int) -> None:
    stages = [1, 10, 50, 100]
    found = staged(sorted(units), stages, seed)
    assert set(found) == units
    assert found == staged(sorted(units, reverse=True), stages, seed), "the order is told again"
    for stage, share in enumerate(stages):
        upto = len([one for one in found.values() if one <= stage])
        assert upto <= max(-(-len(units) * share // 100), stage + 1)


def test_stages_grow_to_all() -> None:
    assert checked_stages([1, 100]) == [1, 100]
    for wrong in ([], [100, 100], [0, 100], [50], [50, 10, 100]):
        with pytest.raises(PolicyError):
            checked_stages(wrong)


@given(st.integers(0, 5), st.integers(0, 5), st.integers(0, 3), st.integers(0, 5), st.none() | st.integers(0, 2000))
def test_no_gate_opens_over_failures_or_units_that_are_not_done(
    still: int, failed: int, stage: int, most: int, since: int | None
) -> None:
    began = None if since is None else NOW - timedelta(seconds=since)
    found = gate(Progress(still, failed, stage, 4, began), 600, most, NOW)
    if failed > most:
        assert found.step == "stop"
    elif found.step in ("next", "done"):
        assert still == 0
        assert since is not None
        assert since >= 600
        assert (found.step == "done") == (stage == 3)
    else:
        assert found.step in ("begin", "wait")
    assert isinstance(found, Gate)


def test_a_unit_is_ordered_at_most_once_an_hour() -> None:
    assert may_order(None, NOW, 3600)
    assert not may_order(NOW - timedelta(seconds=3599), NOW, 3600)
    assert may_order(NOW - timedelta(seconds=3600), NOW, 3600)
