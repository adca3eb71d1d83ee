"""The energy ledger and the model of the battery; the same on both engines."""

from firmware.core import charge, power, profiles
from firmware.core.ledger import STATES, EnergyBook, Ledger
from firmware.core.power import (
    CHEMISTRIES,
    COLD,
    EXCHANGE_ACTIVE,
    EXCHANGE_SHORT,
    FLOOR_UA,
    LIPO_UA,
    capacity,
    daily,
    days,
    exchanges,
    self_discharge,
    steady,
)

# heartbeat (s) -> days, as computed in the notes that the model is built on: 500 mAh with 0.35 mWh and with 0.15 mWh an
# exchange, and 1350 mAh with 0.35 mWh.
NOTES = (
    (60, 3, 7, 8),
    (300, 15, 32, 40),
    (900, 40, 80, 109),
    (3600, 116, 180, 313),
    (14400, 218, 262, 589),
    (86400, 289, 300, 779),
)


def test_the_model_gives_the_days_of_the_notes_within_5_percent():
    for heartbeat, small_active, small_short, large_active in NOTES:
        for mah, each, expected in (
            (500, EXCHANGE_ACTIVE, small_active),
            (500, EXCHANGE_SHORT, small_short),
            (1350, EXCHANGE_ACTIVE, large_active),
        ):
            spent = exchanges(heartbeat, each, resent=False) + steady(FLOOR_UA + LIPO_UA, 3900)
            tenths = capacity(mah, 3900, 0) * 10 // spent
            assert abs(tenths - expected * 10) * 20 <= expected * 10, (heartbeat, mah, tenths)


def test_units():
    assert capacity(500, 3900, 0) == 1560 * 3600 * 1000, "80 % of 1950 mWh, in uJ"
    assert steady(1, 1000) == 86400, "1 uW for a day"
    assert exchanges(86400, 350 * 3600, resent=False) == 350 * 3600
    assert exchanges(3600, 1000) == 24 * 1000 * 2625 // 2517
    assert self_discharge(1000, 1) == 2 and self_discharge(500, 0) == 40


def test_what_costs_more_lasts_less():
    for profile in profiles.PROFILES:
        before = None
        for heartbeat in (60, 300, 900, 3600, 14400, 86400):
            tenths = days(profile, heartbeat)
            assert tenths > 0 and (before is None or tenths >= before)
            assert days(profile, heartbeat, celsius=0) < tenths
            assert days(profile, heartbeat, celsius=-20) < days(profile, heartbeat, celsius=0)
            before = tenths
            assert sum([cost for _, cost in daily(profile, heartbeat)]) > 0
    tracker = profiles.named("tracker")
    assert days(tracker, 86400, tau=11400) < days(tracker, 86400)
    assert days(tracker, 3600, tau=11400) == days(tracker, 3600)


def test_a_person_is_reachable_at_every_interval():
    personal = profiles.named("personal")
    for heartbeat in (300, personal.off_duty):
        assert "listening to the network" in dict(daily(personal, heartbeat))


def test_a_heartbeat_of_nothing_is_refused():
    try:
        days(profiles.PROFILES[0], 0)
    except ValueError:
        return
    raise AssertionError("nothing is no interval")


def test_every_constant_has_a_source():
    for name in STATES:
        current, source = STATES[name]
        assert current >= 0 and len(source) > 10, name
    for row in CHEMISTRIES:
        assert len(row[3]) > 10
    assert len(COLD) == len(CHEMISTRIES)
    for often, each, source in power.HABITS:
        assert often > 0 and each > 0 and len(source) > 10


def test_the_ledger_adds_up_a_wake():
    ledger = Ledger(3900, 0)
    for event in (("state", "cpu", "deep sleep"), ("state", "modem", "psm")):
        assert ledger.handle(event, 0) == []
    ledger.handle(("wake",), 3600000)
    ledger.handle(("state", "cpu", "awake"), 3600000)
    ledger.handle(("state", "modem", "connected"), 3600000)
    ledger.handle(("state", "modem", "tx"), 3601000)
    ledger.handle(("state", "modem", "psm"), 3601500)
    ledger.handle(("state", "cpu", "deep sleep"), 3602000)
    assert ledger.total(3602000) == 14 * 3600000 + 40000 * 2000 + 100000 * 1000 + 167000 * 500 + 9 * 500
    expected = (40000 * 2000 + 100000 * 1000 + 167000 * 500 + 9 * 500) * 3900 // 1000000
    assert ledger.handle(("sleep",), 3602000) == [("spent", 2000, expected)]
    assert ledger.handle(("sleep",), 3602000) == []
    assert ledger.energy(3602000)["modem tx"] == 167000 * 500 * 3900 // 1000000
    assert ledger.next_wakeup(3602000) is None


