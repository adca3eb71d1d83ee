"""Inputs under any sequence of edges, cancels and takings: nothing is dropped, nothing is heard all night."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from firmware.core.alarm import REPEAT_MS
from firmware.core.contact import BURST, QUIET_MS, STUCK_MS, Input, Inputs
from firmware.core.press import RELEASE_MS, SETTLE_MS

MINUTE = 60000
# Gaps between edges: bounces, taps, wobbles, long holds, long silences.
GAPS = st.one_of(st.integers(0, 100), st.integers(100, 3000), st.integers(3000, 40000), st.integers(40000, 20 * MINUTE))


def run(inputs: Inputs, edges: list[tuple[int, int, bool]], until: int) -> list[tuple[Any, ...]]:
    """Plays edges (time, code, closed); the machine is woken when it asks. Actions with their times."""
    seen: list[tuple[Any, ...]] = []
    now = 0
    for at, code, closed in [*sorted(edges), (until, -1, False)]:
        for _ in range(100000):
            due = inputs.next_wakeup(now)
            if due is None or due > at:
                break
            now = max(now, due)
            seen += [(now, *action) for action in inputs.handle(("time",), now)]
            after = inputs.next_wakeup(now)
            assert after is None or after > now, "the machine spins"
        now = at
        seen += [(now, *action) for action in inputs.handle(("edge", code, closed), now)]
    return seen


def alternating(gaps: list[int], code: int) -> list[tuple[int, int, bool]]:
    at, closed, edges = 0, False, []
    for gap in gaps:
        at += gap
        closed = not closed
        edges.append((at, code, closed))
    return edges


def judge(seen: list[tuple[Any, ...]], span: int) -> None:
    """What one input may have said, whatever its contact did."""
    runs = [event for event in seen if event[1] == "pressed" and event[5] == 1]
    assert len(seen) <= len(runs) + BURST + 2 * (span // QUIET_MS + 1)
    for earlier, later in pairwise(runs):
        assert later[0] - earlier[0] >= REPEAT_MS - QUIET_MS
    flagged: int | None = None
    for event in seen:
        if event[1] == "stuck":
            flagged = event[0]
        elif event[1] == "released":
            assert flagged is not None, "only what was stuck is released"
            assert event[0] - flagged >= QUIET_MS
            flagged = None
    counts = [event[5] for event in seen if event[1] == "pressed"]
    for one, after in pairwise(counts):
        assert after > one or after == 1


@settings(max_examples=300, deadline=None)
@given(st.lists(GAPS, max_size=60), st.lists(GAPS, max_size=10))
def test_any_contact(gaps: list[int], others: list[int]) -> None:
    broken = alternating(gaps, 0)
    other = alternating(others, 1)
    until = max([at for at, _, _ in broken + other], default=0) + 2 * QUIET_MS
    seen = run(Inputs([Input(0), Input(1)]), broken + other, until)
    for code in (0, 1):
        judge([event for event in seen if event[2] == code], until)
    alone = run(Inputs([Input(1)]), other, until)
    assert [event for event in seen if event[2] == 1] == alone, "an input never changes another"


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.integers(SETTLE_MS, 5000), st.integers(RELEASE_MS, 20 * MINUTE)), min_size=1, max_size=40))
def test_every_press_of_a_finger_is_counted_and_told(taps: list[tuple[int, int]]) -> None:
    edges, at = [], 0
    for held, pause in taps:
        edges += [(at, 0, True), (at + held + 1, 0, False)]
        at += held + 1 + pause
    seen = run(Inputs([Input(0)]), edges, at + 3 * QUIET_MS)
    assert not [event for event in seen if event[1] != "pressed"]
    total = 0
    counts = [event[5] for event in seen]
    for i, count in enumerate(counts):
        if i + 1 == len(counts) or counts[i + 1] <= count:
            total += count
    assert total == len(taps)


@settings(max_examples=100, deadline=None)
@given(st.integers(STUCK_MS + SETTLE_MS, 600 * MINUTE), st.lists(st.integers(0, 50), max_size=20))
def test_a_closed_contact_of_any_length(length: int, bounces: list[int]) -> None:
    """Scenario A5 (a), and shorter ones: flagged within 60 s of the closing, whatever bounced."""
    edges, at, closed = [], 0, True
    for gap in bounces[: len(bounces) // 2 * 2]:
        edges.append((at, 0, closed))
        at += gap
        closed = not closed
    edges += [(at, 0, True), (at + length, 0, False)]
    seen = run(Inputs([Input(0)]), edges, at + length + 1)
    flags = [event for event in seen if event[1] == "stuck"]
    assert len(flags) == 1
    assert flags[0][0] <= at + MINUTE
    assert len(seen) <= 2 + at // SETTLE_MS
