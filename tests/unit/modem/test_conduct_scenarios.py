"""The firmware's modem against the emulated one for hours, on the emulator's clock: what an alarm meets, and what idle
days ask of a network. Times are those of the emulator's measured defaults; nothing here waits."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
from conduct_bench import FIRMWARE, Bench

from firmware.core import sim_choice
from firmware.core.sim_choice import EXERCISE, NO_RECEIPT
from firmware.modem import orders
from firmware.modem.chores import NAMES, SETTLE_MS
from protocols.wire import messages
from sim.modem.scenario import Grant, Scenario, Step, Timing, load

DIALECTS = ("bg95", "sim7080g", "gm02s")
SWITCH_MS = 20000
"""The promise: an alarm on the other card within this time."""
HEARTBEAT_S = 300
HOUR, DAY = 3600, 86400
STUCK_MS = 150000
SLOWEST = Timing(cfun_off_ms=6400, cfun_on_ms=900, register_ms=3200, pdp_ms=1000, open_ms=1000)
"""The slowest of each that was ever logged with a warm cell (nRF9151 and BG77 logs, device notes section 2)."""


def two_cards(dialect: str, **changes: Any) -> Scenario:
    return dataclasses.replace(load("sweden"), **{"dialect": dialect, "timing": Timing(), "steps": (), **changes})


def one_card(dialect: str, **changes: Any) -> Scenario:
    return dataclasses.replace(Scenario(), dialect=dialect, **changes)


def exercised(bench: Bench) -> Bench:
    """The other card has been proven once, and the unit knows how long this modem takes to change cards."""
    while bench.count("select_sim") < 2:
        bench.run(HEARTBEAT_S)
        bench.heartbeat()
    bench.run(60)
    return bench


def stored_after(bench: Bench) -> int:
    """ms from a press to its receipt."""
    pressed = bench.press()
    bench.until(lambda: bench.stored_at is not None, 300)
    assert bench.stored_at is not None
    return bench.stored_at - pressed


def refuse(bench: Bench) -> None:
    bench.radio.set_cause(bench.device.scenario.cards[0], 8)
    bench.device.search()


def take_masts_away(bench: Bench) -> None:
    bench.radio.set_network("net4mobility", False)


def swallow(bench: Bench) -> None:
    bench.silent.add(0)


def hang(bench: Bench) -> None:
    bench.device._do_hang(Step("hang", at_ms=1))


def drop_quietly(bench: Bench) -> None:
    bench.device.drop_path(quiet=True)


def stick(bench: Bench) -> None:
    """The network answers no request for a path on this card any more, and takes away the one there is."""
    bench.paths[0] = STUCK_MS
    bench.device.drop_path(quiet=True)
    bench.feed(("pdp", False))


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("fault", [refuse, take_masts_away, swallow, hang, drop_quietly, stick])
def test_an_alarm_is_stored_within_20_s_whatever_has_happened_to_the_first_card(
    dialect: str, fault: Callable[[Bench], None]
) -> None:
    bench = Bench(two_cards(dialect), slots=2).up()
    bench.run(60)
    fault(bench)
    took = stored_after(bench)
    print(f"{dialect} {fault.__name__}: {took} ms on SIM {bench.conduct.slot + 1}")
    assert took <= SWITCH_MS
    if fault not in {hang, drop_quietly}:
        assert bench.conduct.slot == 1


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("fault", [refuse, take_masts_away, swallow, stick])
def test_with_the_slowest_times_that_were_logged_too(dialect: str, fault: Callable[[Bench], None]) -> None:
    bench = exercised(Bench(two_cards(dialect, timing=SLOWEST), slots=2).up())
    fault(bench)
    begun = len(bench.orders)
    took = stored_after(bench)
    print(f"{dialect} {fault.__name__}, slowest times: {took} ms")
    assert took <= SWITCH_MS and bench.conduct.slot == 1
    if fault is swallow:
        left = next(at for at, order, _ in bench.orders[begun:] if order == "select_sim")
        assert left - (bench.stored_at or 0) + took >= SWITCH_MS // 2 - 4000, "CFUN=0 takes 4 s: no change before 10 s"


@pytest.mark.parametrize("dialect", DIALECTS)
def test_without_leaving_early_a_slow_modem_breaks_the_promise(dialect: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The negative control."""
    monkeypatch.setattr(sim_choice, "EARLY_MS", 0)
    bench = exercised(Bench(two_cards(dialect, timing=SLOWEST), slots=2).up())
    swallow(bench)
    assert stored_after(bench) > SWITCH_MS


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("after_s", [0, 1, 3, 10, 60, 120])
def test_an_alarm_interrupts_a_request_for_a_path(dialect: str, after_s: int) -> None:
    bench = Bench(two_cards(dialect), slots=2).up()
    bench.run(60)
    stick(bench)
    bench.until(lambda: bench.orders[-1][1] == "pdp_up", 5)
    bench.run(after_s)
    assert stored_after(bench) <= SWITCH_MS
    # After a minute the SIM7080G has given up by itself.
    assert bench.abandoned == 1 or (dialect == "sim7080g" and after_s >= 60)


