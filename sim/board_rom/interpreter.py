"""A process that is a virtual board after its reset: maps the flash and becomes MicroPython on it.

It stands alone, since it starts with this project not on its path (`sim/romfs.py` does the same for a folder).
"""

from __future__ import annotations

import ctypes
import mmap
import os
import sys
from pathlib import Path

CHIP, CHIP_AT = "LIVLINA_CHIP", "LIVLINA_CHIP_AT"
MAIN = "exec(open('/flash/main.py').read())"
MOUNT = f"""
def _boot():
    import hashlib, os, struct, sys, uctypes, vfs
    sys.path.remove("")
    address, size = [int(part) for part in os.getenv("{CHIP_AT}").split(",")]
    chip = uctypes.bytearray_at(address, size)
    parts = {{}}
    at = 32768
    while bytes(chip[at:at + 2]) == b"\\xaa\\x50":
        start, length = struct.unpack("<II", bytes(chip[at + 4:at + 12]))
        parts[bytes(chip[at + 12:at + 28]).rstrip(b"\\0").decode()] = start, length
        at += 32
    if bytes(chip[at + 16:at + 32]) != hashlib.md5(bytes(chip[32768:at])).digest():
        raise OSError("the partition table's digest is wrong")

    class Partition:
        TYPE_DATA = 1
        def __init__(self, start, length):
            self.start, self.blocks = start, length // 4096
            self.file = open(os.getenv("{CHIP}"), "r+b")
            self.erased = bytes([255] * 256)
        @staticmethod
        def find(type, label):
            return [Partition(*parts[label])] if label in parts else []
        def readblocks(self, block, buffer, offset=0):
            self.file.seek(self.start + block * 4096 + offset)
            return 0 if self.file.readinto(buffer) == len(buffer) else -5
        def writeblocks(self, block, buffer, offset=0):
            self.guard()
            self.file.seek(self.start + block * 4096 + offset)
            return 0 if self.file.write(buffer) == len(buffer) else -5
        def ioctl(self, what, argument):
            if what == 4:
                return self.blocks
            if what == 5:
                return 4096
            if what == 6:
                self.guard()
                self.file.seek(self.start + argument * 4096)
                for _ in range(16):
                    self.file.write(self.erased)
            return 0
        def guard(self):
            first, size = parts["factory"]
            if first <= self.start < first + size:
                print("abort: this would write into the running application")
                sys.exit(70)

    start, length = parts["romfs"]
    vfs.mount(vfs.VfsRom(memoryview(chip)[start:start + length]), "/rom")
    vfs.mount(vfs.VfsLfs2(Partition(*parts["vfs"]), readsize=32, progsize=32, lookahead=32), "/flash")
    os.chdir("/flash")
    if "unit" in parts:
        import esp32
        esp32.Partition = Partition
_boot()
del _boot
"""
"""Comes before all other code: what MicroPython's own `_boot` does, by the partition table at 0x8000; and, for a layout
that has `unit`, `esp32.Partition`. A write into the running application is an abort, as ESP-IDF makes it one."""


def command(flash: Path, code: str, heap: str) -> list[str]:
    """The arguments of a process that is this board, running `code` after its start; `heap` as `-X heapsize=`."""
    return [sys.executable, "-P", __file__, str(flash.absolute()), heap, code]


def environment(flash: Path, shims: Path) -> dict[str, str]:
    """What that process finds in its environment; `shims` is a build's folder with the simulated `machine`."""
    return {"MICROPYPATH": f".frozen:{shims.absolute()}:/rom", CHIP: str(flash.absolute())}


def main() -> int:
    """What `command` starts."""
    import micropython_run

    with Path(sys.argv[1]).open("rb") as opened:
        view = mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_COPY)
    os.environ[CHIP_AT] = f"{ctypes.addressof(ctypes.c_char.from_buffer(view))},{len(view)}"
    return int(micropython_run.run_main(["micropython", "-X", f"heapsize={sys.argv[2]}", "-c", MOUNT + sys.argv[3]]))


if __name__ == "__main__":
    sys.exit(main())
