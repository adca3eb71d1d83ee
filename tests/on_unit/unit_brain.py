"""The brain with all its parts: windows, drills, pendants, commands, events, and what a restart finds of them."""

from brain_bench import WALL, Bench, sha256

from firmware.core import obey, profiles, stages
from firmware.core.drill import EVERY_S, GIVE_UP_MS, WINDOW_MS
from firmware.core.events import FAULT_CONFIG, FAULT_PORT, MOST
from firmware.core.heartbeat import Heartbeat
from firmware.core.pendants import ALIVE, PRESS, TEST, frame
from firmware.core.spare import Spare
from firmware.core.unit import REBOOT_MS
from firmware.core.vigil import WATCH_MS
from firmware.core.vitals import Vitals
from protocols.wire import messages

KEY = bytes(range(16))
HEARTBEAT_PLAIN = 51
"""What of the 80 bytes of a sealed heartbeat is left for its text: counter, key id and tag take 29 at most."""
WINDOW = {1: profiles.SOCIAL, 2: 300, 7: [[0, 0, 8000]]}


def test_a_cancel_window_is_on_flash_before_it_shows_and_becomes_a_press():
    bench = Bench(WINDOW)
    bench.order = []
    bench.tap()
    assert bench.order[:2] == ["journal", "lamp"]
    assert bench.lamps[-1][1] == stages.CANCELLABLE and bench.of(messages.Alarm) == []
    assert bench.entries[(5, 1)].count == 1 or len(bench.entries) == 1
    bench.run(9000)
    assert [one.count for one in bench.fresh(messages.Alarm)] == [1]
    assert bench.lamps[-1][1] == stages.TRYING
    assert bench.fresh(messages.Alarm)[0].age == 8


def test_a_window_that_a_restart_finds_open_is_a_press():
    bench = Bench(WINDOW)
    bench.tap()
    after = Bench(WINDOW, last=bench, boot=6)
    alarms = after.fresh(messages.Alarm)
    assert len(alarms) == 1 and alarms[0].boot == 5
    assert alarms[0].flags & messages.ALARM_AGE_IS_LOWER_BOUND


def test_a_press_taken_back_is_told_and_no_alarm():
    bench = Bench(WINDOW)
    bench.tap()
    bench.tap(profiles.CANCEL)
    assert bench.lamps[-1][1] == stages.OFF
    bench.run(60000)
    assert bench.of(messages.Alarm) == []
    told = bench.events(messages.EVENT_CANCELLED)
    assert len(told) == 1 and told[0].data == {1: 0} and told[0].about_boot == 5
    bench.answer_all()
    assert bench.book == {}
    assert Bench(WINDOW, last=bench, boot=6).fresh(messages.Alarm) == []


def test_whoever_is_forced_to_cancel_shows_the_same_and_sends_a_silent_alarm():
    bench = Bench(WINDOW)
    bench.tap()
    bench.tap(profiles.CANCEL, 2500)
    bench.run(70000)
    assert bench.lamps[-1][1] == stages.OFF
    alarms = bench.fresh(messages.Alarm)
    assert [(one.kind, one.flags & messages.ALARM_SILENT) for one in alarms] == [(messages.KIND_DURESS, 4)]
    assert bench.events(messages.EVENT_CANCELLED) == []


def test_a_worn_units_tap_takes_back_a_fall_and_a_hold_is_an_alarm():
    bench = Bench({1: profiles.PERSONAL, 2: 300})
    bench.tap(profiles.MAN_DOWN, 3000)
    bench.tap(0, 200)
    bench.run(30000)
    assert bench.of(messages.Alarm) == [] and len(bench.events(messages.EVENT_CANCELLED)) == 1
    bench = Bench({1: profiles.PERSONAL, 2: 300})
    bench.tap(profiles.MAN_DOWN, 3000)
    bench.tap(0, 800)
    bench.run(30000)
    assert sorted([one.kind for one in bench.fresh(messages.Alarm)]) == [
        messages.KIND_MANUAL, messages.KIND_MAN_DOWN,
    ]  # fmt: skip
    assert [one.input for one in bench.fresh(messages.Alarm)] == [0, 0]


