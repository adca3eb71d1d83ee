"""A kind of board as a workshop needs it, out of the data of hardware/: chip, flash, SIM slots, what can be seen of it.

Pure.
"""

from __future__ import annotations

from livlina.hardware.board import Board
from provisioning.plan import SECURE_BOOT_CHIPS, BoardKind

_BOOTLOADERS = {"esp32": 0x1000, "esp32s3": 0}
"""Where each chip's ROM looks for its first image."""


def kind_of(board: Board) -> BoardKind:
    """The kind of one board of hardware/."""
    chip = board.data["chip"]
    return BoardKind(
        board.name, chip["name"], chip["flash_mb"] << 20, _BOOTLOADERS[chip["name"]],
        chip["name"] in SECURE_BOOT_CHIPS, len(board.data.get("sim", [])), "battery" in board.data,
        board.pin("speaker") is not None, board.pin("vibration") is not None,
    )  # fmt: skip
