"""A restart that was ordered, and the end of safe mode: nothing that is about to become a press goes with it."""

import os

from cut_flash import CutFlash

from firmware import boot, main, supervisor
from firmware.core import profiles, reboot
from firmware.core.pendants import PRESS, frame
from firmware.ports.breadcrumbs import Crumbs
from firmware.ports.flash import Flash
from firmware.supervisor import LEAVE_AGAIN_MS, PUT_OFF_MS, Supervisor
from protocols.wire import cbor, messages

HOLD_MS = 500
PENDANT = [3, 7001, bytes(16), 3600]


def sha256(data):
    import hashlib

    return hashlib.sha256(data).digest()


class Machine:
    """A board that only counts its resets."""

    def __init__(self):
        self.resets = 0

    def reset(self):
        self.resets += 1


class Dog:
    """A watchdog that is content."""

    def feed(self, now):
        return True

    def next_wakeup(self):
        return 1 << 40


class Desk:
    """A supervisor; `moving` is what is about to become a press, `after` what it is once flash has been written."""

    def __init__(self, safe=False):
        self.flash = CutFlash({}, 1 << 30)
        if safe:
            for _ in range(boot.MOST):
                boot.crashed(self.flash)
                boot.reason(self.flash, self)
        self.machine = Machine()
        self.moving = False
        self.after = None
        self.words = 0
        self.made = Supervisor(self.flash, self.machine, Dog(), Crumbs(self.flash), safe, 0)
        replace = self.flash.replace

        def written(name, data):
            replace(name, data)
            if self.after is not None:
                self.moving = self.after

        self.flash.replace = written

    def reset_cause(self):
        return 2

    def last_words(self):
        self.words += 1

    def turn(self, now, is_open=False):
        """How many resets there were."""
        self.made.turn(now, is_open, lambda: self.moving, self.last_words)
        return self.machine.resets


def test_an_ordered_restart_waits_for_what_is_about_to_become_a_press():
    desk = Desk()
    desk.moving = True
    desk.made.restart()
    assert desk.turn(1000) == 0 and desk.turn(9000) == 0 and boot.state(desk.flash) == {}
    assert desk.made.next_wakeup() == 1000 + PUT_OFF_MS
    desk.moving = False
    assert desk.turn(9100) == 1 and desk.words == 0
    assert boot.reason(desk.flash, desk) == reboot.USER_RESET


def test_what_moves_while_flash_is_written_is_seen_and_the_note_is_taken_back():
    for safe in (False, True):
        desk = Desk(safe)
        known = boot.state(desk.flash)
        if safe:
            desk.made.receipt()
        else:
            desk.made.restart()
        desk.after = True
        now = reboot.HOUR_MS
        assert desk.turn(now) == 0 and desk.moving and boot.state(desk.flash) == known
        assert boot.safe(desk.flash) == safe
        desk.moving = desk.after = False
        assert desk.turn(now + 100) == 1 and desk.words == 0
        assert not boot.safe(desk.flash) and boot.stays(desk.flash) == int(safe)


def test_flash_that_refuses_keeps_safe_mode_and_the_loop_calm():
    desk = Desk(True)
    desk.made.receipt()
    now = reboot.HOUR_MS
    desk.moving = True
    assert desk.turn(now) == 0
    desk.flash.broken = True
    assert desk.turn(now + PUT_OFF_MS) == 0 and desk.words == 0
    assert desk.made.next_wakeup() == now + PUT_OFF_MS + LEAVE_AGAIN_MS


def test_a_broken_contact_puts_it_off_for_a_minute_and_goes_on_flash():
    for safe in (False, True):
        desk = Desk(safe)
        desk.moving = True
        now = reboot.HOUR_MS
        if safe:
            desk.made.receipt()
        else:
            desk.made.restart()
        assert desk.turn(now) == 0 and desk.turn(now + PUT_OFF_MS - 1) == 0 and desk.words == 0
        assert desk.turn(now + PUT_OFF_MS) == 1 and desk.words == 1


