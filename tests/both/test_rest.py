"""When a unit may rest; the same on both engines."""

from firmware.core import profiles, setup
from firmware.core.rest import (
    ASLEEP,
    AWAKE,
    BRIEF_MS,
    DROWSY_MS,
    EARLY_MS,
    LINGER_MS,
    LINGERING,
    LONGEST_MS,
    REASONS,
    RESTING,
    SETTLE_MS,
    STATES,
    TRANSITIONS,
    WORTH_MS,
    Rest,
)

HOUR = 3600000


def quiet(name, at=0, due=HOUR):
    """A unit of this profile with nothing to do since `at` and a heartbeat due."""
    rest = Rest(profiles.named(name), at)
    rest.handle(("next", due), at)
    rest.handle(("busy", "working", False), at)
    return rest


def run(rest, now, until):
    """What it orders by itself, with the times."""
    seen = []
    while True:
        due = rest.next_wakeup(now)
        if due is None or due > until:
            return seen
        assert due >= now
        now = due
        actions = rest.handle(("time",), now)
        seen += [(now,) + action for action in actions]
        assert actions or rest.next_wakeup(now) != now, "it spins"


def test_a_tracker_lingers_lets_its_modem_rest_and_sleeps_until_its_heartbeat():
    rest = quiet("tracker")
    assert rest.state == LINGERING
    assert run(rest, 0, HOUR) == [
        (LINGER_MS, "modem_rest", True, (HOUR - LINGER_MS) // 1000),
        (LINGER_MS + SETTLE_MS, "deep_sleep", HOUR - EARLY_MS - LINGER_MS - SETTLE_MS),
    ]
    assert rest.state == ASLEEP and rest.next_wakeup(HOUR) is None
    # The button was closed just now: it stays awake and tries again when that is over.
    assert rest.handle(("awake",), LINGER_MS + SETTLE_MS) == [("modem_rest", False, 0)]
    assert rest.state == LINGERING
    assert [event[1] for event in run(rest, LINGER_MS + SETTLE_MS, HOUR)] == ["modem_rest", "deep_sleep"]


def test_the_board_waits_for_its_modem_to_fall_asleep_but_not_for_ever():
    rest = quiet("tracker")
    rest.handle(("modem", "idle"), 0)
    assert [event[:2] for event in run(rest, 0, 20000)] == [(BRIEF_MS, "modem_rest")]
    actions = rest.handle(("modem", "psm"), 20000)
    assert actions == [("deep_sleep", HOUR - EARLY_MS - 20000)]
    rest = quiet("tracker")
    rest.handle(("modem", "idle"), 0)
    assert run(rest, 0, HOUR)[-1][:2] == (BRIEF_MS + DROWSY_MS, "deep_sleep")


def test_hubs_cameras_and_who_is_worn_never_rest_nor_sleep():
    for name in ("social", "personal", "camera", "technical"):
        rest = quiet(name)
        assert run(rest, 0, HOUR) == []
        assert rest.handle(("busy", "mains", True), HOUR) == []


def test_nothing_rests_while_anything_goes_on():
    for why in REASONS:
        rest = quiet("tracker", due=24 * HOUR)
        rest.handle(("busy", why, True), 1)
        assert rest.state == AWAKE and run(rest, 1, 23 * HOUR) == []
        assert rest.handle(("time",), 20 * HOUR) == []
        rest.handle(("busy", why, False), 20 * HOUR)
        assert [event[1] for event in run(rest, 20 * HOUR, 24 * HOUR)] == ["modem_rest", "deep_sleep"]


def test_a_press_ends_every_rest_at_once():
    for until, before in ((1, LINGERING), (LINGER_MS, RESTING), (LINGER_MS + SETTLE_MS, ASLEEP)):
        rest = quiet("tracker")
        run(rest, 0, until)
        assert rest.state == before
        actions = rest.handle(("busy", "alarm", True), until + 1)
        assert rest.state == AWAKE
        assert actions == ([] if before == LINGERING else [("modem_rest", False, 0)])


def test_whatever_goes_on_for_a_moment_begins_the_lingering_anew():
    rest = quiet("tracker")
    rest.handle(("busy", "pending", True), 9000)
    rest.handle(("busy", "pending", False), 9000)
    assert rest.next_wakeup(9000) == 9000 + LINGER_MS


def test_a_sleep_that_is_not_worth_it_is_not_begun():
    at = LINGER_MS + SETTLE_MS
    for due, sleeps in ((at + EARLY_MS + WORTH_MS, True), (at + EARLY_MS + WORTH_MS - 1, False), (0, False)):
        rest = quiet("tracker", due=due)
        assert ("deep_sleep" in [event[1] for event in run(rest, 0, HOUR)]) == sleeps
    rest = quiet("tracker", due=None)
    assert [event[1] for event in run(rest, 0, HOUR)] == ["modem_rest"], "no heartbeat, no sleep"
    rest = quiet("tracker", due=1000 * HOUR)
    assert run(rest, 0, HOUR)[-1][2] == LONGEST_MS


def test_a_unit_that_listens_to_pendants_never_sleeps():
    hub = setup.Profile(9, "hub", (), 4, (300, 3600), 0, profiles.PSM_ALWAYS, 0, (1350, 3900, 0, True))
    rest = Rest(hub, 0)
    rest.handle(("next", HOUR), 0)
    rest.handle(("busy", "working", False), 0)
    assert [event[1] for event in run(rest, 0, HOUR)] == ["modem_rest"]


def test_a_start_is_not_quiet():
    rest = Rest(profiles.named("tracker"), 0)
    rest.handle(("next", HOUR), 0)
    assert rest.next_wakeup(0) is None and rest.handle(("time",), HOUR) == []


def test_the_table_is_whole():
    names = [row[1] for row in TRANSITIONS]
    assert len(set([row[:2] for row in TRANSITIONS])) == len(TRANSITIONS)
    for state in range(len(STATES)):
        assert state in [row[0] for row in TRANSITIONS] and state in [row[2] for row in TRANSITIONS]
    assert sorted(set(names)) == ["busy", "lingered", "quiet", "refused", "slept"]
