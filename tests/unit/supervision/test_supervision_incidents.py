"""Whole fleets on a simulated clock: an outage is one incident, quiet days are quiet, our own restart blames nobody."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.supervision.cohorts import ALARM, Kind, deviance
from fleet.supervision.incidents import Fate, Incident, Member
from fleet.supervision.model import Place, Spare, State, Word
from fleet.supervision.watch import Watch
from sim.silent_fleet import Outage, SilentFleet

MINUTE = 60_000
HOUR = 60 * MINUTE

Hits = Callable[[Place], bool]


def operator(place: Place) -> bool:
    return place.operator == "24001"


def issuer(place: Place) -> bool:
    return operator(place) and place.issuer == "issuer B"


def cells(place: Place) -> bool:
    return place.cell in {f"24001 tac-{n}" for n in range(4)}


def outage(fleet: SilentFleet, hits: Hits, minutes: int = 60) -> int:
    """Out from 20 minutes after the start; returns when."""
    begins = fleet.start_ms + 20 * MINUTE
    fleet.outages.append(Outage(begins, begins + minutes * MINUTE, hits))
    return begins


@pytest.mark.parametrize("seed", [1, 7])
@pytest.mark.parametrize(
    ("hits", "scope"), [(operator, (Kind.OPERATOR, "24001")), (issuer, (Kind.PATH, "24001 / issuer B")), (cells, None)]
)
def test_an_outage_is_one_incident_with_the_true_visit_list(hits: Hits, scope: object, seed: int) -> None:
    """A1: a whole operator, 30 % of it by issuer, 10 % by cell areas; 1 % of heartbeats lost in bursts besides."""
    fleet = SilentFleet(units=2000, seed=seed, loss=0.01, first_operator=0.8)
    begins = outage(fleet, hits)
    fleet.run(begins + MINUTE)
    assert len(fleet.incidents) == 1, "within 60 s"
    fleet.run(begins + 2 * MINUTE)
    incident = fleet.incidents[1]
    truth = set(fleet.without_path())
    assert {visit.unit for visit in incident.visits(fleet.now_ms)} == truth and truth
    if scope is not None:
        assert incident.scopes == [scope]
    else:
        assert {kind for kind, _ in incident.scopes} == {Kind.CELL}
    visits = incident.visits(fleet.now_ms)
    assert [(v.priority, v.district) for v in visits] == sorted((v.priority, v.district) for v in visits)
    fleet.run(begins + 59 * MINUTE)
    assert not fleet.told(), "no person hears of a single unit"
    fleet.run(begins + 85 * MINUTE)
    assert list(fleet.incidents) == [1] and incident.closed_ms is not None
    assert not fleet.told()
    assert incident.report(fleet.now_ms)["down"] <= 0.05 * len(incident.members)


def test_dual_units_are_seen_on_the_other_path() -> None:
    fleet = SilentFleet(units=1000, seed=3)
    begins = outage(fleet, operator)
    fleet.run(begins + 400_000 + 300_000)
    incident = fleet.incidents[1]
    dual = [m for m in incident.members.values() if not m.single]
    assert dual and sum(m.fate is Fate.MOVED for m in dual) >= 0.99 * len(dual)


def test_without_cohorts_the_same_outage_is_a_ticket_for_every_unit(monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: what per-unit timeouts alone make of it."""
    monkeypatch.setattr("fleet.supervision.watch.Watch._look_at_cohorts", lambda self, now_ms: None)
    monkeypatch.setattr("fleet.supervision.cohorts.Tally.suspected", lambda self, signature: False)
    fleet = SilentFleet(units=500, seed=1, dual=0.0)
    begins = outage(fleet, operator)
    fleet.run(begins + 45 * MINUTE)
    assert not fleet.incidents and len(fleet.told()) == 500