def test_a_press_that_has_come_of_it_ends_the_order_and_safe_mode_waits_for_it():
    desk = Desk()
    desk.moving = True
    desk.made.restart()
    desk.turn(1000)
    desk.moving = False
    assert desk.turn(1100, True) == 0 and desk.turn(1200) == 0, "as an order is refused while a press is open"
    desk = Desk(True)
    desk.made.receipt()
    now = reboot.HOUR_MS
    assert desk.turn(now, True) == 0 and desk.turn(now + 1) == 0 and desk.turn(now + LEAVE_AGAIN_MS) == 1


class Clock:
    """Time as the test says."""

    def __init__(self):
        self.ms = 1000

    def now(self):
        return self.ms

    def at(self, ticks):
        return ticks

    def unix(self):
        return 1700000000

    def hint(self, time):
        pass


class Radio:
    """The pendants' radio, with frames that its task has not read yet."""

    def __init__(self):
        self.frames = []

    def pending(self):
        return len(self.frames) > 0


def ordered(config):
    """A whole unit whose fleet has ordered a restart and has just confirmed the answer; and its board."""
    os.chdir(os.getenv("TEST_FLASH"))
    flash = Flash()
    for name in os.listdir():
        os.remove(name)
    flash.replace("identity.cbor", cbor.encode({1: 42, 2: 1, 3: bytes(range(16))}))
    flash.replace("config.cbor", cbor.encode(config))
    flash.replace("counters", cbor.encode({1: 0, 2: 0}))
    driver = main.build(flash, 0)
    board = driver._supervisor._machine = Machine()
    driver._clock = Clock()
    driver.feed(("pipe", "coap", True))
    driver._turn()
    return driver, board


def confirm(driver):
    """The fleet's order, its answer, and the answer's receipt."""
    driver.feed(("command", messages.Command(number=1, kind=messages.COMMAND_REBOOT)))
    waiting = driver.unit._reports.waiting
    driver.feed(("receipt", [(one.key[0], one.key[1], 1) for one in waiting], 1800000000, "coap"))


def later(driver, ms):
    driver._clock.ms += ms
    driver._turn()


def personal():
    return ordered({1: profiles.PERSONAL, 2: 300, 3: ["coap"], 4: [["127.0.0.1", 9]], 7: [[0, HOLD_MS, 0]]})


def test_a_button_that_is_held_and_not_counted_yet_is_not_lost_by_a_restart():
    driver, board = personal()
    driver._own_edge(True, driver._clock.ms)
    later(driver, HOLD_MS - 20)
    confirm(driver)
    driver._turn()
    assert board.resets == 0 and not driver.unit.is_open()
    later(driver, 40)
    assert driver.unit.is_open() and board.resets == 0, "it is a press now"
    driver, board = personal()
    driver._own_edge(True, driver._clock.ms)
    later(driver, HOLD_MS - 20)
    confirm(driver)
    driver._own_edge(False, driver._clock.ms)
    driver._turn()
    assert board.resets == 0, "released, and perhaps only bouncing"
    later(driver, 100)
    assert board.resets == 1 and not driver.unit.is_open()
    driver, board = personal()
    confirm(driver)
    driver._turn()
    assert board.resets == 1, "the control: nobody touches it"


def test_a_pendants_frame_that_nobody_has_read_is_not_lost_by_a_restart():
    driver, board = ordered({1: profiles.SOCIAL, 2: 300, 3: ["coap"], 4: [["127.0.0.1", 9]], 6: [PENDANT]})
    driver.radio = Radio()
    driver.radio.frames.append(frame(sha256, PENDANT[2], PENDANT[1], 1, PRESS, 90))
    confirm(driver)
    driver._turn()
    assert board.resets == 0
    driver.on_pendant(driver.radio.frames.pop())
    driver._turn()
    assert driver.unit.is_open() and board.resets == 0


def test_the_limit_lasts_longer_than_any_contact_must_be_held():
    from firmware.core.contact import STUCK_MS

    assert supervisor.PUT_OFF_MS > STUCK_MS
