"""What is known before and after a deep sleep. That it begins and ends is in tests/unit/sim/test_board.py."""

import esp32
import machine
from board import PINS
from board_wires import BOARD, NO_PIN

from firmware.ports.sleep import LONGEST_MS, Sleep
from protocols.wire import cbor

WALL = [1800000000]


def start(cause=machine.PWRON_RESET, wake=0):
    """The board has just started for this cause."""
    machine.reset_cause = lambda: cause
    machine.wake_reason = lambda: wake
    return Sleep(lambda: WALL[0])


def slept(sleep, ms, memory=None):
    try:
        sleep.begin(ms, memory)
    except SystemExit as ended:
        return ended.args[0] == machine.EXIT_DEEP_SLEEP
    return False


def test_what_is_remembered_and_what_stays_on():
    BOARD.edge(PINS["button"], 1)
    sleep = start()
    assert (sleep.woken, sleep.slept, sleep.memory, sleep.woken_by_button()) == (False, 0, None, False)
    power = sleep.output("modem_power")
    assert power.value() == 0 and sleep.output("no such pin") is None
    power.value(1)
    sleep.output("modem_mux")
    assert slept(sleep, 3600000, [1, {2: b"x"}])
    assert esp32._wake == (PINS["button"], 0) and esp32._hold
    assert BOARD.held == 1 << PINS["modem_power"] | 1 << PINS["modem_mux"]
    WALL[0] += 1
    again = start(machine.DEEPSLEEP_RESET, machine.TIMER_WAKE)
    assert again.woken and again.slept == 3600000 and again.memory == [1, {2: b"x"}]
    assert not again.woken_by_button()
    # A pin of another place would not get through to a held pad; this one lets it go without a glitch.
    machine.Pin(PINS["modem_power"], machine.Pin.OUT, value=0)
    assert BOARD.levels >> PINS["modem_power"] & 1
    assert again.output("modem_power").value() == 1 and again.output("modem_mux").value() == 0
    assert BOARD.held == 0


def test_a_wake_by_the_button_is_told_with_what_it_has_slept():
    BOARD.edge(PINS["button"], 1)
    assert slept(start(), 3600000)
    WALL[0] += 90
    again = start(machine.DEEPSLEEP_RESET, machine.EXT0_WAKE)
    assert again.woken_by_button() and again.slept == 90000
    assert slept(start(), 3600000)
    WALL[0] += 100000
    assert start(machine.DEEPSLEEP_RESET, machine.EXT0_WAKE).slept == 3600000, "a clock that was set says no more"
    assert not start(machine.HARD_RESET, machine.EXT0_WAKE).woken_by_button()


def test_a_closed_button_lets_nobody_sleep():
    sleep = start()
    esp32._wake = (NO_PIN, 0)
    BOARD.edge(PINS["button"], 0)
    assert sleep.begin(3600000) is False
    assert esp32._wake == (NO_PIN, 0)
    BOARD.edge(PINS["button"], 1)
    assert slept(sleep, 3600000)


def test_nonsense_in_the_memory_is_nothing():
    for data in (b"", b"\xff", b"\x63abc", cbor.encode(7), cbor.encode({})):
        machine.RTC().memory(data)
        sleep = start(machine.DEEPSLEEP_RESET, machine.TIMER_WAKE)
        assert sleep.woken and sleep.memory is None and sleep.slept == 0


def test_memory_is_for_deep_sleep_only():
    BOARD.edge(PINS["button"], 1)
    assert slept(start(), 1000, "kept")
    assert start(machine.HARD_RESET).memory is None
    assert start(machine.DEEPSLEEP_RESET, machine.TIMER_WAKE).memory is None, "and once"


def test_too_much_is_refused_and_too_long_is_cut():
    sleep = start()
    try:
        sleep.begin(1000, bytes(3000))
    except ValueError:
        assert slept(sleep, 10 * LONGEST_MS)
        assert start(machine.DEEPSLEEP_RESET, machine.TIMER_WAKE).slept == LONGEST_MS
        return
    raise AssertionError("three kilobytes were remembered")


def test_who_puts_the_unit_on_wakes_it_and_who_wears_it_already_does_not():
    BOARD.edge(PINS["button"], 1)
    for worn in (1, 0):
        esp32._high = NO_PIN
        BOARD.edge(PINS["worn"], worn)
        assert slept(start(), 3600000)
        assert esp32._high == (NO_PIN if worn else PINS["worn"])
    again = start(machine.DEEPSLEEP_RESET, machine.EXT1_WAKE)
    assert again.woken and not again.woken_by_button(), "that is no press"
    BOARD.edge(PINS["worn"], 1)
    esp32._high = NO_PIN