def test_a_unit_that_died_in_an_outage_is_told_after_it() -> None:
    fleet = SilentFleet(units=600, seed=5, dual=0.0)
    begins = outage(fleet, operator)
    fleet.kill(17, begins + MINUTE)
    fleet.run(begins + 59 * MINUTE)
    assert not fleet.told()
    fleet.run(begins + 3 * HOUR)
    assert [change.unit for change in fleet.told()] == [17]


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.proof)])
def test_two_quiet_days_are_quiet(seed: int) -> None:
    """30 days at 11,000 units in small (the whole: bench/supervision.py): 1 % lost in bursts of two heartbeats."""
    fleet = SilentFleet(units=500, interval_s=300, seed=seed, loss=0.01, first_operator=0.6)
    fleet.run(fleet.start_ms + 48 * HOUR, step_ms=5000)
    assert not fleet.incidents
    assert not fleet.told()
    assert fleet.actions, "heartbeats were lost, and units were probed"


def test_a_restart_of_ours_makes_no_unit_silent_and_keeps_what_is() -> None:
    """A11: 4 minutes without us, at every age of the heartbeats."""
    fleet = SilentFleet(units=800, seed=2, interval_s=60, report_s=180)
    fleet.kill(5, fleet.start_ms + 2 * MINUTE)
    fleet.run(fleet.start_ms + 10 * MINUTE)
    assert [change.unit for change in fleet.told()] == [5]
    fleet.watch.suspend(fleet.now_ms)
    fleet.down = True
    fleet.run(fleet.now_ms + 4 * MINUTE)
    fleet.down = False
    fleet.watch.resume(fleet.now_ms)
    fleet.run(fleet.now_ms + 20 * MINUTE)
    assert [change.unit for change in fleet.told()] == [5] and not fleet.incidents


def restarted(fleet: SilentFleet) -> None:
    """Four minutes without us."""
    fleet.run(fleet.start_ms + 10 * MINUTE)
    fleet.watch.suspend(fleet.now_ms)
    fleet.down = True
    fleet.run(fleet.now_ms + 4 * MINUTE)
    fleet.down = False
    fleet.watch.resume(fleet.now_ms)


def test_those_who_lose_their_first_heartbeat_after_our_return_are_no_outage() -> None:
    """A11: the whole fleet is given an interval at once, but one in a hundred is not late at one moment."""
    fleet = SilentFleet(units=2000, loss=0.01)
    restarted(fleet)
    back = fleet.now_ms
    fleet.run(back + 11 * MINUTE, step_ms=5000)
    assert not fleet.incidents and not fleet.told()
    late = Counter(change.at_ms for change in fleet.changes if change.state is State.LATE and change.at_ms > back)
    assert sum(late.values()) > 10 and max(late.values()) <= 5


def test_a_fleet_that_reconnects_at_once_and_beats_at_once_is_no_outage() -> None:
    """Everybody is back within five seconds of our return, and beats within five seconds from then on."""
    fleet = SilentFleet(units=1000, loss=0.01)
    restarted(fleet)
    fleet.beat_within(5)
    fleet.run(fleet.now_ms + 11 * MINUTE, step_ms=5000)
    assert not fleet.incidents and not fleet.told()


def test_an_outage_in_our_downtime_is_found_after_it() -> None:
    """The control: what is given to units after our return hides no outage for longer than an interval and a little."""
    fleet = SilentFleet(units=1000, loss=0.01, dual=0.0)
    fleet.outages.append(Outage(fleet.start_ms + 12 * MINUTE, fleet.start_ms + HOUR, lambda place: True))
    restarted(fleet)
    fleet.run(fleet.now_ms + 7 * MINUTE, step_ms=5000)
    assert len(fleet.incidents) == 1 and not fleet.told()


def test_without_the_suspension_the_restart_would_be_an_incident() -> None:
    fleet = SilentFleet(units=800, seed=2, interval_s=60, report_s=180)
    fleet.run(fleet.start_ms + 10 * MINUTE)
    fleet.down = True
    fleet.run(fleet.now_ms + 4 * MINUTE)
    assert fleet.incidents


