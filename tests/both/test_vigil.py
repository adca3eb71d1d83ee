"""How long a unit without coverage waits, and how long it sleeps then; the same on both engines."""

from firmware.core import profiles
from firmware.core.governor import Governor
from firmware.core.rest import LINGER_MS, SETTLE_MS, Rest
from firmware.core.sim_choice import EXERCISE_MS, IDLE_MS
from firmware.core.vigil import LONGEST_SLEEP_MS, WATCH_MS, Vigil

HOUR = 3600000


def test_what_waits_keeps_the_unit_awake_for_one_watch():
    vigil = Vigil(0, 0)
    assert not vigil.holds(0) and vigil.next_wakeup(0) is None
    vigil.note(True, 1000)
    assert vigil.holds(1000) and vigil.next_wakeup(1000) == 1000 + WATCH_MS
    # The next heartbeat takes the place of the last one: that is no new watch.
    vigil.note(True, 200000)
    assert vigil.holds(WATCH_MS) and not vigil.holds(1000 + WATCH_MS)
    assert vigil.next_wakeup(1000 + WATCH_MS) is None
    vigil.note(False, 2 * WATCH_MS)
    vigil.note(True, 2 * WATCH_MS)
    assert vigil.holds(2 * WATCH_MS), "another message, another watch"


def test_a_receipt_begins_the_watch_anew():
    vigil = Vigil(0, 0)
    vigil.note(True, 0)
    vigil.heard(WATCH_MS - 1)
    vigil.note(True, WATCH_MS - 1)
    assert vigil.holds(WATCH_MS) and vigil.silent(WATCH_MS + 999) == 1


def test_a_sleep_in_vain_grows_with_the_silence():
    vigil = Vigil(0, 0)
    vigil.note(True, 0)
    assert vigil.least_sleep(WATCH_MS - 1) == 0
    assert vigil.least_sleep(WATCH_MS) == WATCH_MS // 2, "a unit in a lift is back soon"
    assert Vigil(7200, 0).least_sleep(0) == 0, "nothing waits"
    vigil = Vigil(7200, 0)
    vigil.note(True, 0)
    assert vigil.least_sleep(WATCH_MS) == LONGEST_SLEEP_MS


def test_both_cards_have_their_chance_in_one_watch():
    assert IDLE_MS + 10000 + EXERCISE_MS <= WATCH_MS


def slept(due, least):
    rest = Rest(profiles.named("tracker"), 0)
    rest.handle(("next", due), 0)
    rest.handle(("barren", least), 0)
    rest.handle(("busy", "working", False), 0)
    rest.handle(("time",), LINGER_MS)
    actions = rest.handle(("time",), LINGER_MS + SETTLE_MS)
    return [action[1] for action in actions if action[0] == "deep_sleep"]


def test_rest_goes_by_the_next_heartbeat_but_where_nothing_is_heard():
    (usual,) = slept(600000, 0)
    assert slept(600000, LONGEST_SLEEP_MS) == [LONGEST_SLEEP_MS]
    assert slept(600000, 150000) == [usual], "a longer one stays"
    assert slept(30000, 0) == [] and slept(30000, 150000) == [150000]


def test_the_governor_counts_a_deep_sleep_as_time():
    governor = Governor(None, lambda n: 0, 0)
    for _ in range(6):
        assert governor.handle(("want", 0, 0), 0)[-1][0] == "go"
    assert governor.wait(0, 0, 0) == HOUR
    woken = Governor(governor.state(0), lambda n: 0, 0)
    woken.slept(HOUR)
    assert woken.wait(0, 0, 0) == 0
    assert Governor(governor.state(0), lambda n: 0, 0).wait(0, 0, 0) == HOUR
