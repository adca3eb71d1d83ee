"""Hold, cancel, repeats and a stuck contact; the same on both engines."""

from firmware.core.contact import BURST, CHATTERS, CLEAR_MS, CLOSED, QUIET_MS, Input, Inputs
from protocols.wire import messages

HOUR = 3600000


def play(inputs, script, until):
    """All actions with their times, the machine being woken exactly when it asks, and at the edges of `script`."""
    seen = []
    now = 0
    for at, event in sorted(script) + [(until, ("time",))]:
        while True:
            due = inputs.next_wakeup(now)
            if due is None or due >= at:
                break
            again = now
            now = max(due, now)
            made = inputs.handle(("time",), now)
            seen += [(now,) + action for action in made]
            assert now > again or made or inputs.next_wakeup(now) != due, "the machine spins"
        now = at
        seen += [(now,) + action for action in inputs.handle(event, now)]
    return seen


def tap(at, code=0, held=200):
    return [(at, ("edge", code, True)), (at + held, ("edge", code, False))]


def told(seen, code=0):
    return [event for event in seen if event[2] == code]


def test_a_tap_is_told_at_once_with_its_kind_and_flags():
    inputs = Inputs([Input(0, messages.KIND_PULL_CORD, flags=messages.ALARM_SILENT)])
    assert play(inputs, tap(1000), 5000) == [
        (1020, "pressed", 0, messages.KIND_PULL_CORD, messages.ALARM_SILENT, 1, 0, 0)
    ]


def test_hold_time():
    def seen(held):
        return play(Inputs([Input(0, hold=1500)]), tap(0, held=held), 10000)

    assert seen(1000) == []
    assert seen(1519) == []
    assert [event[:2] for event in seen(1600)] == [(1520, "pressed")]


def test_a_bounce_while_held_does_not_start_the_hold_time_again():
    script = [(0, ("edge", 0, True)), (700, ("edge", 0, False)), (730, ("edge", 0, True))]
    assert [event[:2] for event in play(Inputs([Input(0, hold=1500)]), script, 5000)] == [(1520, "pressed")]
    open_again = [(0, ("edge", 0, True)), (1510, ("edge", 0, False))]
    assert play(Inputs([Input(0, hold=1500)]), open_again, 5000) == []


def test_a_cancel_window_ends_in_a_press_unless_it_is_cancelled():
    assert [event[:2] for event in play(Inputs([Input(0, cancel=8000)]), tap(0), 20000)] == [
        (20, "pending"),
        (8020, "pressed"),
    ]
    script = tap(0) + [(3000, ("cancel", 0, False))]
    assert [event[:2] for event in play(Inputs([Input(0, cancel=8000)]), script, 20000)] == [
        (20, "pending"),
        (3000, "cancelled"),
    ]
    late = tap(0) + [(9000, ("cancel", 0, False))]
    assert [event[1] for event in play(Inputs([Input(0, cancel=8000)]), late, 20000)] == ["pending", "pressed"]


def test_whoever_presses_again_does_not_want_it_cancelled():
    seen = play(Inputs([Input(0, cancel=8000)]), tap(0) + tap(2000), 20000)
    assert seen == [(20, "pending", 0, 8000), (2020, "pressed", 0, messages.KIND_MANUAL, 0, 2, 2, 0)]


def test_a_forced_cancel_looks_the_same_and_sends_a_silent_alarm():
    script = tap(0) + [(3000, ("cancel", 0, True))]
    seen = play(Inputs([Input(0, cancel=8000)]), script, 20000)
    assert seen[1] == (3000, "pressed", 0, messages.KIND_DURESS, messages.ALARM_SILENT, 1, 2, 2)
    assert seen[2] == (3000, "cancelled", 0)
    assert len(seen) == 3


def test_a_silent_input_shows_no_window_and_an_endless_hold_is_refused():
    for wrong in ({"kind": messages.KIND_DURESS, "cancel": 1}, {"flags": 4, "cancel": 1}, {"hold": 30000}):
        try:
            Input(0, **wrong)
        except ValueError:
            continue
        raise AssertionError(wrong)


