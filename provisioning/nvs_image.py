"""A board's NVS partition: public facts of the unit that code reads before any file system is there.

esp-idf-nvs-partition-gen makes the image. Stock MicroPython reads no encrypted NVS, so nothing secret goes in here;
`build` refuses keys that look like it.
"""

from __future__ import annotations

import csv
import tempfile
from collections.abc import Mapping
from pathlib import Path

from provisioning import tool

NAMESPACE = "livlina"
LONGEST_KEY = 15
_SECRET_WORDS = ("secret", "key", "psk", "pass")


class NvsError(ValueError):
    """An entry that NVS cannot hold or must not."""


def build(entries: Mapping[str, str | int], size: int) -> bytes:
    """The image of `size` bytes. Text is a string there, an integer (0..2^32-1) a u32. Raises NvsError, ToolError."""
    rows = [["key", "type", "encoding", "value"], [NAMESPACE, "namespace", "", ""]]
    for key, value in sorted(entries.items()):
        if not 0 < len(key) <= LONGEST_KEY:
            raise NvsError(f"{key!r} is no NVS key: 1 to {LONGEST_KEY} characters")
        if any(word in key.lower() for word in _SECRET_WORDS):
            raise NvsError(f"{key!r} sounds like a secret, and this NVS is in the clear")
        if isinstance(value, int):
            if not 0 <= value < 1 << 32:
                raise NvsError(f"{key}: {value} is no u32")
            rows.append([key, "data", "u32", str(value)])
        else:
            rows.append([key, "data", "string", value])
    with tempfile.TemporaryDirectory(prefix="nvs.") as folder:
        source, made = Path(folder) / "nvs.csv", Path(folder) / "nvs.bin"
        with source.open("w", newline="") as file:
            csv.writer(file).writerows(rows)
        tool.run("esp_idf_nvs_partition_gen", "generate", source, made, hex(size))
        image = made.read_bytes()
    if len(image) != size:
        raise NvsError(f"the generator made {len(image)} bytes for a partition of {size}")
    return image
