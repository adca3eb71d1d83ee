"""Runs MicroPython with an image of the firmware in place of memory-mapped flash: code is executed where it lies, and
the heap is for data. On a board that is what frozen modules or a ROMFS partition are.

The image is mapped by the process that hosts MicroPython, outside MicroPython's heap, and mounted as a `VfsRom` before
any of our code runs (`BOOT`). `LIVLINA_ROM` says where it is: "address,size" in this process's memory, or the path of
a file for an interpreter that is a process of its own; that one has to read it into its heap, which must be larger by
its size.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import sys
from pathlib import Path

VARIABLE = "LIVLINA_ROM"
PLACE = "/rom"
SEARCH_PATH = f".frozen:{PLACE}/shims:{PLACE}/beside:{PLACE}"
"""MICROPYPATH of a process with the image mounted."""
BOOT = f"""
def _mount():
    import os, sys, vfs
    # A unit's flash holds data and no code.
    sys.path.remove("")
    place = os.getenv("{VARIABLE}")
    if place[0] == "/":
        with open(place, "rb") as file:
            vfs.mount(vfs.VfsRom(file.read()), "{PLACE}")
    else:
        import uctypes
        at, size = [int(part) for part in place.split(",")]
        vfs.mount(vfs.VfsRom(uctypes.bytearray_at(at, size)), "{PLACE}")
_mount()
del _mount
"""
"""Comes before all other code."""
_mapped: dict[str, mmap.mmap] = {}


def map_image(file: Path) -> str:
    """Map an image into this process's memory, for good; the value of `LIVLINA_ROM`.

    The pages are the file's own, shared by all processes that have it mapped.
    """
    name = str(file)
    if name not in _mapped:
        with file.open("rb") as opened:
            # A private mapping, since an address is only told of what could be written to; nobody writes.
            _mapped[name] = mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_COPY)
    view = _mapped[name]
    return f"{ctypes.addressof(ctypes.c_char.from_buffer(view))},{len(view)}"


def command(file: Path, code: str, heap: str) -> list[str]:
    """The arguments of a process that runs MicroPython code with this image mounted; `heap` is the value of
    `-X heapsize=`. Its environment must have `SEARCH_PATH`, or one like it, as MICROPYPATH."""
    # -P: this folder is no place to import from.
    return [sys.executable, "-P", __file__, str(file.absolute()), heap, code]


def main() -> int:
    """What `command` starts."""
    import micropython_run

    os.environ[VARIABLE] = map_image(Path(sys.argv[1]))
    return int(micropython_run.run_main(["micropython", "-X", f"heapsize={sys.argv[2]}", "-c", BOOT + sys.argv[3]]))


if __name__ == "__main__":
    sys.exit(main())
