"""What differs between the chips that a virtual board can have: ESP32 and ESP32-S3.

Addresses and values are those of Espressif's technical reference manuals (chapters "eFuse Controller" and "SPI").
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class EfuseBlock:
    """`read` and `write` are offsets into the controller's registers; `words` of 32 bits; `write_bit` and `read_bit`
    are the bits of WR_DIS and RD_DIS that protect the block, None where nothing does."""

    read: int
    write: int
    words: int
    write_bit: int | None
    read_bit: int | None


@dataclass(frozen=True)
class ProtectedField:
    """Bits of block 0 that one bit of WR_DIS protects."""

    word: int
    shift: int
    width: int
    write_bit: int


@dataclass(frozen=True)
class EfuseLayout:
    """An eFuse controller. `by_block`: a program command names one block (ESP32-S3), else it programs all (ESP32).

    `write_disable` and `read_disable` are (word of block 0, shift, width).
    """

    base: int
    size: int
    conf: int
    command: int
    by_block: bool
    blocks: tuple[EfuseBlock, ...]
    write_disable: tuple[int, int, int]
    read_disable: tuple[int, int, int]
    fields: tuple[ProtectedField, ...]


@dataclass(frozen=True)
class Chip:
    """One kind of chip as a flashing tool sees it. `chip_id` is None where the ROM has no such command.

    `spi` is the base of the flash's SPI controller, with the offsets of its registers; `registers` are words that
    read the same on every such chip.
    """

    name: str
    magic: int
    chip_id: int | None
    spi: int
    spi_command: int
    spi_usr2: int
    spi_data: int
    clock_divider: int
    bootloader_offset: int
    efuse: EfuseLayout
    registers: tuple[tuple[int, int], ...]
    read_pointer: int | None = None
    """Where the ROM keeps the address of its routine that reads the flash: with secure boot on, an ESP32-S3's ROM
    starts no code that was loaded into its memory, and tools put their stub's address there (esptool's `run_stub`)."""
    download_closed: tuple[int, int] | None = None
    """Word and bit of block 0 that end download mode."""


MAGIC_REGISTER = 0x40001000
CRYSTAL_HZ = 40_000_000
_S3_KEYS = tuple(EfuseBlock(0x09C + 0x20 * index, 0, 8, 23 + index, index) for index in range(6))
S3_PURPOSES = ((2, 24), (2, 28), (3, 0), (3, 4), (3, 8), (3, 12))
"""Where the purpose of each key block lies in block 0: word and shift."""

ESP32S3 = Chip(
    name="esp32s3",
    magic=0x9,
    chip_id=9,
    spi=0x60002000,
    spi_command=0x00,
    spi_usr2=0x20,
    spi_data=0x58,
    clock_divider=0x60000014,
    bootloader_offset=0x0,
    efuse=EfuseLayout(
        base=0x60007000,
        size=0x200,
        conf=0x1CC,
        command=0x1D4,
        by_block=True,
        blocks=(
            EfuseBlock(0x02C, 0, 6, None, None),
            EfuseBlock(0x044, 0, 6, 20, None),
            EfuseBlock(0x05C, 0, 8, 21, None),
            EfuseBlock(0x07C, 0, 8, 22, None),
            *_S3_KEYS,
            EfuseBlock(0x15C, 0, 8, 29, 6),
        ),
        write_disable=(0, 0, 32),
        read_disable=(1, 0, 7),
        fields=(
            ProtectedField(1, 0, 7, 0),
            *(ProtectedField(word, shift, 4, 8 + key) for key, (word, shift) in enumerate(S3_PURPOSES)),
            # SECURE_BOOT_KEY_REVOKE0..2, DIS_PAD_JTAG, SECURE_BOOT_EN, DIS_USB_JTAG.
            *(ProtectedField(2, 21 + key, 1, 5 + key) for key in range(3)),
            ProtectedField(1, 19, 1, 2),
            ProtectedField(3, 20, 1, 15),
            ProtectedField(3, 22, 1, 2),
        ),
    ),
    registers=(),
    read_pointer=0x3FCEF688,
    download_closed=(4, 0),
)
_ESP32_CLOCK_8M = 128
ESP32 = Chip(
    name="esp32",
    magic=0x00F01D83,
    chip_id=None,
    spi=0x3FF42000,
    spi_command=0x00,
    spi_usr2=0x24,
    spi_data=0x80,
    clock_divider=0x3FF40014,
    bootloader_offset=0x1000,
    efuse=EfuseLayout(
        base=0x3FF5A000,
        size=0x120,
        conf=0x0FC,
        command=0x104,
        by_block=False,
        blocks=(
            EfuseBlock(0x000, 0x01C, 7, None, None),
            EfuseBlock(0x038, 0x098, 8, 7, 0),
            EfuseBlock(0x058, 0x0B8, 8, 8, 1),
            EfuseBlock(0x078, 0x0D8, 8, 9, 2),
        ),
        write_disable=(0, 0, 16),
        read_disable=(0, 16, 4),
        fields=(ProtectedField(0, 16, 4, 0),),
    ),
    # The third bit of the revision, and the calibration by which the tool finds a crystal of 40 MHz.
    registers=((0x3FF6607C, 1 << 31), (0x3FF5F06C, (CRYSTAL_HZ * 40 // (15625 * _ESP32_CLOCK_8M)) << 7)),
)
CHIPS = {chip.name: chip for chip in (ESP32, ESP32S3)}


def factory_efuses(chip: Chip, mac: bytes) -> list[list[int]]:
    """The words of each eFuse block as the chip leaves its maker: its MAC (6 bytes), its revision, nothing else."""
    blocks = [[0] * block.words for block in chip.efuse.blocks]
    high, low = int.from_bytes(mac[:2]), int.from_bytes(mac[2:])
    if chip is ESP32:
        blocks[0][1] = low
        blocks[0][2] = high | _crc8(mac) << 16
        blocks[0][3] = 1 << 15
        blocks[0][4] = _ESP32_CLOCK_8M
        blocks[0][5] = 1 << 20
    else:
        blocks[1][0] = low
        blocks[1][1] = high
        blocks[1][3] = 2 << 18
    return blocks


def _crc8(data: bytes) -> int:
    """CRC-8/MAXIM: polynomial 0x31, reflected."""
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x8C if crc & 1 else 0)
    return crc
