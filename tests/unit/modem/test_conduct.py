"""What the modem is to do next, event by event; the same on both engines (see test_modem_on_micropython.py)."""

from firmware.core.at_network import registration
from firmware.core.sim_choice import Policy
from firmware.modem import orders
from firmware.modem.chores import SMS_ALARM_MS, Chores
from firmware.modem.conduct import Conduct
from firmware.modem.facts import Facts, bcd
from protocols.wire import messages

HOME = ("registration", registration('+CEREG: 1,"E485","093F9E11",7,,,"00000101","00000110"'))
GUEST = ("registration", registration('+CEREG: 5,"E485","093F9E11",7,,,"00000101","00000110"'))
LOST = ("registration", registration("+CEREG: 2"))
REFUSED = ("registration", registration("+CEREG: 3,,,,0,8"))


class Unit:
    """Answers every order at once: what `conduct` orders, in order."""

    def __init__(self, slots=1, answers=None, policy=None, found=HOME):
        self.now = 0
        self.orders = []
        self.actions = []
        self.answers = answers or {}
        self.found = found
        self.conduct = Conduct(slots, policy or Policy(), lambda name: None, lambda n: 0, 0)
        self.put(("time",))

    def put(self, event):
        events = [event]
        while events:
            # Not all of them: the unit's heap is small.
            self.actions = self.actions[-40:]
            for action in self.conduct.handle(events.pop(0), self.now):
                self.actions.append(action)
                if action[0] != "do":
                    continue
                self.orders.append(action[1])
                value = self.answers.get(action[1], self.answer(action[1]))
                if value is not StopIteration:
                    events.append(("finished", action[1], value))
        return self

    def answer(self, order):
        if order == "registration":
            return self.found[1]
        if order == "identify":
            return {"iccid": "8946001201234567890", "imei": "860123456789012", "revision": "R1"}
        if order == "survey":
            return {"registration": self.found[1], "operator": 24001, "radio": messages.RADIO_LTE_M}
        return [] if order == "sms_list" else None

    def wait(self, ms):
        until = self.now + ms
        turns = 0
        while True:
            due = self.conduct.next_wakeup(self.now)
            if due is None or due > until:
                self.now = until
                return self
            turns = turns + 1 if due <= self.now else 0
            assert turns < 50, "no time passes"
            self.now = due
            self.put(("time",))


def test_the_way_up():
    unit = Unit()
    assert unit.orders[:5] == ["power_on", "start", "registration", "pdp_check", "pdp_up"]
    assert unit.conduct.state == orders.UP and ("up", True) in unit.actions
    assert "identify" in unit.orders and "survey" in unit.orders and "sms_list" in unit.orders
    kept = [action[1] for action in unit.actions if action[0] == "keep"]
    assert "governor" in kept and "sims" in kept


def test_a_path_that_is_there_already_asks_no_network():
    unit = Unit(answers={"pdp_check": True})
    assert "pdp_up" not in unit.orders and unit.conduct.state == orders.UP


def test_what_takes_the_path_away_and_brings_it_back():
    for event, drops in ((LOST, False), (("pdp", False), True), (("boot",), True), (("doubt",), False)):
        unit = Unit()
        unit.actions = []
        unit.put(event)
        assert (("drop",) in unit.actions) == drops, event
        unit.put(HOME).wait(120000)
        assert unit.conduct.state == orders.UP, event


def test_a_unit_that_may_roam_does():
    unit = Unit(found=GUEST)
    assert unit.conduct.state == orders.UP


def test_a_unit_that_may_not_roam_takes_a_guests_network_for_none():
    unit = Unit(found=GUEST, policy=Policy(roaming=0))
    unit.wait(3600000)
    assert unit.conduct.state == orders.SEARCHING and ("up", True) not in unit.actions
    assert "pdp_up" not in unit.orders and "power_cut" not in unit.orders
    unit.found = HOME
    unit.wait(60000)
    assert unit.conduct.state == orders.UP, "its own network is taken as soon as it is there"


