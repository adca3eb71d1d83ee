"""How a page may look: each language, light and dark, narrow and wide once in `make test`, the rest in `make proof`."""

from __future__ import annotations

import pytest

WIDE, NARROW = 1366, 360
Widths = tuple[int, ...]
LOOKS = (
    ("sv-SE", "light", (WIDE,)),
    ("en-GB", "dark", (NARROW,)),
    pytest.param("sv-SE", "light", (NARROW,), marks=pytest.mark.proof),
    pytest.param("en-GB", "dark", (WIDE,), marks=pytest.mark.proof),
    pytest.param("sv-SE", "dark", (WIDE, NARROW), marks=pytest.mark.proof),
    pytest.param("en-GB", "light", (WIDE, NARROW), marks=pytest.mark.proof),
)
"""Language and colours of a browser, and how wide its window is."""
