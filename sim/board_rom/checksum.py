"""The checksum of Espressif's loaders and images: all bytes by exclusive or, beginning with EF."""

from __future__ import annotations

SEED = 0xEF


def checksum_of(data: bytes, value: int = SEED) -> int:
    """`value` is what came out of the bytes before. By halves: an image of a megabyte is checked at every start."""
    whole, size = int.from_bytes(data, "little"), len(data)
    while size > 1:
        half = (size + 1) // 2
        whole = whole >> 8 * half ^ whole & (1 << 8 * half) - 1
        size = half
    return value ^ whole
