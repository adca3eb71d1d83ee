"""The registry's words."""

from __future__ import annotations

from typing import Literal

UnitType = Literal["social", "personal", "tracker", "camera", "technical"]