def test_the_case_of_somebody_who_cannot_get_up_does_not_look_like_a_broken_button():
    bench = Bench({1: profiles.PERSONAL, 2: 300})
    bench.feed("edge", profiles.MAN_DOWN, True, bench.now)
    bench.run(600000)
    assert bench.events(messages.EVENT_INPUT_STUCK) == []
    assert len(bench.fresh(messages.Alarm)) == 1
    assert not [one for one in bench.of(messages.Alarm) if (one.flags or 0) & messages.ALARM_STUCK]


def test_silent_and_duress_show_nothing_at_any_stage():
    for config, code in (({1: 2, 2: 300, 8: True}, 0), ({1: 2, 2: 300}, profiles.DURESS)):
        bench = Bench(config)
        bench.tap(code, 1000)
        bench.run(20000)
        for stage in (1, 2, 3):
            bench.answer_all(stage)
        assert bench.fresh(messages.Alarm)[0].flags & messages.ALARM_SILENT
        assert bench.lamps == []
        again = Bench(config)
        again.tap(code, 1000)
        after = Bench(config, last=again, boot=6)
        after.run(20000)
        assert after.fresh(messages.Alarm)[0].flags & messages.ALARM_SILENT and after.lamps == []


def test_a_stuck_contact_is_one_alarm_a_flag_and_an_event_and_others_go_on():
    """Scenario A5 (a)."""
    bench = Bench({1: 1, 2: 300, 6: [[1, 77, KEY, 3600]]})
    bench.feed("edge", 0, True, 0)
    bench.run(60000)
    stuck = bench.events(messages.EVENT_INPUT_STUCK)
    assert len(stuck) == 1 and stuck[0].data == {1: 0, 2: 1}
    assert bench.of(messages.Alarm)[-1].flags & messages.ALARM_STUCK
    bench.feed("pendant", frame(sha256, KEY, 77, 1, PRESS, 90))
    bench.feed("mains", True)
    assert [one.input for one in bench.fresh(messages.Alarm)] == [0, 1]
    assert not bench.fresh(messages.Alarm)[1].flags
    bench.run(62000)
    bench.answer_all(3)
    assert len(bench.events(messages.EVENT_MAINS_LOST)) == 1
    for minute in range(5, 600, 5):
        bench.run(minute * 60000)
        bench.answer_all(3)
        # What the desk has written down must not fill the unit's heap.
        bench.order = []
        bench.written = []
        bench.sent = [one for one in bench.sent if isinstance(one[1], messages.Alarm)]
    assert len(bench.fresh(messages.Alarm)) == 2
    bench.feed("edge", 0, False, bench.now)
    bench.run(bench.now + 400000)
    assert len(bench.events(messages.EVENT_INPUT_RELEASED)) == 1


def test_repeats_carry_their_count_until_somebody_has_taken_the_case():
    bench = Bench()
    for _ in range(3):
        bench.tap()
        bench.run(bench.now + 60000)
    assert [one.count for one in bench.fresh(messages.Alarm)] == [1, 2, 3]
    after = Bench(last=bench, boot=6)
    after.tap()
    assert after.fresh(messages.Alarm)[-1].count == 4, "a restart begins no new run"
    after.answer_all(3)
    after.tap()
    assert after.fresh(messages.Alarm)[-1].count == 1


def test_old_alarms_say_so_and_fresh_ones_go_first_after_an_outage():
    bench = Bench(up=False)
    bench.tap()
    bench.run(400000)
    bench.sent = []
    bench.tap()
    bench.take(bench.unit.handle(("pipe", "coap", True), bench.now))
    bench.run(bench.now + 30000)
    alarms = bench.of(messages.Alarm)
    assert alarms[0].seq > alarms[-1].seq or alarms[0].age < 60
    by_age = sorted([(one.age, one.flags or 0) for one in alarms])
    assert not by_age[0][1] & messages.ALARM_LATE
    assert by_age[-1][0] >= 300 and by_age[-1][1] & messages.ALARM_LATE


