"""A cell followed through its readings: what is left, how fast it goes, and how far it stands from its curve. Pure.

Three things are not known of a cell and follow from the same readings: the charge that is left, the share of it that
goes in a day, and how many mV this cell and its unit's meter stand from the table. A cell that is off the curve by
15 mV looks a day or two older or younger than it is, but then its voltage also falls too early or late for its pace.
So all three are carried from reading to reading with how unsure each is and how they hang together (an extended Kalman
filter). A reading far below what was expected was taken while a modem sent: it counts the less the further it is away.
Several of them in a row are the cell itself, which has broken down or is another one: it is begun anew from there.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Final

from fleet.supervision.battery_curves import Chemistry

NOISE_MV: Final = 11.0
"""Of a reading, besides what is the cell's own: noise and steps of the converter."""
METER_MV: Final = 7.0
"""How far a unit's meter stands from the true voltage: what no reading of the same meter tells."""
FIRST_MV: Final = 60.0
FIRST_LEFT: Final = 0.05
"""How unsure the first reading alone leaves the charge."""
FAR: Final = 2.0
"""A reading this many of its sigmas away is taken for a dip, the more so the further it is."""
BROKEN_MV: Final = 120.0
IN_A_ROW: Final = 4
"""So many readings in a row, a day of them, each so far below what was expected, are no dips."""
LEAST_PACE: Final = 0.25
"""Of what the profile says: nothing is believed to go slower."""


@dataclass(slots=True)
class Track:
    """What is believed at the moment ``at`` (days). ``pace``: share of the charge a day, never below ``slowest``.
    ``unsure``: covariances of (left, pace, offset)."""

    at: float
    left: float
    pace: float
    offset: float
    slowest: float
    unsure: list[list[float]]

    def carry(self, until: float, day_spread: float) -> None:
        """Time passes and the cell is used; no day is quite as its mean."""
        days, cov = until - self.at, self.unsure
        self.at = until
        self.left -= self.pace * days
        both, pace, shift = cov[0][1], cov[1][1], cov[1][2]
        cov[0][0] += days * days * pace - 2 * days * both + (day_spread * self.pace) ** 2 * days
        cov[0][1] = cov[1][0] = both - days * pace
        cov[0][2] = cov[2][0] = cov[0][2] - days * shift

    def anew(self, left: float, variance: float) -> None:
        """Nothing of what was believed of the charge holds any more."""
        self.left = left
        for other in range(3):
            self.unsure[0][other] = self.unsure[other][0] = 0.0
        self.unsure[0][0] = variance

    def see(self, slope: float, shift: float, surprise: float, variance: float) -> None:
        """Something was measured that moves with the charge by ``slope`` and with the offset by ``shift``, and it was
        off by ``surprise``."""
        cov = self.unsure
        moved = [row[0] * slope + row[2] * shift for row in cov]
        total = moved[0] * slope + moved[2] * shift + variance
        gain = [one / total for one in moved]
        self.left += gain[0] * surprise
        self.pace = max(self.slowest, self.pace + gain[1] * surprise)
        self.offset += gain[2] * surprise
        for row, mine in zip(cov, gain, strict=True):
            for column, other in enumerate(moved):
                row[column] -= mine * other

    def variance(self, by: Sequence[float]) -> float:
        """Of what changes so with (left, pace, offset)."""
        return max(0.0, sum(a * b * self.unsure[i][j] for i, a in enumerate(by) for j, b in enumerate(by)))


def follow(
    chemistry: Chemistry, first_mv: float, since: float, readings: Iterable[tuple[float, float]], pace: float
) -> Track:
    """The cell at the end of its readings: (days, mV as at 20 °C), oldest first, none before ``since``. ``first_mv`` is
    the middle reading of the first day, ``pace`` what the profile says of the load."""
    left, slope = chemistry.left(first_mv)
    unsure = [
        [_first(slope), 0.0, 0.0],
        [0.0, (chemistry.load_spread * pace) ** 2, 0.0],
        [0.0, 0.0, chemistry.spread_mv**2],
    ]
    track = Track(since, left, pace, 0.0, LEAST_PACE * pace, unsure)
    in_a_row = 0
    for when, mv in readings:
        track.carry(when, chemistry.day_spread)
        shown, slope = chemistry.shows(track.left)
        surprise = mv - shown - track.offset
        believed, noise = track.variance((slope, 0.0, 1.0)), NOISE_MV**2
        far = abs(surprise) / (FAR * sqrt(believed + noise))
        in_a_row = in_a_row + 1 if far > 1 and surprise < -BROKEN_MV else 0
        if in_a_row == IN_A_ROW:
            now, slope = chemistry.left(mv - track.offset)
            track.anew(now, _first(slope))
            in_a_row = 0
            continue
        track.see(slope, 1.0, surprise, noise if far <= 1 else (believed + noise) * far * far - believed)
    return track


def _first(slope: float) -> float:
    return (FIRST_MV / slope) ** 2 + FIRST_LEFT**2
