"""The firmware in memory-mapped flash: its bytecode is executed where it lies, and the heap is for data.

That is what frozen modules or a ROMFS partition are on a board. Here the image is mapped by the process that hosts
MicroPython, outside MicroPython's heap, and mounted as a `VfsRom`.

    image(build)                             the folder as a ROMFS image (MicroPython's romfs format, version 1)
    command(file, code, heap)                arguments of a process that runs code with such an image mounted
"""

from __future__ import annotations

import sys
from pathlib import Path

HEADER = b"\xd2\xcd\x31"
DATA, DIRECTORY, FILE = 2, 4, 5
VARIABLE = "LIVLINA_ROM"
PLACE = "/rom"

_LAUNCH = """
import ctypes, mmap, os, sys
import micropython_run
with open(sys.argv[1], "rb") as file:
    view = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
os.environ[{variable!r}] = f"{{ctypes.addressof(ctypes.c_char.from_buffer(view))}},{{len(view)}}"
sys.exit(micropython_run.run_main(["micropython", "-X", sys.argv[2], "-c", {boot!r} + sys.argv[3]]))
"""
_BOOT = """
def _mount():
    import os, sys, uctypes, vfs
    at, size = [int(part) for part in os.getenv({variable!r}).split(",")]
    vfs.mount(vfs.VfsRom(uctypes.bytearray_at(at, size)), {place!r})
    more = [path for path in sys.path if path not in ("", ".frozen")]
    sys.path[:] = [".frozen", {place!r} + "/shims", {place!r}] + more
_mount()
del _mount
"""


def _number(value: int) -> bytes:
    """An unsigned integer in groups of seven bits, the highest first."""
    groups = [value & 0x7F]
    while value := value >> 7:
        groups.append(value & 0x7F | 0x80)
    return bytes(reversed(groups))


def _record(kind: int, payload: bytes) -> bytes:
    return _number(kind) + _number(len(payload)) + payload


def _entries(folder: Path) -> bytes:
    entries = b""
    for path in sorted(folder.iterdir()):
        name = _number(len(path.name.encode())) + path.name.encode()
        if path.is_dir():
            entries += _record(DIRECTORY, name + _entries(path))
        else:
            entries += _record(FILE, name + _record(DATA, path.read_bytes()))
    return entries


def image(folder: Path) -> bytes:
    """A folder as a ROMFS image."""
    entries = _entries(folder)
    return HEADER + _number(len(entries)) + entries


def command(file: Path, code: str, heap: str = "heapsize=100wK") -> list[str]:
    """Run MicroPython code with an image mounted: the arguments of a process. $MICROPYPATH is searched after it."""
    boot = _BOOT.format(variable=VARIABLE, place=PLACE)
    return [sys.executable, "-c", _LAUNCH.format(variable=VARIABLE, boot=boot), str(file), heap, code]
