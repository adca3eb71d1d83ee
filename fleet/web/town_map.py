"""A map of municipalities out of data that we ship: shapes for an SVG, shaded by a share. No tiles, no network.

It is a picture beside a table that says the same: nothing is only on the map.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Final

STEPS: Final = (0.0, 0.02, 0.10)
"""Shares above which the shading goes up by one: some, more than 2 %, more than 10 %."""
_MARGIN: Final = 0.25
_LEAST: Final = 40.0


@dataclass(frozen=True, slots=True)
class Shape:
    """One municipality's outline, and its box: left, top, right, bottom."""

    code: str
    name: str
    path: str
    box: tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Drawn:
    """A shape as it is shown. ``level`` 0 is none, 3 the most; None: not of those who look."""

    path: str
    name: str
    units: int
    all: int
    level: int | None


@dataclass(frozen=True, slots=True)
class Map:
    """``view`` is the SVG's viewBox; ``missing`` are municipalities that the map does not know."""

    view: str
    drawn: tuple[Drawn, ...]
    missing: tuple[str, ...]


@cache
def shapes() -> tuple[Shape, ...]:
    """All that are shipped (municipalities.json says from where)."""
    text = resources.files("fleet.web").joinpath("municipalities.json").read_text(encoding="utf-8")
    return tuple(Shape(code, name, path, _box(path)) for code, name, path, _, _ in json.loads(text)["municipalities"])


def level(units: int, of: int) -> int:
    """How dark: 0 where there is none, else by the share."""
    if units <= 0:
        return 0
    share = units / max(of, units)
    return sum(share > step for step in STEPS)


def draw(towns: Sequence[tuple[int, str]], counts: Mapping[int, tuple[int, int]]) -> Map:
    """A map of these municipalities (number, name), each with (units, of how many); their neighbours as outlines.

    A municipality is found by its name, else by its official code where its number is that code.
    """
    by_name = {shape.name.casefold(): shape for shape in shapes()}
    by_code = {int(shape.code): shape for shape in shapes()}
    found: dict[str, int] = {}
    missing = []
    for number, name in towns:
        shape = by_name.get(name.casefold().removesuffix(" kommun")) or by_code.get(number)
        if shape is None:
            missing.append(name)
        else:
            found[shape.code] = number
    names = dict(towns)
    own = [shape for shape in shapes() if shape.code in found]
    left, top, right, bottom = _around([shape.box for shape in own])
    drawn = []
    for shape in shapes():
        box = shape.box
        if box[2] < left or box[0] > right or box[3] < top or box[1] > bottom:
            continue
        if shape.code in found:
            units, of = counts.get(found[shape.code], (0, 0))
            drawn.append(Drawn(shape.path, names[found[shape.code]], units, of, level(units, of)))
        else:
            drawn.append(Drawn(shape.path, shape.name, 0, 0, None))
    drawn.sort(key=lambda one: one.level is not None)
    view = f"{left:.1f} {top:.1f} {right - left:.1f} {bottom - top:.1f}"
    return Map(view, tuple(drawn) if own else (), tuple(missing))


def _box(path: str) -> tuple[float, float, float, float]:
    numbers = [float(number) for number in re.findall(r"-?[0-9.]+", path)]
    across, down = numbers[::2], numbers[1::2]
    return min(across), min(down), max(across), max(down)


def _around(boxes: Sequence[tuple[float, float, float, float]]) -> tuple[float, float, float, float]:
    """A frame about all of these with a margin, never so narrow that one shape fills the page."""
    if not boxes:
        return 0.0, 0.0, 1.0, 1.0
    left, top = min(box[0] for box in boxes), min(box[1] for box in boxes)
    right, bottom = max(box[2] for box in boxes), max(box[3] for box in boxes)
    side = max(right - left, bottom - top, _LEAST) * _MARGIN
    grow_x, grow_y = max(0.0, _LEAST - (right - left)) / 2, max(0.0, _LEAST - (bottom - top)) / 2
    return left - side - grow_x, top - side - grow_y, right + side + grow_x, bottom + side + grow_y
