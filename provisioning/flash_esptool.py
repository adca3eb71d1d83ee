"""What a bench asks of a board's flash and chip, by esptool.

`Port` is one board on one cable. Every method is one run of esptool, which resets into the loader by itself; raises
ToolError with its words. `write` verifies by the loader's own digest; `matches` reads the flash anew.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from provisioning import tool

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
        with tempfile.TemporaryDirectory(prefix="flash.") as folder:
            self._run("write-flash", *(("--force",) if force else ()), *self._files(pieces, Path(folder)))

    def matches(self, pieces: Mapping[int, bytes]) -> bool:
        """Whether the flash holds exactly these bytes. Raises ToolError for anything but a difference."""
        with tempfile.TemporaryDirectory(prefix="flash.") as folder:
            try:
                self._run("verify-flash", *self._files(pieces, Path(folder)))
            except tool.ToolError as error:
                if "Verification failed" in error.words or "digest mismatch" in error.words:
                    return False
                raise
        return True

    def read(self, offset: int, length: int) -> bytes:
        """Bytes of the flash."""
        with tempfile.TemporaryDirectory(prefix="flash.") as folder:
            made = Path(folder) / "read.bin"
            self._run("read-flash", hex(offset), hex(length), made)
            return made.read_bytes()

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

    def _files(self, pieces: Mapping[int, bytes], folder: Path) -> list[str]:
        words = []
        for offset, content in sorted(pieces.items()):
            path = folder / f"{offset:08x}.bin"
            path.touch(mode=0o600)
            path.write_bytes(content)
            words += [hex(offset), str(path)]
        return words

    def _run(self, *words: str | Path) -> str:
        command = ("--chip", self.chip, "--port", self.url, "--baud", str(self.baud), *words)
        for _ in range(self.tries - 1):
            try:
                return tool.run("esptool", *command)
            except tool.ToolError as error:
                if not is_silence(error):
                    raise
        return tool.run("esptool", *command)