def test_pendants_press_test_and_are_missed():
    config = {1: 1, 2: 300, 6: [[3, 77, KEY, 60]]}
    bench = Bench(config)
    bench.feed("pendant", frame(sha256, KEY, 77, 1, PRESS, 90))
    bench.feed("pendant", frame(sha256, KEY, 77, 1, PRESS, 90))
    bench.feed("pendant", frame(sha256, KEY, 77, 2, TEST, 90))
    assert [(one.input, one.kind, one.count) for one in bench.fresh(messages.Alarm)] == [(3, 1, 1), (3, 9, 1)]
    assert bench.fresh(messages.Alarm)[1].flags == messages.ALARM_TEST
    bench.feed("pendant", frame(sha256, bytes(16), 77, 3, PRESS, 90))
    after = Bench(config, last=bench, boot=6)
    after.feed("pendant", frame(sha256, KEY, 77, 2, PRESS, 90))
    assert [one.seq for one in after.fresh(messages.Alarm) if one.boot == 6] == [], "a replay after a restart"
    bench.run(200000)
    assert bench.events(messages.EVENT_PENDANT_MISSED)[0].data[1] == 3
    bench.feed("pendant", frame(sha256, KEY, 77, 4, ALIVE, 15))
    assert bench.events(messages.EVENT_PENDANT_BACK)[0].data == {1: 3}
    assert bench.events(messages.EVENT_PENDANT_BATTERY_LOW)[0].data == {1: 3, 2: 15}
    bench.answer_all()
    bench.run(700000)
    assert bench.of(messages.Heartbeat)[-1].refused == 1


def test_a_drill_by_finger_is_one_press_and_never_the_second_one_nor_duress():
    bench = Bench({1: profiles.PERSONAL, 2: 300})
    assert bench.command(1, messages.COMMAND_DRILL).result == messages.RESULT_DONE
    assert bench.command(2, messages.COMMAND_DRILL, {1: profiles.DURESS}).result == messages.RESULT_DONE
    bench.tap(profiles.DURESS, 100)
    bench.tap(0, 700)
    bench.tap(0, 700)
    found = [(one.kind, one.flags or 0, one.input, one.count) for one in bench.fresh(messages.Alarm)]
    assert found == [(2, messages.ALARM_SILENT, 0, 1), (9, messages.ALARM_TEST, 0, 1), (1, 0, 0, 1)]
    assert bench.command(3, messages.COMMAND_DRILL, {1: 4}).result == messages.RESULT_BAD_ARGUMENTS
    late = Bench()
    late.command(1, messages.COMMAND_DRILL)
    late.run(WINDOW_MS + 1)
    late.tap()
    assert late.fresh(messages.Alarm)[0].kind == messages.KIND_MANUAL, "the window is over"


def test_a_drill_without_a_finger_names_no_input_and_shows_nothing():
    bench = Bench(drill=3600)
    bench.run(3600000 + 20000)
    alarm = bench.fresh(messages.Alarm)[0]
    assert (alarm.kind, alarm.flags, alarm.input) == (9, messages.ALARM_TEST, None)
    assert bench.lamps == []
    while bench.now < 3600000 + GIVE_UP_MS + 20000:
        bench.run(bench.now + 600000)
        # An hour of attempts is more than a unit's heap holds.
        bench.sent = [one for one in bench.sent if isinstance(one[1], messages.Event)]
    told = bench.events(messages.EVENT_FAULT)
    assert len(told) == 1 and told[0].data[3] == "a drill was not stored"
    assert not bench.unit.is_open()
    assert bench.kept["drill"] > EVERY_S // 2
    good = Bench(drill=3600)
    good.run(3600000 + 1000)
    good.answer_all(3)
    assert not good.unit.is_open() and good.events(messages.EVENT_FAULT) == []


