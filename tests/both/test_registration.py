"""The ladder back to a network; the same on both engines."""

from firmware.core import governor, registration
from firmware.core.registration import (
    APART,
    LADDERS,
    NO_SUBSCRIPTION,
    REGISTERED,
    SEARCHING,
    SILENT,
    Ladder,
)

HOUR = 3600000


def run(machine, now, until, answer=None):
    """Actions with their times, the machine being woken exactly when it asks; `answer(action)` gives an event."""
    seen = []
    while True:
        due = machine.next_wakeup(now)
        if due is None or due > until:
            return seen
        assert due > now or not seen, "the machine spins"
        now = max(now, due)
        actions = machine.handle(("time",), now)
        seen += [(now,) + action for action in actions]
        for action in actions:
            event = answer(action) if answer else None
            if event:
                seen += [(now,) + further for further in machine.handle(event, now)]


def after(stat, cause=None, until=HOUR):
    machine = Ladder(None, 0)
    machine.handle(("registration", 1, None), 0)
    first = machine.handle(("registration", stat, cause), 1000)
    return first, [(at, action) for at, action in run(machine, 1000, until)]


def test_tables_fit_together():
    assert len(LADDERS) == len(Ladder(None, 0).state())
    for condition in range(len(LADDERS)):
        assert bool(LADDERS[condition]) == (condition != REGISTERED)
        rungs = LADDERS[condition]
        assert len(rungs) % 2 == 0
        for place in range(0, len(rungs), 2):
            assert rungs[place + 1] in APART and rungs[place] > 0


def test_one_and_five_are_registered_and_told_once():
    for stat in (1, 5):
        machine = Ladder(None, 0)
        assert machine.handle(("registration", stat, None), 2500) == [("registered", 2500, stat == 5)]
        assert machine.handle(("registration", 1, None), 2600) == []
        assert machine.next_wakeup(2600) is None


def test_searching_is_left_alone_first_and_then_helped_ever_more_slowly():
    first, seen = after(2, until=2 * HOUR)
    assert first == [("lost", SEARCHING)]
    times = [at - 1000 for at, _ in seen]
    assert [action for _, action in seen[:6]] == ["search", "cycle", "cut", "search", "cycle", "cut"]
    assert times[:3] == [90000, 270000, 600000], "the power is cut after ten minutes, not before"
    assert times[3:5] == [780000, 1140000]


def test_every_condition_has_its_own_way():
    expected = (
        (0, None, "search", 30000),
        (3, None, "cycle", 45000),
        (3, 17, "cycle", 45000),
        (3, 22, "search", 1800000),
        (3, 11, "search", 45000),
        (3, 3, "cycle", 3600000),
        (90, None, "cycle", 15000),
        (77, None, "search", 90000),
    )
    for stat, cause, action, dwell in expected:
        _, seen = after(stat, cause, until=2 * HOUR)
        assert seen[0] == (1000 + dwell, action), (stat, cause, seen[0])


def test_a_refused_subscription_or_network_is_reported_once_and_the_sim_left_in_peace():
    first, seen = after(3, 8, until=12 * HOUR)
    assert first == [("lost", NO_SUBSCRIPTION), ("barred", governor.SUBSCRIPTION, 8)]
    assert len(seen) <= 4 and [action for _, action in seen] == ["cycle"] * len(seen)
    machine = Ladder(None, 0)
    assert machine.handle(("registration", 3, 11), 0) == [("barred", governor.NETWORK, 11)]
    assert machine.handle(("registration", 3, 11), 5) == []
    assert machine.handle(("registration", 3, 12), 6) == [("barred", governor.NETWORK, 12)]
    assert machine.handle(("registration", 3, 3), 7) == [("barred", governor.SUBSCRIPTION, 3)]
    for stat in (0, 2, 4):
        assert machine.handle(("registration", stat, None), 8) == []
    assert machine.condition == NO_SUBSCRIPTION, "that it searches is no pardon"
    assert machine.handle(("registration", 1, None), 9)[0][0] == "registered"


