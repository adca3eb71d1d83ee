"""A life of everything that the firmware keeps, on a real file system, with the power cut at every call to the flash.

`main("littlefs"|"fat"|"twice"|"refused", step)`: every STEP-th call is cut; twice: and then every call of the
boot that follows; refused: it fails once and leaves garbage behind, and the life goes on. The last two on LittleFS.
Prints one line, and ends with 1 if LittleFS has lost anything, or if FAT (the negative control) has not.
"""

import gc
import hashlib
import os

import vfs
from ram_flash import CLEAN, GARBAGE, TORN, Chance, Mounted, RamFlash, apply, tear

from firmware import boot
from firmware.core import records
from firmware.ports import journal
from firmware.ports.breadcrumbs import Crumbs
from firmware.ports.counters import Counters
from firmware.ports.flash import Flash
from firmware.ports.kept import Kept
from protocols.wire import cbor

journal.Journal.rotate = 1500  # so that a short life changes files several times
BLOCKS = 28
FAT_BLOCKS, FAT_SIZE = 224, 512
NEVER = 1 << 30


class Board:
    def reset_cause(self):
        return 1


def sha256(data):
    return hashlib.sha256(data).digest()


class Promises:
    """What was begun and what was acknowledged, each beside the number of flash calls made until then."""

    def __init__(self, log):
        self.log = log
        self.list = []
        self.refused = 0

    def keep(self, kind, value, work):
        """Run `work`; its result. The promise of `value` (or of the result, if it is None) holds once it returns.

        It does not hold if the result, or an OSError, says that flash has refused.
        """
        begun = len(self.log)
        try:
            result = work()
        except OSError:
            result = False
        done = len(self.log)
        if result is False:
            self.refused += 1
            done = NEVER
        self.list.append((begun, done, kind, result if value is None else value))
        return result


def landed(flash):
    """The journal of a unit of version 0.1.0 (format 1), with two open presses and one taken."""
    data = records.frame({0: 0, 3: 1})
    for seq in (1, 2, 3):
        data += records.frame(records.press(1, seq, 1, 0, 1, 1700000000))
    data += records.frame(records.stage(1, 3, 3)) + records.frame(records.stage(1, 2, 1))
    flash.replace("journal", data)
    flash.replace("counters", cbor.encode({1: 0, 2: 0}))
    flash.replace("crashes", cbor.encode(1))


class Life:
    """One boot after the other, doing everything that the firmware does to its flash."""

    def __init__(self, flash, promises):
        self.flash = flash
        self.promises = promises
        self.open = []

    def record(self, kind, record):
        key = (record[records.BOOT], record[records.SEQ])
        value = (key, record.get(records.REACHED, 0)) if kind == "stage" else key
        self.promises.keep(kind, value, lambda: self.book.append(record))
        self.promises.keep("head", None, lambda: self.book.head)

    def start(self):
        keep = self.promises.keep
        keep("crashes", None, lambda: boot.reason(self.flash, Board()) * 0 + boot.crashes(self.flash))
        counters = keep("boots", None, lambda: Counters(self.flash, os.urandom))
        self.counters = counters
        self.book = journal.Journal(self.flash)
        keep("loaded", 0, self.book.load)
        self.promises.keep("armed", 0, lambda: self.book.arm(counters.boot))
        self.kept = Kept(self.flash)
        self.crumbs = Crumbs(self.flash)
        self.crumbs.drop(1, counters.boot)
        self.seq = 0

    def key(self):
        self.seq += 1
        return self.counters.boot, self.seq

    def take(self, count):
        for _ in range(count):
            self.promises.keep("taken", None, lambda: (self.counters.take(), self.counters.context))

    def press(self, reached):
        one, seq = self.key()
        self.record("press", records.press(one, seq, 1, 0, 1, 1700000001))
        self.take(2)
        self.record("told", records.aged(one, seq, 60))
        for stage in range(1, reached + 1):
            self.record("stage", records.stage(one, seq, stage))

    def emergency(self):
        one, seq = self.key()
        self.promises.keep("press", (one, seq), lambda: self.book.emergency(one, seq, 1, 0))

    def item(self, priority, size):
        one, seq = self.key()
        self.record("item", records.item(priority, one, seq, bytes([seq & 255]) * size))
        return one, seq

    def keeping(self, turn):
        keep = self.promises.keep
        one = self.counters.boot
        keep("governor", [one, turn], lambda: self.kept.save("governor", [one, turn]))
        keep("command", one * 100 + turn, lambda: self.kept.save("command", one * 100 + turn))
        self.crumbs.drop(2, turn)
        keep("crumbs", self.crumbs.trail(), self.crumbs.save)

    def run(self, turns):
        keep = self.promises.keep
        self.start()
        for turn in range(turns):
            self.press(turn % 4)
            first = self.item(records.FAULT, 40)
            self.item(records.LOG, 24)
            self.take(20)
            self.keeping(turn)
            if turn % 2:
                self.emergency()
                self.record("consumed", records.consumed(first[0], first[1]))
                one, seq = self.key()
                self.record("press", records.press(one, seq, 2, 1, 1, 1700000002))
                self.record("told", records.counted(one, seq, 2))
                self.record("closed", records.closed(one, seq))
        before = boot.crashes(self.flash)
        keep("crashes", before + 1, lambda: boot.crashed(self.flash))
        keep("crashes", 0, lambda: boot.proven(self.flash))
        self.book._close()