def test_a_receipt_is_a_sign_of_life_only_if_it_says_something_new():
    heard = []
    spare = Spare(("coap",), ("modem",), "modem", lambda bound: 0, 0)
    spare.heard = lambda pipe, now: heard.append(pipe)
    bench = Bench(spare=spare)
    bench.tap()
    press = bench.fresh(messages.Alarm)[0]
    item = [(press.boot, press.seq, 1)]

    def alive(items, time, pipe="coap"):
        before, bench.alive = len(heard), []
        bench.feed("receipt", items, time, pipe)
        assert len(heard) - before == (len(bench.alive) if pipe else 0), "the radio that is to be proven alike"
        assert bench.unit._courier._answered == bool(bench.alive)
        bench.unit._courier._answered = False
        return [one[1] for one in bench.alive]

    bench.unit._courier._answered = False
    assert alive([(4, 1, 3)], WALL) == [], "an earlier boot's, before this one knows the time"
    assert alive([(4, 2, 3)], WALL + 5) == [], "nor do several in their order"
    assert alive(item, WALL + 100) == ["coap"], "a stage has grown"
    assert alive(item, WALL + 100) == [] and alive(item, None) == [], "the same one again"
    assert alive(item, WALL + 110, None) == [None], "a query's answer: nothing new but the time; by SMS too"
    assert alive(item, WALL + 50) == [], "doubled on the way, and late"
    assert bench.unit._receipts.refused == 0
    assert alive([(4, 1, 3)], WALL) == [] and bench.unit._receipts.refused == 1
    assert alive([(press.boot, press.seq, 2)], WALL + 20) == ["coap"], "late, and it says something"
    bench.feed("mains", True)
    bench.run(bench.now + 30000)
    told = bench.events(messages.EVENT_MAINS_LOST)[0]
    assert alive([(told.boot, told.seq, 1)], WALL + 20) == ["coap"]
    assert alive([(told.boot, told.seq, 1)], WALL + 20) == []
    bench.feed("heartbeat", False)
    bench.run(bench.now + 30000)
    beat = bench.fresh(messages.Heartbeat)[-1]
    assert beat.echo == WALL + 110 and beat.refused == 2
    assert alive([(beat.boot, beat.seq, 1)], None) == ["coap"] and alive([(beat.boot, beat.seq, 1)], None) == []


def test_an_event_waits_on_flash_until_it_is_confirmed():
    bench = Bench()
    bench.feed("mains", True)
    bench.feed("fault", FAULT_CONFIG, "7: no timing of an input")
    bench.feed("fault", FAULT_CONFIG, "again")
    assert len(bench.book) == 2
    after = Bench(last=bench, boot=6)
    after.run(120000)
    assert [one.boot for one in after.events(messages.EVENT_MAINS_LOST)] == [5]
    assert after.events(messages.EVENT_FAULT)[0].data == {1: FAULT_CONFIG, 2: 1, 3: "7: no timing of an input"}
    ages = [one.age for one in after.of(messages.Event) if one.kind == messages.EVENT_MAINS_LOST]
    assert ages[-1] > ages[0] or len(ages) == 1
    after.answer_all()
    assert after.book == {}


def test_what_waits_is_bounded_and_an_alarm_is_not_part_of_it():
    bench = Bench(up=False)
    bench.tap()
    for number in range(3 * MOST):
        bench.feed("report", messages.EVENT_SIM_CHANGED, {1: number & 1, 2: 0})
    assert len(bench.book) == MOST
    bench.take(bench.unit.handle(("pipe", "coap", True), bench.now))
    bench.run(bench.now + 1000)
    assert len(bench.of(messages.Alarm)) >= 1


