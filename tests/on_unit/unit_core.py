"""The pure cores: contact, lamp patterns, open presses, heartbeat and the brain that joins them."""

from firmware.core import profiles, records, stages
from firmware.core.alarm import MOST, Alarms
from firmware.core.drill import EVERY_S
from firmware.core.heartbeat import Heartbeat
from firmware.core.press import Contact
from firmware.core.setup import Means
from firmware.core.unit import Unit
from firmware.core.vitals import STATUS_EVERY_MS
from protocols.wire import messages


def presses(edges, until):
    """Times of the presses that (time, closed) edges make, the machine being woken whenever it asks for it."""
    contact = Contact()
    made = []
    for at, closed in edges + [(until, None)]:
        while contact.next_wakeup() is not None and contact.next_wakeup() < at:
            due = contact.next_wakeup()
            if contact.timeout(due):
                made.append(due)
        if closed is not None and contact.edge(closed, at):
            made.append(at)
    return made


def test_a_bounce_is_one_press_a_spike_none_and_a_held_button_one():
    assert presses([(0, True), (2, False), (3, True), (5, False), (6, True), (300, False)], 500) == [26]
    assert presses([(0, True), (19, False)], 500) == []
    assert presses([(0, True)], 100000) == [20]
    assert presses([(0, True), (300, False), (310, True), (320, False)], 500) == [20]
    assert presses([(0, True), (100, False), (161, True), (300, False)], 500) == [20, 181]


def test_a_press_is_found_even_if_nobody_woke_in_between():
    contact = Contact()
    assert not contact.edge(True, 0)
    assert contact.edge(False, 50)
    assert not contact.timeout(200)


def test_stages_differ_by_pattern_and_never_end_early():
    shown = []
    for stage in range(len(stages.NAMES)):
        pattern = []
        at = 0
        while at < 3000:
            bits, left = stages.outputs(stage, at)
            pattern.append((bits, left if left is None else min(left, 3000 - at)))
            if left is None:
                break
            assert left > 0
            at += left
        shown.append(tuple(pattern))
    assert len(set(shown)) == len(shown)
    assert stages.outputs(stages.TAKEN, 699) == (stages.GREEN | stages.VIBRATION, 1)
    assert stages.outputs(stages.TAKEN, 700) == (stages.GREEN, None)
    assert stages.outputs(stages.NOT_DELIVERED, 10000)[0] & stages.VIBRATION


def test_what_sounds_is_the_profiles_and_no_sound_changes_what_is_felt_and_seen():
    for one in profiles.PROFILES:
        sounds = stages.SOUNDS[one.code]
        for stage in range(len(stages.NAMES)):
            for at in range(0, 12000, 50):
                bits, _ = stages.outputs(stage, at, sounds)
                quiet, _ = stages.outputs(stage, at)
                assert bits & ~stages.SPEAKER == quiet
                assert sounds >> stage & 1 or not bits & stages.SPEAKER
    tones = [
        [at for at in range(0, 10000, 50) if stages.outputs(stage, at, 255)[0] & stages.SPEAKER]
        for stage in range(len(stages.NAMES))
    ]
    assert not tones[stages.OFF] and not tones[stages.TRYING], "nothing sounds before it means something"
    heard = [stages.STORED, stages.ACCEPTED, stages.TAKEN, stages.NOT_DELIVERED, stages.CANCELLABLE]
    assert all([tones[stage] for stage in heard])
    assert len(set([tuple(tones[stage]) for stage in heard])) == len(heard)
    assert stages.SOUNDS[profiles.PERSONAL] == 1 << stages.NOT_DELIVERED | 1 << stages.CANCELLABLE
    assert not stages.SOUNDS[profiles.CAMERA]


def brain(entries=(), interval=300, pipes=("coap",), now=0):
    heartbeat = Heartbeat(interval, lambda bound: bound - 1, 1000)
    means = Means(
        lambda bound: 0,
        lambda: ({}, {messages.STATUS_VERSION: "1"}),
        lambda: 1700000000,
        lambda pipe: None,
        lambda key: False,
    )
    return Unit(5, pipes, profiles.read({1: 1, 2: interval}), means, heartbeat, now, entries, kept={"drill": EVERY_S})


