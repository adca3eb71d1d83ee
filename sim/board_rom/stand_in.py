"""A stand-in for the official MicroPython image, which no package registry has. It is named so wherever it is shown.

It has the form of the official file (bootloader image, partition table and application image in one, with Espressif's
headers, checksums and SHA-256), so that real tools take it, and says in its first segment what it is. Its code is not
MicroPython and runs nowhere: a virtual board that boots it runs the installed MicroPython in its place.
"""

from __future__ import annotations

import hashlib
import struct

from provisioning.partition_table import APP, DATA, FACTORY, FAT, NVS, PHY, Partition, to_binary
from sim.board_rom.checksum import checksum_of
from sim.board_rom.chip import Chip

NAME = "Livlina stand-in image: no MicroPython inside"
PROJECT = "livlina-stand-in"
APP_OFFSET = 0x10000
APP_BYTES = 1_600_000
"""As large as MicroPython for this chip; of bytes that do not pack, so that flashing it takes as long."""
_DESCRIPTION_MAGIC, _DESCRIPTION_BYTES = 0xABCD5432, 256
_LOAD_ADDRESS = {"esp32": 0x3F400020, "esp32s3": 0x3C000020}
_CHIP_ID = {"esp32": 0, "esp32s3": 9}
_OFFICIAL = (
    Partition("nvs", DATA, NVS, 0x9000, 0x6000),
    Partition("phy_init", DATA, PHY, 0xF000, 0x1000),
    Partition("factory", APP, FACTORY, APP_OFFSET, 0x1F0000),
    Partition("vfs", DATA, FAT, 0x200000, 0x200000),
)


def stand_in(chip: Chip, app_bytes: int = APP_BYTES) -> bytes:
    """The file, as it is written at `chip.bootloader_offset`. Same arguments, same bytes."""
    head = chip.bootloader_offset
    image = _image(chip, NAME.encode() + b" (bootloader)")
    image = image.ljust(0x8000 - head, b"\xff") + to_binary(_OFFICIAL)
    image = image.ljust(APP_OFFSET - head, b"\xff")
    filler = hashlib.shake_256(NAME.encode()).digest(app_bytes)
    return image + _image(chip, NAME.encode() + b" (application)\0" + filler)


def says_stand_in(image: bytes) -> bool:
    """Whether an application image is a stand-in."""
    return NAME.encode() in image[:512]


def _text(words: str, length: int) -> bytes:
    return words.encode().ljust(length, b"\0")


def _image(chip: Chip, content: bytes) -> bytes:
    """One segment with Espressif's header (type 0xE9) and description, its checksum and its SHA-256."""
    description = struct.pack("<IIII", _DESCRIPTION_MAGIC, 0, 0, 0) + _text("stand-in", 32) + _text(PROJECT, 32)
    content = description.ljust(_DESCRIPTION_BYTES, b"\0") + content
    content += b"\0" * (-len(content) % 4)
    header = struct.pack("<BBBBI", 0xE9, 1, 0, 0x20, _LOAD_ADDRESS[chip.name])
    extended = struct.pack("<B3sHBHH4sB", 0xEE, bytes(3), _CHIP_ID[chip.name], 0, 0, 0xFFFF, bytes(4), 1)
    body = header + extended + struct.pack("<II", _LOAD_ADDRESS[chip.name], len(content)) + content
    body += b"\0" * (15 - len(body) % 16)
    body += bytes([checksum_of(content)])
    return body + hashlib.sha256(body).digest()