def test_an_alarm_goes_over_a_guests_network_at_once_and_leaves_it_after_its_stages():
    unit = Unit(found=GUEST, policy=Policy(roaming=0))
    unit.wait(1200000)
    unit.orders = []
    unit.put(("alarm", True))
    assert unit.conduct.state == orders.UP and unit.orders[:2] == ["pdp_check", "pdp_up"], "no time has passed"
    unit.put(("receipt",)).put(("alarm", False)).wait(orders.GUEST_MS - 1000)
    assert unit.conduct.state == orders.UP, "so that later stages come"
    unit.orders = []
    unit.wait(2000)
    assert unit.orders[0] == "pdp_down" and unit.conduct.state == orders.SEARCHING
    assert ("drop",) in unit.actions


def test_a_press_while_the_modem_leaves_a_guests_network_believes_nothing_of_it():
    unit = Unit(found=GUEST, policy=Policy(roaming=0), answers={"cycle": StopIteration})
    unit.wait(1200000)
    assert unit.orders[-1] == "cycle" and unit.conduct.busy
    unit.put(("alarm", True))
    assert unit.conduct.state == orders.SEARCHING
    unit.put(("finished", "cycle", None)).wait(1000)
    assert unit.conduct.state == orders.UP


def test_a_policy_that_ends_roaming_lets_its_own_answer_go_first():
    unit = Unit(found=GUEST)
    unit.put(("policy", Policy(roaming=0))).wait(orders.GUEST_MS - 1000)
    assert unit.conduct.state == orders.UP
    unit.wait(2000)
    assert unit.conduct.state == orders.SEARCHING
    unit.put(("policy", Policy())).wait(30000)
    assert unit.conduct.state == orders.UP, "and may be taken back"


def test_a_hung_modem_is_woken_then_cut_and_at_once_in_an_alarm():
    unit = Unit()
    unit.orders = []
    unit.put(("hung",)).wait(4000)
    assert unit.orders == [] and unit.conduct.state == orders.DEAD
    unit.answers["start"] = StopIteration
    unit.wait(2000)
    assert unit.orders == ["wake", "start"]
    unit.put(("hung",))
    unit.put(("failed", "start", "hung"))
    assert unit.conduct.state == orders.DEAD
    unit.wait(30000)
    assert "power_cut" in unit.orders and unit.conduct.cuts == 1
    unit = Unit()
    unit.wait(10000)
    unit.put(("alarm", True))
    unit.orders = []
    unit.put(("hung",))
    assert unit.orders[0] == "power_cut"


def test_sockets_that_fail_on_a_good_path_end_in_a_power_cut():
    unit = Unit(answers={"pdp_check": True})
    for _ in range(orders.MOST_DOUBTS):
        unit.put(("doubt",)).wait(20000)
    assert unit.conduct.cuts == 1
    unit = Unit(answers={"pdp_check": True})
    for _ in range(3 * orders.MOST_DOUBTS):
        unit.put(("doubt",)).wait(20000)
        unit.put(("works",))
    assert unit.conduct.cuts == 0


def test_an_alarm_gives_up_housekeeping_but_no_power():
    unit = Unit(answers={"sms_list": StopIteration})
    assert unit.orders[-1] == "sms_list"
    unit.put(("begin", "sms_list"))
    unit.wait(30000)
    assert ("abandon",) not in unit.actions
    unit.put(("alarm", True))
    assert ("abandon",) in unit.actions
    unit.actions = []
    unit.put(("time",))
    assert ("abandon",) not in unit.actions, "once"
    unit.put(("end",))
    unit.put(("begin", "power_cut"))
    unit.wait(60000)
    assert ("abandon",) not in unit.actions


def test_an_alarm_that_wants_the_other_card_lets_the_radio_go_off_first():
    """In its CFUN=0 a modem hears nobody: one that is given up on then is cut off in good health."""
    for order, yields in (("cycle", False), ("search", True)):
        unit = Unit(2, {order: StopIteration}, found=LOST)
        while unit.orders[-1] != order:
            unit.wait(1000)
        unit.put(("begin", order)).wait(orders.YIELD_MS)
        unit.actions = []
        unit.put(("alarm", True)).put(("switch", 1 - unit.conduct.slot))
        assert (("abandon",) in unit.actions) == yields, order


