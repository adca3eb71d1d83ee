"""The table that says what lies where in a board's flash, in Espressif's format.

Entries of 32 bytes (magic AA 50, type, subtype, offset, size, label of 16 bytes, flags), then one that begins with EB
EB and holds the MD5 of all before it, then FF. Reading refuses what the bootloader would refuse, and what overlaps.
"""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass

TABLE_OFFSET = 0x8000
TABLE_BYTES = 0xC00
SECTOR = 0x1000
APP, DATA = 0, 1
FACTORY = 0x00
PHY, NVS, FAT, ROMFS = 0x01, 0x02, 0x81, 0x8F
_ENTRY = struct.Struct("<2sBBII16sI")
_MAGIC = b"\xaa\x50"
_DIGEST_MAGIC = b"\xeb\xeb"
_APP_ALIGNMENT = 0x10000


class PartitionError(ValueError):
    """A table that no board may get, or bytes that are none."""


@dataclass(frozen=True)
class Partition:
    """`offset` and `size` in bytes, whole sectors; `label` up to 16 ASCII characters."""

    label: str
    kind: int
    subtype: int
    offset: int
    size: int

    @property
    def end(self) -> int:
        """The first byte after it."""
        return self.offset + self.size


def layout(flash_bytes: int, *, sealed: bool = False) -> tuple[Partition, ...]:
    """How Livlina divides a flash: MicroPython in `factory` at the place of its official images, the firmware in
    `romfs`, which MicroPython executes in place, and the unit's own files in `vfs`. The rest stays free.

    `sealed`, for production boards: `romfs` and the `vfs` that it starts from lie inside `factory`, signed with it;
    the unit's own files lie in `unit` (provisioning.seal).
    """
    if flash_bytes < 4 << 20:
        raise PartitionError(f"a flash of {flash_bytes} bytes is too small: a unit needs 4 MiB")
    first = (Partition("nvs", DATA, NVS, 0x9000, 0x6000), Partition("phy_init", DATA, PHY, 0xF000, 0x1000))
    if sealed:
        return (
            *first,
            Partition("factory", APP, FACTORY, 0x10000, 0x270000),
            Partition("romfs", DATA, ROMFS, 0x200000, 0x70000),
            Partition("vfs", DATA, FAT, 0x270000, 0x4000),
            Partition("unit", DATA, FAT, 0x280000, 0x80000),
        )
    return (
        *first,
        Partition("factory", APP, FACTORY, 0x10000, 0x1F0000),
        Partition("romfs", DATA, ROMFS, 0x200000, 0x80000),
        Partition("vfs", DATA, FAT, 0x280000, 0x80000),
    )


def files_of_the_unit(partitions: tuple[Partition, ...]) -> Partition:
    """Where the unit writes: `unit` where there is one, else `vfs`."""
    return next((part for part in partitions if part.label == "unit"), None) or named(partitions, "vfs")


def to_binary(partitions: tuple[Partition, ...]) -> bytes:
    """The table's sector-filling bytes. Raises PartitionError."""
    _check(partitions)
    body = b"".join(
        _ENTRY.pack(_MAGIC, part.kind, part.subtype, part.offset, part.size, part.label.encode("ascii"), 0)
        for part in partitions
    )
    digest = hashlib.md5(body, usedforsecurity=False).digest()
    return (body + _DIGEST_MAGIC + b"\xff" * 14 + digest).ljust(TABLE_BYTES, b"\xff")


def from_binary(table: bytes) -> tuple[Partition, ...]:
    """The entries of a table. Raises PartitionError if there is no digest, a wrong one, or an entry that overlaps."""
    found: list[Partition] = []
    for at in range(0, min(len(table), TABLE_BYTES) - _ENTRY.size + 1, _ENTRY.size):
        entry = table[at : at + _ENTRY.size]
        if entry[:2] == _DIGEST_MAGIC:
            if entry[16:] != hashlib.md5(table[:at], usedforsecurity=False).digest():
                raise PartitionError("the partition table's digest is wrong: write the table again")
            _check(tuple(found))
            return tuple(found)
        magic, kind, subtype, offset, size, label, _ = _ENTRY.unpack(entry)
        if magic != _MAGIC:
            break
        try:
            name = label.rstrip(b"\0").decode("ascii")
        except UnicodeDecodeError:
            raise PartitionError("a label of the partition table is not ASCII") from None
        found.append(Partition(name, kind, subtype, offset, size))
    raise PartitionError("there is no partition table: nothing was written there, or it was cut short")


def named(partitions: tuple[Partition, ...], label: str) -> Partition:
    """The partition of this label. Raises PartitionError."""
    for part in partitions:
        if part.label == label:
            return part
    raise PartitionError(f"the partition table has no {label}")


def _check(partitions: tuple[Partition, ...]) -> None:
    labels = set()
    for part in partitions:
        if not part.label or len(part.label) > 16 or part.label in labels:
            raise PartitionError(f"{part.label!r} is no label: 1 to 16 characters, each label once")
        if part.offset % (_APP_ALIGNMENT if part.kind == APP else SECTOR) or part.size % SECTOR or part.size <= 0:
            raise PartitionError(f"{part.label} does not lie on the sectors of the flash")
        labels.add(part.label)
    apps = [part for part in partitions if part.kind == APP]
    inside = [part for part in partitions if any(_is_inside(part, app) for app in apps)]
    _check_order([part for part in partitions if part not in inside])
    _check_order(inside)


def _is_inside(part: Partition, app: Partition) -> bool:
    """Data that is part of a signed image: neither ESP-IDF nor MicroPython minds, and nobody can write there."""
    return part.kind == DATA and app.offset < part.offset and part.end <= app.end


def _check_order(partitions: list[Partition]) -> None:
    end = TABLE_OFFSET + SECTOR
    for part in sorted(partitions, key=lambda one: one.offset):
        if part.offset < end:
            raise PartitionError(f"{part.label} overlaps what lies before it")
        end = part.end
