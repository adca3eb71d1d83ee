"""From no power to a path and back, without a modem. On both engines, as test_dialects.py."""

from firmware.core.at_network import registration
from firmware.core.at_syntax import AtError
from firmware.modem import link as links
from firmware.modem.link import Link

HOME = ("registration", registration("+CEREG: 1"))
SEARCHING = ("registration", registration("+CEREG: 2"))


def until_up(now=0):
    link = Link()
    orders = []
    while link.state != links.UP:
        order = link.order(now)
        orders.append(order)
        link.finished(order, HOME[1] if order == "registration" else None, now)
    return link, orders


def test_the_way_up():
    link, orders = until_up()
    assert orders == ["power_on", "start", "registration", "pdp_up"]
    assert link.order(0) is None and link.next_wakeup() is None
    assert link.registration is HOME[1]


def test_what_takes_the_path_away():
    for event, state in (
        (SEARCHING, links.SEARCHING),
        (("pdp", False), links.ATTACHED),
        (("boot",), links.ON),
        (("hung",), links.DEAD),
    ):
        link, _ = until_up()
        link.event(event, 5)
        assert link.state == state, event
        assert link.order(5) is not None
    link, _ = until_up()
    for event in (HOME, ("pdp", True), ("sms", 1), ("asleep",)):
        link.event(event, 5)
        assert link.state == links.UP


def test_a_search_is_asked_for_now_and_then_and_ends():
    link, _ = until_up()
    link.event(SEARCHING, 0)
    now = 0
    asked = 0
    while link.state == links.SEARCHING:
        order = link.order(now)
        if order == "registration":
            asked += 1
            link.finished(order, SEARCHING[1], now)
        now = max(now + 1, link.next_wakeup())
    assert asked == links.SEARCH_MS // links.POLL_MS and link.order(now) == "power_cut"
    link.finished("power_cut", None, now)
    assert link.cuts == 1 and link.order(now) == "start"


def test_failures_pause_longer_and_longer_and_end_in_a_power_cut():
    link = Link()
    link.finished("power_on", None, 0)
    now = 0
    pauses = []
    while link.state == links.ON:
        assert link.order(now) == "start"
        link.failed("start", AtError("cme", 10), now)
        pauses.append(link.next_wakeup() - now)
        now = link.next_wakeup()
    assert pauses == [1000, 2000, 4000, 0] and link.order(now) == "power_cut"


def test_an_alarm_ends_a_pause():
    link = Link()
    link.finished("power_on", None, 0)
    link.failed("start", AtError("timeout"), 0)
    assert link.order(1) is None
    link.hurry()
    assert link.order(1) == "start"


def test_a_hung_modem_loses_its_power_at_once():
    link, _ = until_up()
    link.event(("pdp", False), 0)
    link.failed("pdp_up", AtError("hung"), 0)
    assert link.order(0) == "power_cut"


def test_doubts():
    link, _ = until_up()
    link.doubt(0)
    assert link.order(0) == "pdp_up"
    link.finished("pdp_up", None, 0)
    # The modem says that all is well, and sockets fail all the same.
    now = 0
    for _ in range(links.MOST_DOUBTS - 2):
        link.doubt(now)
        assert link.order(now) is None
        now = link.next_wakeup()
        link.finished("pdp_up", None, now)
    link.doubt(now)
    assert link.order(now) == "power_cut" and now == 1000 + 2000 + 4000
    link, _ = until_up()
    for _ in range(20):
        link.doubt(0)
        link.finished("pdp_up", None, 0)
        link.works()
    assert link.state == links.UP
    link.event(("boot",), 0)
    link.doubt(0)
    assert link.state == links.ON


def test_every_state_can_be_left_and_reached():
    reached = [state for moves in links.TRANSITIONS.values() for _, state in moves]
    for state in links.TRANSITIONS:
        assert links.TRANSITIONS[state]
        assert state == links.OFF or state in reached, state
