"""A board that is in order, as a start for boards that are not, and the way to change one thing of it."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from livlina.hardware.board import Board, chip, read

ROOT = Path(__file__).parents[3]
SOUND = "reference-wearable"
Change = Callable[[dict[str, Any]], object]


@cache
def _sound() -> Board:
    """The reference wearable, but for what it accepts: as if its charger stopped where its cell ends."""
    board = read(ROOT, SOUND)
    data = copy.deepcopy(board.data)
    data["charger"]["charge_max_c"] = data["battery"]["charge_max_c"]
    del data["accepted"]
    return dataclasses.replace(board, data=data)


def changed(change: Change) -> Board:
    """The sound board with its data changed; a chip named there is taken."""
    board = _sound()
    data = copy.deepcopy(board.data)
    change(data)
    return dataclasses.replace(board, data=data, chip=chip(ROOT, data["chip"]["name"]))


def pin(data: dict[str, Any], role: str) -> dict[str, Any]:
    """The row of this role."""
    found: dict[str, Any] = next(one for one in data["pin"] if one["role"] == role)
    return found


def rail(data: dict[str, Any], name: str) -> dict[str, Any]:
    """The row of this rail."""
    found: dict[str, Any] = next(one for one in data["rail"] if one["name"] == name)
    return found
