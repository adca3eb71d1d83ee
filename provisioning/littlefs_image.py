"""Files as the image of a LittleFS partition, and back: littlefs-python does the work.

The geometry is MicroPython's `VfsLfs2` on a partition: blocks of 4096 bytes, 32 to read and program, lookahead 32.
An image is exactly as large as its partition.
"""

from __future__ import annotations

from collections.abc import Mapping

from littlefs import LittleFS, LittleFSError

BLOCK = 4096


class ImageError(ValueError):
    """Files that do not fit, or an image that is none."""


def build(files: Mapping[str, bytes], size: int) -> bytes:
    """An image of `size` bytes with these files; a name may have folders. Raises ImageError."""
    if size % BLOCK or size < 2 * BLOCK:
        raise ImageError(f"{size} bytes are no LittleFS partition: whole blocks of {BLOCK}, at least two")
    system = _system(size)
    system.format()
    system.mount()
    try:
        for name in sorted(files):
            folder = name.rpartition("/")[0]
            if folder:
                system.makedirs(folder, exist_ok=True)
            with system.open(name, "wb") as file:
                file.write(files[name])
    except LittleFSError as error:
        raise ImageError(f"{len(files)} files do not go into {size} bytes: {error}") from error
    return bytes(system.context.buffer)


def read(image: bytes) -> dict[str, bytes]:
    """All files of an image by name. Raises ImageError."""
    system = _system(len(image))
    system.context.buffer[:] = image
    try:
        system.mount()
        found = {}
        for folder, _, names in system.walk("/"):
            for name in names:
                path = f"{folder.rstrip('/')}/{name}".lstrip("/")
                with system.open(path, "rb") as file:
                    found[path] = file.read()
    except LittleFSError as error:
        raise ImageError(f"this is no LittleFS: {error}") from error
    return found


def _system(size: int) -> LittleFS:
    return LittleFS(
        block_size=BLOCK, block_count=size // BLOCK, read_size=32, prog_size=32, lookahead_size=32, mount=False
    )
