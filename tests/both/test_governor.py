"""Back-off, limits, the guard against reset loops, and the alarm that passes them; the same on both engines."""

from firmware.core import governor
from firmware.core.governor import ATTACH, BACKOFF, CONTEXT, DAY, HOUR, LIMITS, LOOP, LOOP_ALARM, RESET, Governor
from protocols.wire import cbor
from protocols.wire.courier import RETRIES


def least(n):
    return 0


def most(n):
    return n - 1


def want(machine, kind, now, slot=0):
    """Whether a request is granted; that it is kept before it goes."""
    actions = machine.handle(("want", kind, slot), now)
    names = [action[0] for action in actions]
    if "go" in names:
        assert names[-2:] == ["keep", "go"], names
        return True
    assert names[-1] == "wait" and actions[-1][3] > 0
    return False


def test_failures_wait_longer_and_longer_and_a_success_ends_it():
    for cause in range(governor.SUBSCRIPTION + 1):
        first, longest = BACKOFF[2 * cause], BACKOFF[2 * cause + 1]
        machine = Governor(None, least, 0)
        now = 0
        waits = []
        for _ in range(12):
            machine.handle(("failed", ATTACH, 0, cause), now)
            pause = machine.wait(ATTACH, 0, now)
            waits.append(pause // 1000)
            now += max(pause, 1000)
        assert waits[:2] == [first, min(2 * first, longest)]
        assert waits[-1] == longest
        assert machine.wait(ATTACH, 1, now) == 0, "the other SIM has done nothing"
        machine.handle(("failed", ATTACH, 0, cause), now)
        machine.handle(("done", ATTACH, 0), now)
        assert machine.wait(ATTACH, 0, now) == 0


def test_waits_are_spread():
    machine = Governor(None, most, 0)
    machine.handle(("failed", ATTACH, 0, governor.NO_ANSWER), 0)
    assert machine.wait(ATTACH, 0, 0) == 75000


def test_limits_of_an_hour_and_a_day_hold_over_any_sliding_span():
    for kind in (ATTACH, CONTEXT):
        machine = Governor(None, least, 0)
        granted = []
        now = 0
        while now < 2 * DAY * 1000:
            if want(machine, kind, now):
                granted.append(now // 1000)
            now += max(machine.wait(kind, 0, now), 1000)
        for span, limit in ((HOUR, LIMITS[2 * kind]), (DAY, LIMITS[2 * kind + 1])):
            for i in range(limit, len(granted)):
                assert granted[i] - granted[i - limit] >= span
        assert len(granted) == 2 * LIMITS[2 * kind + 1]


def test_an_alarm_always_tries_but_no_faster_than_its_courier():
    machine = Governor(None, most, 0)
    for _ in range(6):
        machine.handle(("failed", ATTACH, 0, governor.SUBSCRIPTION), 0)
    assert machine.wait(ATTACH, 0, 0) > HOUR * 1000
    machine.handle(("alarm", True), 0)
    now = 0
    for retry in RETRIES + (RETRIES[-1],) * 50:
        assert want(machine, ATTACH, now)
        assert not want(machine, ATTACH, now + retry - 1)
        assert want(machine, ATTACH, now, slot=1) or now, "the other SIM has a schedule of its own"
        now += retry
    machine.handle(("alarm", False), now)
    assert machine.wait(ATTACH, 0, now) > 0, "what the alarm has used counts afterwards"


def test_an_alarm_that_flickers_gets_no_more_than_one_request_in_four_seconds():
    machine = Governor(None, least, 0)
    granted = 0
    for now in range(0, 60000, 100):
        machine.handle(("alarm", True), now)
        granted += want(machine, ATTACH, now)
        machine.handle(("alarm", False), now)
    assert granted <= 60000 // RETRIES[0]


def test_resets_in_a_row_pause_before_a_modem_would_block_itself():
    machine = Governor(None, least, 0)
    for i in range(LOOP):
        assert want(machine, RESET, i * 10000)
    assert not want(machine, RESET, LOOP * 10000)
    machine.handle(("alarm", True), 40000)
    assert want(machine, RESET, 40000)


def test_an_alarm_passes_the_guard_after_any_number_of_crashes_and_has_a_bound_of_its_own():
    kept = None
    for _ in range(8):
        machine = Governor(kept, least, 0, True)
        kept = machine.state(1000)
    assert not want(machine, RESET, 2000), "held back while nobody presses"
    machine.handle(("alarm", True), 3000)
    assert want(machine, RESET, 3000), "and at once when somebody does"
    granted = [3000]
    for now in range(4000, 600000, 1000):
        if want(machine, RESET, now):
            granted.append(now)
    quick = [at for at in granted if at < 120000]
    assert LOOP_ALARM <= len(quick) <= LOOP_ALARM + 1, "it goes on trying"
    later = granted[len(quick) - 1 :]
    assert all([later[i] - later[i - 1] >= governor.HELD_S * 1000 for i in range(1, len(later))])


def test_a_registration_that_holds_or_a_graceful_end_is_no_loop():
    machine = Governor(None, least, 0)
    for i in range(LOOP):
        assert want(machine, RESET, i * 10000)
    machine.handle(("done", ATTACH, 0), 30000)
    assert not want(machine, RESET, 100000), "it has not held for two minutes"
    machine = Governor(machine.state(100000), least, 0)
    machine.handle(("done", ATTACH, 0), 0)
    machine.handle(("time",), 120000)
    assert want(machine, RESET, 120000)
    for now in (130000, 140000):
        assert want(machine, RESET, now)
    machine.handle(("graceful",), 140000)
    assert machine.wait(RESET, 0, 140000) > 0, "the hour's limit stays"
    assert want(machine, RESET, 3730000)


def test_a_unit_that_crashes_in_a_loop_is_a_reset_loop():
    state = None
    for _ in range(LOOP):
        machine = Governor(state, least, 0, modem_reset=True)
        state = machine.handle(("time",), 5000)[0][1]
    machine = Governor(state, least, 0)
    assert not want(machine, RESET, 0)
    machine.handle(("alarm", True), 0)
    assert want(machine, RESET, 0)


def test_the_state_survives_a_reboot_in_our_cbor_and_time_off_counts_for_nothing():
    machine = Governor(None, least, 0)
    machine.handle(("failed", ATTACH, 0, governor.CONGESTION), 0)
    state = machine.handle(("time",), 600000)[0][1]
    kept = cbor.decode(cbor.encode(state))
    assert kept == state
    assert Governor(kept, least, 7000).wait(ATTACH, 0, 7000) == 300000


def test_the_elapsed_time_is_kept_while_something_waits_and_not_otherwise():
    machine = Governor(None, least, 0)
    assert machine.next_wakeup(0) is None
    machine.handle(("failed", ATTACH, 0, governor.SUBSCRIPTION), 0)
    now, kept = 0, 0
    while machine.next_wakeup(now) is not None:
        now = machine.next_wakeup(now)
        kept += len(machine.handle(("time",), now))
        assert now <= 2 * HOUR * 1000
    assert 5 <= kept <= 6


def test_time_off_counts_between_two_verified_server_times_only():
    machine = Governor(None, least, 0)
    machine.handle(("clock", 1800000000), 0)
    machine.handle(("failed", ATTACH, 0, governor.CONGESTION), 0)
    state = machine.state(100000)
    again = Governor(state, least, 0)
    assert again.wait(ATTACH, 0, 0) == 800000
    again.handle(("clock", 1800000000 + 100 + 500), 0)
    assert again.wait(ATTACH, 0, 0) == 300000
    again.handle(("clock", 1800009999), 1000)
    assert again.wait(ATTACH, 0, 1000) == 299000, "within a boot our own clock counts"
    backwards = Governor(state, least, 0)
    backwards.handle(("clock", 5), 0)
    assert backwards.wait(ATTACH, 0, 0) == 800000


def test_a_damaged_state_begins_anew():
    good = Governor(None, least, 0).state(0)
    for wrong in (b"", 5, {}, {0: 2}, {0: 1, 1: "x"}):
        assert Governor(wrong, least, 0).wait(ATTACH, 0, 0) == 0
    for key in good:
        for value in (None, -1, [], [1], "x"):
            damaged = dict(good)
            damaged[key] = value
            Governor(damaged, least, 0).handle(("want", ATTACH, 0), 0)
    ages = dict(good)
    ages[3] = [1 << 40] * 5
    ages[7] = [[1 << 40] * 99] * 5
    assert Governor(ages, least, 0).wait(ATTACH, 0, 0) <= 2 * DAY * 1000


def test_every_limit_can_be_judged():
    assert len(LIMITS) == 2 * (RESET + 1) and len(BACKOFF) == 2 * (governor.SUBSCRIPTION + 1)
    for limit in LIMITS:
        assert limit <= governor._MOST
