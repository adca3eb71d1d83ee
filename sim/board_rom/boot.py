"""Whether a virtual board's ROM and bootloader would start what lies in its flash. `interpreter` then runs it.

The application image is checked and not executed, since no interpreter for the chip is here: the MicroPython of this
machine runs in its place, on the bytes of `romfs` and `vfs` in the same flash. With secure boot on, bootloader and
application must be signed; the bootloader is taken for one that was built to check that, as a production build's is.
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
from sim.board_rom import secure_boot
from sim.board_rom.board import VirtualBoard
from sim.board_rom.checksum import SEED, checksum_of


class BootError(Exception):
    """The board does not start, and why: what its bootloader would print for ever."""


def bootable(board: VirtualBoard) -> tuple[Partition, ...]:
    """The partitions, if the application would be started. Raises BootError."""
    flash = board.flash
    trusted = secure_boot.trusted_digests(board.efuses) if secure_boot.is_on(board.efuses) else None
    if trusted is not None:
        offset = board.chip.bootloader_offset
        _check(flash.read(offset, TABLE_OFFSET - offset), "bootloader", trusted)
    try:
        parts = from_binary(flash.read(TABLE_OFFSET, TABLE_BYTES))
        app = named(parts, "factory")
    except PartitionError as error:
        raise BootError(str(error)) from error
    _check(flash.read(app.offset, app.size), "application", trusted)
    return parts


def _check(image: bytes, what: str, trusted: list[bytes] | None) -> None:
    if image[0] != 0xE9 or image[23] != 1:
        raise BootError(f"there is no {what} in the flash")
    at = 24
    checksum = SEED
    for _ in range(image[1]):
        (length,) = struct.unpack("<I", image[at + 4 : at + 8])
        if at + 8 + length > len(image):
            raise BootError(f"the {what} reaches past its place")
        checksum = checksum_of(image[at + 8 : at + 8 + length], checksum)
        at += 8 + length
    at += 15 - at % 16
    if image[at] != checksum or image[at + 1 : at + 33] != hashlib.sha256(image[: at + 1]).digest():
        raise BootError(f"the {what} is damaged: its checksum or its SHA-256 is wrong")
    if trusted is not None and not secure_boot.is_signed(image, at + 33, trusted):
        raise BootError(f"the {what} is not signed by a key that this chip believes: secure boot is on")
