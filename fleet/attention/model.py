"""What can be the matter with a unit, as the fleet's page counts it; plain frozen values."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal, get_args

Concern = Literal[
    "silent", "low_battery", "single_path", "unproven_button", "doomed", "unprotected", "unproven_path", "seldom_heard"
]
CONCERNS: Final[tuple[Concern, ...]] = get_args(Concern)
"""In the order in which a page shows them last: see ``SHOWN``."""
SHOWN: Final[tuple[Concern, ...]] = (
    "unprotected", "silent", "low_battery", "unproven_button", "single_path", "unproven_path", "seldom_heard", "doomed",
)  # fmt: skip
UNITS: Final = "units"
"""Beside the concerns: everybody who is relied on."""


@dataclass(frozen=True, slots=True)
class Noticed:
    """A unit and what is the matter with it. ``rank`` orders the concern's list, the smallest first."""

    unit: int
    rank: float
    since: datetime
    detail: dict[str, Any] = field(default_factory=dict)