@pytest.mark.parametrize("dialect", ["bg95", "gm02s"])
def test_without_the_interrupt_the_alarm_misses_its_bound(dialect: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The negative control."""
    bench = Bench(two_cards(dialect), slots=2).up()
    monkeypatch.setattr(orders, "patience", lambda name, spare: 10**9)
    monkeypatch.setattr(orders, "YIELD_MS", 10**9)
    stick(bench)
    bench.until(lambda: bench.orders[-1][1] == "pdp_up", 5)
    assert stored_after(bench) > 2 * SWITCH_MS


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_search_that_takes_minutes_gives_way_to_an_alarm(dialect: str) -> None:
    """AT+COPS=0 runs for three minutes; the other card is fine."""
    bench = Bench(two_cards(dialect, steps=(Step("stall", on="AT+COPS", ms=180000),)), slots=2).up()
    take_masts_away(bench)
    # The choice would leave this card soon; the ladder's search begins while it stays because the other was refused.
    bench.conduct.choice._standing[1] = 2
    bench.until(lambda: bench.orders[-1][1] == "search", 400)
    bench.run(20)
    bench.conduct.choice._standing[1] = 0
    assert stored_after(bench) <= SWITCH_MS and bench.conduct.slot == 1


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_flood_of_sms_holds_up_no_alarm(dialect: str) -> None:
    bench = Bench(two_cards(dialect), slots=2).up()
    for number in range(20):
        bench.device._do_sms(Step("sms", at_ms=1, payload=f"{number:02x}"))
    assert stored_after(bench) <= 2000
    bench.run(600)
    assert not bench.device.inbox, "all are read and deleted in the end"
    assert len([value for order, value in bench.results if order == "sms_take"]) == 20


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_silent_card_is_left_after_10_s_and_the_fleet_is_told_why(dialect: str) -> None:
    bench = Bench(two_cards(dialect), slots=2).up()
    swallow(bench)
    pressed = bench.press()
    bench.until(lambda: bench.stored_at is not None, 60)
    left = [at for at, order, _ in bench.orders if order == "select_sim"]
    assert 10000 <= left[0] - pressed <= 10100
    assert ("report", messages.EVENT_SIM_CHANGED, {1: 1, 2: NO_RECEIPT}) in bench.told
    assert ("bearer",) in bench.told


@pytest.mark.parametrize("dialect", DIALECTS)
def test_idle_the_other_card_is_used_within_a_heartbeat_and_90_s(dialect: str) -> None:
    bench = Bench(two_cards(dialect), slots=2).up()
    bench.run(HOUR)
    swallow(bench)
    dead = bench.now()
    bench.run(HEARTBEAT_S)
    bench.heartbeat()
    bench.until(lambda: bench.proven_at.get(1, 0) > dead, HEARTBEAT_S + 90)
    assert bench.proven_at[1] <= dead + 1000 * (HEARTBEAT_S + 90)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_three_days_the_spare_card_is_proven_daily_and_returns_are_rare(dialect: str) -> None:
    bench = Bench(two_cards(dialect), slots=2).up()
    for _ in range(3 * DAY // HEARTBEAT_S):
        bench.run(HEARTBEAT_S)
        bench.heartbeat()
    proven = [one for one in bench.told if one[:2] == ("report", messages.EVENT_SIM_PROVEN)]
    changes = [one[2] for one in bench.told if one[:2] == ("report", messages.EVENT_SIM_CHANGED)]
    assert len(proven) == 4 and all(one[2] == {1: 1, 2: 1} for one in proven)
    assert [change for change in changes if change[1] == 1] == [{1: 1, 2: EXERCISE}] * 4
    assert len(changes) == 8 and bench.conduct.slot == 0
    assert bench.count("power_cut", "cycle", "search") == 0


@pytest.mark.parametrize("dialect", ["bg95", "sim7080g"])
def test_from_psm_an_alarm_takes_a_wake_and_no_new_path(dialect: str) -> None:
    scenario = one_card(dialect, grant=Grant(active="00000101", tau="00000110"))
    bench = Bench(scenario).up()
    bench.feed(("rest", True, 14400))
    bench.until(lambda: bench.conduct.state == orders.ASLEEP, 120)
    assert bench.conduct.up, "sending wakes it"
    begun = len(bench.orders)
    took = stored_after(bench)
    print(f"{dialect} from PSM: {took} ms")
    done = [order for _, order, _ in bench.orders[begun:]]
    assert done[:2] == ["wake", "start"] and "pdp_check" in done
    assert took <= 10000


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("granted", [False, True])
def test_a_press_out_of_deep_sleep_meets_the_modem_as_it_is(dialect: str, granted: bool) -> None:
    """A network that grants no PSM leaves the modem awake while the board sleeps: it has no first word to say, and its
    key would switch it off. What was granted once says nothing of now."""
    grant = Grant(active="00000101", tau="00000110") if granted else Grant()
    bench = Bench(one_card(dialect, grant=grant)).up()
    bench.feed(("rest", True, 14400))
    bench.run(60)
    assert bench.device.state == ("asleep" if granted else "on")
    bench.sleep_deep(HOUR, [24001, 4, 10, 14400, 0])
    took = stored_after(bench)
    print(f"{dialect} out of deep sleep, {'PSM' if granted else 'no PSM'}: {took} ms")
    assert bench.conduct.cuts == 0 and bench.device.boots == 1
    assert took <= 10000


def test_a_modem_without_a_key_is_woken_by_its_line() -> None:
    """It says nothing when it falls asleep; the first command is lost, and the next one is heard."""
    bench = Bench(one_card("gm02s", grant=Grant(active="00000101", tau="00000110"))).up()
    bench.feed(("rest", True, 14400))
    bench.until(lambda: bench.device.state == "asleep", 120)
    # As core.rest does with every press.
    bench.feed(("rest", False, 0))
    took = stored_after(bench)
    print(f"gm02s from PSM: {took} ms")
    assert took <= 10000
    bench.run(2)
    assert bench.device.psm is None, "no PSM while an alarm is open"


def test_no_psm_where_nothing_can_wake_the_modem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FIRMWARE["gm02s"], "line_wakes", False)
    bench = Bench(one_card("gm02s", grant=Grant(active="00000101", tau="00000110"))).up()
    bench.feed(("rest", True, 14400))
    bench.run(300)
    assert bench.conduct.state == orders.UP and bench.device.psm is None


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("granted", ["", "0011"])
def test_rest_is_asked_for_and_what_is_granted_is_read_and_ends_with_an_alarm(dialect: str, granted: str) -> None:
    """PSM is refused; eDRX is granted with another cycle than asked for, or not at all."""
    bench = Bench(one_card(dialect, grant=Grant(edrx=granted))).up()
    bench.run(10)
    assert bench.device.psm is None and not bench.device.edrx, "nobody has allowed it"
    bench.feed(("rest", True, 14400))
    bench.run(10)
    assert bench.device.psm is not None and bench.device.edrx
    surveys = [value for order, value in bench.results if order == "survey"]
    assert surveys[-1]["edrx"] == (40 if granted else 0)
    assert surveys[-1]["registration"].tau in (None, 0)
    bench.feed(("rest", False, 0))
    stored_after(bench)
    bench.run(2)
    assert bench.device.psm is None and not bench.device.edrx


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_modem_that_is_hung_is_cut_and_comes_back(dialect: str) -> None:
    bench = Bench(one_card(dialect)).up()
    hang(bench)
    bench.feed(("asked",))
    bench.until(lambda: bench.conduct.cuts == 1 and bench.conduct.state == orders.UP, 120)
    assert bench.count("wake") == 1, "first it may only be asleep"


def troubles(bench: Bench, hours: int) -> dict[str, int]:
    """What a network sees of a unit whose card it refuses for good."""
    bench.radio.set_cause(bench.device.scenario.cards[0], 8)
    bench.device.search()
    bench.run(hours * HOUR)
    return {name: bench.count(name) for name in orders.ASKS}


def test_a_card_that_is_refused_for_good_troubles_the_network_once_an_hour_at_most() -> None:
    bench = Bench(one_card("bg95")).up()
    before = bench.count(*orders.ASKS)
    asked = sum(troubles(bench, 24).values()) - before
    print(f"refused for a day: {asked} requests")
    assert asked <= 24


def test_without_the_governor_the_storm_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    """The negative control: a modem that restarts whenever it is registered, with the governor and without."""
    asked = []
    for governed in (True, False):
        bench = Bench(one_card("bg95")).up()
        if not governed:
            monkeypatch.setattr(bench.conduct.governor, "wait", lambda kind, slot, now: 0)
        begun = bench.count("pdp_up", "power_cut")
        for _ in range(HOUR // 15):
            bench.device._do_reset(Step("reset", at_ms=1))
            bench.run(15)
        asked.append(bench.count("pdp_up", "power_cut") - begun)
    print(f"requests in an hour with the governor {asked[0]}, without {asked[1]}")
    assert asked[0] <= 20 and asked[1] > 5 * asked[0]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_what_the_three_remember_outlives_a_reboot(dialect: str) -> None:
    bench = Bench(two_cards(dialect), slots=2).up()
    swallow(bench)
    stored_after(bench)
    again = Bench(two_cards(dialect), slots=2, kept=bench.kept)
    assert again.conduct.slot == 1, "the card that worked"
    again.until(lambda: again.conduct.state == orders.UP, 60)
    assert again.device.slot == 1


def test_a_unit_that_restarts_in_a_loop_is_held_back_and_an_alarm_is_not() -> None:
    kept: dict[str, Any] = {}
    for _ in range(3):
        bench = Bench(one_card("bg95"), kept=kept)
        bench.run(20)
        kept = bench.kept
    bench = Bench(one_card("bg95"), kept=kept)
    bench.run(600)
    assert bench.conduct.state == orders.OFF, "a modem that is reset so often blocks its radio itself"
    assert stored_after(bench) <= SWITCH_MS


@pytest.mark.parametrize("dialect", ["bg95", "sim7080g"])
def test_a_position_is_looked_for_after_the_alarm_only(dialect: str) -> None:
    bench = Bench(one_card(dialect)).up()
    bench.feed(("alarm", True))
    bench.feed(("locate", True))
    bench.run(20)
    assert not bench.count("gnss_start")
    bench.feed(("alarm", False))
    bench.until(lambda: "gnss_start" in [order for _, order, _ in bench.orders], 10)
    begun = bench.now()
    assert stored_after(bench) <= SWITCH_MS, "and a press ends it where it takes the radio away"
    if dialect == "sim7080g":
        assert [order for at, order, _ in bench.orders if at >= begun and order == "gnss_stop"]


PRESSED_AFTER_S = (0.05, 1, 2, 3, 4, 6)


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("timing", [Timing(), SLOWEST])
def test_a_second_press_while_the_search_for_a_position_begins_finds_a_modem_that_is_well(
    dialect: str, timing: Timing
) -> None:
    """Where it takes the radio it begins with CFUN=0, 4.0-6.4 s in which the modem answers nobody."""
    for after_s in PRESSED_AFTER_S:
        bench = Bench(two_cards(dialect, timing=timing), slots=2).up()
        stored_after(bench)
        stored = bench.now()
        bench.feed(("locate", True))
        bench.until(lambda: bench.count("gnss_start") > 0, 60)  # noqa: B023 - met in this turn
        if bench.dialect.gnss_takes_radio:
            assert bench.now() - stored >= SETTLE_MS, "who presses twice does it soon"
        bench.run(after_s)
        took = stored_after(bench)
        print(f"{dialect}, {timing.cfun_off_ms} ms CFUN=0, pressed {after_s} s after the search began: {took} ms")
        assert bench.conduct.cuts == 0 and took <= 15000


def test_every_order_has_a_patience_of_its_own() -> None:
    """One that was forgotten was given up in the middle of its CFUN=0."""
    ordered = {*orders.ASKS, *orders.RADIO_OFF, *orders.NEEDED, *NAMES, "start", "registration", "pdp_down"}
    assert ordered - set(orders.NEVER) - {"pdp_up"} <= set(orders.PATIENCE)
    assert min(orders.PATIENCE[name] for name in ("cycle", "select_sim", "gnss_start")) > SLOWEST.cfun_off_ms
