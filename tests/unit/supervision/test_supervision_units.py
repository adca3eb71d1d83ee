"""One unit under supervision, on a made-up clock: what is tried before a person hears of it, and whose fault it is."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleet.supervision import decide
from fleet.supervision.model import (
    HEARD,
    Action,
    Cause,
    Change,
    Heard,
    Place,
    Profile,
    Spare,
    State,
    Step,
    UnitInfo,
    Word,
    epoch_of,
)
from fleet.supervision.profiles import BY_TYPE, DEFAULTS
from fleet.supervision.watch import Watch

T0 = 1_800_000_000_000
S = 1000


def one(profile: str = "SP4", interval_s: int = 60, spare: Spare = Spare.NONE, **more: object) -> Watch:
    watch = Watch()
    info = UnitInfo(1, DEFAULTS[profile], Place("24001"), spare=spare, seen_ms=T0, interval_s=interval_s, **more)  # type: ignore[arg-type]
    watch.add(info, T0)
    return watch


def run(watch: Watch, from_s: int, to_s: int) -> tuple[list[Change], list[Action]]:
    changes, actions = [], []
    for second in range(from_s, to_s + 1):
        out = watch.tick(T0 + second * S)
        changes += out.changes
        actions += out.actions
    return changes, actions


@pytest.mark.parametrize(
    ("profile", "interval_s", "limit_s"), [("SP4", 60, 200), ("SP5", 30, 90), ("DP4", 30, 90), ("SOS-180s", 60, 200)]
)
def test_a_dead_unit_is_known_within_its_profile(profile: str, interval_s: int, limit_s: int) -> None:
    changes, actions = run(one(profile, interval_s), 1, limit_s)
    assert [change.state for change in changes] == [State.LATE, State.PROBING, State.SILENT]
    assert changes[-1].told and changes[-1].at_ms <= T0 + DEFAULTS[profile].report_s * S
    assert Step.PROBE_PATH in {action.step for action in actions} and Step.WAKE in {action.step for action in actions}


def test_a_unit_that_answers_the_wake_is_never_told() -> None:
    watch = one()
    changes, actions = run(watch, 1, 140)
    assert [action.step for action in actions][-1] is Step.WAKE
    watch.heard(Heard(1, T0 + 141 * S, 5, 60))
    more, _ = run(watch, 141, 195)
    assert not [change for change in changes + more if change.told]
    assert watch.state(1)[0] is State.KNOWN


def test_a_spare_sim_is_waited_for_and_a_second_radio_is_probed_at_once() -> None:
    profile = Profile("p", 1800)
    late = decide.late_at(300 * S, 300)
    spare_sim = decide.ladder(profile, 0, 300 * S, 300, Spare.SPARE_SIM, 390)
    second = decide.ladder(profile, 0, 300 * S, 300, Spare.SECOND_RADIO, 390)
    assert Step.PROBE_SPARE not in {rung.step for rung in spare_sim}
    assert min(rung.at_ms for rung in spare_sim if rung.step is Step.WAKE) >= (300 + 390) * S
    assert (late, Step.PROBE_SPARE) in second


@pytest.mark.parametrize(
    ("word", "state", "cause"),
    [
        (Word.MAINS_LOST, State.NO_POWER, Cause.MAINS_LOST),
        (Word.BATTERY_LOW, State.OFF, Cause.BATTERY_EMPTY),
        (Word.OFF, State.OFF, Cause.SWITCHED_OFF),
    ],
)
def test_a_last_word_says_why_a_unit_is_silent(word: Word, state: State, cause: Cause) -> None:
    watch = one()
    watch.word(1, word, T0 + 2 * S, 3)
    run(watch, 3, 300)
    assert watch.state(1)[:2] == (state, cause)


@pytest.mark.parametrize(
    ("attached", "state", "cause"),
    [(True, State.SILENT, Cause.SIM_ATTACHED), (False, State.NO_NETWORK, Cause.SIM_DETACHED)],
)
def test_the_sim_providers_view_is_in_the_verdict(attached: bool, state: State, cause: Cause) -> None:
    watch = one()
    run(watch, 1, 140)
    watch.sim_view(1, attached)
    run(watch, 141, 200)
    assert watch.state(1)[:2] == (state, cause)


def test_not_worn_and_worn_again() -> None:
    watch = one()
    watch.heard(Heard(1, T0 + S, 1, 60, not_worn=True))
    assert watch.state(1)[0] is State.NOT_WORN
    watch.heard(Heard(1, T0 + 2 * S, 2, 60, not_worn=False))
    assert watch.state(1)[0] is State.KNOWN


def test_an_absent_unit_is_not_supervised_and_has_its_time_when_it_is_back() -> None:
    watch = one(absent=True)
    assert run(watch, 1, 600) == ([], [])
    watch.add(UnitInfo(1, DEFAULTS["SP4"], Place("24001"), seen_ms=T0, interval_s=60), T0 + 600 * S)
    watch.tick(T0 + 601 * S)
    assert watch.state(1)[0] is State.KNOWN
    changes, _ = run(watch, 602, 660)
    assert not changes


def test_a_late_close_of_an_old_session_says_nothing() -> None:
    """R8: the newer connection stands."""
    watch = one(interval_s=300, profile="SP3")
    watch.heard(Heard(1, T0 + 10 * S, epoch_of(2, 1), 300))
    watch.closed(1, T0 + 9 * S)
    assert not run(watch, 11, 200)[0]


def test_a_closed_connection_is_a_hint_to_probe_and_no_verdict() -> None:
    watch = one(interval_s=300, profile="SP3")
    watch.heard(Heard(1, T0 + 10 * S, epoch_of(2, 1), 300))
    watch.closed(1, T0 + 100 * S)
    changes, actions = run(watch, 100, 300)
    assert [(change.state, change.cause) for change in changes] == [(State.PROBING, Cause.CONNECTION_CLOSED)]
    assert [action.step for action in actions] == [Step.PROBE_PATH], "nothing that costs, and nobody is told"
    watch.heard(Heard(1, T0 + 301 * S, epoch_of(2, 2), 300))
    assert watch.state(1)[0] is State.KNOWN


def test_a_unit_that_is_back_before_the_grace_is_over_is_not_asked_after() -> None:
    watch = one(interval_s=300, profile="SP3")
    watch.heard(Heard(1, T0 + 10 * S, epoch_of(2, 1), 300))
    watch.closed(1, T0 + 100 * S)
    watch.heard(Heard(1, T0 + 104 * S, epoch_of(2, 2), 300))
    assert run(watch, 104, 300) == ([], [])


def test_a_thousand_closed_connections_are_no_outage_and_hide_none() -> None:
    """A gateway drops them all: everybody is asked after, and nobody is late. Who then truly is out is still found."""
    watch = Watch()
    for unit in range(1000):
        seen = T0 - (unit % 300) * S
        watch.add(UnitInfo(unit, DEFAULTS["SP3"], Place("24001"), seen_ms=seen, interval_s=300), T0)
    asked: set[int] = set()
    found: dict[int, object] = {}
    for second in range(400):
        for unit in range(1000):
            if second == 20:
                watch.closed(unit, T0 + 20 * S)
            if (second + unit) % 300 == 0 and (second < 100 or unit % 3):
                watch.heard(Heard(unit, T0 + second * S, second, 300))
        out = watch.tick(T0 + second * S)
        asked |= {action.unit for action in out.actions if action.step is Step.PROBE_PATH}
        found.update(out.incidents)
        assert second >= 100 or not out.incidents
    assert len(asked) > 900 and list(found) == [1]


def test_an_older_epoch_proves_life_and_nothing_else() -> None:
    watch = one()
    watch.heard(Heard(1, T0 + S, epoch_of(3, 5), 60, on_battery=False))
    watch.heard(Heard(1, T0 + 50 * S, epoch_of(3, 4), 10, on_battery=True))
    assert watch.state(1)[1] is Cause.HEARD
    assert not run(watch, 51, 112)[0], "its older interval of 10 s does not count, its life does"


def test_our_own_downtime_is_nobodys_fault() -> None:
    """R1, and the control: without the suspension the same unit is blamed."""
    blamed, spared = one(), one()
    spared.suspend(T0 + 30 * S)
    assert run(blamed, 31, 270)[0]
    assert not run(spared, 31, 270)[0]
    spared.resume(T0 + 270 * S)
    spared.heard(Heard(1, T0 + 300 * S, 9, 60))
    assert not run(spared, 271, 360)[0]


def test_a_unit_that_died_in_our_downtime_is_found_afterwards() -> None:
    watch = one()
    watch.suspend(T0 + 30 * S)
    watch.resume(T0 + 270 * S)
    changes, _ = run(watch, 271, 270 + 60 + 60 + 200)
    assert changes[-1].told


def test_a_profiles_time_runs_only_while_we_listen() -> None:
    """After an hour of ours a unit has the time of its profile again, with all that is tried in it."""
    watch = one("DP2", 300)
    watch.suspend(T0 + 100 * S)
    watch.resume(T0 + 3700 * S)
    changes, actions = run(watch, 3701, 3700 + 1780)
    assert [change.state for change in changes] == [State.LATE, State.PROBING]
    assert [action.step for action in actions].count(Step.WAKE) == decide.WAKES
    changes, _ = run(watch, 3700 + 1781, 3700 + 1800)
    assert [change.told for change in changes] == [True]


@pytest.mark.parametrize(("report_s", "interval_s"), [(90, 30), (180, 60), (180, 300), (1800, 300), (90_000, 3600)])
def test_a_unit_is_woken_three_times_and_has_time_to_answer_each(report_s: int, interval_s: int) -> None:
    rungs = decide.ladder(Profile("p", report_s), 0, interval_s * S, interval_s, Spare.NONE, 390)
    wakes = [rung.at_ms for rung in rungs if rung.step is Step.WAKE]
    assert len(wakes) == decide.WAKES
    assert all(b - a >= decide.WAKES_APART_S * S for a, b in pairwise(wakes))
    assert wakes[-1] + decide.WAKE_ANSWER_S * S <= rungs[-1].at_ms


def test_every_profile_has_a_source_and_every_type_a_profile() -> None:
    assert all(profile.source for profile in DEFAULTS.values())
    assert {f"SP{n}" for n in range(1, 7)} | {f"DP{n}" for n in range(1, 5)} <= set(DEFAULTS)
    assert set(BY_TYPE.values()) <= set(DEFAULTS)


@pytest.mark.parametrize("profile", [*DEFAULTS.values(), Profile("p", 5)])
def test_the_longest_interval_that_keeps_a_profile_is_just_that(profile: Profile) -> None:
    longest = decide.longest_interval(profile)
    assert longest == 0 or decide.keeps(profile, longest)
    assert not decide.keeps(profile, longest + 1)


times = st.integers(5, 100_000)


@given(report=st.integers(20, 100_000), interval=times, spare=st.sampled_from(Spare), switch=st.integers(1, 600))
def test_a_ladder_climbs_ends_in_one_verdict_and_never_judges_before_the_unit_was_due(
    report: int, interval: int, spare: Spare, switch: int
) -> None:
    rungs = decide.ladder(Profile("p", report), 0, interval * S, interval, spare, switch)
    assert [rung.at_ms for rung in rungs] == sorted(rung.at_ms for rung in rungs)
    assert [rung.step for rung in rungs].count(Step.VERDICT) == 1 and rungs[-1].step is Step.VERDICT
    assert rungs[0].at_ms == decide.late_at(interval * S, interval) > interval * S
    assert any(rung.step is Step.WAKE for rung in rungs)


happenings = st.lists(
    st.tuples(
        st.integers(0, 400),
        st.sampled_from(["heard", "old", "close", "mains", "back", "suspend", "resume", "tick", "low"]),
    ),
    max_size=60,
)


@settings(max_examples=150)
@given(happenings)
def test_whatever_happens_a_heard_unit_is_known_and_a_dead_one_is_found(found: list[tuple[int, str]]) -> None:
    """R3: no order of events leaves a unit without a next look, or in a verdict after it was heard."""
    watch, now, seq = one(), T0, 0
    for seconds, what in found:
        now += seconds * S
        seq += 1
        watch.tick(now)
        if what == "heard":
            watch.heard(Heard(1, now, seq, 60))
        elif what == "old":
            watch.heard(Heard(1, now - 5 * S, 0, 60))
        elif what == "close":
            watch.closed(1, now)
        elif what in ("mains", "back", "low"):
            words = {"mains": Word.MAINS_LOST, "back": Word.MAINS_BACK, "low": Word.BATTERY_LOW}
            watch.word(1, words[what], now, seq)
        elif what == "suspend":
            watch.suspend(now)
        elif what == "resume":
            watch.resume(now)
        if what in ("heard", "mains", "back", "low"):
            assert watch.state(1)[0] in HEARD
    watch.resume(now)
    watch.heard(Heard(1, now, seq + 1, 60))
    assert watch.state(1)[0] in HEARD
    told = []
    for second in range(1, 400):
        told += [change for change in watch.tick(now + second * S).changes if change.told]
    assert len(told) == 1 and told[0].at_ms <= now + 240 * S
