"""How a page may look: in `make test` each language once and light and dark once, in `make proof` every pair."""

from __future__ import annotations

import pytest

LOOKS = (
    ("sv-SE", "light"),
    ("en-GB", "dark"),
    pytest.param("sv-SE", "dark", marks=pytest.mark.proof),
    pytest.param("en-GB", "light", marks=pytest.mark.proof),
)
"""Language and colours of a browser."""