def test_a_flapping_modem_is_helped_as_soon_as_one_that_stands_still():
    machine = Ladder(None, 0)
    seen = []
    for now in range(0, 700000, 1000):
        stat = (2, 0, 3)[now // 1000 % 3]
        seen += [(now,) + action for action in machine.handle(("registration", stat, None), now)]
    actions = [event[1] for event in seen]
    assert "cut" in actions and seen[0][0] <= 90000
    for name in APART:
        times = [event[0] for event in seen if event[1] == name]
        for i in range(1, len(times)):
            assert times[i] - times[i - 1] >= APART[name]


def test_a_silent_modem_is_woken_and_then_cut():
    machine = Ladder(None, 0)
    machine.handle(("registration", 1, None), 0)
    assert machine.handle(("silent",), 100) == [("lost", SILENT)]
    seen = run(machine, 100, 26000)
    assert seen == [(5100, "wake"), (25100, "cut")]
    assert machine.handle(("answers",), 40000) == []
    assert machine.condition == SEARCHING
    machine.handle(("registration", 1, None), 50000)
    run(machine, 50000, 200000)
    assert machine.handle(("silent",), 300000) == [("lost", SILENT)]
    assert run(machine, 300000, 321000) == [(320000, "cut")], "waking did not help the last time"


def test_what_worked_is_remembered_over_a_reboot_until_it_fails():
    machine = Ladder(None, 0)
    machine.handle(("registration", 2, None), 0)
    assert run(machine, 0, 300000)[-1] == (270000, "cycle")
    machine.handle(("registration", 1, None), 300000)
    run(machine, 300000, 400000)
    memory = machine.state()
    assert memory[SEARCHING] == 1
    again = Ladder(memory, 0)
    seen = run(again, 0, 2 * HOUR)
    assert [event[1] for event in seen[:3]] == ["cycle", "cut", "search"]
    assert seen[0][0] == 180000, "a rung is never taken before its own time"
    assert again.state()[SEARCHING] == 0


def test_what_came_back_by_itself_is_no_credit():
    machine = Ladder(None, 0)
    run(machine, 0, 100000)
    machine.handle(("registration", 1, None), 89000 + registration.CREDIT_MS + 2000)
    run(machine, 300000, 400000)
    assert machine.state()[SEARCHING] == 0
    for memory in (None, 5, [], [9] * len(LADDERS), ["x"] * len(LADDERS)):
        assert Ladder(memory, 0).state() == [0] * len(LADDERS)


def test_a_sim_fault_and_its_end():
    machine = Ladder(None, 0)
    machine.handle(("sim", False), 0)
    assert machine.handle(("registration", 2, None), 10) == [], "searching is no proof of a SIM"
    assert [event[1] for event in run(machine, 10, 80000)] == ["cycle", "cut"]
    machine.handle(("sim", True), 80001)
    assert machine.condition == SEARCHING


def test_what_the_governor_refuses_is_asked_again_after_the_same_time():
    machine = Ladder(None, 0)
    seen = run(machine, 0, HOUR, answer=lambda action: ("refused",))
    assert [event[1] for event in seen] == ["search"] * len(seen)
    assert seen[1][0] - seen[0][0] == APART["search"]


def test_a_refusal_that_comes_after_the_condition_has_changed_moves_nothing():
    machine = Ladder(None, 0)
    assert run(machine, 0, 601000)[-1][1] == "cut"
    machine.handle(("silent",), 601500)
    assert machine.handle(("refused",), 601600) == []
    assert run(machine, 601600, 620000)[0][1] == "wake"


def test_a_new_sim_starts_at_the_bottom_but_no_faster():
    machine = Ladder(None, 0)
    seen = run(machine, 0, 300000)
    assert [event[1] for event in seen] == ["search", "cycle"]
    machine.handle(("began", 1), 301000)
    assert run(machine, 301000, 900000)[0][0] >= 301000 + 90000
