"""The label on a unit: its number as people read and type it, with a check character, and the same for a QR code.

Pure. A number of 32 bits is seven symbols of Crockford's base 32 and one check symbol modulo 37: ``0000-01A-X``. One
wrong symbol, or two neighbours in the wrong order, is always found. Nothing on a label is secret: whoever reads it can
name a unit and nothing else. What people confuse in reading (O and 0, I, L and 1) is read as one.
"""

from __future__ import annotations

from typing import Final

_SYMBOLS: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_CHECKS: Final = _SYMBOLS + "*~$=U"
_SAME: Final = str.maketrans({"O": "0", "I": "1", "L": "1"})
_DIGITS: Final = 7
_HIGHEST: Final = 0xFFFFFFFF

QR_PREFIX: Final = "LIVLINA:"
"""Before the label in a QR code, so that any other code in the room is known to be none of ours."""


class LabelError(ValueError):
    """What was read or typed is no label; ``why`` is one of ``foreign``, ``shape``, ``check``."""

    def __init__(self, why: str, sentence: str) -> None:
        super().__init__(sentence)
        self.why = why


def label_of(unit: int) -> str:
    """The label of a unit number, grouped for reading. Raises ValueError for a number that no unit has."""
    if not 1 <= unit <= _HIGHEST:
        raise ValueError(f"{unit} is no unit number")
    digits = "".join(_SYMBOLS[unit >> 5 * place & 31] for place in reversed(range(_DIGITS)))
    return f"{digits[:4]}-{digits[4:]}-{_CHECKS[unit % 37]}"


def qr_of(unit: int) -> str:
    """What the QR code on the label holds."""
    return QR_PREFIX + label_of(unit)


def unit_of(text: str) -> int:
    """The unit number of a label as scanned or typed: any case, with or without hyphens and blanks.

    Raises LabelError: ``foreign`` for a QR code of somebody else, ``shape`` for what cannot be a label, ``check`` where
    the check symbol does not fit, so that one symbol or more is wrong.
    """
    upper = text.strip().upper()
    if upper.startswith(QR_PREFIX):
        upper = upper.removeprefix(QR_PREFIX)
    elif ":" in upper or "/" in upper:
        raise LabelError("foreign", "this code is not on one of our units: look for the label on the unit itself")
    symbols = "".join(one for one in upper if one not in "- \t").translate(_SAME)
    if len(symbols) != _DIGITS + 1 or any(one not in _SYMBOLS for one in symbols[:-1]) or symbols[-1] not in _CHECKS:
        raise LabelError("shape", "a label has eight characters, for example 0000-01A-5: read it again")
    unit = 0
    for one in symbols[:-1]:
        unit = unit << 5 | _SYMBOLS.index(one)
    if unit % 37 != _CHECKS.index(symbols[-1]) or not 1 <= unit <= _HIGHEST:
        raise LabelError("check", "one character of the label is wrong: read it again")
    return unit
