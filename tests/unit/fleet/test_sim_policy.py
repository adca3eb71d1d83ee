"""A SIM policy on its way to units: what can be held, who comes first, and when a stage is left."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware.core.obey import policy as as_a_unit_reads_it
from fleet.connectivity.policy import (
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

NOW = datetime(2027, 3, 1, 9, tzinfo=UTC)
operators = st.integers(10_000, 999_999)
closings = st.fixed_dictionaries(
    {"operator": operators, "radio": st.sampled_from(["gsm", "umts", "lte", "lte-m", "nb-iot"]),
     "date": st.dates(datetime(2000, 1, 1).date(), datetime(2100, 1, 1).date()).map(str)}
)  # fmt: skip
documents = st.fixed_dictionaries(
    {"preferred": st.sampled_from([1, 2])},
    optional={"forbidden": st.lists(operators, max_size=16), "closings": st.lists(closings, max_size=16)},
)


@given(documents)
def test_what_is_read_is_what_a_unit_holds(document: dict[str, Any]) -> None:
    args = wire_arguments(read_policy(document))
    held = as_a_unit_reads_it([args.get(1), args.get(2, []), args.get(3, [])])
    assert held is not None
    assert held[0] == document["preferred"] - 1
    assert list(held[1]) == sorted(set(document.get("forbidden", [])))
    assert len(held[2]) == len(document.get("closings", []))


@pytest.mark.parametrize(
    "wrong",
    [
        {}, {"preferred": 0}, {"preferred": True}, {"preferred": 1, "more": 1}, {"preferred": 1, "forbidden": [1]},
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
