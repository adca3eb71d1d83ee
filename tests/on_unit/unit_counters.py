"""Counters and boot numbers: none is used twice, whatever the power, the flash or the heap do."""

import hashlib
import os

import cryptolib
from cut_flash import EAGER, FAT, LAZY, Cut, CutFlash

from firmware.ports.counters import BLOCK, Counters
from firmware.ports.identity import Identity
from firmware.ports.sealer import Sealer
from protocols.wire import cbor, ccm, messages, seal

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


SECRET = bytes(range(16))
PRESS = messages.Alarm(boot=1, seq=1, kind=1, count=1, age=0, attempt=1, clock=0).encode()


def sha256(data):
    return hashlib.sha256(data).digest()


def ecb(key):
    return cryptolib.aes(key, 1).encrypt


def opened(frame):
    """As the fleet opens it: with the key that its own kid and context lead to."""
    envelope = seal.parse(frame)
    key, common_iv = seal.derive(sha256, SECRET, envelope.kid, seal.UP, envelope.kid_context)
    return seal.open_up(ccm.Ccm(ecb(key)), common_iv, envelope)


def test_no_line_of_a_new_context_leaves_frames_under_the_old_key_when_memory_fails_there():
    """Flash refuses a block, and memory fails once while the new context's key is derived: at each of its digests."""
    failed = 0
    for place in range(40):
        flash = CutFlash(NEW, 1 << 30)
        flash.replace("identity.cbor", cbor.encode({1: 42, 2: 1, 3: SECRET}))
        left = [1 << 30]

        def starved(data, left=left):
            left[0] -= 1
            if not left[0]:
                raise MemoryError
            return sha256(data)

        sealer = Sealer(Identity(flash), Counters(flash, os.urandom), starved, ecb)
        for _ in range(BLOCK):
            sealer.seal(PRESS)
        flash.broken = True
        left[0] = place + 1
        try:
            sealer.seal(PRESS)
        except MemoryError:
            failed += 1
        left[0] = 1 << 30
        frame = sealer.seal(PRESS)
        assert seal.parse(frame).kid_context is not None
        assert opened(frame) == PRESS, place
    assert 4 < failed < 40, "it failed at every digest of one derivation"
