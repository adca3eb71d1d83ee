"""A folder as a ROMFS image: what MicroPython mounts read-only from memory-mapped flash and executes in place.

The format is MicroPython's own, version 1. Same folder, same bytes.
"""

from __future__ import annotations

from pathlib import Path

HEADER = b"\xd2\xcd\x31"
DATA, DIRECTORY, FILE = 2, 4, 5


def image(folder: Path) -> bytes:
    """The image of everything below this folder."""
    entries = _entries(folder)
    return HEADER + _number(len(entries)) + entries


def _entries(folder: Path) -> bytes:
    entries = b""
    for path in sorted(folder.iterdir()):
        name = _number(len(path.name.encode())) + path.name.encode()
        if path.is_dir():
            entries += _record(DIRECTORY, name + _entries(path))
        else:
            entries += _record(FILE, name + _record(DATA, path.read_bytes()))
    return entries


def _record(kind: int, payload: bytes) -> bytes:
    return _number(kind) + _number(len(payload)) + payload


def _number(value: int) -> bytes:
    """An unsigned integer in groups of seven bits, the highest first."""
    groups = [value & 0x7F]
    while value := value >> 7:
        groups.append(value & 0x7F | 0x80)
    return bytes(reversed(groups))
