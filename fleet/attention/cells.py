"""Which cells units of a type live on, and how long one lasts by the unit's profile. Data with its source; pure.

Hubs, cameras and technical alarms live on mains: their battery only bridges its loss, and that is another concern.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from fleet.supervision.battery import Battery

BY_TYPE: Final[Mapping[str, Battery]] = MappingProxyType(
    {
        "personal": Battery("li_ion", 17.0),
        "tracker": Battery("li_ion", 83.9),
    }
)
"""docs/energy.md, at the profile's usual heartbeat (5 min, 1 h) and 20 °C: computed there, never measured."""
