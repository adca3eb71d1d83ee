"""Counters and boot numbers: none is used twice, whatever the power does."""

import os

from cut_flash import EAGER, FAT, LAZY, Cut, CutFlash

from firmware.ports.counters import Counters
from protocols.wire import cbor

NEW = {"counters": cbor.encode({1: 0, 2: 0})}


def live(flash, used, boots):
    """One boot that takes counters over two blocks."""
    counters = Counters(flash, os.urandom)
    boots.append(counters.boot)
    for _ in range(150):
        taken = counters.take()
        used.append((counters.context, taken))
    return counters


def repeated(kind):
    """Cut at every step of the first boot, boot twice more, and count what was used twice."""
    flash = CutFlash(NEW, 1 << 30, kind)
    live(flash, [], [])
    twice = 0
    for steps in range(flash.used):
        used = []
        boots = []
        one = CutFlash(NEW, steps, kind)
        for _ in range(3):
            try:
                live(one, used, boots)
            except Cut:
                pass
            one = CutFlash(one.files, 1 << 30, kind)
        twice += len(used) - len(set(used)) + len(boots) - len(set(boots))
    return twice


def test_no_cut_makes_a_counter_or_a_boot_come_twice():
    assert repeated(EAGER) == 0
    assert repeated(LAZY) == 0
    # Even where a rename is not atomic: a lost file is noticed, and makes new keys.
    assert repeated(FAT) == 0


def test_negative_control_a_file_that_is_set_back_repeats_counters():
    used = []
    boots = []
    for _ in range(2):
        live(CutFlash(NEW, 1 << 30), used, boots)
    assert len(set(used)) < len(used) and len(set(boots)) < len(boots)


def test_a_lost_or_damaged_file_makes_a_new_context_and_a_high_boot_that_are_kept():
    good = CutFlash(NEW, 1 << 30)
    live(good, [], [])
    content = bytes(good.files["counters"])
    bad = [{}, {"counters": b""}, {"counters": content + b"\x00"}]
    for index in range(len(content)):
        bad.append({"counters": content[:index]})
        bad.append({"counters": content[:index] + bytes((content[index] ^ 1,)) + content[index + 1 :]})
    for files in bad:
        flash = CutFlash(files, 1 << 30)
        counters = Counters(flash, os.urandom)
        assert counters.lost and counters.boot >= 1 << 31 and len(counters.context) == 8
        again = Counters(CutFlash(flash.files, 1 << 30), os.urandom)
        assert not again.lost
        assert again.context == counters.context and again.boot == counters.boot + 1
        assert again.take() > counters.take()


def test_flash_that_refuses_costs_the_context_and_not_the_press():
    flash = CutFlash(NEW, 1 << 30)
    counters = Counters(flash, os.urandom)
    used = [(counters.context, counters.take()) for _ in range(64)]
    flash.broken = True
    for _ in range(200):
        taken = counters.take()
        used.append((counters.context, taken))
    assert counters.failures == 1 and counters.context is not None
    assert len(set(used)) == len(used)


def test_ordinary_boots_count_up_without_a_context():
    flash = CutFlash(NEW, 1 << 30)
    boots = []
    used = []
    for _ in range(5):
        live(flash, used, boots)
    assert boots == [1, 2, 3, 4, 5]
    assert len(set(used)) == len(used) and used[0] == (None, 0)
