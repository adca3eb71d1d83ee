"""Presses where several things meet in the brain: power cuts, cancel windows, repeats, pendants and drills."""

from brain_bench import Bench, sha256

from firmware.core import obey, profiles, stages
from firmware.core.contact import BURST, QUIET_MS, STUCK_MS
from firmware.core.drill import WINDOW_MS
from firmware.core.pendants import PRESS, TEST, frame
from protocols.wire import messages

KEY = bytes(range(16))
MANUAL, DURESS, DOWN, DRILL = messages.KIND_MANUAL, messages.KIND_DURESS, messages.KIND_MAN_DOWN, messages.KIND_TEST
PERSONAL = {1: profiles.PERSONAL, 2: 300}
WINDOW = {1: profiles.SOCIAL, 2: 300, 7: [[0, 0, 8000]]}


def kinds_after_each_cut(bench, config, first):
    """The kinds of alarm that a restart tells of, with the power cut after `first` writes and after each later one."""
    found = []
    for count in range(first, len(bench.written) + 1):
        after = Bench(config, last=bench.cut(count), boot=6)
        after.run(20000)
        found.append(sorted([one.kind for one in after.fresh(messages.Alarm)]))
    return found


def test_whoever_is_forced_to_cancel_has_one_alarm_or_the_other_wherever_power_is_cut():
    bench = Bench(WINDOW)
    bench.tap()
    before = len(bench.written)
    bench.tap(profiles.CANCEL, 2500)
    assert kinds_after_each_cut(bench, WINDOW, before) == [[MANUAL], [MANUAL, DURESS], [DURESS]]
    both = {1: profiles.PERSONAL, 2: 300, 7: [[0, 500, 20000]]}
    bench = Bench(both)
    bench.tap(profiles.MAN_DOWN, 3000)
    bench.tap(0, 800)
    before = len(bench.written)
    bench.tap(profiles.CANCEL, 2500)
    for kinds in kinds_after_each_cut(bench, both, before):
        assert len(kinds) >= 2 and all([kind in (MANUAL, DURESS, DOWN) for kind in kinds]), kinds


def test_repeats_that_were_not_told_are_on_flash_before_the_press_that_spoke_for_them_is_over():
    bench = Bench()
    for _ in range(BURST + 1):
        bench.tap()
    bench.answer_all(3)
    bench.tap()
    bench.tap()
    assert bench.unit.is_open() and len(bench.fresh(messages.Alarm)) == BURST + 2, "one is told, the next is owed"
    before = len(bench.written)
    bench.answer_all(3)
    assert len(bench.fresh(messages.Alarm)) == BURST + 3
    assert [] not in kinds_after_each_cut(bench, None, before)


def drill(bench, code=0):
    """The fleet orders a drill of this input; alarms that are not stored have the radio to themselves meanwhile."""
    command = messages.Command(number=1, kind=messages.COMMAND_DRILL, args={1: code})
    bench.feed("command", command)
    assert bench.kept["command"][:2] == [1, messages.RESULT_DONE]


def told(bench):
    """(kind, whether it says that it is a test, count) of every alarm, in the order of their keys."""
    bench.run(bench.now + 20000)
    found = [(one.kind, (one.flags or 0) & messages.ALARM_TEST > 0, one.count) for one in bench.fresh(messages.Alarm)]
    assert all([test == (kind == DRILL) for kind, test, _ in found]), found
    return [(kind, count) for kind, _, count in found]


def test_a_drill_of_an_input_with_a_window_is_the_first_press_and_at_once():
    bench = Bench(WINDOW)
    drill(bench)
    bench.tap()
    assert bench.fresh(messages.Alarm)[0].kind == DRILL and bench.lamps[-1][1] == stages.TRYING
    assert kinds_after_each_cut(bench, WINDOW, len(bench.written)) == [[DRILL]]
    bench.run(bench.now + 3000)
    bench.tap()
    assert told(bench) == [(DRILL, 1), (MANUAL, 1)]
    down = Bench(PERSONAL)
    drill(down, profiles.MAN_DOWN)
    down.tap(profiles.MAN_DOWN, 3000)
    down.tap(profiles.MAN_DOWN, 3000)
    assert told(down) == [(DRILL, 1), (DOWN, 1)]


def test_a_drill_is_one_press_however_late_the_unit_looks():
    bench = Bench(WINDOW)
    drill(bench)
    bench.feed("edge", 0, True, bench.now)
    bench.feed("edge", 0, False, bench.now + 200)
    bench.now = 60000
    bench.feed("time")
    assert told(bench) == [(DRILL, 1)]
    late = Bench(WINDOW)
    drill(late)
    late.run(WINDOW_MS)
    late.tap()
    assert told(late) == [(MANUAL, 1)]


