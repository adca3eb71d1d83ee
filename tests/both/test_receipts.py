"""Which receipts are a sign of life; the same on both engines."""

from firmware.core.receipts import LATE_S, Receipts
from firmware.core.sim_choice import AFTER_ALARM_MS, ALARM_MS, DAY_MS, EXERCISE, NO_RECEIPT, Policy, SimChoice
from protocols.wire import messages

T = 1800000000


def seen(time=T):
    receipts = Receipts()
    assert receipts.fresh(time, True) and receipts.time == time
    return receipts


def test_before_there_is_a_time_only_a_change_counts():
    receipts = Receipts()
    for time in (None, T, T + 1, T + 1000):
        assert not receipts.fresh(time, False)
    assert receipts.time is None and receipts.refused == 0, "old ones of an earlier boot, in their order, prove nothing"
    assert receipts.fresh(None, True) and receipts.time is None
    assert receipts.fresh(T, True) and receipts.time == T


def test_a_newer_time_or_a_change_is_a_sign_of_life():
    receipts = seen()
    assert receipts.fresh(T + 1, False) and receipts.time == T + 1
    assert not receipts.fresh(T + 1, False)
    assert receipts.fresh(T - 1000, True) and receipts.time == T + 1, "however late it comes: it has changed something"
    assert receipts.fresh(None, True) and not receipts.fresh(None, False)
    assert receipts.refused == 0


def test_a_doubled_one_is_neither_and_an_old_one_is_refused():
    receipts = seen()
    for time in (T, T - 1, T - LATE_S, None):
        assert not receipts.fresh(time, False)
    assert receipts.refused == 0, "networks double datagrams"
    for count in (1, 2):
        assert not receipts.fresh(T - LATE_S - 1, False) and receipts.refused == count


def leaves(receipts, times, step):
    """When an alarm at 60 s leaves its SIM, with a receipt of each of these times one step apart."""
    choice = SimChoice(None, Policy(), 2, lambda bound: bound // 2, 0)
    choice.handle(("registered", 24001, messages.RADIO_LTE_M), 3000)
    start = now = 60000
    actions = choice.handle(("alarm", True), now)
    for time in times:
        if receipts.fresh(time, False):
            actions += choice.handle(("receipt",), now)
        while choice.next_wakeup(now) <= now + step:
            now = choice.next_wakeup(now)
            actions += choice.handle(("time",), now)
            if ("switch", 1, NO_RECEIPT) in actions:
                return now - start
        now += step
    return None


def test_one_that_is_played_again_puts_no_change_of_sim_off():
    assert leaves(seen(), [T] * 5, 9000) == ALARM_MS
    assert leaves(seen(), [T - 1000 + n for n in range(5)], 9000) == ALARM_MS
    assert leaves(seen(), [T + n for n in range(1, 6)], 9000) is None, "the control: somebody answers"


def test_the_receipt_of_a_press_takes_its_path_away_for_no_exercise():
    choice = SimChoice([1, 0, 0, 0, 0, 0, 0], Policy(), 2, lambda n: 0, 0)
    choice.handle(("registered", 24001, messages.RADIO_LTE_M), 0)
    choice.handle(("receipt",), DAY_MS - 5000)
    over = DAY_MS + 1600
    for event, at in (
        (("alarm", True), DAY_MS + 1000),
        (("receipt",), over - 100),
        (("alarm", False), over),
        (("receipt",), over + AFTER_ALARM_MS - 1),
    ):
        assert [one for one in choice.handle(event, at) if one[0] == "switch"] == [], event
    begun = choice.handle(("receipt",), over + AFTER_ALARM_MS)
    assert [one[1:] for one in begun if one[0] == "switch"] == [(1, EXERCISE)]