def test_a_path_that_does_not_come_is_given_up_sooner_with_a_spare_card():
    for slots, patience in ((1, orders.PDP_MS), (2, orders.PDP_SPARE_MS)):
        unit = Unit(slots, {"pdp_up": StopIteration})
        assert unit.orders[-1] == "pdp_up"
        unit.put(("begin", "pdp_up"))
        unit.put(("alarm", True))
        unit.wait(patience - 1)
        assert ("abandon",) not in unit.actions
        unit.wait(1)
        assert ("abandon",) in unit.actions
        unit.put(("end",))
        unit.answers = {}
        unit.put(("failed", "pdp_up", "abandoned"))
        assert ("select_sim" in unit.orders) == (slots == 2)


def test_while_a_change_of_card_must_wait_the_old_one_is_used():
    unit = Unit(2)
    unit.wait(120000)
    unit.conduct.governor.wait = lambda kind, slot, now: 600000
    unit.put(("switch", 1)).wait(60000)
    assert unit.conduct.slot == 0 and unit.conduct.choice.active == 1 and unit.conduct.state == orders.UP
    del unit.conduct.governor.wait
    unit.put(("alarm", True))
    unit.wait(60000)
    assert "select_sim" in unit.orders


def test_a_refusal_is_recorded_and_backs_off():
    unit = Unit(answers={"registration": REFUSED[1]})
    unit.put(REFUSED)
    for _ in range(50):
        unit.orders = []
        unit.wait(60000)
        assert [order for order in unit.orders if order in orders.ASKS] == []
    assert unit.conduct.governor.wait(0, 0, unit.now) > 0


def test_one_sms_at_a_time_and_slower_in_an_alarm():
    chores = Chores(False, True)
    chores.finished("rest", None, False, 0)
    for place in range(12):
        chores.sms(place, 0)
    assert chores.wanted(orders.UP, True, 0) == ("sms_take", 0)
    chores.finished("sms_take", b"", True, 0)
    assert chores.wanted(orders.UP, True, SMS_ALARM_MS - 1) is None
    assert chores.wanted(orders.UP, True, SMS_ALARM_MS) == ("sms_take", 1)
    assert chores.wanted(orders.ASLEEP, False, SMS_ALARM_MS) is None


def test_psm_is_never_asked_for_in_an_alarm_but_may_be_ended():
    chores = Chores(False, True)
    chores.rest(14400)
    assert chores.wanted(orders.UP, True, 0) is None
    assert chores.wanted(orders.UP, False, 0) == ("rest", 14400)
    chores.finished("rest", None, False, 0)
    chores.rest(None)
    assert chores.wanted(orders.UP, True, 0) == ("rest", None)
    never = Chores(False, False)
    never.rest(14400)
    never.finished("rest", None, False, 0)
    assert never.wanted(orders.UP, False, 0) is None


def test_facts_are_what_the_wire_takes():
    facts = Facts()
    facts.identity(0, {"iccid": "8946001201234567890", "imei": "860123456789012", "revision": "BG95"})
    facts.registration(HOME[1])
    facts.survey({"rsrp": -87, "operator": 24001, "radio": 4, "supply": 3912, "edrx": 0, "registration": HOME[1]})
    fields, status = facts.measure()
    assert fields == {"signal": -87, "operator": 24001, "radio": 4}
    assert status[messages.STATUS_ICCID1] == b"\x89\x46\x00\x12\x01\x23\x45\x67\x89\x0f"
    assert status[messages.STATUS_TAC] == 0xE485 and status[messages.STATUS_PSM_TAU] == 3600
    assert status[messages.STATUS_PSM_ACTIVE] == 10 and status[messages.STATUS_SUPPLY_MV] == 3912
    beat = messages.Heartbeat(boot=1, seq=2, next_due=300, status=status, **fields)
    assert messages.decode(beat.encode()).status == status
    assert facts.changed
    facts.changed = False
    facts.survey({"rsrp": -99, "supply": 3800})
    assert not facts.changed, "a level is no news"
    facts.left()
    assert facts.measure()[0] == {}
    assert bcd("x" * 20, 10) is None and bcd(None, 8) is None and bcd("1" * 21, 10) is None