def test_repeats_carry_count_and_age_until_somebody_takes_the_case():
    seen = play(Inputs([Input(0)]), tap(0) + tap(60000) + [(70000, ("taken", 0, True))] + tap(80000), 100000)
    assert [event[5:7] for event in seen] == [(1, 0), (2, 60), (1, 0)]
    ten_minutes_apart = play(Inputs([Input(0)]), tap(0) + tap(600000), 700000)
    assert [event[5] for event in ten_minutes_apart] == [1, 1]


def test_the_person_who_keeps_pressing_is_never_muted():
    """Scenario A5 (b): 8 presses in 29 minutes and 18 in 3 hours."""
    for count, span in ((8, 29 * 60000), (18, 3 * HOUR)):
        script = []
        for i in range(count):
            script += tap(i * span // (count - 1))
        seen = play(Inputs([Input(0)]), script, span + 60000)
        assert [event[1] for event in seen] == ["pressed"] * count
        for i, event in enumerate(seen):
            assert event[0] == i * span // (count - 1) + 20


def test_many_presses_are_told_by_their_count():
    script = []
    for i in range(40):
        script += tap(i * 1000)
    seen = play(Inputs([Input(0)]), script, HOUR)
    assert [event[5] for event in seen[: BURST + 1]] == list(range(1, BURST + 2))
    assert seen[-1][5] == 40 and len(seen) == BURST + 2
    assert seen[-1][0] <= 40000 + QUIET_MS


def test_a_contact_closed_for_ten_hours():
    """Scenario A5 (a): flagged within 60 s, one press, at most one message in 5 minutes, and others still work."""
    script = [(0, ("edge", 0, True))] + tap(2 * HOUR, 1) + tap(5 * HOUR, 1)
    inputs = Inputs([Input(0), Input(1)])
    seen = play(inputs, script, 10 * HOUR)
    stuck = told(seen)
    assert [event[:2] for event in stuck] == [(20, "pressed"), (30020, "stuck")]
    assert stuck[1][3] == CLOSED
    assert len(stuck) <= 1 + 10 * HOUR // QUIET_MS
    assert [event[:2] for event in told(seen, 1)] == [(2 * HOUR + 20, "pressed"), (5 * HOUR + 20, "pressed")]
    assert inputs.stuck() == [0]


def test_who_lies_for_an_hour_is_no_stuck_contact_and_the_next_fall_is_one_more():
    script = [(0, ("edge", 0, True)), (HOUR, ("edge", 0, False)), (HOUR + 3000, ("edge", 0, True))]
    inputs = Inputs([Input(0, messages.KIND_MAN_DOWN, cancel=10000)])
    seen = play(inputs, script, 2 * HOUR)
    assert [event[1] for event in seen] == ["pending", "pressed", "pending", "pressed"]
    assert inputs.stuck() == []
    script = []
    for i in range(150):
        script += tap(i * 120, held=40)
    seen = play(Inputs([Input(0, messages.KIND_MAN_DOWN)]), script, HOUR)
    assert [event[3] for event in seen if event[1] == "stuck"] == [CHATTERS], "the control: a broken one is"


def test_after_the_release_a_press_works_again():
    script = [(0, ("edge", 0, True)), (40000, ("edge", 0, False))] + tap(50000)
    seen = play(Inputs([Input(0)]), script, HOUR)
    assert [event[1] for event in seen] == ["pressed", "stuck", "pressed", "released"]
    assert seen[2][0] == 50020, "at once"
    assert seen[3][0] == 30020 + QUIET_MS, "what is no alarm waits until it is quiet"


def test_presses_after_the_release_do_not_put_it_off():
    """Else a wearer who presses every four minutes would stay flagged as a broken contact all day."""
    script = [(0, ("edge", 0, True)), (40000, ("edge", 0, False))]
    for i in range(20):
        script += tap(50000 + i * 240000)
    seen = play(Inputs([Input(0)]), script, 2 * HOUR)
    assert [event[0] for event in seen if event[1] == "released"] == [30020 + QUIET_MS]
    assert len([event for event in seen if event[1] == "pressed"]) == 21, "and nothing is muted"


def test_a_wobble_is_no_release():
    script = [(0, ("edge", 0, True))]
    for i in range(600):
        script += [(60000 + i * 4000, ("edge", 0, False)), (61000 + i * 4000, ("edge", 0, True))]
    seen = play(Inputs([Input(0)]), script, 60000 + 600 * 4000)
    assert [event[1] for event in seen[:2]] == ["pressed", "stuck"]
    assert all([event[1] == "pressed" for event in seen[2:]])
    times = [event[0] for event in seen[1:]]
    assert len(times) > 5
    assert all([times[i] - times[i - 1] >= QUIET_MS for i in range(1, len(times))])
    assert seen[-1][5] > 500, "every press is in the count"


def wobbling(since, until, opened=3000):
    script = []
    while since < until:
        script += [(since, ("edge", 0, False)), (since + opened, ("edge", 0, True))]
        since += 120000
    return script


def test_once_the_case_is_taken_a_wobble_is_the_flag_again_and_no_press():
    """The contact closes, somebody takes the case, and the contact wobbles for an hour: nobody is called again."""
    for taken_at in (20000, 40000, 700000):
        script = [(0, ("edge", 0, True)), (taken_at, ("taken", 0, True))] + wobbling(60000, HOUR)
        seen = play(Inputs([Input(0)]), sorted(script), HOUR)
        after = [event for event in seen if event[0] > taken_at]
        assert all([event[1] == "stuck" for event in after]), "no press, and what was owed at the take is none either"
        times = [event[0] for event in seen[1:]]
        assert len(times) >= HOUR // QUIET_MS - 2
        assert all([times[i] - times[i - 1] >= QUIET_MS for i in range(1, len(times))])


def test_while_nobody_has_taken_it_a_wobble_counts():
    """The control: the same contact, and another press of the input is still open."""
    script = [(0, ("edge", 0, True)), (40000, ("taken", 0, False))] + wobbling(60000, HOUR)
    seen = play(Inputs([Input(0)]), sorted(script), HOUR)
    assert len([event for event in seen if event[1] == "pressed"]) > 5


def test_a_clean_release_and_a_new_press_is_a_press_again():
    script = [(0, ("edge", 0, True)), (40000, ("taken", 0, True))] + wobbling(60000, 600000)
    script += [(700000, ("edge", 0, False))]
    almost = sorted(script + [(700000 + CLEAR_MS - 100, ("edge", 0, True))])
    assert [event[1] for event in play(Inputs([Input(0)]), almost, 720000) if event[0] > 700000] == []
    seen = play(Inputs([Input(0)]), sorted(script + tap(700000 + CLEAR_MS + 100)), HOUR)
    after = [event[:2] for event in seen if event[0] > 700000]
    assert after[0] == (700000 + CLEAR_MS + 120, "pressed"), "at once"
    assert [event[1] for event in after] == ["pressed", "released"]


def test_a_chattering_contact_is_stuck_too():
    script = []
    for i in range(150):
        script += tap(i * 120, held=40)
    seen = play(Inputs([Input(0)]), script, HOUR)
    flagged = [event for event in seen if event[1] == "stuck"]
    assert len(flagged) == 1 and flagged[0][3] == CHATTERS
    assert flagged[0][0] <= 60000
    assert sum([event[1] == "pressed" for event in seen]) <= BURST + 2


def test_a_pendants_press_and_an_unknown_input():
    inputs = Inputs([Input(3)])
    assert inputs.handle(("press", 3), 5) == [("pressed", 3, messages.KIND_MANUAL, 0, 1, 0, 0)]
    assert inputs.handle(("press", 4), 6) == []
    try:
        Inputs([Input(3), Input(3)])
    except ValueError:
        return
    raise AssertionError("twice the same input")
