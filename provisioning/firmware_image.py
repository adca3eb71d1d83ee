"""MicroPython's image as a technician names it: a file, checked against the manifest of images that may be used.

The manifest is JSON: {"images": [{"file", "sha256", "chip", "says", "secure_boot"}]}; the last may be missing. The
official image holds a partition table of its own; ours takes its place, so the file is cut at it into what lies before
and what lies from the application on.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from provisioning.boot_key import BootKey
from provisioning.files import create_private
from provisioning.partition_table import TABLE_OFFSET, Partition, named

IMAGE_MAGIC = 0xE9


class FirmwareError(ValueError):
    """The file must not go onto a board."""


@dataclass(frozen=True)
class FirmwareImage:
    """A checked image. `pieces` are its bytes by their place in the flash; `says` is its name for people.

    `checks_signatures`: its bootloader was built with secure boot, so that it starts no other application;
    MicroPython's official images are not. `signed_by` is the digest of the key that has signed the pieces, None while
    nobody has.
    """

    says: str
    sha256: str
    pieces: dict[int, bytes]
    checks_signatures: bool = False
    signed_by: bytes | None = None


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
    pieces = {bootloader: first.rstrip(b"\xff"), app.offset: second}
    return FirmwareImage(entry["says"], digest, pieces, entry.get("secure_boot") is True)


def signed(image: FirmwareImage, key: BootKey, folder: Path, partitions: tuple[Partition, ...]) -> FirmwareImage:
    """The image for production boards: each piece with its signature. Signing draws random numbers, and a board that is
    begun is finished with the same bytes: what was signed once is kept in `folder` and taken from there. Raises
    FirmwareError for an image whose bootloader checks nothing, and for one that does not fit any more."""
    if not image.checks_signatures:
        raise FirmwareError(
            f"{image.says} was not built with secure boot: its bootloader would start any application. Production "
            "boards need a build that checks, and its line in the manifest says so (secure_boot)"
        )
    digest = key.digest()
    ends = {
        0: TABLE_OFFSET,
        0x1000: TABLE_OFFSET,
        named(partitions, "factory").offset: named(partitions, "factory").end,
    }
    pieces = {}
    for place, content in image.pieces.items():
        kept = folder / f"{hashlib.sha256(content).hexdigest()}.{digest.hex()[:16]}.bin"
        if not (kept.exists() and key.has_signed(kept.read_bytes())):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            kept.unlink(missing_ok=True)
            with suppress(FileExistsError):  # Another process was first; its signature counts.
                create_private(kept, key.sign(content))
        pieces[place] = kept.read_bytes()
        if place + len(pieces[place]) > ends[place]:
            raise FirmwareError(f"{image.says} with its signature is too large for its place at {place:#x}")
    return dataclasses.replace(image, pieces=pieces, signed_by=digest)
