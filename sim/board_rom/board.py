"""One virtual board as a folder: board.json (chip, MAC, bytes of flash), flash.bin and efuse.json.

The folder is the board: whoever opens it after a power cut finds what was burnt and written. One process at a time.
"""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path

from provisioning.files import replace
from sim.board_rom.chip import CHIPS, factory_efuses
from sim.board_rom.efuse import EfuseController
from sim.board_rom.flash import Flash
from sim.board_rom.loader import Loader

MEGABYTE = 1 << 20


class BoardError(Exception):
    """The folder is no board, or another process has it."""


def make_board(folder: Path, chip: str, mac: bytes, flash_bytes: int = 4 * MEGABYTE) -> Path:
    """A board as it leaves its maker: erased flash, factory eFuses. Raises BoardError if there is one already."""
    if chip not in CHIPS or len(mac) != 6 or mac[0] & 1 or flash_bytes & (flash_bytes - 1) or flash_bytes < MEGABYTE:
        raise BoardError(f"a board has one of {', '.join(CHIPS)}, a unicast MAC of 6 bytes and a power of 2 of flash")
    folder.mkdir(parents=True, exist_ok=True)
    if (folder / "board.json").exists():
        raise BoardError(f"{folder} is a board already; name another folder")
    replace(folder / "efuse.json", json.dumps(factory_efuses(CHIPS[chip], mac)).encode(), mode=0o600)
    words = {"chip": chip, "mac": mac.hex(":"), "flash_bytes": flash_bytes}
    replace(folder / "board.json", json.dumps(words).encode(), mode=0o644)
    return folder


class VirtualBoard:
    """An opened board. `loader` is its chip in download mode; `close` gives the folder back."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            words = json.loads((folder / "board.json").read_bytes())
        except (FileNotFoundError, NotADirectoryError):
            raise BoardError(f"{folder} is no board; make one with make_board") from None
        self.chip = CHIPS[words["chip"]]
        self.mac = bytes.fromhex(words["mac"].replace(":", ""))
        self._lock = os.open(folder / "board.json", os.O_RDONLY)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._lock)
            raise BoardError(f"{folder} is on another process's bench") from None
        self.flash = Flash(folder / "flash.bin", words["flash_bytes"])
        burnt = json.loads((folder / "efuse.json").read_bytes())
        self.efuses = EfuseController(self.chip.efuse, burnt, self._burn)
        self.loader = Loader(self.chip, self.flash, self.efuses)

    @property
    def spent_s(self) -> float:
        """Seconds that line and flash of a real board would have needed for all that was said so far."""
        return self.loader.line_s + self.flash.busy_s

    def close(self) -> None:
        """Power off."""
        self.flash.close()
        os.close(self._lock)

    def _burn(self, blocks: list[list[int]]) -> None:
        replace(self.folder / "efuse.json", json.dumps(blocks).encode(), mode=0o600)
