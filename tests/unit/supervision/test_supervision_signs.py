"""What a sign of life proves: that the unit lives, at once; and a path only where it says by which way it came."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from fleet.supervision.cohorts import Kind
from fleet.supervision.incidents import Fate, Incident, Member
from fleet.supervision.model import WAITING, Heard, Place, Profile, Spare, State, UnitInfo
from fleet.supervision.store import said_in, sign_of
from fleet.supervision.watch import Watch
from sim.silent_fleet import Outage, SilentFleet

MINUTE = 60_000
S = 1000
T0 = 1_800_000_000_000
AT = datetime(2027, 1, 15, 2, tzinfo=UTC)
HERE = Place("24001")
BEAT: dict[str, Any] = {
    "unit_id": 1, "municipality_id": 1480, "seen_at": AT, "due_at": AT + timedelta(seconds=300), "boot": 1, "seq": 7,
    "transport": "coap", "bearer": 3, "operator": 24001, "tac": 1, "version": "2.1", "flags": 1, "district": "D01",
    "issuer1": "A", "issuer2": "B", "apn1": "", "apn2": "",
}  # fmt: skip
LATER: dict[str, Any] = {"seen_at": AT + timedelta(seconds=60), "seq": 8}


def sign(**changed: Any) -> Heard:
    """A row that was read after ``BEAT``, as a sign."""
    return sign_of(BEAT | LATER | changed, BEAT, said_in(BEAT))


def test_a_report_says_nothing_of_what_the_row_keeps_of_the_heartbeat_before() -> None:
    report = sign()
    assert report == Heard(1, round(LATER["seen_at"].timestamp() * 1000), 1 << 32 | 8)


def test_a_heartbeat_says_its_due_time_its_flags_and_its_bearer() -> None:
    beat = sign(due_at=AT + timedelta(seconds=360))
    assert (beat.next_due_s, beat.bearer, beat.place) == (300, 3, None)
    assert beat.on_battery is True and beat.not_worn is False
    moved = sign(due_at=AT + timedelta(seconds=360), bearer=4, operator=24008, tac=None)
    assert moved.bearer == 4 and moved.place is not None
    assert (moved.place.operator, moved.place.issuer, moved.place.cell) == ("24008", "B", "")


def test_a_heartbeat_that_names_no_bearer_is_one_all_the_same() -> None:
    row = BEAT | {"bearer": None}
    again = sign_of(row | LATER | {"due_at": AT + timedelta(seconds=360)}, row, said_in(row))
    assert (again.next_due_s, again.bearer, again.place) == (300, 0, None)


def test_an_alarm_on_another_bearer_says_where_it_came_from_and_no_due_time() -> None:
    alarm = sign(bearer=4, operator=24008)
    assert alarm.bearer == 4 and alarm.place is not None and alarm.place.operator == "24008"
    assert alarm.next_due_s is None and alarm.on_battery is None


def gone(seed: int) -> tuple[SilentFleet, set[int]]:
    """The masts of a small operator are gone for six minutes, and who has no path is known."""
    fleet = SilentFleet(units=60, seed=seed, loss=0.01, first_operator=0.67)
    begins = fleet.start_ms + 20 * MINUTE
    fleet.outages.append(Outage(begins, begins + 60 * MINUTE, lambda place: place.operator == "24001"))
    fleet.run(begins)
    fleet.masts_gone()
    fleet.run(begins + 6 * MINUTE)
    return fleet, set(fleet.without_path())


@pytest.mark.parametrize("seed", [1, 4, 13])
def test_a_report_that_comes_by_the_other_sim_does_not_say_that_the_first_works(seed: int) -> None:
    fleet, truth = gone(seed)
    [incident] = fleet.incidents.values()
    assert {visit.unit for visit in incident.visits(fleet.now_ms)} == truth and len(truth) >= 5
    assert incident.total and not incident.count(Fate.BACK), "nobody is back on masts that are gone"


def outage(spare: Spare) -> Watch:
    """Ten units that are down with their operator; the first may have another way."""
    watch = Watch()
    for unit in range(1, 11):
        other = spare if unit == 1 else Spare.NONE
        watch.add(UnitInfo(unit, Profile("p", 1800), HERE, other, seen_ms=T0), T0)
    for second in range(1, 331):
        watch.tick(T0 + second * S)
    [incident] = watch.detector.open.values()
    assert incident.count(Fate.DOWN) == 10
    return watch


@pytest.mark.parametrize(
    ("spare", "fate"), [(Spare.SPARE_SIM, Fate.MOVED), (Spare.SECOND_RADIO, Fate.MOVED), (Spare.NONE, Fate.BACK)]
)
def test_who_speaks_is_no_longer_down_and_only_one_path_is_a_path_that_is_back(spare: Spare, fate: Fate) -> None:
    watch = outage(spare)
    watch.heard(Heard(1, T0 + 331 * S, 5))
    [incident] = watch.detector.open.values()
    assert watch.state(1)[0] is State.KNOWN and incident.members[1].fate is fate
    watch.heard(Heard(1, T0 + 335 * S, 6, 300, bearer=3))
    assert incident.members[1].fate is Fate.BACK
    watch.heard(Heard(1, T0 + 340 * S, 7))
    assert incident.members[1].fate is Fate.BACK, "what was known of the path stays"


def test_who_was_only_presumed_leaves_the_list_when_it_is_heard() -> None:
    fleet = SilentFleet(units=200, seed=1, dual=0.3, first_operator=0.7)
    begins = fleet.start_ms + 20 * MINUTE
    ends = begins + 150 * S
    fleet.outages.append(Outage(begins, ends, lambda place: place.operator == "24001"))
    fleet.run(ends)
    [incident] = fleet.incidents.values()
    presumed = {visit.unit for visit in incident.visits(fleet.now_ms) if visit.presumed}
    fleet.run(ends + 60 * S)
    listed = {visit.unit for visit in incident.visits(fleet.now_ms)}
    heard = {unit for unit, (at, _) in fleet.last_heard.items() if at >= ends}
    assert len(presumed & heard) >= 5 and not listed & heard
    assert presumed - heard <= listed, "the others are not heard yet"


def test_who_was_presumed_before_a_restart_leaves_the_list_after_it() -> None:
    watch, incident = Watch(), Incident(1, False, [(Kind.OPERATOR, "24001")], T0, T0)
    incident.members[1] = Member(1, T0, Fate.PRESUMED, True, T0)
    watch.detector.restore(incident)
    watch.add(UnitInfo(1, Profile("p", 1800), HERE, seen_ms=T0 - 200 * S), T0)
    watch.heard(Heard(1, T0 + 60 * S, 5, 300, bearer=3))
    assert not incident.members and incident.dirty == {1}


def test_what_does_not_say_when_it_is_heard_next_leaves_that_as_it_was() -> None:
    watch = Watch()
    watch.add(UnitInfo(1, Profile("p", 1800), HERE, seen_ms=T0), T0)
    watch.heard(Heard(1, T0 + 299 * S, 5))
    for second in range(300, 312):
        watch.tick(T0 + second * S)
    assert watch.state(1)[0] in WAITING, "its heartbeat was due, whatever it said before"
    watch.heard(Heard(1, T0 + 312 * S, 6))
    watch.tick(T0 + 600 * S)
    assert watch.state(1)[0] is State.KNOWN, "and one that was late has an interval again"
