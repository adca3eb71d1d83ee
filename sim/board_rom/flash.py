"""A board's NOR flash as a file: erasing sets bits, programming clears them, and both end in the file at once.

So a cable that is pulled leaves what it would leave on a board: a prefix.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

SECTOR = 4096
ERASE_SECTOR_S = 0.045
"""Typical of a 4 KiB sector; data sheets of 4 MB parts say 45 ms."""
PROGRAM_PAGE_S = 0.0004
PAGE = 256


class FlashError(Exception):
    """The address is outside the flash."""


class Flash:
    """`busy_s` grows by what a real part would have needed. `worn`: bits, by address, that read as 0 for ever."""

    def __init__(self, path: Path, size: int) -> None:
        self.size = size
        self.busy_s = 0.0
        self.worn: dict[int, int] = {}
        if not path.exists():
            path.write_bytes(b"\xff" * size)
        if path.stat().st_size != size:
            raise FlashError(f"{path} has {path.stat().st_size} bytes and the board {size}: make the board anew")
        # Nothing is kept in this process: a started board writes the same file from another one.
        self._file = path.open("r+b", buffering=0)

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def read(self, offset: int, length: int) -> bytes:
        """Bytes; raises FlashError outside."""
        self._check(offset, length)
        self._file.seek(offset)
        content = self._file.read(length)
        for at, bits in self.worn.items():
            if offset <= at < offset + length:
                place = at - offset
                content = content[:place] + bytes([content[place] & ~bits]) + content[place + 1 :]
        return content

    def erase(self, offset: int, length: int) -> None:
        """Every sector that the range touches."""
        first = offset // SECTOR * SECTOR
        end = -(-(offset + length) // SECTOR) * SECTOR
        self._check(first, end - first)
        self._file.seek(first)
        self._file.write(b"\xff" * (end - first))
        self.busy_s += (end - first) // SECTOR * ERASE_SECTOR_S

    def program(self, offset: int, data: bytes) -> None:
        """Clear bits: what was not erased stays 0."""
        old = self.read(offset, len(data))
        if old.count(0xFF) != len(old):
            data = (int.from_bytes(old) & int.from_bytes(data)).to_bytes(len(data))
        self._file.seek(offset)
        self._file.write(data)
        self._file.flush()
        self.busy_s += -(-len(data) // PAGE) * PROGRAM_PAGE_S

    def sync(self) -> None:
        """What is written outlives this process. Not the host's power: a full disk's queue would stall all boards."""
        self._file.flush()

    def md5(self, offset: int, length: int) -> bytes:
        """16 bytes, as the loaders give them; no protection."""
        return hashlib.md5(self.read(offset, length), usedforsecurity=False).digest()

    def _check(self, offset: int, length: int) -> None:
        if offset < 0 or length < 0 or offset + length > self.size:
            raise FlashError(f"{length} bytes at 0x{offset:x} reach past the flash of {self.size} bytes")
