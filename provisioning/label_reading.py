"""Reads a label back, as a printer would print it: by a decoder that had no part in drawing it.

The page is drawn at a printer's dots (203 to the inch is what label printers have), grey turned to black or white, and
the picture given to the decoder. It decides nothing about what the code says.
"""

from __future__ import annotations

import pypdfium2
import zxingcpp

PRINTER_DPI = 203
_POINTS_AN_INCH = 72
_HALF = 128


class LabelUnreadableError(ValueError):
    """The label's code is not read as one QR code; it must not be printed."""


def read_back(pdf: bytes, dpi: int = PRINTER_DPI) -> str:
    """What the one QR code on the one page holds. Raises LabelUnreadableError."""
    document = pypdfium2.PdfDocument(pdf)
    try:
        if len(document) != 1:
            raise LabelUnreadableError(f"a label is one page, and this is {len(document)}")
        picture = document[0].render(scale=dpi / _POINTS_AN_INCH, grayscale=True).to_pil()
    finally:
        document.close()
    dots = picture.point(lambda grey: 255 if grey >= _HALF else 0)
    found = zxingcpp.read_barcodes(dots, formats=zxingcpp.BarcodeFormats(zxingcpp.BarcodeFormat.QRCode))
    if len(found) != 1:
        raise LabelUnreadableError(f"{len(found)} codes were read on a label at {dpi} dots to the inch: make it larger")
    return str(found[0].text)
