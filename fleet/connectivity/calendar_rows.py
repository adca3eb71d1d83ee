"""The calendar's rows as they are shipped, and which network a number on the air belongs to. Data, no decisions.

A row says on which day a technology may last be relied on. Sources are what the rows were taken from; whoever runs a
fleet checks them with his operators and moves what has moved (`calendar.Calendar.moved`).
"""

from __future__ import annotations

from typing import Final

ANY: Final = "*"
"""In place of an operator: all of a region that have no row of their own."""

_FIRST_WEEK = "switch-off of 2G and 3G from 1 December 2025, by area; stated in the trade in autumn 2025"
_TELIA = "Telia closed 3G in December 2025 and keeps 2G to the end of 2027; stated in the trade in autumn 2025"
_ABROAD = "stated in the trade in autumn 2025 for the country as a whole; ask the operator"

ROWS: Final[tuple[tuple[str, str, str, str, str], ...]] = (
    ("tele2", "gsm", "SE", "2025-11-30", _FIRST_WEEK),
    ("tele2", "umts", "SE", "2025-11-30", _FIRST_WEEK),
    ("telenor", "gsm", "SE", "2025-11-30", _FIRST_WEEK),
    ("telenor", "umts", "SE", "2025-11-30", _FIRST_WEEK),
    ("tre", "gsm", "SE", "2025-11-30", _FIRST_WEEK),
    ("tre", "umts", "SE", "2025-11-30", _FIRST_WEEK),
    ("telia", "umts", "SE", "2025-11-30", _TELIA),
    ("telia", "gsm", "SE", "2027-12-31", _TELIA),
    (ANY, "gsm", "NO", "2027-12-31", _ABROAD),
    (ANY, "gsm", "FI", "2029-12-31", _ABROAD),
)
"""(operator, technology, region, last day on which it may be relied on, source)."""

NETWORKS: Final[dict[int, tuple[str, str]]] = {
    24001: ("telia", "SE"),
    24002: ("tre", "SE"),
    24007: ("tele2", "SE"),
    24008: ("telenor", "SE"),
    24024: ("tele2", "SE"),
    24201: ("telenor-no", "NO"),
    24202: ("telia-no", "NO"),
    24405: ("elisa", "FI"),
    24412: ("dna", "FI"),
    24491: ("telia-fi", "FI"),
}
"""(operator, region) by MCC and MNC as a number. 240 24 is the network that Tele2 and Telenor share: it has the dates
of either, and counts as one radio network with both."""

SHARED_RADIO: Final[dict[str, str]] = {"tele2": "tele2+telenor", "telenor": "tele2+telenor"}
"""Operators whose masts are the same: a pair of their SIMs is no second path."""