def test_commands_are_obeyed_once_answered_the_same_and_lower_numbers_refused():
    bench = Bench()
    nonce = b"12345678"
    assert bench.command(7, messages.COMMAND_HEARTBEAT, {1: 60}).result == messages.RESULT_DONE
    assert bench.kept["heartbeat"] == [60, 0] and bench.kept["command"][0] == 7
    assert bench.command(7, messages.COMMAND_HEARTBEAT, {1: 600}).result == messages.RESULT_DONE
    assert bench.kept["heartbeat"] == [60, 0], "a repeat is not obeyed"
    assert bench.command(6, messages.COMMAND_STATUS) is None
    assert bench.command(8, 99).result == messages.RESULT_UNKNOWN_KIND
    assert bench.command(9, messages.COMMAND_HEARTBEAT, {1: 3601}).result == messages.RESULT_BAD_ARGUMENTS
    assert bench.command(10, messages.COMMAND_SEARCH, {1: 60}).result == messages.RESULT_NOT_THIS_PROFILE
    assert bench.command(11, messages.COMMAND_SIM_POLICY, {1: 0}).result == messages.RESULT_NOT_THIS_PROFILE
    assert bench.command(12, messages.COMMAND_CHALLENGE, {1: b"short", 2: 1, 3: 1}).result == 2
    asked = bench.command(13, messages.COMMAND_CHALLENGE, {1: nonce, 2: 1, 3: 1})
    assert asked.data == {1: nonce, 2: obey.OVER}
    after = Bench(last=bench, boot=6)
    assert after.command(13, messages.COMMAND_CHALLENGE, {1: nonce, 2: 9, 3: 9}).data == {1: nonce, 2: obey.OVER}
    assert after.command(12, messages.COMMAND_STATUS) is None
    assert after.unit.interval() == 60
    after.tap()
    seq = after.fresh(messages.Alarm)[0].seq
    assert after.command(14, messages.COMMAND_CHALLENGE, {1: nonce, 2: 6, 3: seq}).data[2] == obey.OPEN
    assert after.command(15, messages.COMMAND_CHALLENGE, {1: nonce, 2: 6, 3: 999}).data[2] == obey.NOT_MINE
    assert after.command(16, messages.COMMAND_REBOOT).result == messages.RESULT_NOT_NOW
    after.answer_all(3)
    assert after.command(17, messages.COMMAND_CHALLENGE, {1: nonce, 2: 6, 3: seq}).data[2] == obey.OVER
    assert after.command(18, messages.COMMAND_REBOOT).result == messages.RESULT_DONE
    assert after.others == []
    after.run(after.now + REBOOT_MS)
    assert after.others == [("reboot",)] and after.kept["command"][0] == 18


def test_a_policy_is_checked_kept_and_told_to_the_modem():
    bench = Bench(slots=2)
    assert bench.command(1, messages.COMMAND_SIM_POLICY, {1: 1, 2: [24001], 3: [[24005, 1, 1900000000]]}).result == 0
    value = [1, [24001], [[24005, 1, 1900000000]]]
    assert bench.kept["policy"] == value and ("cellular", ("policy", value)) in bench.others
    answer = bench.command(2, messages.COMMAND_SIM_POLICY, {1: 0, 4: 0, 9: 9})
    assert answer.result == 0 and answer.data == {1: 6}, "what a later fleet knows passes, and is not said to be known"
    assert bench.kept["policy"] == [0, [], [], 0, 3600, 3600]
    bad = ({1: 0, 4: 2}, {1: 0, 5: 59}, {1: 0, 6: 599}, {1: 0, 6: 86401})
    for wrong in bad + ({}, {1: 2}, {1: 0, 2: [-1]}, {1: 0, 2: 5}, {1: 0, 3: [[1, 2]]}, {1: 0, 2: [1] * 17}):
        number = bench.kept["command"][0] + 1
        assert bench.command(number, messages.COMMAND_SIM_POLICY, wrong).result == 2, wrong
    assert bench.command(90, messages.COMMAND_SWITCH_SIM, {1: 1}).result == 0
    assert ("cellular", ("switch", 1)) in bench.others
    bench.tap()
    assert bench.command(91, messages.COMMAND_SWITCH_SIM, {1: 0}).result == messages.RESULT_NOT_NOW


