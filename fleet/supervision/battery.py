"""How long a unit's battery lasts: days left with an interval, from its chemistry, temperature, load and signal. Pure.

Each witness counts by how sure it is. The voltage of two weeks, reading by reading (`battery_track`): sure where the
chemistry's curve is steep, nearly silent where it is flat. The profile's load, where a bad signal costs more. And the
charge that was drawn since the cell was new: what tells of a flat curve. It never decides that a unit is dead: see
`battery_end`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import erf, log, sqrt
from statistics import median
from typing import Final

from fleet.supervision.battery_curves import CHEMISTRIES, WARM_C, Chemistry
from fleet.supervision.battery_track import METER_MV, Track, follow

WINDOW_DAYS: Final = 14.0
"""So far back the voltage is looked at."""
CHARGED_MV: Final = 120
"""A rise from one day to the next that is a charge, or a new cell: what came before says nothing any more."""
WEAK_DBM: Final = -110
WEAK_COSTS: Final = 1.5
"""Times the load of a unit that sends at the edge of a cell: full power, and again and again."""
SHAPE_SPREAD: Final = 0.12
"""A table's shape is not the cell's: by such a part the days are wrong, however well the cell was followed."""
CAPACITY_SPREAD: Final = 0.08
"""How far a new cell's charge stands from what it should be."""
Z80: Final = 1.2816


class BatteryError(ValueError):
    """A history that nothing can be said from; the message says what is missing."""


@dataclass(frozen=True, slots=True)
class Reading:
    """``days``: when, before now, so 0 or less. ``celsius`` and ``signal`` (dBm) None where the unit did not say."""

    days: float
    mv: int
    celsius: float | None = None
    signal: int | None = None


@dataclass(frozen=True, slots=True)
class Battery:
    """What is known beforehand. ``life_days``: how long a new cell would last by the unit's profile, at a good signal
    (docs/energy.md); ``age_days``: since it was new or charged, None if nobody knows."""

    chemistry: str
    life_days: float
    age_days: float | None = None


@dataclass(frozen=True, slots=True)
class Forecast:
    """Days until the unit falls silent. ``least`` to ``most`` holds it four times in five. ``left``: a share."""

    days: float
    least: float
    most: float
    sigma: float
    left: float

    def dies_within(self, days: float) -> float:
        """How likely it is, from 0 to 1, that the unit is dead that many days from now. Charge over load is wrong by a
        factor, not by so many days: a cell with months left at a flat voltage is unsure by months, and not dead by
        Monday."""
        if days <= 0 or self.days <= 0:
            return float(days > 0)
        return 0.5 * (1 + erf(log(days / self.days) * self.days / (self.sigma * sqrt(2))))


def forecast(battery: Battery, readings: Sequence[Reading]) -> Forecast:
    """Days left. Raises BatteryError for an unknown chemistry, a life of no days, or without a reading."""
    chemistry = CHEMISTRIES.get(battery.chemistry)
    if chemistry is None:
        raise BatteryError(f"{battery.chemistry[:40]!a} is no chemistry: choose among {', '.join(CHEMISTRIES)}")
    if battery.life_days <= 0:
        raise BatteryError("a new cell lasts more than no days")
    days = _by_day(readings, chemistry)
    if not days:
        raise BatteryError(f"no reading of the last {WINDOW_DAYS:g} days")
    weak = _weak_share(readings)
    usual = (1 + weak * (WEAK_COSTS - 1)) / battery.life_days
    track = _track(days, readings, chemistry, usual)
    track.carry(0.0, chemistry.day_spread)
    if battery.age_days is not None and not chemistry.rechargeable:
        drawn = battery.age_days * track.pace
        track.see(1.0, 0.0, 1 - drawn - track.left, (CAPACITY_SPREAD + drawn * chemistry.load_spread) ** 2)
    # A cold cell shows less at the same charge, and so meets the unit's end with charge in it.
    end_mv = chemistry.points[-1][1] + chemistry.pulse_mv + max(0.0, WARM_C - days[-1][2]) * chemistry.cold_mv
    end, slope = chemistry.left(end_mv - track.offset)
    found = max(track.left - end, 0.0) / track.pace
    variance = track.variance((1 / track.pace, -found / track.pace, 1 / (slope * track.pace)))
    variance += chemistry.day_spread**2 * found + (METER_MV / slope / track.pace) ** 2 + (SHAPE_SPREAD * found) ** 2
    sigma = max(0.1, sqrt(variance))
    return Forecast(found, max(0.0, found - Z80 * sigma), found + Z80 * sigma, sigma, min(max(track.left, 0.0), 1.0))


def _track(
    days: Sequence[tuple[float, float, float]], readings: Sequence[Reading], chemistry: Chemistry, pace: float
) -> Track:
    """Every reading since the last charge, one by one."""
    since = max(-WINDOW_DAYS, days[0][0] - 0.5)
    found = []
    for one in sorted(readings, key=lambda one: one.days):
        if since <= one.days <= 0:
            mv = one.mv + _colder(one.celsius) * chemistry.cold_mv
            # What is far lower on the day of a change is of the cell that was there before.
            if one.days >= days[0][0] + 0.5 or mv >= days[0][1] - CHARGED_MV:
                found.append((one.days, mv))
    return follow(chemistry, days[0][1], since, found, pace)


def _colder(celsius: float | None) -> float:
    return 0.0 if celsius is None else max(0.0, WARM_C - celsius)


def _by_day(readings: Sequence[Reading], chemistry: Chemistry) -> list[tuple[float, float, float]]:
    """(when, mV as at 20 °C, °C) of each day, oldest first, since the last charge: the middle reading of each, for a
    modem that sends makes a battery dip."""
    buckets: dict[int, list[Reading]] = {}
    for one in readings:
        if -WINDOW_DAYS <= one.days <= 0:
            buckets.setdefault(int(-one.days), []).append(one)
    found: list[tuple[float, float, float]] = []
    for _, of in sorted(buckets.items(), reverse=True):
        celsius = [one.celsius for one in of if one.celsius is not None]
        warm = median(celsius) if celsius else WARM_C
        mv = median(one.mv + chemistry.cold_mv * _colder(warm if one.celsius is None else one.celsius) for one in of)
        if found and mv - found[-1][1] > CHARGED_MV:
            found.clear()
        found.append((sum(one.days for one in of) / len(of), mv, warm))
    return found


def _weak_share(readings: Sequence[Reading]) -> float:
    told = [one.signal for one in readings if one.signal is not None]
    return sum(signal <= WEAK_DBM for signal in told) / len(told) if told else 0.0
