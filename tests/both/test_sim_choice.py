"""Which SIM is used, against a modem that takes its time; the same on both engines."""

from sim_worlds import CFUN_OFF, LTE_M, PROVEN, SCAN, SLOWEST_REGISTRATION, TELE2, TELIA, World, middle

from firmware.core import obey, sim_choice
from firmware.core.sim_choice import (
    DAY_MS,
    EXERCISE,
    HOUR_MS,
    LOST,
    NO_RECEIPT,
    POLICY,
    REASONS,
    RETURN,
    UNANSWERED,
    Policy,
    SimChoice,
    same_radio,
)
from protocols.wire import cbor, messages

TELENOR = 24008


def test_tables():
    assert len(REASONS) == 6
    assert same_radio((TELE2, LTE_M), (TELENOR, LTE_M))
    assert same_radio((TELIA, LTE_M), (TELIA, messages.RADIO_LTE))
    assert not same_radio((TELIA, LTE_M), (TELENOR, LTE_M))
    assert not same_radio((TELE2, messages.RADIO_UMTS), (TELENOR, messages.RADIO_UMTS))


def test_an_alarm_without_a_receipt_is_on_the_other_sim_within_20_s():
    world = World().run(60000)
    world.answers[0] = False
    start = world.now
    world.press().run(60000)
    assert world.switches() == [(start + 10000, 1, NO_RECEIPT)]
    assert world.named("stored")[0][0] <= start + 20000


def test_lost_registration_switches_at_once_in_an_alarm():
    world = World().run(60000)
    world.answers[0] = False
    start = world.now
    world.press().run(3000)
    world.lose(0).run(60000)
    assert world.switches()[0] == (start + 3000, 1, LOST)
    world = World().run(60000)
    world.lose(0).run(30000)
    start = world.now
    world.press().run(30000)
    assert world.switches()[0] == (start, 1, LOST)
    assert world.named("stored")[0][0] <= start + 10000


def test_an_alarm_stays_on_a_sim_that_answers():
    world = World().run(60000).press().run(HOUR_MS)
    assert not world.switches()


def test_an_alarm_that_nobody_hears_goes_to_and_fro_with_growing_patience():
    world = World().run(60000)
    world.answers = [False, False]
    world.press().run(HOUR_MS)
    times = [at for at, _, _ in world.switches()]
    gaps = [times[i] - times[i - 1] for i in range(1, len(times))]
    assert gaps[0] < 31000 and gaps[-1] >= 80000
    assert 30 <= len(times) <= 50
    world.answers[0] = True
    world.run(180000)
    assert world.named("stored")


def test_an_alarm_reaches_a_sim_that_needs_three_minutes_to_register():
    world = World().run(60000)
    world.answers[0] = False
    world.scan[1] = 180000
    start = world.now
    world.press().run(600000)
    assert world.named("stored")[0][0] <= start + 360000


def test_a_further_press_has_its_own_20_s_however_long_the_others_have_waited():
    """The servers are away while the other SIM has no network: the search there lasts for minutes."""
    world = World().run(60000)
    world.answers[0] = False
    world.works[1] = False
    world.press().run(HOUR_MS)
    while world.up or world.choice.active == 0 or world.now < world.switches()[-1][0] + 60000:
        world.run(1000)
    searching = world.now
    world.answers[0] = True
    world.run(30000)
    assert not world.named("stored"), "the control: the first press alone goes on with its search"
    world.press().run(20000)
    assert world.named("stored") and world.switches()[-1][0] == searching + 30000
    world = World().run(60000)
    world.answers = [False, False]
    world.press().run(HOUR_MS)
    while not world.up or world.now < world.switches()[-1][0] + 30000:
        world.run(1000)
    world.answers[1 - world.choice.active] = True
    world.press().run(20000)
    assert world.named("stored"), "nor does it wait 80 s on a SIM that is silent"


def test_who_presses_on_and_on_does_not_keep_a_sim_from_finding_its_network():
    world = World().run(60000)
    world.answers[0] = False
    world.scan[1] = 180000
    start = world.now
    while not world.named("stored"):
        world.press().run(15000)
        assert world.now < start + 600000
    assert len(world.switches()) <= 10