def live(device, kind, boots, turns):
    """(image before, log, promises) of a whole life."""
    where = Mounted(device, kind)
    flash = Flash()
    landed(flash)
    image = bytearray(device.data)
    device.log = []
    promises = Promises(device.log)
    promises.list.append((0, 0, "crashes", 1))
    for key in ((1, 1), (1, 2)):
        promises.list.append((0, 0, "press", key))
    life = Life(flash, promises)
    for _ in range(boots):
        life.run(turns)
    where.away()
    log, device.log = device.log, None
    return image, log, promises.list


class Due:
    """What must be there after a cut at call `at`: all that was acknowledged; what had begun may be there too."""

    def __init__(self, promises, at):
        self.presses = {}
        self.ended = set()
        self.items = set()
        self.boots = set()
        self.taken = set()
        self.values = {}
        self.head = None
        self.add(promises, at)

    def add(self, promises, at):
        """What a further life has promised until its call `at`."""
        for begun, done, kind, value in promises:
            if begun <= at:
                self.note(kind, value, done <= at)

    def note(self, kind, value, kept):
        if kind == "press" and kept:
            self.presses[value] = 0
        elif kind == "item" and kept:
            self.items.add(value)
        elif kind == "stage":
            if value[1] == 3:
                self.ended.add(value[0])
            elif kept and value[0] in self.presses:
                self.presses[value[0]] = value[1]
        elif kind in ("closed", "consumed"):
            self.ended.add(value)
        elif kind == "boots":
            if kept:
                self.boots.add(value.boot)
        elif kind == "taken":
            if kept:
                self.taken.add(value)
        elif kind == "head":
            self.head = value if kept else self.head
        elif kind in ("crashes", "governor", "command", "crumbs"):
            if kept:
                self.values[kind] = [value]
            else:
                self.values.setdefault(kind, [None]).append(value)


class Tally:
    def __init__(self):
        self.lost = 0
        self.reused = 0
        self.chains = 0
        self.values = 0
        self.dead = 0
        self.first = None

    def all(self):
        return self.lost + self.reused + self.chains + self.values + self.dead


def missing(due, book):
    """Acknowledged presses and items that are not there as they must be."""
    entries = book.entries
    waiting = set([(one[1], one[2]) for one in book.items])
    count = 0
    for key in due.presses:
        if key not in due.ended and (key not in entries or entries[key].stage < due.presses[key]):
            count += 1
    # What may have been dropped is known by number only.
    gone = len([key for key in due.items if key not in due.ended and key not in waiting])
    return count + max(0, gone - sum(book.drops))


def check(due, tally):
    """Boot from what the cut has left, and hold it against what is due; then live on and boot once more."""
    flash = Flash()
    kept = Kept(flash)
    values = {"crashes": boot.crashes(flash), "crumbs": Crumbs(flash).previous}
    for name in ("governor", "command"):
        values[name] = kept.load(name)
    for name, allowed in due.values.items():
        # None in what is allowed: nothing had been kept before.
        value = values[name]
        tally.values += (None not in allowed) if value in ([], None) else value not in allowed
    used, boots = set(due.taken), set(due.boots)
    for seq in (1, 2):
        counters = Counters(flash, os.urandom)
        number = counters.take()
        tally.reused += (counters.boot in boots) + ((number, counters.context) in used)
        boots.add(counters.boot)
        used.add((number, counters.context))
        book = journal.Journal(flash)
        book.load()
        tally.lost += missing(due, book)
        files = [data for data in (flash.read(journal.OLD), flash.read(journal.FILE)) if data]
        known = [due.head] if due.head else []
        last, wrong = records.verify(files, known, sha256)
        if wrong or last[:8] != book.head:
            tally.chains += 1
        book.append(records.press(counters.boot, seq, 1, 0, 1, 0))
        due.presses[(counters.boot, seq)] = 0
        due.head = book.head
        book._close()


def cut_everywhere(kind, device, boots, turns, step, torn_kinds):
    image, log, promises = live(device, kind, boots, turns)
    tally = Tally()
    cuts = torn = 0
    for at in range(len(log) + 1):
        if at % step == 0 or at == len(log):
            for how in (CLEAN,) + (torn_kinds if at < len(log) else ()):
                data = bytearray(image)
                if how != CLEAN:
                    tear(data, log[at], how, Chance(at * 4 + how), device.size)
                    torn += 1
                else:
                    cuts += 1
                before = tally.all()
                try:
                    again(RamFlash(device.blocks, device.size, data), kind, Due(promises, at), tally)
                except OSError:
                    # A file system that does not mount, or takes no write any more, has lost everything.
                    tally.dead += 1
                if tally.all() > before and tally.first is None:
                    tally.first = (at, how)
                gc.collect()
        if at < len(log):
            apply(image, log[at], device.size)
    acts = len([one for one in promises if one[2] not in ("head", "loaded")])
    return acts, cuts, torn, tally


