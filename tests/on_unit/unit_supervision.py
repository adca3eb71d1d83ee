"""Tasks that stand still, the notes of why a unit restarted, and the way into safe mode and out."""

import machine
from cut_flash import CutFlash

from firmware import boot
from firmware.core import reboot
from firmware.ports import breadcrumbs, watchdog
from firmware.ports.breadcrumbs import Crumbs
from protocols.wire import cbor


class Dog:
    """The hardware, counted."""

    fed = 0

    def __init__(self, timeout):
        self.timeout = timeout

    def feed(self):
        Dog.fed += 1


class Board:
    """A board that gives this cause."""

    def __init__(self, cause):
        self.cause = cause

    def reset_cause(self):
        return self.cause


def made():
    before, machine.WDT = machine.WDT, Dog
    Dog.fed = 0
    dog = watchdog.Watchdog()
    machine.WDT = before
    return dog


def test_the_hardware_is_fed_while_every_task_gets_somewhere():
    dog = made()
    modem, coap = dog.task("modem", 1000), dog.task("coap", 500)
    for now in range(0, 10000, 400):
        modem.alive(now)
        coap.alive(now)
        assert dog.feed(now) and dog.late(now) == []
    assert Dog.fed == 25


def test_one_task_that_stands_still_is_enough_to_starve_it():
    dog = made()
    modem, coap = dog.task("modem", 1000), dog.task("coap", 5000)
    modem.alive(0)
    for now in range(0, 3000, 100):
        coap.alive(now)
        assert dog.feed(now) == (now < 1000)
    assert dog.late(2999) == ["modem"] and Dog.fed == 10
    modem.alive(3000)
    assert dog.feed(3000), "a task that moves again is forgiven"


def test_a_task_that_never_starts_is_late_too():
    dog = made()
    dog.task("sensors", 1000)
    assert dog.feed(50) and dog.feed(1049) and not dog.feed(1050)


def test_a_task_that_may_wait_without_end_says_so():
    dog = made()
    mark = dog.task("pendants", 1000)
    mark.alive(0)
    mark.pause()
    assert dog.feed(10**6)
    mark.alive(10**6)
    assert not dog.feed(10**6 + 1000)


def test_the_loop_wakes_when_the_next_task_would_be_late_and_in_time_to_feed():
    dog = made()
    mark = dog.task("coap", 5000)
    dog.feed(0)
    assert dog.next_wakeup() == 5000
    mark.pause()
    assert dog.next_wakeup() == watchdog.FEED_MS < watchdog.TIMEOUT_MS // 2


def test_limits_are_data_and_numbered_tasks_have_that_of_their_kind():
    dog = made()
    assert dog.task("modem").limit == dict(watchdog.LIMITS)["modem"] > 180000
    assert dog.task("coap2").limit == dict(watchdog.LIMITS)["coap"]
    try:
        dog.task("unheard-of")
    except KeyError:
        return
    raise AssertionError("a task without a limit")


def test_a_crash_is_noted_with_its_kind_and_told_once():
    flash = CutFlash({}, 1 << 30)
    crumbs = Crumbs(flash)
    boot.crashed(flash, MemoryError("x"), crumbs)
    assert boot.detail(flash) == "MemoryError"
    assert boot.reason(flash, Board(2)) == reboot.OUT_OF_MEMORY
    assert Crumbs(flash).previous == [(breadcrumbs.CRASH, reboot.OUT_OF_MEMORY)]
    assert boot.crashes(flash) == 1 and boot.detail(flash) == ""
    assert boot.reason(flash, Board(1)) == reboot.POWER_ON and boot.crashes(flash) == 1


def test_no_text_of_an_error_is_kept():
    flash = CutFlash({}, 1 << 30)
    boot.crashed(flash, ValueError("Anna, Storgatan 1"))
    assert b"Anna" not in bytes(flash.files["crashes"])


def test_a_task_over_its_limit_is_noted_by_name():
    flash = CutFlash({}, 1 << 30)
    crumbs = Crumbs(flash)
    boot.bitten(flash, "modem", crumbs)
    assert boot.detail(flash) == "modem" and boot.reason(flash, Board(2)) == reboot.SOFTWARE_WATCHDOG
    assert Crumbs(flash).previous == [(breadcrumbs.LATE, 1)] and watchdog.LIMITS[1][0] == "modem"


def test_a_reset_that_nobody_could_note_counts_as_a_crash():
    for cause, code in ((3, reboot.HARDWARE_WATCHDOG), (2, reboot.UNKNOWN_ERROR)):
        flash = CutFlash({}, 1 << 30)
        for count in (1, 2, 3):
            assert not boot.safe(flash)
            assert boot.reason(flash, Board(cause)) == code and boot.crashes(flash) == count
        for count in (4, 5, 6):
            assert boot.safe(flash) and not boot.bare(flash)
            assert boot.reason(flash, Board(cause)) == code and boot.crashes(flash) == count
        assert boot.bare(flash)


def test_what_was_asked_for_is_no_crash():
    flash = CutFlash({}, 1 << 30)
    for code in (reboot.USER_RESET, reboot.FIRMWARE_UPDATE, reboot.LOW_POWER):
        assert boot.note(flash, code)
        assert boot.reason(flash, Board(2)) == code and boot.crashes(flash) == 0
    for cause in (1, 4):
        assert reboot.expected(boot.reason(flash, Board(cause))) and boot.crashes(flash) == 0


def test_safe_mode_is_left_by_a_note_and_remembers_that_it_was_in_vain():
    flash = CutFlash({}, 1 << 30)
    for stays in (0, 1, 2):
        assert boot.stays(flash) == stays
        for _ in range(boot.MOST):
            boot.crashed(flash)
            boot.reason(flash, Board(2))
        assert boot.safe(flash) and boot.leave(flash)
        assert not boot.safe(flash) and boot.reason(flash, Board(2)) == reboot.SOFTWARE_RESET
    boot.proven(flash)
    assert boot.stays(flash) == 0 and boot.crashes(flash) == 0


def test_a_count_of_version_0_1_0_is_read():
    flash = CutFlash({"crashes": cbor.encode(3)}, 1 << 30)
    assert boot.safe(flash) and boot.reason(flash, Board(1)) == reboot.POWER_ON and boot.safe(flash)


def test_flash_that_refuses_stops_no_start():
    flash = CutFlash({}, 1 << 30)
    flash.broken = True
    boot.crashed(flash, RuntimeError("x"))
    boot.bitten(flash, "modem")
    assert not boot.note(flash, reboot.USER_RESET) and not boot.leave(flash)
    assert boot.reason(flash, Board(3)) == reboot.HARDWARE_WATCHDOG and not boot.safe(flash)