def test_a_tracker_tells_where_it_is_in_a_search_and_only_then():
    bench = Bench({1: profiles.TRACKER, 2: 3600})
    bench.feed("position", {1: 1, 2: 2})
    assert bench.events(messages.EVENT_POSITION) == []
    bench.command(1, messages.COMMAND_SEARCH, {1: 60, 2: 20})
    assert bench.others == [("cellular", ("locate", True))]
    for second in range(0, 100, 5):
        bench.run(second * 1000)
        bench.feed("position", {1: second, 2: 2})
        bench.answer_all()
    assert [one.data[1] for one in bench.events(messages.EVENT_POSITION)] == [0, 20, 40]
    assert bench.others[-1] == ("cellular", ("locate", False))
    assert [key for key in bench.book if bench.book[key][0] == 3] == [], "a search leaves nothing on flash"


def test_a_personal_unit_tells_where_once_after_its_alarm_is_stored():
    bench = Bench({1: profiles.PERSONAL, 2: 300})
    bench.tap(0, 800)
    assert bench.others == []
    bench.answer_all(1)
    assert bench.others == [("cellular", ("locate", True))]
    bench.feed("position", {1: 5, 2: 6})
    bench.feed("position", {1: 7, 2: 8})
    told = bench.events(messages.EVENT_POSITION)
    assert len(told) == 1 and told[0].about_seq == bench.fresh(messages.Alarm)[0].seq
    assert bench.others[-1] == ("cellular", ("locate", False))
    bench.run(90000)
    bench.answer_all(2)
    assert bench.others[-1] == ("cellular", ("locate", False)), "the centre that accepts late is no second alarm"
    bench.answer_all(3)
    bench.run(bench.now + 900000)
    bench.tap(0, 800)
    bench.answer_all(1)
    assert bench.others[-1] == ("cellular", ("locate", True)), "the next press is one"


def test_a_drill_tells_nobody_where_its_wearer_is():
    bench = Bench({1: profiles.PERSONAL, 2: 300}, drill=60)
    bench.run(70000)
    assert [one.input for one in bench.fresh(messages.Alarm)] == [None]
    bench.answer_all(1)
    bench.answer_all(2)
    assert bench.command(1, messages.COMMAND_DRILL, {1: 0}).result == messages.RESULT_DONE
    bench.tap(0, 800)
    assert [one.kind for one in bench.fresh(messages.Alarm)] == [messages.KIND_TEST, messages.KIND_TEST]
    bench.answer_all(1)
    bench.feed("position", {1: 5, 2: 6})
    assert bench.others == [] and bench.events(messages.EVENT_POSITION) == []


def test_operator_goes_with_every_heartbeat_over_a_card_that_stays_below_80_bytes():
    wide = {"attempts": 255, "open": 255, "refused": 255, "echo": 0xFFFFFFFF, "flags": 7, "battery": 100}
    for boot in (0xFFFF, 0xFFFFFFFF):
        for seq in (0xFFFF, 0xFFFFFFFF):
            for interval in (300, 0xFFFF, 86400):
                for bearer in (messages.BEARER_WIFI, messages.BEARER_SIM1, messages.BEARER_SIM2):
                    vitals = Vitals(profiles.read({1: profiles.SOCIAL, 2: interval}), Heartbeat(interval, int), None, 0)
                    vitals.told(86400, 310410, messages.RADIO_LTE_M, 0)
                    fields = {"signal": -140, "operator": 310410, "radio": messages.RADIO_LTE_M, "bearer": bearer}
                    told = vitals.fields((boot, seq), fields, {}, 0)
                    few = (boot > 0xFFFF) + (seq > 0xFFFF) + (interval > 0xFFFF) < 2
                    assert "status" not in told
                    assert ("operator" in told) == ("radio" in told) == (few and bearer != messages.BEARER_WIFI)
                    told.update(wide)
                    made = messages.Heartbeat(boot=boot, seq=seq, next_due=interval, **told)
                    assert len(made.encode()) <= HEARTBEAT_PLAIN