def kinds(actions):
    return [action[0] for action in actions]


def started(entries=()):
    unit = brain(entries)
    first = unit.handle(("pipe", "coap", True), 0)
    return unit, first + unit.start(0)


def test_the_journal_comes_before_the_lamp_and_the_lamp_before_the_radio():
    unit, _ = started()
    actions = unit.handle(("press", 0), 100)
    assert kinds(actions) == ["journal", "lamp", "send"]
    assert actions[0][1] == records.press(5, 1, 1, 0, 1, 1700000000)
    _, pipe, key, message, urgent = actions[2]
    assert (pipe, key, urgent) == ("coap", (5, 1), True)
    assert (message.age, message.attempt, message.count, message.flags) == (0, 1, 1, None)
    assert message.clock == 1700000000


def test_age_and_attempt_travel_and_stages_are_written_before_they_are_shown():
    unit, _ = started()
    unit.handle(("press", 0), 0)
    sent = []
    now = 0
    while len(sent) < 4:
        now = unit.next_wakeup(now)
        sent += [action[3] for action in unit.handle(("time",), now) if action[0] == "send" and action[4]]
    assert [one.attempt for one in sent] == [2, 3, 4, 5]
    assert sent[-1].age == now // 1000 >= 16
    for stage, lamp in ((1, stages.STORED), (2, stages.ACCEPTED), (3, stages.TAKEN)):
        actions = unit.handle(("receipt", [(5, 1, stage)], 1800000000), now)
        assert actions[:2] == [("alive", None, 1800000000), ("journal", records.stage(5, 1, stage))]
        assert ("lamp", lamp) in actions
        # The same receipt once more changes nothing.
        assert unit.handle(("receipt", [(5, 1, stage)], 1800000000), now) == []
    assert unit.handle(("receipt", [(5, 99, 3), (4, 1, 3)], None), now) == []


def test_not_delivered_at_15_s_and_a_new_press_is_noticed():
    unit, _ = started()
    unit.handle(("press", 0), 0)
    assert not [one for one in unit.handle(("time",), 14999) if one[0] == "lamp"]
    assert ("lamp", stages.NOT_DELIVERED) in unit.handle(("time",), 15000)
    again = unit.handle(("press", 0), 20000)
    assert ("lamp", stages.TRYING) in again
    assert ("lamp", stages.NOT_DELIVERED) in unit.handle(("time",), 22000)
    seq = again[0][1][records.SEQ]
    assert ("lamp", stages.STORED) in unit.handle(("receipt", [(5, seq, 1)], None), 22500)


def test_the_taken_lamp_goes_out_after_60_s():
    unit, _ = started()
    unit.handle(("press", 0), 0)
    unit.handle(("receipt", [(5, 1, 3)], None), 1000)
    assert unit.next_wakeup(1000) <= 61000
    assert ("lamp", stages.OFF) in unit.handle(("time",), 61000)


def test_an_open_press_of_an_earlier_boot_is_sent_again_and_says_so():
    old = records.Entry(records.press(3, 9, 1, 0, 2, 1600000000))
    old.age = 130
    _, actions = started([old])
    sends = [action for action in actions if action[0] == "send"]
    assert ("lamp", stages.TRYING) in actions
    assert sends[0][2] == (3, 9)
    message = sends[0][3]
    assert (message.boot, message.seq, message.age, message.count) == (3, 9, 130, 2)
    assert message.flags == messages.ALARM_AGE_IS_LOWER_BOUND


def test_a_stored_press_of_an_earlier_boot_is_asked_for():
    old = records.Entry(records.press(3, 9, 1, 0, 1, 1600000000, reached=1))
    _, actions = started([old])
    sends = [action for action in actions if action[0] == "send"]
    assert isinstance(sends[0][3], messages.Query) and sends[0][3].open == [(3, 9)]


