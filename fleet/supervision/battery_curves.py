"""What cells do, by chemistry: the voltage that is left beside the charge that is left. Data and their look-up, pure.

The tables are typical shapes at 20 °C and a light load, drawn from what makers print for cells of each chemistry; a
single cell departs from them, which is what `spread_mv` stands for. None was measured on a unit of ours.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

WARM_C: Final = 20.0


@dataclass(frozen=True, slots=True)
class Chemistry:
    """``points``: (share of the charge that is left, mV), falling. ``cold_mv``: how much less a cell shows for each
    degree below 20 °C; it reaches its end sooner by that. ``pulse_mv``: what a modem that sends takes off what is read
    at rest; the end is met in a pulse. ``spread_mv``: how far one cell and one unit's measuring stand from the table.
    ``rechargeable``: a rise of the voltage is a charge. ``load_spread``: how far a unit's load stands from what its
    profile says, as a share; ``day_spread``: how far the load of one day stands from the unit's own mean.
    """

    name: str
    points: tuple[tuple[float, int], ...]
    cold_mv: float
    pulse_mv: float
    spread_mv: float
    rechargeable: bool
    load_spread: float = 0.3
    day_spread: float = 0.12

    def left(self, mv: float) -> tuple[float, float]:
        """(share of the charge left at this voltage, mV for a whole charge there). Outside the table its ends hold."""
        rising = self.points[::-1]
        place = min(max(bisect_left([point[1] for point in rising], mv), 1), len(rising) - 1)
        (low, low_mv), (high, high_mv) = rising[place - 1], rising[place]
        slope = (high_mv - low_mv) / (high - low)
        return min(max(low + (mv - low_mv) / slope, -0.02), 1.0), slope

    def shows(self, left: float) -> tuple[float, float]:
        """(mV at this share of the charge, mV for a whole charge there); the ends of the table go on as they are."""
        rising = self.points[::-1]
        place = min(max(bisect_left([point[0] for point in rising], left), 1), len(rising) - 1)
        (low, low_mv), (high, high_mv) = rising[place - 1], rising[place]
        slope = (high_mv - low_mv) / (high - low)
        return low_mv + (left - low) * slope, slope


def _table(*percent_mv: tuple[float, int]) -> tuple[tuple[float, int], ...]:
    return tuple((percent / 100, mv) for percent, mv in percent_mv)


CHEMISTRIES: Final[Mapping[str, Chemistry]] = MappingProxyType({
    one.name: one
    for one in (
        Chemistry(
            "li_mno2",
            _table((100, 3130), (90, 3015), (80, 2990), (70, 2970), (60, 2950), (50, 2930), (40, 2900), (30, 2860),
                   (20, 2790), (15, 2735), (10, 2650), (7, 2570), (5, 2480), (3.5, 2390), (2, 2260),
                   (1, 2130), (0, 2000)),
            cold_mv=2.5, pulse_mv=18, spread_mv=15, rechargeable=False,
        ),
        Chemistry(
            "li_ion",
            _table((100, 4150), (90, 4030), (80, 3970), (60, 3860), (40, 3750), (20, 3610), (10, 3510), (5, 3410),
                   (2, 3250), (0, 3100)),
            cold_mv=2.0, pulse_mv=50, spread_mv=15, rechargeable=True, day_spread=0.2,
        ),
        # Flat to the end: there the voltage says little, and what has been drawn since the cell was new says more.
        Chemistry(
            "li_socl2",
            _table((100, 3650), (90, 3640), (50, 3620), (20, 3590), (10, 3550), (5, 3450), (2, 3200), (0, 2800)),
            cold_mv=3.0, pulse_mv=100, spread_mv=20, rechargeable=False, load_spread=0.15,
        ),
        Chemistry(
            "alkaline",
            _table((100, 3150), (80, 2800), (60, 2600), (40, 2450), (20, 2300), (10, 2150), (0, 1800)),
            cold_mv=5.0, pulse_mv=50, spread_mv=30, rechargeable=False,
        ),
    )
})  # fmt: skip