def test_idle_the_other_sim_is_used_within_one_heartbeat_and_90_s():
    world = World().run(60000)
    start = world.now
    world.answers[0] = False
    world.run(world.beat + 90000)
    assert world.switches()[0][1:] == (1, UNANSWERED)
    assert world.up and world.choice.active == 1
    assert world.named("heartbeat")[-1][0] <= start + world.beat + 90000, "and the fleet is told at once"
    assert world.named("heartbeat")[-1][2], "no other unit's heartbeat went unanswered at that moment"
    world = World().run(60000).lose(0).run(90000)
    assert world.switches() == [(120000, 1, LOST)] and world.up
    assert not world.named("heartbeat")[-1][2], "masts that go take many with them at once"


def test_at_most_one_return_an_hour_and_fewer_when_they_fail():
    world = World().run(60000)
    world.answers[0] = False
    world.run(DAY_MS - HOUR_MS)
    returns = [at for at, slot, _ in world.switches() if slot == 0]
    assert 2 <= len(returns) <= 6
    for i in range(1, len(returns)):
        assert returns[i] - returns[i - 1] >= HOUR_MS
    world.answers[0] = True
    world.run(DAY_MS)
    assert world.choice.active == 0


def test_after_an_alarm_the_preferred_sim_is_used_again_after_an_hour():
    world = World().run(60000)
    world.answers[0] = False
    world.press().run(30000)
    world.answers[0] = True
    at = world.switches()[0][0]
    world.run(HOUR_MS + world.beat)
    assert [one[1:] for one in world.switches()[1:]] == [(0, RETURN)]
    assert at + HOUR_MS <= world.switches()[1][0] <= at + HOUR_MS + world.beat


def test_a_return_that_fails_costs_no_heartbeat():
    """Whole fleets return together: units that missed a heartbeat for it would look like an outage of the SIM that
    they came from."""
    for shift in range(0, 300000, 20000):
        world = World().run(60000 + shift)
        world.answers[0] = False
        world.press().run(3 * HOUR_MS)
        failed = [at for at, slot, reason in world.switches() if reason == RETURN]
        assert failed, shift
        came = [at for at in world.receipts if at >= failed[0] - world.beat]
        longest = max([came[i] - came[i - 1] for i in range(1, len(came))])
        assert longest <= world.beat + 1000, (shift, longest)


def test_a_return_waits_for_no_receipt_where_heartbeats_are_rare():
    world = World(beat=4 * HOUR_MS).run(60000)
    world.answers[0] = False
    world.press().run(30000)
    at = world.switches()[0][0]
    world.run(3 * HOUR_MS)
    assert (at + HOUR_MS + sim_choice.RECEIPT_MS, 0, RETURN) in world.switches()


def test_an_exercise_begins_with_a_receipt_so_that_no_heartbeat_falls_into_it():
    world = World().run(4 * DAY_MS)
    begun = [at for at, _, reason in world.switches() if reason == EXERCISE]
    assert len(begun) >= 3
    for at in begun:
        assert at in world.receipts
    # Where nobody answers for hours it is not put off for ever.
    world = World(beat=30 * HOUR_MS).run(4 * DAY_MS)
    assert len([one for one in world.switches() if one[2] == EXERCISE]) >= 3


def test_the_spare_path_is_exercised_every_day_and_the_outcome_told():
    world = World().run(3 * DAY_MS)
    outcomes = world.named("proven")
    assert len(outcomes) == 4 and HOUR_MS <= outcomes[0][0] <= 2 * HOUR_MS + 30000, "a fresh unit's soon"
    assert all([event[2:] == (1, True) for event in outcomes])
    assert world.choice.active == 0
    for _, slot, reason in world.switches():
        assert reason == (EXERCISE if slot else RETURN)
    world.works[1] = False
    world.run(DAY_MS)
    assert world.named("proven")[-1][2:] == (1, False)
    assert world.choice.active == 0 and world.up


def test_a_press_during_the_exercise_uses_what_is_there():
    world = World()
    while not world.switches():
        world.run(10000)
    start = world.now
    world.press().run(30000)
    assert world.named("stored")[0][0] <= start + 20000
    assert not world.named("proven")


