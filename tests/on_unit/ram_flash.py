"""A flash in memory under a real file system, which notes every program and erase so that each can be cut.

Nothing is raised out of a block device: that leaves MicroPython's file systems in pieces. A life runs whole, on power;
its notes then give the flash as it was before any of them (`apply`), or in its middle (`tear`), and that is mounted.
"""

import os

import vfs

BLOCK = 4096
PROGRAM, ERASE = 0, 1
CLEAN, PREFIX, GARBAGE, HALF = 0, 1, 2, 3
"""How power goes: before the call; with a first part done; the rest garbage; every second byte done."""
TORN = (PREFIX, GARBAGE, HALF)

_IOCTL_COUNT, _IOCTL_SIZE, _IOCTL_ERASE = 4, 5, 6
_EIO = -5


class Chance:
    """Random numbers that are the same in every run."""

    def __init__(self, seed):
        self.state = seed * 2654435761 & 0xFFFFFFFF

    def below(self, bound):
        self.state = (self.state * 1664525 + 1013904223) & 0xFFFFFFFF
        return (self.state >> 8) % bound

    def bytes(self, size):
        return bytes([self.below(256) for _ in range(size)])


class RamFlash:
    """`blocks` blocks of `size` bytes. `log` gets (kind, address, data) of each call while it is a list."""

    def __init__(self, blocks, size=BLOCK, data=None):
        self.blocks = blocks
        self.size = size
        self.data = data if data is not None else bytearray(b"\xff" * (blocks * size))
        self.log = None
        self.programs = 0
        self.erases = 0
        self.programmed = 0
        self.fail_at = -1
        self.calls = 0

    def readblocks(self, block, buffer, offset=0):
        start = block * self.size + offset
        buffer[:] = self.data[start : start + len(buffer)]

    def writeblocks(self, block, buffer, offset=0):
        start = block * self.size + offset
        if self._fails(start, len(buffer)):
            return _EIO
        self.programs += 1
        self.programmed += len(buffer)
        if self.log is not None:
            self.log.append((PROGRAM, start, bytes(buffer)))
        self.data[start : start + len(buffer)] = buffer
        return 0

    def ioctl(self, what, argument):
        if what == _IOCTL_COUNT:
            return self.blocks
        if what == _IOCTL_SIZE:
            return self.size
        if what == _IOCTL_ERASE:
            start = argument * self.size
            if self._fails(start, self.size):
                return _EIO
            self.erases += 1
            if self.log is not None:
                self.log.append((ERASE, start, None))
            self.data[start : start + self.size] = b"\xff" * self.size
            return 0
        return 0 if what in (1, 2, 3) else None

    def _fails(self, start, size):
        """The call with number `fail_at` fails, and leaves garbage in the first half of what it was about."""
        self.calls += 1
        if self.calls - 1 != self.fail_at:
            return False
        half = size // 2
        self.data[start : start + half] = Chance(start + 1).bytes(half)
        return True


def apply(data, call, size=BLOCK):
    """One noted call, whole."""
    kind, start, written = call
    if kind == ERASE:
        written = b"\xff" * size
    data[start : start + len(written)] = written


def tear(data, call, how, chance, size=BLOCK):
    """One noted call, cut in the middle."""
    kind, start, written = call
    if kind == ERASE:
        written = b"\xff" * size
    whole = len(written)
    cut = chance.below(whole)
    if how == HALF:
        for index in range(chance.below(2), whole, 2):
            data[start + index] = written[index]
        return
    data[start : start + cut] = written[:cut]
    if how == GARBAGE:
        data[start + cut : start + whole] = chance.bytes(whole - cut)


class Mounted:
    """A file system on a RamFlash, with the current directory in it."""

    def __init__(self, device, kind, where="/cut"):
        self.where = where
        vfs.mount(kind(device), where)
        os.chdir(where)

    def away(self):
        os.chdir("/")
        vfs.umount(self.where)
