"""Which SIM is used by a unit that sleeps deep between its heartbeats, so that a boot lasts a minute; the same on both
engines."""

from firmware.core import sim_choice
from firmware.core.sim_choice import (
    ALARM_MS,
    DAY_MS,
    EXERCISE,
    HOUR_MS,
    IDLE_MS,
    LOST,
    RADIO_ON_MS,
    RETURN,
    SEARCH_MS,
    UNANSWERED,
    Policy,
    SimChoice,
)
from protocols.wire import cbor, messages

TELIA, TELE2, TELENOR = 24001, 24007, 24008
CHANGE, SCAN, EARLY, LINGER = 7000, 3000, 5000, 13000
PROVEN = [1, 0, 0, 0, 0, 0, 0]
"""As a unit keeps it whose other card was proven just now."""


class Sleeper:
    """A unit that wakes for each heartbeat, and sleeps `LINGER` after the last thing that the choice has kept it awake
    for: which SIM has a network (`works`), which the server hears (`answers`)."""

    def __init__(self, beat=HOUR_MS, slots=2, state=None, operators=(TELIA, TELE2), policy=None):
        self.beat = beat
        self.slots = slots
        self.policy = policy
        self.works = [True, True]
        self.answers = [True, True]
        self.kept = PROVEN if state is None else state
        self.operators = operators
        self.memory = None
        self.slept = 0
        self.began = 0
        self.log = []
        self.receipts = []
        self.lengths = []

    def wakes(self, count):
        for _ in range(count):
            self._wake()
        return self

    def _wake(self):
        self.choice = SimChoice(self.kept, self.policy or Policy(), self.slots, lambda n: n // 2, 0)
        if self.memory is not None:
            self.choice.woken(cbor.decode(self.memory), self.slept, 0)
        self.later = [(SCAN, "scanned"), (EARLY, "beat")]
        now, until = 0, EARLY + LINGER
        while True:
            if self.choice.unsettled(now) or (self.later and self.later[0][0] <= until):
                until = max(until, now + LINGER)
            due = self.choice.next_wakeup(now)
            at = min(until, until if due is None else max(due, now), self.later[0][0] if self.later else until)
            now = max(now, at)
            if self.later and self.later[0][0] <= now:
                self._happen(self.later.pop(0)[1], now)
            else:
                self._put(("time",), now)
            if now >= until and not self.choice.unsettled(now):
                break
            assert now < HOUR_MS, "it never sleeps"
        self.lengths.append(now)
        self.slept = max(self.beat - now, 60000)
        self.memory = cbor.encode(self.choice.remembered(now))
        self.began += now + self.slept

    def _plan(self, at, what):
        self.later.append((at, what))
        self.later.sort()

    def _happen(self, what, now):
        active = self.choice.active
        if what == "switched":
            self._put((what, active), now)
            self._plan(now + SCAN, "scanned")
        elif what == "scanned" and self.works[active]:
            self._put(("registered", self.operators[active], messages.RADIO_LTE_M), now)
        elif what == "beat" and self.choice.phase == sim_choice.UP:
            self._put(("asked",), now)
            if self.answers[active]:
                self._plan(now + 200, "answer")
        elif what == "answer":
            self.receipts.append((self.began + now, active))
            self._put(("receipt",), now)
            self._put(("clock", (self.began + now) // 1000), now)

    def _put(self, event, now):
        for action in self.choice.handle(event, now):
            if action[0] == "keep":
                self.kept = action[1]
                continue
            self.log.append((self.began + now,) + action)
            if action[0] == "switch":
                self.later = [one for one in self.later if one[1] in ("beat",)]
                self._plan(now + CHANGE, "switched")
            elif action[0] == "heartbeat":
                self._plan(now + 1000, "beat")

    def named(self, name):
        return [event for event in self.log if event[1] == name]

    def switches(self, reason):
        return [event[0] for event in self.named("switch") if event[3] == reason]


def test_a_silent_sim_is_left_within_its_first_heartbeat_and_90_s():
    for works in (True, False):
        unit = Sleeper().wakes(5)
        unit.answers[0] = False
        unit.works[0] = works
        heard = unit.receipts[-1][0]
        unit.wakes(1)
        assert unit.receipts[-1][1] == 1 and unit.receipts[-1][0] <= heard + HOUR_MS + 90000
        assert len(unit.switches(UNANSWERED if works else LOST)) == 1


def left_after(*events, takes=0):
    """When the choice leaves its SIM for a press that has woken the unit and finds no network, and why."""
    choice = SimChoice([1, 0, 0, 0, 0, 0, 0, takes], Policy(), 2, lambda n: n // 2, 0)
    now = 0
    for event in events + (("alarm", True),):
        assert not choice.handle(event, now)
    while now < HOUR_MS:
        now = max(choice.next_wakeup(now), now)
        for action in choice.handle(("time",), now):
            if action[0] == "switch":
                return now, action[2]
    raise AssertionError("it stays")


def test_a_press_that_wakes_a_modem_without_a_network_is_on_the_other_sim_within_20_s():
    assert left_after(("slept",)) == (ALARM_MS, LOST)
    assert left_after(("slept",), ("restarted",)) == (ALARM_MS, LOST), "as some modems come out of their sleep"
    cfun_off, resume, rest = 6400, 2800, 5600
    soon = left_after(("slept",), ("restarted",), takes=cfun_off + RADIO_ON_MS)[0]
    assert soon >= resume and soon + 4000 >= ALARM_MS and soon + cfun_off + rest < 20000
    assert left_after(("restarted",)) == (SEARCH_MS, LOST), "the control: one that begins anew has time to search"


def test_it_returns_within_the_hold_and_a_heartbeat_once_the_preferred_sim_works_again():
    unit = Sleeper().wakes(3)
    unit.answers[0] = False
    unit.wakes(6)
    tried = unit.switches(RETURN)
    assert 2 <= len(tried) <= 4, "it tries, each time later"
    assert all([tried[i + 1] - tried[i] >= HOUR_MS for i in range(len(tried) - 1)])
    assert all([to == 1 for _, to in unit.receipts[-6:]]), "and is heard over the other one all the time"
    unit = Sleeper().wakes(3)
    unit.answers[0] = False
    unit.wakes(1)
    unit.answers[0] = True
    left = unit.switches(UNANSWERED)[0]
    unit.wakes(3)
    assert unit.choice.active == 0 and unit.switches(RETURN)[0] <= left + unit.choice.policy.hold + HOUR_MS
    assert unit.receipts[-1][1] == 0 and len(unit.switches(RETURN)) == 1


def test_the_spare_is_exercised_daily_and_begins_with_a_receipt():
    for beat, days in ((900000, 3), (HOUR_MS, 6), (4 * HOUR_MS, 10)):
        unit = Sleeper(beat).wakes(days * DAY_MS // beat)
        proven = unit.named("proven")
        assert days - 1 <= len(proven) <= days + 1 and all([event[2:] == (1, True) for event in proven]), (beat, proven)
        came = [at for at, _ in unit.receipts]
        assert all([at in came for at in unit.switches(EXERCISE)])
        assert unit.choice.active == 0 and max(unit.lengths) < 2 * IDLE_MS
    # Rarer heartbeats than its own time: with each of them at most.
    assert len(Sleeper(DAY_MS).wakes(10).named("proven")) >= 8


def test_a_spare_that_never_answers_is_told_daily_and_left_in_time():
    unit = Sleeper()
    unit.answers[1] = False
    unit.wakes(72)
    assert 2 <= len(unit.named("proven")) <= 4 and {event[3] for event in unit.named("proven")} == {False}
    assert unit.choice.active == 0


def test_without_any_answer_each_wake_tries_the_other_sim_once_and_ends():
    for works, most in ((True, 120000), (False, 270000)):
        unit = Sleeper().wakes(2)
        unit.answers = [False, False]
        unit.works = [works, works]
        unit.lengths = []
        unit.wakes(24)
        assert len(unit.named("switch")) <= 25 and max(unit.lengths) <= most, unit.lengths
    # Where heartbeats come fast the changes are as far apart as those of a unit that is awake.
    unit = Sleeper(300000).wakes(2)
    unit.answers = [False, False]
    unit.wakes(288)
    assert len(unit.named("switch")) <= 60


def test_one_card_keeps_nobody_awake():
    unit = Sleeper(slots=1)
    unit.answers[0] = False
    unit.wakes(10)
    assert max(unit.lengths) <= EARLY + LINGER and not unit.log


def test_what_was_reported_is_not_reported_by_each_wake():
    unit = Sleeper(operators=(TELENOR, TELE2)).wakes(48)
    assert len(unit.named("undiverse")) == 1


def test_a_damaged_memory_is_nothing():
    good = SimChoice(PROVEN, Policy(), 2, lambda n: 0, 0).remembered(0)
    for bad in (None, 7, [], good[:4], [None] * 6, ["a"] + good[1:]):
        choice = SimChoice(PROVEN, Policy(), 2, lambda n: 0, 0)
        choice.woken(bad, HOUR_MS, 0)
        assert choice.remembered(0) == good
    choice.woken([1, 1, -5, -5, 1 << 40, 7, ["x"]], HOUR_MS, 0)
    assert choice.next_wakeup(0) <= DAY_MS and choice.remembered(0)[2:4] == [0, 0]
