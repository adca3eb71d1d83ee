"""The reference of a recipient in the care system, and the two check digits that stand beside it on the order.

Pure. The digits are ISO 7064 MOD 97-10 over the municipality's number and the reference. Whoever installs an alarm
types them from the paper in the home: a reference that was picked from a list for somebody else has other digits.
"""

from __future__ import annotations

import re
from typing import Final

_REFERENCE: Final = re.compile(r"[A-Z0-9](?:[A-Z0-9-]{0,30}[A-Z0-9])?")
_BASE: Final = 36


def normal(text: str) -> str:
    """A reference as it is kept: upper case, no blanks. Raises ValueError for what is none."""
    reference = "".join(text.split()).upper()
    if _REFERENCE.fullmatch(reference) is None:
        raise ValueError("a reference is 1 to 32 letters A to Z, digits and hyphens, as the care system has it")
    return reference


def check_digits(municipality: int, reference: str) -> str:
    """Two digits, ``02`` to ``98``. ``reference`` is in its normal form."""
    left = 0
    for one in f"{municipality}-{reference}":
        if one == "-":
            continue
        value = int(one, _BASE)
        left = (left * (10 if value < 10 else 100) + value) % 97
    return f"{98 - left * 100 % 97:02d}"
