"""Our own code under the signature of secure boot: the firmware becomes part of MicroPython's application image.

Espressif's image format knows segments that are hashed and signed with the rest and that nothing loads (address 0,
"padding"). One more of these holds, each at its own place in the flash, our `romfs` and a small file system with the
`main.py` that starts it. The partition table names both places as it always does, so stock MicroPython finds them. What
the unit writes lies in a partition of its own, `unit`, behind the signed part, and nothing is imported from there.

An ESP32-S3 whose secure boot is on starts neither another `romfs` nor another `main.py`. Which places the table names
is not signed: docs/security.md says what follows.
"""

from __future__ import annotations

import dataclasses
import hashlib
import struct
from functools import reduce
from operator import xor

from provisioning import littlefs_image
from provisioning.firmware_image import FirmwareError, FirmwareImage
from provisioning.partition_table import Partition, named

MAIN = b"""\
import micropython

micropython.kbd_intr(-1)
import machine

try:
    import os
    import sys
    import vfs
    from esp32 import Partition

    while "" in sys.path:
        sys.path.remove("")
    vfs.mount(Partition.find(Partition.TYPE_DATA, label="unit")[0], "/unit")
    os.chdir("/unit")
    import firmware.main

    firmware.main.run()
finally:
    machine.reset()
"""
"""main.py under the signature. A Ctrl-C on the console does not end it; what ends it by mistake is a restart and no
prompt; what the unit has written is never imported."""

MOST_SEGMENTS = 16
_HEADER, _SEGMENTS, _HASHED = 24, 1, 23
_SEED = 0xEF
_NOT_LOADED = 0


def sealed(image: FirmwareImage, romfs: bytes, partitions: tuple[Partition, ...]) -> FirmwareImage:
    """MicroPython's image with our firmware in its application, still to be signed. Raises FirmwareError where
    something does not fit."""
    app, rom, start = (named(partitions, label) for label in ("factory", "romfs", "vfs"))
    if len(romfs) > rom.size:
        raise FirmwareError(f"the firmware is {len(romfs)} bytes, and its partition {rom.size}")
    files = littlefs_image.build({"main.py": MAIN}, start.size)
    content = romfs.ljust(start.offset - rom.offset, b"\xff") + files
    pieces = {**image.pieces, app.offset: _extended(image.pieces[app.offset], rom.offset - app.offset, content)}
    return dataclasses.replace(image, pieces=pieces)


def holds(image: FirmwareImage, romfs: bytes, partitions: tuple[Partition, ...]) -> bool:
    """Whether this firmware is the one in the image."""
    app, rom, start = (named(partitions, label) for label in ("factory", "romfs", "vfs"))
    place = image.pieces[app.offset][rom.offset - app.offset : start.offset - app.offset]
    return place == romfs.ljust(rom.size, b"\xff")


def _extended(app: bytes, place: int, content: bytes) -> bytes:
    """An application image with one more segment, whose `content` begins `place` bytes from the image's beginning."""
    end, checksum = _segments(app)
    if end + 8 > place:
        raise FirmwareError(f"MicroPython reaches {end + 8 - place} bytes into the place of the firmware")
    data = b"\xff" * (place - end - 8) + content
    data += b"\xff" * (-len(data) % 4)
    head = bytearray(app[:_HEADER])
    head[_SEGMENTS] += 1
    head[_HASHED] = 1
    if head[_SEGMENTS] > MOST_SEGMENTS:
        raise FirmwareError(f"MicroPython's image has {app[_SEGMENTS]} segments, and no room for one more")
    body = bytes(head) + app[_HEADER:end] + struct.pack("<II", _NOT_LOADED, len(data)) + data
    body += b"\0" * (15 - len(body) % 16) + bytes([checksum ^ reduce(xor, data)])
    return body + hashlib.sha256(body).digest()


def _segments(app: bytes) -> tuple[int, int]:
    """Where the segments of an image end, and their checksum, which the image must bear itself."""
    at, checksum = _HEADER, _SEED
    for _ in range(app[_SEGMENTS]):
        (length,) = struct.unpack_from("<I", app, at + 4) if at + 8 <= len(app) else (len(app),)
        checksum = reduce(xor, app[at + 8 : at + 8 + length], checksum)
        at += 8 + length
    last = at + 15 - at % 16
    if last >= len(app) or app[last] != checksum:
        raise FirmwareError("the application in MicroPython's image is damaged: take the file from its source again")
    return at, checksum
