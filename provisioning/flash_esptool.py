"""What a bench asks of a board's flash and chip, by esptool.

`Port` is one board on one cable. Every method is one run of esptool, which resets into the loader by itself; raises
ToolError with its words. `write` verifies by the loader's own digest; `matches` reads the flash anew.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from provisioning import tool
from provisioning.off_disk import handed

_DETAILS = {
    "chip": re.compile(r"Chip type:\s+(.+?)\s*$", re.MULTILINE),
    "mac": re.compile(r"MAC:\s+([0-9a-f:]{17})\s*$", re.MULTILINE),
    "flash": re.compile(r"Detected flash size:\s+(\d+)([KM])B"),
}
_SILENCES = (
    "no response", "Failed to connect", "No serial data received", "Serial data stream stopped", "stopped responding",
    "Timed out waiting",
)  # fmt: skip
"""esptool's words for a line on which something was lost; a port that is not there is none of them."""


_NEAR = 1 << 16
"""Bytes that are read faster than a tool is started once more."""


def is_silence(error: tool.ToolError) -> bool:
    """Whether a tool has ended because a board gave no answer."""
    return any(silence in error.words for silence in _SILENCES)


@dataclass(frozen=True)
class ChipFacts:
    """What a board says of itself: esptool's name of the chip, MAC (lower case), bytes of flash."""

    description: str
    mac: str
    flash_bytes: int


@dataclass(frozen=True)
class Port:
    """`url` as esptool takes it (/dev/ttyUSB0, COM3, socket://host:port); `chip` as its --chip; `baud` for writing.

    What got no answer is tried again, `tries` times in all: every method may be done twice.
    """

    url: str
    chip: str
    baud: int = 921_600
    tries: int = 3

    def facts(self) -> ChipFacts:
        """Ask the board. Raises ToolError also when the answer lacks something."""
        said = self._run("flash-id")
        found = {name: pattern.search(said) for name, pattern in _DETAILS.items()}
        missing = [name for name, match in found.items() if match is None]
        if missing:
            raise tool.ToolError(
                "esptool", 0, f"its answer names no {', '.join(missing)}; is its version the locked one?"
            )
        chip, mac, flash = (found[name] for name in ("chip", "mac", "flash"))
        assert chip and mac and flash
        unit = 1 << 20 if flash[2] == "M" else 1 << 10
        return ChipFacts(chip[1], mac[1], int(flash[1]) * unit)

    def write(self, pieces: Mapping[int, bytes], *, force: bool = False) -> None:
        """Erase and write these bytes at these offsets; the loader's digest must agree. `force`: a bootloader on a chip
        whose secure boot is on, which must be signed, or the chip never starts again."""
        with _handed(pieces) as (words, inherits):
            self._run("write-flash", *(("--force",) if force else ()), *words, inherits=inherits)

    def matches(self, pieces: Mapping[int, bytes]) -> bool:
        """Whether the flash holds exactly these bytes. Raises ToolError for anything but a difference."""
        with _handed(pieces) as (words, inherits):
            try:
                self._run("verify-flash", *words, inherits=inherits)
            except tool.ToolError as error:
                if "Verification failed" in error.words or "digest mismatch" in error.words:
                    return False
                raise
        return True

    def read(self, offset: int, length: int) -> bytes:
        """Bytes of the flash."""
        with handed([b""]) as made:
            self._run("read-flash", hex(offset), hex(length), made.paths[0], inherits=made.descriptors)
            return made.content(0)

    def read_all(self, places: Mapping[int, int]) -> dict[int, bytes]:
        """Several pieces, by offset and length. What lies near each other is read in one run."""
        runs: list[list[int]] = []
        for offset, length in sorted(places.items()):
            if runs and offset - runs[-1][1] < _NEAR:
                runs[-1][1] = max(runs[-1][1], offset + length)
            else:
                runs.append([offset, offset + length])
        found = {first: self.read(first, end - first) for first, end in runs}
        pieces = {}
        for offset, length in places.items():
            first = max(start for start in found if start <= offset)
            pieces[offset] = found[first][offset - first : offset - first + length]
        return pieces

    def erase(self) -> None:
        """The whole flash: what remains of an identity that was taken back. Of a production board too, which can be
        written again by whoever has the key of its images."""
        self._run("erase-flash", "--force")

    def _run(self, *words: str, inherits: Sequence[int] = ()) -> str:
        command = ("--chip", self.chip, "--port", self.url, "--baud", str(self.baud), *words)
        for _ in range(self.tries - 1):
            try:
                return tool.run("esptool", *command, inherits=inherits)
            except tool.ToolError as error:
                if not is_silence(error):
                    raise
        return tool.run("esptool", *command, inherits=inherits)


@contextmanager
def _handed(pieces: Mapping[int, bytes]) -> Iterator[tuple[list[str], Sequence[int]]]:
    """esptool's words for these pieces, and the open files that it must have: an identity lies on no disk for it."""
    with handed([content for _, content in sorted(pieces.items())]) as files:
        words = [word for place, path in zip(sorted(pieces), files.paths, strict=True) for word in (hex(place), path)]
        yield words, files.descriptors
