"""MicroPython's image as a technician names it: a file, checked against the manifest of images that may be used.

The manifest is JSON: {"images": [{"file", "sha256", "chip", "says"}]}. The official image holds a partition table of
its own; ours takes its place, so the file is cut at it into what lies before and what lies from the application on.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from provisioning.partition_table import TABLE_OFFSET, Partition, named

IMAGE_MAGIC = 0xE9


class FirmwareError(ValueError):
    """The file must not go onto a board."""


@dataclass(frozen=True)
class FirmwareImage:
    """A checked image. `pieces` are its bytes by their place in the flash; `says` is its name for people."""

    says: str
    sha256: str
    pieces: dict[int, bytes]


def load(path: Path, manifest: Path, chip: str, bootloader: int, partitions: tuple[Partition, ...]) -> FirmwareImage:
    """Read and check. Raises FirmwareError if the manifest has it not, has it for another chip, or it does not fit."""
    content = path.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    listed = json.loads(manifest.read_bytes())["images"]
    entry = next((one for one in listed if one["sha256"] == digest), None)
    if entry is None:
        raise FirmwareError(
            f"{path.name} (SHA-256 {digest}) is not in {manifest}: take the official file, or have it added"
        )
    if entry["chip"] != chip:
        raise FirmwareError(f"{path.name} is for {entry['chip']}, and the board has an {chip}")
    app = named(partitions, "factory")
    first, second = content[: TABLE_OFFSET - bootloader], content[app.offset - bootloader :]
    if len(second) > app.size:
        raise FirmwareError(f"{path.name} is {len(second) - app.size} bytes too large for this layout")
    if not second or first[0] != IMAGE_MAGIC or second[0] != IMAGE_MAGIC:
        raise FirmwareError(f"{path.name} is no image with bootloader and application in it")
    return FirmwareImage(entry["says"], digest, {bootloader: first.rstrip(b"\xff"), app.offset: second})
