"""Which of several radios a heartbeat is to prove; the same on both engines."""

from firmware.core.spare import DAY_MS, HOUR_MS, MISSED, SPREAD_PARTS, Spare

PIPES = ("coap", "coap2", "coap3", "sms")
RADIOS = ("network", "network", "modem", "modem")


def spare(now=0, random=lambda n: 0):
    return Spare(PIPES, RADIOS, "modem", random, now)


def test_each_radio_is_proven_soon_after_the_start():
    machine = spare(random=lambda n: n - 1)
    assert machine.wanted(HOUR_MS - 2) is None
    assert machine.wanted(HOUR_MS) == "network"
    assert machine.wanted(HOUR_MS) == "modem", "one with each heartbeat"
    assert machine.wanted(HOUR_MS) is None


def test_a_receipt_over_any_of_its_pipes_proves_a_radio_for_a_day():
    machine = spare()
    machine.heard("coap2", 1000)
    assert machine.wanted(1000) == "modem"
    machine.heard("coap3", 2000)
    assert machine.wanted(DAY_MS + 999) is None
    assert machine.wanted(DAY_MS + 1000) == "network"
    machine.heard("sms", DAY_MS)
    assert machine.wanted(DAY_MS + 1001) is None


def test_a_fleet_does_not_prove_its_spare_ways_in_step():
    machine = spare(random=lambda n: n - 1)
    machine.heard("coap", 0)
    machine.heard("coap3", 0)
    early = DAY_MS // SPREAD_PARTS
    assert machine.wanted(DAY_MS - early) is None
    assert machine.wanted(DAY_MS - early + 1) == "network"


def test_a_radio_that_does_not_answer_is_asked_hourly_and_told_daily():
    machine = spare()
    machine.heard("coap", 0)
    told = []
    for hour in range(60):
        now = hour * HOUR_MS
        machine.heard("coap", now)
        assert machine.wanted(now) == "modem"
        if machine.silent(now) is not None:
            told.append(hour)
    assert told == [MISSED, MISSED + 24, MISSED + 48]
    machine.heard("coap3", 60 * HOUR_MS)
    machine.heard("coap", 60 * HOUR_MS)
    assert machine.wanted(61 * HOUR_MS) is None and machine.silent(62 * HOUR_MS) is None


def test_a_wish_to_prove_the_modem_comes_first_and_once():
    machine = spare(random=lambda n: n - 1)
    machine.prove()
    assert machine.wanted(0) == "modem" and machine.wanted(0) is None
    machine.prove()
    assert [machine.wanted(HOUR_MS) for _ in range(4)] == ["modem", "network", "modem", None]