def test_the_exercise_is_not_forgotten_by_a_reboot():
    world = World().run(20 * HOUR_MS)
    kept = cbor.decode(cbor.encode(world.kept))
    assert kept == world.kept
    world = World(state=kept).run(5 * HOUR_MS)
    assert world.named("proven")
    for damaged in (
        None,
        5,
        [],
        [1] * 6,
        [2, 0, 0, 0, 0, 0, 0],
        [1, 7, 0, 0, 0, 0, 0],
        ["x"] * 7,
        [1, 0, -5, 0, 0, 0, 0],
    ):
        assert SimChoice(damaged, Policy(), 2, middle, 0).active == 0


def test_after_a_reboot_the_sim_that_worked_is_used():
    world = World().run(60000)
    world.lose(0).run(100000)
    assert SimChoice(world.kept, Policy(), 2, middle, 0).active == 1


def test_two_sims_on_one_radio_network_are_reported():
    world = World(operators=(TELE2, TELENOR)).run(2 * DAY_MS)
    assert [event[2:] for event in world.named("undiverse")] == [(TELE2, TELENOR)], "once"
    assert not World(operators=(TELIA, TELENOR)).run(2 * DAY_MS).named("undiverse")


def test_a_forbidden_network_is_left_when_idle_and_used_when_nothing_else_is_there():
    world = World(policy=Policy(forbidden=(TELIA,))).run(120000)
    assert world.switches()[0][1:] == (1, POLICY)
    world.run(HOUR_MS)
    assert world.choice.active == 1
    world.lose(1)
    start = world.now
    world.press().run(30000)
    assert world.named("stored")[0][0] <= start + 20000


def test_a_forbidden_network_is_not_left_more_than_once_an_hour():
    world = World(policy=Policy(forbidden=(TELIA,))).run(180000)
    assert world.choice.active == 1
    world.lose(1).run(300000)
    assert world.choice.active == 0 and world.up
    world.run(6 * HOUR_MS)
    left = [at for at, _, reason in world.switches() if reason == POLICY]
    assert len(left) >= 3
    for i in range(1, len(left)):
        assert left[i] - left[i - 1] >= HOUR_MS


def test_a_sim_that_is_a_guest_is_left_where_it_may_not_be_one():
    for roaming in (0, 1):
        world = World(policy=Policy(roaming=roaming), state=PROVEN)
        world.abroad[0] = True
        world.run(6 * HOUR_MS)
        assert world.choice.active == 1 - roaming and world.up
        assert len(world.switches()) == 1 - roaming, "it is not run after"
        assert world.choice.standing(0) == (sim_choice.GOOD if roaming else sim_choice.UNWANTED)


def test_an_alarm_goes_over_a_guest_as_soon_as_over_any_other():
    world = World(policy=Policy(roaming=0), state=PROVEN)
    world.abroad[0] = True
    world.run(HOUR_MS).lose(1)
    start = world.now
    world.press().run(30000)
    assert world.named("stored")[0][0] <= start + 20000


def test_the_times_of_a_return_are_the_policys():
    for hold_s in (120, 7200):
        world = World(policy=Policy(hold_s=hold_s, apart_s=600)).run(60000)
        world.answers[0] = False
        world.press().run(30000)
        world.answers[0] = True
        at = world.switches()[0][0]
        world.run(3 * HOUR_MS)
        after = max(at + hold_s * 1000, world.named("stored")[0][0] + sim_choice.AFTER_ALARM_MS)
        receipt = min([came for came in world.receipts if came >= after])
        assert (receipt, 0, RETURN) in world.switches()
    world = World(policy=Policy(hold_s=60, apart_s=7200)).run(60000)
    world.answers[0] = False
    world.run(DAY_MS - HOUR_MS)
    returns = [at for at, slot, _ in world.switches() if slot == 0]
    assert len(returns) >= 2
    for i in range(1, len(returns)):
        assert returns[i] - returns[i - 1] >= 7200000


def test_a_policy_is_read_off_what_is_kept_of_it():
    old = sim_choice.held([1, [TELIA], [[TELE2, 1, 1900000000]]])
    assert (old.preferred, old.forbidden, old.closings) == (1, (TELIA,), ((TELE2, 1, 1900000000),))
    assert old.roaming and old.hold == old.apart == sim_choice.HOLD_MS == obey.HOLD_S * 1000
    new = sim_choice.held([0, [], [], 0, 60, 600])
    assert not new.roaming and (new.hold, new.apart) == (60000, 600000)
    assert sim_choice.held(None).roaming
    assert obey.policy([0, [], [], 0, 60, 600]) and obey.policy([0, [], []])
    for wrong in ([0, [], [], 0], [0, [], [], 2, 60, 600], [0, [], [], 0, 59, 600], [0, [], [], 0, 60, 599]):
        assert obey.policy(wrong) is None