def test_an_unknown_state_costs_nothing_and_shows():
    ledger = Ledger(3900, 0)
    ledger.handle(("state", "modem", "dancing"), 0)
    ledger.handle(("state", "modem", "psm"), 1000)
    assert ledger.unknown == 1
    assert ledger.total(2000) == 9 * 1000


def test_the_order_of_looking_changes_nothing():
    one, other = Ledger(3900, 0), Ledger(3900, 0)
    for ledger in (one, other):
        ledger.handle(("state", "cpu", "awake"), 0)
    for now in range(0, 5000, 7):
        one.total(now)
    assert one.total(5000) == other.total(5000) == 40000 * 5000


def test_the_percentage_of_a_battery_follows_its_curve():
    assert [charge.percent(mv, 0) for mv in (4300, 4100, 3825, 3550, 3325, 3100, 2000, 0)] == [
        100, 100, 53, 6, 3, 0, 0, 0
    ]  # fmt: skip
    for chemistry in range(len(CHEMISTRIES)):
        left = [charge.percent(mv, chemistry) for mv in range(1500, 4500, 10)]
        assert left == sorted(left) and left[0] == 0 and left[-1] == 100


def uj(*parts):
    return sum([STATES[name][0] * ms for name, ms in parts]) * 3900 // 1000000


def test_a_book_counts_a_wake_with_what_falls_by_itself():
    book = EnergyBook(3900, 0)
    book.handle(("state", "modem", "idle"), 0)
    book.handle(("exchange",), 5000)
    assert book.handle(("rest",), 30000) == [], "as long as the modem is awake, so is the unit"
    made = book.handle(("state", "modem", "psm"), 40000)
    # The processor is awake for 2 s twice, the modem is held for 22 s after the last exchange.
    expected = uj(
        ("cpu awake", 4000), ("cpu light sleep", 36000), ("modem idle", 27000), ("modem edrx", 13000)
    )  # fmt: skip
    assert made == [("spent", 40000, expected)] and book.last == (40000, expected)
    assert book.handle(("state", "modem", "psm"), 50000) == [], "a wake ends once"
    asleep = book.spent(60000) - expected
    book.handle(("state", "modem", "idle"), 60000)
    made = book.handle(("state", "modem", "off"), 61000)
    assert made == [("spent", 1000, uj(("cpu awake", 1000), ("modem idle", 1000)))]
    assert book.wakes == 2 and abs(book.spent(61000) - expected - asleep - made[0][2]) <= 1
    assert book.ledger.unknown == 0 and book.next_wakeup(61000) is None


def test_a_book_of_a_unit_without_a_modem_goes_by_its_rest():
    book = EnergyBook(3900, 0)
    assert book.handle(("rest",), 1000) == [("spent", 1000, uj(("cpu awake", 1000)))]
    assert book.handle(("rest",), 2000) == []
    book.handle(("wake",), 60000)
    book.handle(("wake",), 60500)
    assert book.handle(("rest",), 61000)[0][1] == 1000, "a wake begins once"


def test_looking_often_changes_no_book():
    one, other = EnergyBook(3900, 0), EnergyBook(3900, 0)
    for book, step in ((one, 100), (other, 7000)):
        book.handle(("state", "modem", "idle"), 0)
        for now in range(0, 70000, step):
            book.handle(("look",), now)
        book.handle(("state", "modem", "psm"), 70000)
    assert one.last == other.last


def test_a_book_survives_deep_sleep_and_no_nonsense():
    book = EnergyBook(3900, 0)
    kept = book.remember(10000)
    again = EnergyBook(3900, 0, kept, 3600000)
    assert again.wakes == 1 and again.last == book.last
    assert again.spent(0) == book.spent(10000) + 14 * 3600000 * 3900 // 1000000
    for nonsense in (None, [], [1, 2, 3], [1, 2, 3, 4], ["a", 1, 2, 3, 4], {1: 2}, 7):
        assert EnergyBook(3900, 0, nonsense, 1000).wakes == 0


def test_a_modem_that_was_granted_no_psm_is_booked_as_awake_through_a_deep_sleep():
    for state, granted, spends in (("idle", False, 1000), ("idle", True, 9), ("psm", False, 9), ("off", False, 0)):
        book = EnergyBook(3900, 0)
        book.handle(("state", "modem", state), 0)
        kept = book.remember(10000, granted)
        asleep = EnergyBook(3900, 0, kept, 3600000).spent(0) - kept[1]
        assert asleep == (5 + spends) * 3600000 * 3900 // 1000000, (state, granted)
