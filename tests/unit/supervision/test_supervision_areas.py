"""Outages of a part of an operator, by cell area and by issuer, small ones too: the story of A1 on the watch alone."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.outages import START_MS, Outage
from fleet.supervision import areas
from fleet.supervision.cohorts import Kind
from fleet.supervision.model import Heard, Place, Profile, Spare, UnitInfo
from sim.scenarios.a1_story import PROFILE

NUMBERS = {
    "minutes": 60.0,
    "part": 1.0,
    "by_issuer": 0.0,
    "dual": 0.8,
    "others": 0.5,
    "heartbeat_s": 300.0,
    "loss": 0.01,
}


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("by_issuer", [0.0, 1.0], ids=["area", "issuer"])
@pytest.mark.parametrize(("units", "part"), [(200, 0.3), (200, 0.1), (1000, 0.1)])
def test_a_part_of_an_operator_is_one_incident_with_the_true_visit_list(
    units: int, part: float, by_issuer: float, seed: int
) -> None:
    found = Outage(units, seed, {**NUMBERS, "part": part, "by_issuer": by_issuer}).judge(whole=False)
    assert found["ok"], found


def test_areas_alone_are_too_small_to_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: without looking at areas together, the same small outage is found late or not at all."""
    monkeypatch.setattr(areas, "together", lambda of: 0.0)
    found = [Outage(200, seed, {**NUMBERS, "part": 0.1}).judge(whole=False) for seed in (1, 2, 3)]
    assert not any(one["ok"] for one in found)


def test_who_has_the_same_issuer_on_another_operator_is_not_presumed_out() -> None:
    """Four SIMs of the issuer are on an operator that is well. They are too few to show it; none of them was missed."""
    made = Outage(300, 1, {**NUMBERS, "part": 0.3, "by_issuer": 1.0})
    elsewhere = [UnitInfo(10_000 + number, Profile(*PROFILE), Place("24009", "issuer A", "24009", f"24009 {number}"),
                          Spare.NONE, seen_ms=START_MS + round(made.story.begins * 1000), interval_s=300)
                 for number in range(4)]  # fmt: skip
    made.forward(made.story.begins)
    for unit in elsewhere:
        made.watch.add(unit, START_MS + round(made.at * 1000))
    made.forward(made.story.visits_at(made.crowd))
    incident = next(iter(made.watch.detector.open.values()))
    assert incident.scopes == [(Kind.ISSUER, "issuer A")], "it explains as much as issuer and operator together"
    listed = {visit.unit for visit in incident.visits(START_MS + round(made.at * 1000))}
    assert listed and listed.isdisjoint(unit.unit for unit in elsewhere)


def test_one_unit_that_is_heard_later_does_not_let_its_area_go() -> None:
    """Ten minutes later nobody silent is missed again: two heartbeats alone would stand against nothing."""
    made = Outage(300, 1, {**NUMBERS, "part": 0.3})
    made.forward(made.story.begins + 500)
    incident = next(iter(made.watch.detector.open.values()))
    assert len(incident.scopes) == 4
    one = next(visit.unit for visit in incident.visits(START_MS + round(made.at * 1000)))
    for number in (1, 2):
        made.watch.heard(Heard(one, START_MS + round(made.at * 1000), 10**6 + number, 300, None, 1))
        made.forward(made.at + 200)
    assert len(incident.scopes) == 4 and not made.told


@pytest.mark.proof
@pytest.mark.timeout(900)
@pytest.mark.parametrize("units", [200, 1000, 3000, 11_000])
def test_every_part_and_seed(units: int) -> None:
    for part in (1.0, 0.3, 0.1):
        for by_issuer in (0.0, 1.0):
            for seed in range(1, 6):
                found = Outage(units, seed, {**NUMBERS, "part": part, "by_issuer": by_issuer}).judge(whole=True)
                assert found["ok"], (part, by_issuer, seed, found)


@given(st.integers(0, 2**31), st.integers(1, 30), st.integers(1, 8))
def test_the_evidence_of_all_areas_is_a_likelihood_ratio(seed: int, due: int, count: int) -> None:
    """Whatever happened, more misses speak more for an outage, and none speak against it."""
    chance = random.Random(seed)
    missed = [chance.randint(0, due) for _ in range(count)]
    of = [areas.evidence(due, one, 0.01) for one in missed]
    assert sum(map(areas.together, of)) <= sum(areas.together(areas.evidence(due, due, 0.01)) for _ in missed)
    assert areas.together(areas.evidence(due, 0, 0.01)) < 0
    for one in of:
        assert 0 <= areas.likely_out(one) <= 1


def test_chance_makes_it_no_oftener_than_it_says() -> None:
    """E[exp S] is 1 where nothing but chance is at work: the sum over all outcomes of one area."""
    due, usual = 12, 0.01
    whole = sum(
        math.comb(due, m) * usual**m * (1 - usual) ** (due - m)
        * math.exp(areas.together(areas.evidence(due, m, usual)))
        for m in range(due + 1)
    )  # fmt: skip
    assert whole == pytest.approx(1.0)