def test_a_dead_modem_that_owes_a_change_of_its_card_lets_time_pass():
    unit = Unit(slots=2, answers={"power_on": StopIteration, "start": StopIteration, "pdp_check": False})
    unit.answers["registration"] = REFUSED[1]
    conduct = unit.conduct
    unit.put(("alarm", True)).put(("finished", "power_on", None)).wait(60000)
    unit.put(("finished", "start", None))
    unit.put(("alarm", False)).put(("switch", 1))
    # The change has to wait, and then the modem says nothing any more.
    conduct._later["select_sim"] = unit.now + 1000
    conduct.choice.active = 1 - conduct.slot
    unit.put(("hung",))
    assert conduct.state == orders.DEAD and conduct.slot != conduct.choice.active
    unit.now += 2000
    assert conduct.next_wakeup(unit.now) > unit.now
    unit.wait(60000)


def test_a_unit_that_rests_without_a_path_has_its_modem_off():
    unit = Unit(found=LOST)
    unit.orders = []
    unit.put(("rest", True, 3600))
    assert unit.orders == ["power_off"] and unit.conduct.state == orders.OFF
    assert ("tell", ("energy", "modem", "off")) in unit.actions
    unit.wait(3600000)
    assert unit.orders == ["power_off"], "nothing wakes it by itself"
    unit.found = HOME
    unit.put(("rest", False))
    assert unit.orders[1:3] == ["power_on", "start"] and unit.conduct.state == orders.UP


def test_a_search_for_a_position_is_booked_while_it_lasts():
    unit = Unit()
    unit.actions = []
    unit.put(("locate", True))
    assert ("tell", ("energy", "gnss", "on")) in unit.actions
    unit.actions = []
    unit.put(("locate", False))
    assert ("tell", ("energy", "gnss", "off")) in unit.actions
    unit.put(("locate", True)).wait(60000)
    unit.actions = []
    unit.put(("boot",))
    assert ("tell", ("energy", "gnss", "off")) in unit.actions, "a modem that has started anew looks for nothing"


def test_a_press_starts_a_modem_that_was_put_off_and_none_is_put_off_in_an_alarm():
    unit = Unit(found=LOST).put(("rest", True, 3600)).wait(60000)
    unit.found = HOME
    unit.orders = []
    unit.put(("alarm", True))
    assert unit.orders[:2] == ["power_on", "start"] and unit.conduct.state == orders.UP
    unit = Unit(found=LOST).put(("alarm", True)).put(("rest", True, 3600))
    assert "power_off" not in unit.orders


def test_a_modem_with_a_path_is_left_to_save_power_in_its_own_way():
    unit = Unit().put(("rest", True, 3600))
    assert "power_off" not in unit.orders and unit.orders[-2:] == ["rest", "survey"]


def test_a_modem_that_comes_out_of_psm_by_itself_in_a_rest_goes_back_to_it():
    """The GM02S falls asleep without a word; what is asked of it then wakes it, and it is registered as before."""
    unit = Unit().put(("rest", True, 3600))
    unit.put(("boot",)).wait(60000)
    assert "power_off" not in unit.orders and unit.conduct.state == orders.UP
    unit.found = LOST
    unit.put(("boot",)).wait(60000)
    assert unit.orders[-1] == "power_off" and unit.conduct.state == orders.OFF, (
        "without a path it would search for ever"
    )


def test_a_modem_that_is_put_off_for_each_rest_is_no_reset_loop():
    unit = Unit(found=LOST)
    for _ in range(30):
        unit.put(("rest", True, 3600)).wait(3600000)
        unit.orders = []
        unit.put(("rest", False))
        assert unit.orders[0] == "power_on"
        unit.wait(60000)