def test_closing_dates_count_by_verified_server_time_only():
    date = 1830000000
    world = World(policy=Policy(closings=((TELIA, LTE_M, date),))).run(120000)
    world.run(HOUR_MS)
    assert not world.switches() and not world.named("closing"), "nobody has told the time"
    world.put(("clock", date - 30 * 86400))
    assert [event[2:] for event in world.named("closing")] == [(0, TELIA, LTE_M, date)]
    world.run(HOUR_MS)
    assert world.choice.active == 0, "until then it is used"
    world.put(("clock", date))
    world.run(2 * HOUR_MS)
    assert world.choice.active == 1
    assert len(world.named("closing")) == 1
    world.put(("clock", date - 86400))
    assert world.choice.standing(0) == sim_choice.UNWANTED, "an old receipt, played again, opens nothing that is closed"


def test_a_sim_that_cannot_be_read_or_is_refused_is_not_run_after():
    for event in (("sim", False), ("barred",)):
        world = World(state=PROVEN).run(60000)
        world.broken[0] = event
        world.put(event)
        world.up = False
        world.run(90000)
        assert world.choice.active == 1 and world.up
        world.run(12 * HOUR_MS)
        assert len(world.switches()) == 1
        world.lose(1)
        world.press().run(1000)
        assert len(world.switches()) == 1, "the other one is worse than waiting a little"
        world.broken[0] = None
        world.run(150000)
        assert world.named("stored"), "but it is tried"


def test_a_preferred_sim_that_is_repaired_is_found_by_the_daily_exercise():
    world = World(state=PROVEN).run(60000)
    world.broken[0] = ("barred",)
    world.put(("barred",))
    world.up = False
    world.run(2 * DAY_MS)
    assert world.choice.active == 1
    assert (0, False) in [event[2:] for event in world.named("proven")]
    assert len(world.switches()) <= 6
    world.broken[0] = None
    world.run(DAY_MS + 2 * HOUR_MS)
    assert (0, True) in [event[2:] for event in world.named("proven")]
    assert world.choice.active == 0


def test_one_sim_alone_is_left_alone():
    world = World(slots=1).run(60000)
    world.lose(0).press().run(DAY_MS)
    assert not world.log and world.choice.next_wakeup(0) is None


def test_a_policy_that_cannot_be():
    try:
        Policy(preferred=2)
    except ValueError:
        return
    raise AssertionError("no such SIM")


def silent_after(takes):
    """ms from a press to the change of a silent card, by a modem whose last change took so long."""
    world = World(state=PROVEN + [takes]).run(60000)
    world.answers[0] = False
    start = world.now
    world.press().run(20000)
    return world.switches()[0][0] - start


def test_a_slow_modem_begins_to_take_leave_before_the_10_s_and_changes_the_card_after_them():
    assert silent_after(0) == silent_after(60) == 10000, "a quick one, and one that is not known yet"
    assert silent_after(2500) == 8500
    for cfun_off in (4000, 6400):
        left = silent_after(cfun_off + sim_choice.RADIO_ON_MS)
        assert left == 10000 - sim_choice.EARLY_MS
        assert left + 4000 >= 10000, "the shortest CFUN=0 of the log: the card is in use for all of its 10 s"
    assert silent_after(7300) + 7300 + SLOWEST_REGISTRATION + 2000 <= 20000


def test_how_long_a_change_takes_is_learnt_from_the_last_one():
    world = World().run(2 * HOUR_MS)
    assert world.named("proven")
    world.put(("switched", world.choice.active, 7300))
    assert world.choice.state(world.now)[7] == 0, "only a change that was ordered tells"
    world.put(("use", 1))
    world.choice.handle(("switched", 1, 7300), world.now)
    assert world.choice.state(world.now)[7] == 7300


def test_figures_add_up():
    assert sim_choice.ALARM_MS + CFUN_OFF + SCAN <= 20000
    assert sim_choice.IDLE_MS + CFUN_OFF + SCAN <= 90000