def test_after_a_reconnect_a_heartbeat_keeps_within_what_another_path_may_cost():
    for lost_for, latest in ((60000, 80000), (10000, 70000), (100000, 160000)):
        bench = Bench(random=lambda bound: bound - 1)
        bench.run(2000)
        bench.answer_all()
        announced = bench.now + 300000
        bench.run(announced - 100000)
        bench.feed("pipe", "coap", False)
        bench.run(announced + lost_for)
        count = len(bench.of(messages.Heartbeat))
        bench.feed("pipe", "coap", True)
        bench.run(announced + latest - 1)
        assert len(bench.of(messages.Heartbeat)) == count
        bench.run(announced + latest)
        assert len(bench.of(messages.Heartbeat)) == count + 1, "60 s at most, and no later than 80 s beyond its time"


def test_status_goes_on_change_and_on_request_and_operator_with_every_heartbeat():
    radio = [24001, messages.RADIO_LTE_M]

    def measure():
        fields = {"signal": -90, "operator": radio[0], "radio": radio[1]}
        return fields, {messages.STATUS_VERSION: "1"}

    bench = Bench(measure=measure)
    bench.run(2000)
    bench.answer_all()
    first = bench.fresh(messages.Heartbeat)[-1]
    assert first.status is not None and first.operator == 24001 and first.bearer == messages.BEARER_SIM1
    bench.feed("heartbeat", False)
    bench.answer_all()
    assert bench.fresh(messages.Heartbeat)[-1].status is None and bench.fresh(messages.Heartbeat)[-1].operator == 24001
    radio[0] = 24007
    bench.feed("heartbeat", False)
    assert bench.fresh(messages.Heartbeat)[-1].operator == 24007
    assert bench.fresh(messages.Heartbeat)[-1].status is not None
    bench.answer_all()
    bench.command(1, messages.COMMAND_STATUS)
    assert bench.fresh(messages.Heartbeat)[-1].status is not None
    bench.answer_all()
    count = len(bench.fresh(messages.Heartbeat))
    for _ in range(20):
        bench.feed("status")
        bench.answer_all()
    assert len(bench.fresh(messages.Heartbeat)) == count + 1, "a change brings one forward, twenty do not bring twenty"


def test_charging_is_off_duty_and_a_low_battery_is_told_once():
    bench = Bench({1: profiles.PERSONAL, 2: 300, 9: 7200})
    bench.feed("battery", 14, 3400)
    bench.feed("battery", 13, 3390)
    assert bench.events(messages.EVENT_BATTERY_LOW)[0].data == {1: 14, 2: 3400}
    assert len(bench.events(messages.EVENT_BATTERY_LOW)) == 1
    bench.feed("charging", True)
    assert bench.unit.interval() == 7200
    bench.feed("worn", False)
    bench.feed("charging", False)
    assert bench.unit.interval() == 300
    bench.feed("worn", True)
    assert len(bench.events(messages.EVENT_NOT_WORN)) == 1 and len(bench.events(messages.EVENT_WORN)) == 1
    bench.tap(0, 800)
    assert bench.fresh(messages.Alarm)[0].battery == 13


def test_without_coverage_what_waits_keeps_it_awake_for_one_watch_and_a_press_for_ever():
    bench = Bench({1: profiles.TRACKER, 2: 3600}, up=False)
    bench.feed("fault", FAULT_PORT, "modem")
    bench.run(WATCH_MS - 1000)
    assert bench.unit.busy(bench.now)["pending"]
    for minute in range(6, 200):
        # The hourly heartbeats, each in place of the last, begin no watch.
        bench.run(minute * 60000)
        assert not any(bench.unit.busy(bench.now).values())
    assert bench.unit.vigil.least_sleep(bench.now) > 0 and len(bench.book) == 1, "the fault waits on flash"
    bench.tap()
    bench.run(bench.now + 3600000)
    assert bench.unit.busy(bench.now)["alarm"]
    bench.feed("pipe", "coap", True)
    bench.run(bench.now + 60000)
    bench.answer_all()
    assert bench.unit.vigil.silent(bench.now) == 0, "a fresh receipt is heard"
    # An old one that is played again is not.
    key = bench.fresh(messages.Alarm)[0]
    bench.run(bench.now + 60000)
    bench.feed("receipt", [(key.boot, key.seq, 1)], 1700000000)
    assert bench.unit.vigil.silent(bench.now) >= 60
