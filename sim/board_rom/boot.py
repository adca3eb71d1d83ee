"""Whether a virtual board's bootloader would start what lies in its flash. `interpreter` then runs it.

The application image is checked and not executed, since no interpreter for the chip is here: the MicroPython of this
machine runs in its place, on the bytes of `romfs` and `vfs` in the same flash.
"""

from __future__ import annotations

import hashlib
import struct

from provisioning.partition_table import (
    TABLE_BYTES,
    TABLE_OFFSET,
    Partition,
    PartitionError,
    from_binary,
    named,
)
from sim.board_rom.flash import Flash


class BootError(Exception):
    """The board does not start, and why: what its bootloader would print for ever."""


def bootable(flash: Flash) -> tuple[Partition, ...]:
    """The partitions, if a bootloader would start the application. Raises BootError."""
    try:
        parts = from_binary(flash.read(TABLE_OFFSET, TABLE_BYTES))
        app = named(parts, "factory")
    except PartitionError as error:
        raise BootError(str(error)) from error
    image = flash.read(app.offset, app.size)
    if image[0] != 0xE9 or image[23] != 1:
        raise BootError("there is no application in the flash")
    at = 24
    checksum = 0xEF
    for _ in range(image[1]):
        (length,) = struct.unpack("<I", image[at + 4 : at + 8])
        if at + 8 + length > len(image):
            raise BootError("the application reaches past its partition")
        for byte in image[at + 8 : at + 8 + length]:
            checksum ^= byte
        at += 8 + length
    at += 15 - at % 16
    if image[at] != checksum or image[at + 1 : at + 33] != hashlib.sha256(image[: at + 1]).digest():
        raise BootError("the application is damaged: its checksum or its SHA-256 is wrong")
    return parts
