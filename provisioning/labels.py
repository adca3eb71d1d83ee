"""A unit's label as a PDF page of the label's size: a QR code, the code for people, and two lines of words.

What stands in the code is the caller's: this module knows no numbers. Sizes are in millimetres.
"""

from __future__ import annotations

import io

import segno
from reportlab.lib.units import mm
from reportlab.pdfgen.canvas import Canvas

SIZES = {"25x12": (25.0, 12.0), "38x19": (38.0, 19.0), "50x25": (50.0, 25.0), "62x29": (62.0, 29.0)}
MARGIN = 1.0
QUIET = 4
"""Modules of white around a code (ISO/IEC 18004)."""
_LINE = 1.3
"""Height of a line by the size of its letters."""
_LARGEST_POINTS, _SMALLEST_POINTS = 12.0, 4.0


class LabelSizeError(ValueError):
    """No such size, or the words do not fit on it."""


def label_pdf(qr: str, code: str, words: tuple[str, str], size: str = "38x19") -> bytes:
    """One page. `qr` is what a camera reads, `code` what a person types. Same arguments, same bytes."""
    if size not in SIZES:
        raise LabelSizeError(f"{size!r} is no label size: choose one of {', '.join(SIZES)}")
    width, height = (side * mm for side in SIZES[size])
    out = io.BytesIO()
    canvas = Canvas(out, pagesize=(width, height), invariant=True)
    canvas.setTitle(code)
    side = height - 2 * MARGIN * mm
    _code(canvas, qr, MARGIN * mm, MARGIN * mm, side)
    left = side + 2 * MARGIN * mm
    room = width - left - MARGIN * mm
    highest = side / (3 * _LINE)
    points = [
        _fit(canvas, text, font, room, highest)
        for text, font in ((code, "Courier-Bold"), *((w, "Helvetica") for w in words))
    ]
    y = height - MARGIN * mm
    for text, font, point in zip((code, *words), ("Courier-Bold", "Helvetica", "Helvetica"), points, strict=True):
        y -= point * _LINE
        canvas.setFont(font, point)
        canvas.drawString(left, y, text)
    canvas.save()
    return out.getvalue()


def _code(canvas: Canvas, text: str, left: float, bottom: float, side: float) -> None:
    matrix = [bytes(row) for row in segno.make(text, error="q", micro=False).matrix]
    module = side / (len(matrix) + 2 * QUIET)
    for row, cells in enumerate(matrix):
        for column, dark in enumerate(cells):
            if dark:
                x = left + (column + QUIET) * module
                y = bottom + side - (row + 1 + QUIET) * module
                canvas.rect(x, y, module, module, stroke=0, fill=1)


def _fit(canvas: Canvas, text: str, font: str, room: float, highest: float) -> float:
    width = canvas.stringWidth(text, font, 1)
    points = min(_LARGEST_POINTS, highest, room / width if width else _LARGEST_POINTS)
    if points < _SMALLEST_POINTS:
        raise LabelSizeError(f"{text!r} would be {points:.1f} points high: choose a larger label")
    return float(points)
