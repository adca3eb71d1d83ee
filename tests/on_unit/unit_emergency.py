"""A press that comes when the heap is full, on real LittleFS: it is on flash all the same, and the journal goes on."""

import gc
import hashlib
import os

import vfs
from ram_flash import Mounted

from firmware.core import records
from firmware.ports import journal
from firmware.ports.emergency import Emergency
from firmware.ports.flash import Flash

BLOCKS, SIZE = 24, 512


class Thrifty:
    """A flash that allocates nothing, as a board's own does not; in Python that takes a byte at a time."""

    def __init__(self):
        self.data = bytearray(b"\xff" * (BLOCKS * SIZE))
        self.refuses = False

    def readblocks(self, block, buffer, offset=0):
        start = block * SIZE + offset
        for index in range(len(buffer)):
            buffer[index] = self.data[start + index]

    def writeblocks(self, block, buffer, offset=0):
        if self.refuses:
            return -5
        start = block * SIZE + offset
        for index in range(len(buffer)):
            self.data[start + index] = buffer[index]
        return 0

    def ioctl(self, what, argument):
        if what == 4:
            return BLOCKS
        if what == 5:
            return SIZE
        if what == 6:
            start = argument * SIZE
            for index in range(SIZE):
                self.data[start + index] = 0xFF
        return 0


class Hog:
    """Holds everything that the heap can give, in pieces down to the smallest."""

    def __init__(self):
        self.kept = None
        # What the first round used for itself is free in the second.
        for _ in range(3):
            self.fill()

    def fill(self):
        for size in (4096, 512, 64, 1):
            try:
                while True:
                    self.kept = (self.kept, bytearray(size)) if size > 1 else (self.kept,)
            except MemoryError:
                # The failed allocation has collected all garbage itself.
                continue

    def leave(self):
        self.kept = None
        gc.collect()


def started(device):
    where = Mounted(device, vfs.VfsLfs2)
    book = journal.Journal(Flash())
    book.load()
    book.arm(7)
    book.append(records.press(7, 1, 1, 0, 1, 1700000000))
    book.append(records.item(records.FAULT, 7, 2, b"a fault"))
    return where, book


def formatted():
    device = Thrifty()
    vfs.VfsLfs2.mkfs(device)
    return device


def refused_by_the_heap(work, *arguments):
    try:
        work(*arguments)
    except MemoryError:
        return True
    return False


def verified(book):
    data = Flash().read(journal.FILE)
    last, wrong = records.verify([data], [book.head], lambda data: hashlib.sha256(data).digest())
    assert wrong == [] and last[:8] == book.head, wrong


def test_a_press_is_on_flash_although_the_heap_is_full():
    device = formatted()
    where, book = started(device)
    another = records.press(7, 3, 1, 0, 1, 1700000000)
    hog = Hog()
    hog.fill()
    full = refused_by_the_heap(bytearray, 100)
    normal = refused_by_the_heap(book.append, another)
    first = book.emergency(7, 3, 1, 0)
    second = book.emergency(7, 4, 2, 300)
    hog.leave()
    assert full, "the heap was full"
    assert normal, "negative control: the ordinary way needs memory"
    assert first and second
    # The journal goes on behind them, and a power cut now loses nothing.
    verified(book)
    assert sorted(book.entries) == [(7, 1), (7, 3), (7, 4)]
    book.append(records.stage(7, 3, 1))
    verified(book)
    book._close()
    where.away()
    where = Mounted(device, vfs.VfsLfs2)
    again = journal.Journal(Flash())
    assert [(one.seq, one.kind, one.input, one.stage) for one in again.load()] == [
        (1, 1, 0, 0), (3, 1, 0, 1), (4, 2, 300, 0)]  # fmt: skip
    assert again.head == book.head and [one[:3] for one in again.items] == [(1, 7, 2)]
    again._close()
    where.away()


def test_a_power_cut_right_after_it_loses_nothing():
    device = formatted()
    where, book = started(device)
    hog = Hog()
    taken = book.emergency(7, 3, 1, 0)
    hog.leave()
    image = bytearray(device.data)
    book._close()
    where.away()
    assert taken
    device.data = image
    where = Mounted(device, vfs.VfsLfs2)
    assert [one.seq for one in journal.Journal(Flash()).load()] == [1, 3]
    where.away()


def test_it_says_so_when_it_cannot():
    device = formatted()
    where, book = started(device)
    assert not book.emergency(8, 3, 1, 0), "another boot than the one it was armed for"
    assert not book.emergency(7, 1 << 30, 1, 0)
    device.refuses = True
    assert not book.emergency(7, 3, 1, 0)
    device.refuses = False
    # What the refused write may have left is cut off, and the next press is kept.
    book.append(records.press(7, 4, 1, 0, 1, 0))
    assert book.emergency(7, 5, 1, 0)
    assert sorted(book.entries)[:1] == [(7, 1)] and book.failures >= 1
    verified(book)
    again = journal.Journal(Flash())
    assert [one.seq for one in again.load() if one.seq != 3] == [1, 4, 5]
    book._close()
    where.away()


def test_its_bytes_are_those_of_the_ordinary_record():
    one = Emergency()
    for boot in (0, 23, 24, 255, 256, 65535, 65536, (1 << 30) - 1, 1 << 30, 0x80000001, 0xFFFFFFFF):
        one.arm(boot)
        for seq in (0, 1, 23, 24, 255, 256, 65535, 65536, (1 << 30) - 1):
            for kind, code in ((1, 0), (2, 300), (9, 70000)):
                assert one.fill(boot, seq, kind, code)
                expected = records.frame(records.press(boot, seq, kind, code, 1, 0))
                assert bytes(one.data[: one.size]) == expected, (boot, seq, kind, code)


def test_on_the_host_file_system_too():
    folder = os.getenv("TEST_FLASH")
    os.chdir(folder)
    book = journal.Journal(Flash())
    book.load()
    book.arm(9)
    hog = Hog()
    taken = book.emergency(9, 1, 1, 0)
    hog.leave()
    assert taken
    assert [one.seq for one in journal.Journal(Flash()).load()] == [1]
