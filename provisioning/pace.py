"""How many boards an hour one person makes, by what line and flash of a real board need and a person's hands.

Nothing is measured here: the line's speed is the port's, the flash's times are those of data sheets of 4 MB parts (the
same as the virtual board's, sim/board_rom/flash.py), the hands' are assumed. Pure. Waiting for a network is not in it:
other boards are under work meanwhile.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping

from provisioning.partition_table import SECTOR

HANDS_S = 60.0
"""What a person needs for one board: cable on, button, lamp, label on, board off."""
LEAST_AN_HOUR = 20
_ERASE_SECTOR_S, _PROGRAM_PAGE_S, _PAGE = 0.045, 0.0004, 256
_BITS_A_BYTE = 10
_ROM_BAUD = 115_200
_TOOL_STARTS, _STUB_BYTES = 10, 6_000
"""How often a tool begins with a board, and what it sends at the ROM's speed each time."""


def machine_seconds(pieces: Mapping[int, bytes], baud: int) -> float:
    """What one board needs on its cable: written packed, verified in place, then read back whole for the ledger."""
    packed = sum(len(zlib.compress(content, 9)) for content in pieces.values())
    sectors = sum(-(-len(content) // SECTOR) for content in pieces.values())
    whole = sum(len(content) for content in pieces.values())
    line = (packed + whole) * _BITS_A_BYTE / baud + _TOOL_STARTS * _STUB_BYTES * _BITS_A_BYTE / _ROM_BAUD
    return line + sectors * _ERASE_SECTOR_S + -(-whole // _PAGE) * _PROGRAM_PAGE_S


def boards_an_hour(machine_s: float, cables: int) -> float:
    """With so many boards at once and one pair of hands."""
    return round(3600 / max(HANDS_S, (machine_s + HANDS_S) / cables), 1)