def cut_twice(boots, turns, step):
    """After every STEP-th cut, clean and torn, another one at every call of the boot that follows."""
    device = RamFlash(BLOCKS)
    vfs.VfsLfs2.mkfs(device)
    image, log, promises = live(device, vfs.VfsLfs2, boots, turns)
    tally = Tally()
    first = second = 0
    for at in range(len(log)):
        if at % step == 0:
            for how in (CLEAN, GARBAGE):
                data = bytearray(image)
                if how != CLEAN:
                    tear(data, log[at], how, Chance(at))
                first += 1
                second += cut_the_boot(data, promises, at, tally)
        apply(image, log[at])
    return first, second, tally


def cut_the_boot(data, promises, at, tally):
    """Cut every call of a boot from `data`, which was left by a cut at `at`; how many cuts that made."""
    device = RamFlash(BLOCKS, data=bytearray(data))
    where = Mounted(device, vfs.VfsLfs2)
    device.log = []
    more = Promises(device.log)
    life = Life(Flash(), more)
    life.start()
    life.take(1)
    life.press(1)
    life.book._close()
    where.away()
    cuts = 0
    for point in range(len(device.log) + 1):
        for how in (CLEAN, GARBAGE) if point < len(device.log) else (CLEAN,):
            torn = bytearray(data)
            if how != CLEAN:
                tear(torn, device.log[point], how, Chance(point))
            due = Due(promises, at)
            due.add(more.list, point)
            again(RamFlash(BLOCKS, data=torn), vfs.VfsLfs2, due, tally)
            cuts += 1
            gc.collect()
        if point < len(device.log):
            apply(data, device.log[point])
    return cuts


def fail_everywhere(boots, turns, step):
    """Every STEP-th call of a life fails, once; then a boot must find all that was acknowledged."""
    tally = Tally()
    at = calls = refused = 0
    while at == 0 or at < calls:
        device = RamFlash(BLOCKS)
        vfs.VfsLfs2.mkfs(device)
        where = Mounted(device, vfs.VfsLfs2)
        flash = Flash()
        landed(flash)
        device.log = []
        promises = Promises(device.log)
        promises.list.append((0, 0, "press", (1, 1)))
        device.calls, device.fail_at = 0, at
        life = Life(flash, promises)
        for _ in range(boots):
            life.run(turns)
        calls = device.calls
        device.fail_at = -1
        where.away()
        device.log = None
        refused += promises.refused
        # What counts crashes tells nobody when flash refuses.
        due = Due([one for one in promises.list if one[2] != "crashes"], NEVER - 1)
        before = tally.all()
        again(device, vfs.VfsLfs2, due, tally)
        if tally.all() > before and tally.first is None:
            tally.first = (at, 0)
        gc.collect()
        at += step
    return calls, refused, tally


def again(device, kind, due, tally):
    where = Mounted(device, kind)
    try:
        check(due, tally)
    finally:
        where.away()


def main(name, step):
    if name == "refused":
        calls, refused, tally = fail_everywhere(1, 4, step)
        print(
            "refused: %d calls, each failing once at step %d, %d operations refused by flash, %d acknowledged lost, "
            "%d numbers reused, %d chains broken, %d values wrong; first %s"
            % (calls, step, refused, tally.lost, tally.reused, tally.chains, tally.values, tally.first)
        )
        return 1 if tally.all() or not refused else 0
    if name == "twice":
        first, second, tally = cut_twice(1, 9, step)
        print(
            "twice: %d first cuts, %d second cuts in the boot that follows, %d acknowledged lost, %d numbers reused, "
            "%d chains broken, %d values wrong" % (first, second, tally.lost, tally.reused, tally.chains, tally.values)
        )
        return 1 if tally.all() or not second else 0
    if name == "fat":
        device = RamFlash(FAT_BLOCKS, FAT_SIZE)
        vfs.VfsFat.mkfs(device)
        acts, cuts, torn, tally = cut_everywhere(vfs.VfsFat, device, 1, 5, step, TORN)
    else:
        device = RamFlash(BLOCKS)
        vfs.VfsLfs2.mkfs(device)
        acts, cuts, torn, tally = cut_everywhere(vfs.VfsLfs2, device, 2, 9, step, TORN)
    print(
        "%s: %d operations, %d cut points, %d torn points, %d acknowledged lost, %d numbers reused, %d chains broken, "
        "%d values wrong, %d flashes dead; first %s"
        % (name, acts, cuts, torn, tally.lost, tally.reused, tally.chains, tally.values, tally.dead, tally.first)
    )
    if name == "fat":
        return 0 if tally.lost + tally.dead else 1
    return 1 if tally.all() else 0
