"""A flash in memory that loses power after a given number of steps, with the files that were on it then.

A step is one byte that reaches the flash, or one rename. `Cut` is raised once the steps are used up and at every call
after that. Kinds: a written byte is there at once; it is there at flush, and a cut leaves any first part of what was
waiting. Two kinds must fail: on FAT a rename over a file takes two steps with no file in between, and the liar keeps
nothing before a file is closed. `names`: the steps that made or renamed a file. While it is `broken` every write fails
half way, as on a worn sector, and of the next ones so many as `refuses` says.
"""

EAGER, LAZY, FAT, LIAR = 0, 1, 2, 3


class Cut(Exception):
    """The power is gone."""


class CutFile:
    def __init__(self, flash, path, mode):
        self.flash = flash
        self.path = path
        self.at = 0
        self.waiting = b""
        self.reading = mode == "rb"
        if mode == "wb":
            flash.named()
            flash.files[path] = bytearray()
        elif path not in flash.files:
            if self.reading:
                raise OSError(2)
            flash.named()
            flash.files[path] = bytearray()

    def write(self, data, size=None):
        self.flash.power()
        data = data if size is None else data[:size]
        if self.flash.broken or self.flash.refuses:
            self.flash.refuses = max(self.flash.refuses - 1, 0)
            self.flash.files[self.path] += bytes(data)[: len(data) // 2]
            raise OSError(5)
        self.waiting += bytes(data)
        if self.flash.kind not in (LAZY, LIAR):
            self.flush()
        return len(data)

    def flush(self):
        if self.flash.kind != LIAR:
            self.sync()

    def sync(self):
        waiting, self.waiting = self.waiting, b""
        for byte in waiting:
            self.flash.step()
            self.flash.files[self.path].append(byte)

    def read(self, size=-1):
        self.flash.power()
        data = self.flash.files[self.path]
        end = len(data) if size < 0 else min(len(data), self.at + size)
        piece = bytes(data[self.at : end])
        self.at = end
        return piece

    def seek(self, at):
        self.flash.power()
        self.at = at

    def close(self):
        # Closing syncs on LittleFS too; without power nothing does.
        if not self.flash.dark and not self.flash.broken:
            self.sync()


class CutFlash:
    def __init__(self, files, steps, kind=EAGER):
        self.files = {}
        for path in files:
            self.files[path] = bytearray(files[path])
        self.left = steps
        self.used = 0
        self.names = []
        self.kind = kind
        self.dark = False
        self.broken = False
        self.refuses = 0

    def power(self):
        if self.dark:
            raise Cut()

    def step(self):
        self.power()
        if self.left == 0:
            self.dark = True
            raise Cut()
        self.left -= 1
        self.used += 1

    def named(self):
        self.names.append(self.used)
        self.step()

    def open(self, path, mode):
        self.power()
        return CutFile(self, path, mode)

    def rename(self, old, new):
        if self.broken:
            raise OSError(5)
        if self.kind == FAT and new in self.files:
            self.named()
            del self.files[new]
        self.named()
        self.files[new] = self.files.pop(old)

    def size(self, path):
        self.power()
        return len(self.files[path]) if path in self.files else -1

    def read(self, path):
        self.power()
        return bytes(self.files[path]) if path in self.files else None

    def replace(self, path, data):
        new = path + ".new"
        file = self.open(new, "wb")
        try:
            file.write(data)
            file.flush()
        finally:
            file.close()
        self.rename(new, path)