def test_the_age_goes_into_the_journal_now_and_then():
    unit, _ = started()
    unit.handle(("press", 0), 0)
    written = []
    now = 0
    while now < 1000000:
        now = unit.next_wakeup(now) or 1000000
        written += [one[1] for one in unit.handle(("time",), now) if one[0] == "journal"]
    assert written == [records.aged(5, 1, age) for age in (60, 120, 240, 480, 960)]


def test_heartbeats_repeat_the_status_until_it_is_receipted_and_carry_the_echo():
    unit, _ = started()
    found = []
    now = 0
    while len(found) < 3:
        now = unit.next_wakeup(now)
        for action in unit.handle(("time",), now):
            if action[0] == "send" and isinstance(action[3], messages.Heartbeat):
                found.append(action[3])
    assert [one.status is not None for one in found] == [True, True, True]
    unit.handle(("receipt", [(5, found[-1].seq, 1)], 1800000000), now)
    unit.handle(("refused",), now)
    later = []
    while not later:
        now = unit.next_wakeup(now)
        later += [one[3] for one in unit.handle(("time",), now) if one[0] == "send"]
    assert later[0].status is None and later[0].echo == 1800000000 and later[0].refused == 1
    assert later[0].next_due == 300
    unit.handle(("receipt", [(5, later[0].seq, 1)], 1700000000), now)
    now += STATUS_EVERY_MS
    daily = [one[3] for one in unit.handle(("time",), now) if one[0] == "send"]
    assert daily[0].status is not None and daily[0].echo == 1800000000


def test_more_presses_than_can_be_held_are_counted_and_none_is_dropped():
    alarms = Alarms([], lambda kind, code: 0, 0)
    written = []
    for seq in range(1, MOST + 11):
        written.append(alarms.press((1, seq), 1, 0, 0, seq, 0, seq)[1])
    assert len(alarms.open) == MOST
    assert alarms.open[-1].count == MOST + 10
    assert written[-1] == records.counted(1, MOST, MOST + 10)
    entries = {}
    for record in written:
        records.fold(entries, record)
    assert len(entries) == MOST and entries[(1, MOST)].count == MOST + 10


def test_with_too_many_waiting_somebody_elses_press_and_a_duress_are_their_own():
    alarms = Alarms([], lambda kind, code: 0, 0)
    for seq in range(1, MOST + 1):
        alarms.press((1, seq), messages.KIND_MANUAL, 0, 0, seq, 0, 0)
    other, _ = alarms.press((1, MOST + 1), messages.KIND_MANUAL, 7, 0, 1, 0, 0)
    assert (other.key, other.code, other.count) == ((1, MOST + 1), 7, 1)
    forced, _ = alarms.press((1, MOST + 2), messages.KIND_DURESS, 0, messages.ALARM_SILENT, 1, 0, 0)
    assert forced.key == (1, MOST + 2) and not forced.shown
    again, record = alarms.press((1, MOST + 3), messages.KIND_MANUAL, 7, 0, 2, 0, 0)
    assert again is other and other.count == 2 and len(alarms.open) == MOST + 2
    assert record == records.counted(1, MOST + 1, 2)


def pressed(unit, now):
    """One more press that is told, however many there were: an input's own rules let few through."""
    return unit._carry_out(unit._presses._press(0, messages.KIND_MANUAL, 0, 1, now), now)


def test_pressing_on_without_a_network_takes_no_more_memory():
    unit, _ = started()
    for number in range(3 * MOST):
        pressed(unit, number * 200)
    assert len(unit._full) <= MOST


def test_64_unstored_presses_all_go_out_in_the_end():
    unit, _ = started()
    now = 0
    for _ in range(MOST):
        now += 200
        pressed(unit, now)
    heard = {}
    while len(heard) < MOST and now < 3600000:
        actions = unit.handle(("time",), now)
        for action in actions:
            if action[0] == "send" and isinstance(action[3], messages.Alarm):
                heard[action[2]] = True
        for key in list(heard):
            for action in unit.handle(("receipt", [(key[0], key[1], 3)], None), now):
                if action[0] == "send" and isinstance(action[3], messages.Alarm):
                    heard[action[2]] = True
        now = unit.next_wakeup(now) or now + 1000
    assert len(heard) == MOST
