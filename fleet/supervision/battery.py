"""How long a unit's battery lasts: days left with an interval, from its chemistry, temperature, load and signal. Pure.

Two witnesses are weighed by how sure each is. The voltage, by the curve of the chemistry: sure where the curve is
steep, nearly silent where it is flat. And the charge that was drawn since the cell was new, by the profile's load: the
other way about. How fast the charge goes is weighed the same way: as the voltage tells of the last days, and as the
profile says, where a bad signal costs more. It never decides that a unit is dead: see `battery_end`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import erf, sqrt
from statistics import median
from typing import Final

from fleet.supervision.battery_curves import CHEMISTRIES, WARM_C, Chemistry

WINDOW_DAYS: Final = 14.0
"""So far back the voltage is looked at."""
LEVEL_DAYS: Final = 3.0
"""So far back readings say where the charge stands; the days before say only how fast it goes."""
APART: Final = 1.5
LEAST_KEPT: Final = 3
CHARGED_MV: Final = 120
"""A rise from one day to the next that is a charge, or a new cell: what came before says nothing any more."""
WEAK_DBM: Final = -110
WEAK_COSTS: Final = 1.5
"""Times the load of a unit that sends at the edge of a cell: full power, and again and again."""
NOISE_MV: Final = 12.0
"""Of a reading, besides what is the cell's own."""
RATE_UNSURE: Final = 0.10
"""Tomorrow is never quite as yesterday."""
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
        """How likely it is, from 0 to 1, that the unit is dead that many days from now."""
        return 0.5 * (1 + erf((days - self.days) / (self.sigma * sqrt(2))))


@dataclass(frozen=True, slots=True)
class _Estimate:
    value: float
    variance: float

    def with_(self, other: _Estimate) -> _Estimate:
        """Both, each weighed by how sure it is."""
        mine, theirs = 1 / self.variance, 1 / other.variance
        return _Estimate((self.value * mine + other.value * theirs) / (mine + theirs), 1 / (mine + theirs))


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
    expected = _Estimate(usual, (usual * chemistry.load_spread) ** 2)
    left, rate = _from_voltage(days, readings, chemistry, expected)
    if battery.age_days is not None and not chemistry.rechargeable:
        drawn = battery.age_days * rate.value
        left = left.with_(_Estimate(1 - drawn, (0.08 + drawn * chemistry.load_spread) ** 2))
    # A cold cell shows less at the same charge, and so meets the unit's end with charge in it.
    end_mv = chemistry.points[-1][1] + chemistry.pulse_mv + max(0.0, WARM_C - days[-1][2]) * chemistry.cold_mv
    usable = max(left.value - chemistry.left(end_mv)[0], 0.0)
    found = usable / rate.value
    unsure_rate = rate.variance / rate.value**2 + RATE_UNSURE**2
    sigma = max(0.1, sqrt(left.variance / rate.value**2 + found * found * unsure_rate))
    return Forecast(found, max(0.0, found - Z80 * sigma), found + Z80 * sigma, sigma, min(max(left.value, 0.0), 1.0))


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
        mv = median(
            one.mv + chemistry.cold_mv * (WARM_C - (warm if one.celsius is None else one.celsius)) for one in of
        )
        if found and mv - found[-1][1] > CHARGED_MV:
            found.clear()
        found.append((sum(one.days for one in of) / len(of), mv, warm))
    return found


def _weak_share(readings: Sequence[Reading]) -> float:
    told = [one.signal for one in readings if one.signal is not None]
    return sum(signal <= WEAK_DBM for signal in told) / len(told) if told else 0.0


def _from_voltage(
    days: Sequence[tuple[float, float, float]], readings: Sequence[Reading], chemistry: Chemistry, expected: _Estimate
) -> tuple[_Estimate, _Estimate]:
    """(charge left now, share of it that goes in a day). The pace is a line through the days' charges, each weighed by
    how steep the curve is there. A cell's own distance from the curve is the same every day
    and does not average out."""
    points = []
    for when, mv, _ in days:
        left, slope = chemistry.left(mv)
        points.append((when, left, (slope / NOISE_MV) ** 2))
    weight = sum(one[2] for one in points)
    middle = sum(when * w for when, _, w in points) / weight
    mean = sum(left * w for _, left, w in points) / weight
    across = sum(w * (when - middle) ** 2 for when, _, w in points)
    rate = expected
    if across > 0:
        slope = -sum(w * (when - middle) * (left - mean) for when, left, w in points) / across
        # A cell that is off the curve is off in its steepness too: what the voltage says of the pace is unsure by that.
        seen = _Estimate(slope, 1 / across + (0.15 * slope) ** 2)
        rate = expected.with_(seen)
    rate = _Estimate(max(rate.value, expected.value * 0.25), rate.variance)
    return _level(days, readings, chemistry, rate), rate


def _level(
    days: Sequence[tuple[float, float, float]], readings: Sequence[Reading], chemistry: Chemistry, rate: _Estimate
) -> _Estimate:
    """The charge that is left now: the readings of the last days one by one, each carried on to now at the pace. One
    that stands apart from the middle of them was read while a modem sent, and is left out."""
    since = max(-LEVEL_DAYS, days[0][0] - 0.5)
    points = []
    for one in readings:
        if since <= one.days <= 0:
            celsius = days[-1][2] if one.celsius is None else one.celsius
            warm_mv = one.mv + chemistry.cold_mv * (WARM_C - celsius)
            if one.days < days[0][0] + 0.5 and warm_mv < days[0][1] - CHARGED_MV:
                continue  # of the cell that was there before, on the day of the change
            left, slope = chemistry.left(warm_mv)
            points.append((one.days, left + rate.value * one.days, slope))
    if not points:  # the last word is older than that
        left, slope = chemistry.left(days[-1][1])
        points.append((days[-1][0], left + rate.value * days[-1][0], slope))
    middle, steep = median(left for _, left, _ in points), median(slope for _, _, slope in points)
    kept = [one for one in points if abs(one[1] - middle) * one[2] <= APART * NOISE_MV]
    kept = kept if len(kept) >= LEAST_KEPT else points
    weight = sum((slope / NOISE_MV) ** 2 for _, _, slope in kept)
    now = sum(left * (slope / NOISE_MV) ** 2 for _, left, slope in kept) / weight
    age = sum(when * (slope / NOISE_MV) ** 2 for when, _, slope in kept) / weight
    return _Estimate(now, 1 / weight + (chemistry.spread_mv / steep) ** 2 + rate.variance * age * age)