def test_a_power_cut_is_one_incident_with_a_second_stage() -> None:
    """A12: the hubs of a district say that their mains are lost; an hour later the masts are down too."""
    fleet = SilentFleet(units=1500, seed=4, districts=5, dual=0.5, switch=False)
    fleet.run(fleet.start_ms + 20 * MINUTE)
    cut = [number for number, unit in fleet.fleet.items() if unit.places[0].district == "d3"]
    for number in cut:
        fleet.say(number, Word.MAINS_LOST)
    fleet.run(fleet.now_ms + MINUTE)
    assert len(fleet.incidents) == 1
    incident = fleet.incidents[1]
    assert incident.power and incident.scopes == [(Kind.DISTRICT, "d3")] and set(incident.members) == set(cut)
    assert not fleet.told() and not incident.visits(fleet.now_ms)
    masts = fleet.start_ms + 80 * MINUTE
    fleet.outages.append(Outage(masts, masts + 2 * HOUR, lambda place: place.district == "d3"))
    fleet.run(masts + 10 * MINUTE)
    assert list(fleet.incidents) == [1] and incident.stage == 2
    assert {visit.unit for visit in incident.visits(fleet.now_ms)} >= {
        n for n in cut if len(fleet.fleet[n].places) == 1
    }
    fleet.run(masts + 2 * HOUR + 20 * MINUTE)
    for number in cut:
        fleet.say(number, Word.MAINS_BACK)
    fleet.run(fleet.now_ms + 20 * MINUTE)
    assert incident.closed_ms is not None and not fleet.told() and list(fleet.incidents) == [1]


def test_a_mass_of_heartbeats_at_one_moment_loses_none() -> None:
    """R9: everybody comes back in the same second, in any order, and everybody is known."""
    fleet = SilentFleet(units=1000, seed=6, dual=0.0)
    begins = outage(fleet, operator, minutes=90)
    fleet.run(begins + 50 * MINUTE)
    assert fleet.watch.counts()[State.NO_NETWORK] == 1000
    fleet.outages.clear()
    fleet.run(fleet.now_ms + 310_000)
    assert fleet.watch.counts() == {State.KNOWN: 1000}
    assert fleet.incidents[1].count(Fate.BACK) == 1000


@given(due=st.integers(1, 300), usual=st.floats(0.001, 0.25), data=st.data())
def test_the_deviance_bounds_what_chance_gives(due: int, usual: float, data: st.DataObject) -> None:
    missed = data.draw(st.integers(0, due))
    tail = sum(math.comb(due, k) * usual**k * (1 - usual) ** (due - k) for k in range(missed, due + 1))
    assert tail <= math.exp(-deviance(due, missed, usual)) * (1 + 1e-9)


def test_a_handful_of_bad_units_is_no_incident() -> None:
    assert deviance(12, 2, 0.01) < ALARM < deviance(12, 12, 0.01)


def test_units_with_a_spare_are_visited_only_when_their_switch_did_not_come() -> None:
    fleet = SilentFleet(units=600, seed=9, dual=1.0, switch=False)
    begins = outage(fleet, operator)
    fleet.run(begins + 2 * MINUTE)
    assert not fleet.incidents[1].visits(fleet.now_ms)
    fleet.run(begins + 20 * MINUTE)
    assert len(fleet.incidents[1].visits(fleet.now_ms)) == 600


def test_an_empty_watch_waits_for_nothing() -> None:
    assert Watch().next_wakeup() is None and len(Watch()) == 0
    assert Spare.NONE is Spare("none")


def of_ten() -> Incident:
    found = Incident(1, power=False, scopes=[(Kind.OPERATOR, "24001")], opened_ms=0, began_ms=0)
    for unit in range(1, 11):
        found.touch(Member(unit, 0, Fate.DOWN, single=False, switch_by_ms=0, was_down=True), 0)
    return found


def test_one_that_came_back_for_a_moment_does_not_end_an_outage() -> None:
    incident = of_ten()
    incident.heard(1, 10 * MINUTE, inside=True)
    assert not incident.is_over(3 * HOUR)
    assert incident.is_over(10 * MINUTE + 24 * HOUR), "who is down for a day is dead alone"


def test_when_more_are_back_than_down_and_nobody_comes_any_more_it_ends() -> None:
    incident = of_ten()
    for unit in range(1, 6):
        incident.heard(unit, 10 * MINUTE, inside=True)
    assert not incident.is_over(19 * MINUTE)
    assert incident.is_over(21 * MINUTE)