def test_a_drill_that_is_ordered_in_a_window_takes_neither_its_press_nor_the_next():
    for between, counts in ((1000, [2, 3]), (9000, [1, 2, 3])):
        bench = Bench(WINDOW)
        bench.tap()
        drill(bench)
        bench.run(between)
        bench.tap()
        bench.tap()
        assert told(bench) == [(MANUAL, count) for count in counts], between
    bench = Bench(WINDOW)
    bench.tap()
    drill(bench)
    bench.tap(profiles.CANCEL, 2500)
    bench.tap()
    assert told(bench) == [(DURESS, 1), (MANUAL, 1)], "nor the next one of who is under threat"
    bench = Bench(WINDOW)
    bench.tap()
    drill(bench)
    bench.tap(profiles.CANCEL)
    bench.tap()
    assert told(bench) == [(DRILL, 1)], "what was taken back was no alarm"


def test_a_press_that_began_before_the_order_is_real():
    bench = Bench(PERSONAL)
    bench.feed("edge", 0, True, 0)
    bench.run(300)
    drill(bench)
    bench.run(900)
    bench.feed("edge", 0, False, 900)
    bench.run(2000)
    bench.tap(0, 700)
    assert told(bench) == [(MANUAL, 1), (MANUAL, 2)]


def test_repeats_that_are_told_late_are_no_drill_and_the_drill_is_told_at_once():
    for tap in (False, True):
        bench = Bench()
        for _ in range(BURST + 2):
            bench.tap()
        drill(bench)
        if tap:
            bench.tap()
            assert bench.fresh(messages.Alarm)[-1].kind == DRILL
        # Stored, so that they are not sent again until the unit's heap is full.
        bench.answer_all()
        bench.run(bench.now + QUIET_MS)
        expected = [(MANUAL, count) for count in range(1, BURST + 3)]
        if tap:
            expected.insert(BURST + 1, (DRILL, 1))
        assert told(bench) == expected, "the test is not counted into the run"


def test_neither_a_stuck_contact_nor_a_duress_is_a_drill():
    bench = Bench()
    bench.tap(0, STUCK_MS + 1000)
    drill(bench)
    bench.tap()
    assert told(bench) == [(MANUAL, 1), (MANUAL, 2)]
    bench = Bench(PERSONAL)
    drill(bench, profiles.DURESS)
    bench.tap(profiles.DURESS)
    assert told(bench) == [(DURESS, 1)]


def test_a_pendants_own_test_is_the_drill_that_was_ordered():
    for timing in ([], [[3, 0, 8000]]):
        config = {1: profiles.SOCIAL, 2: 300, 6: [[3, 77, KEY, 60]], 7: timing}
        for what, kinds in ((TEST, [DRILL, MANUAL]), (PRESS, [DRILL, MANUAL])):
            bench = Bench(config)
            drill(bench, 3)
            bench.feed("pendant", frame(sha256, KEY, 77, 1, what, 90))
            bench.feed("pendant", frame(sha256, KEY, 77, 2, PRESS, 90))
            assert [kind for kind, _ in told(bench)] == kinds, (timing, what)


def test_a_silent_units_drill_stays_silent_over_a_restart():
    config = {1: profiles.PERSONAL, 2: 300, 8: True}
    bench = Bench(config)
    drill(bench)
    bench.tap(0, 700)
    after = Bench(config, last=bench, boot=6)
    after.run(20000)
    for one in (bench, after):
        flags = one.fresh(messages.Alarm)[0].flags
        assert flags & ~messages.ALARM_AGE_IS_LOWER_BOUND == messages.ALARM_SILENT | messages.ALARM_TEST
        assert one.lamps == []


def test_a_challenge_that_the_unit_cannot_answer_denies_nothing():
    for known, result, data in (
        (None, messages.RESULT_NOT_NOW, None),
        (False, messages.RESULT_DONE, {1: bytes(8), 2: obey.NOT_MINE}),
        (True, messages.RESULT_DONE, {1: bytes(8), 2: obey.OVER}),
    ):
        bench = Bench()
        bench.unit._means.past = lambda key, known=known: known
        told = bench.command(1, messages.COMMAND_CHALLENGE, {1: bytes(8), 2: 4, 3: 1})
        assert (told.result, told.data) == (result, data)
