"""Batteries as they truly are, for the forecast to be held against. Not the product's model; no code is shared.

A cell is a Shepherd equation with parameters of its own (voltage, knee, inner resistance, capacity), its load is drawn
anew each day, the inner resistance follows Arrhenius, and the unit dies when a pulse pulls it below its cut-off. What
the fleet sees of it is read a few times a day, with a measuring error of the unit, noise, and in whole steps.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from math import ceil, exp

DAYS_BACK = 14
READINGS_A_DAY = 4
STEP_MV = 10
HOURS_A_STEP = 24 // READINGS_A_DAY
WEEKEND_DAYS = 65 / 24
"""Friday 15:00 to Monday 08:00."""


@dataclass(frozen=True, slots=True)
class Kind:
    """Volts and shares; ``life``: days of a typical unit; ``pulse``: volts that a pulse takes at 20 °C."""

    chemistry: str
    e0: float
    tilt: float
    head: float
    knee: float
    foot: float
    cut_off: float
    pulse: float
    life: float
    day_spread: float


REGULAR = 0.5
"""So many personal alarms are on their charger every few days; the others forget it, and some remember in the end."""
CHARGED_AFTER = (1.0, 4.0)
REMEMBERS = 0.05
DEAD, FULL = "dead", "full"

PENDANT = Kind("li_mno2", 2.95, 0.12, 0.10, 0.045, 0.045, 2.0, 0.03, 760, 0.10)
PERSONAL = Kind("li_ion", 3.56, 0.50, 0.09, 0.012, 0.020, 3.1, 0.06, 24, 0.18)


@dataclass(frozen=True, slots=True)
class Measured:
    """A reading as the fleet has it: days before now (0 or less), mV, °C, dBm."""

    days: float
    mv: int
    celsius: float
    signal: int


@dataclass(frozen=True, slots=True)
class Truth:
    """A unit: what was read, what it says of itself, and when it dies (days from now; None: not in the window)."""

    unit: int
    kind: Kind
    age_days: float | None
    readings: tuple[Measured, ...]
    percent: int
    dies: float | None


def make(
    pendants: int = 11_000, personal: int = 250, seed: int = 1, window_days: float = WEEKEND_DAYS, cold: float = 0.10,
    edge: float = 0.05, most_left: float = 1.0,
) -> list[Truth]:  # fmt: skip
    """Units on a Friday at 15:00 that are alive, each at some moment of its life. ``most_left``: pendants that had more
    than such a share fourteen days ago are left out, where only the end is of interest; the others stay the same."""
    chance = random.Random(seed)
    found: list[Truth] = []
    weather = [chance.gauss(0, 2.5) for _ in range(DAYS_BACK + 8)]
    for number in range(1, pendants + personal + 1):
        kind = PENDANT if number <= pendants else PERSONAL
        own = random.Random(f"{seed} {number}")
        unit: Truth | str = DEAD
        while unit == DEAD:
            unit = _live(number, kind, own, window_days, weather, own.random() < cold, own.random() < edge, most_left)
        if isinstance(unit, Truth):
            found.append(unit)
    return found


def _live(
    number: int, kind: Kind, chance: random.Random, window: float, weather: list[float], cold: bool, edge: bool,
    most_left: float,
) -> Truth | str:  # fmt: skip
    """DEAD for a unit that was dead before: another takes its place. FULL for one that is left out."""
    capacity = max(0.7, chance.gauss(1, 0.07))
    load = chance.lognormvariate(0, 0.15) * (chance.uniform(1.3, 1.9) if edge else 1.0) / kind.life
    e0, knee = kind.e0 + chance.gauss(0, 0.012), kind.knee * max(0.6, chance.gauss(1, 0.10))
    off, gain = chance.gauss(0, 0.006), chance.gauss(1, 0.002)
    room = chance.uniform(4, 11) if cold else chance.gauss(21.5, 1.2)
    charge = chance.random() * capacity
    charges: float | None = None
    regular = kind is PERSONAL and chance.random() < REGULAR
    if regular:
        charge = chance.uniform(0.75, 1.0) * capacity
        charges = chance.uniform(*CHARGED_AFTER) - DAYS_BACK
    elif kind is PERSONAL and chance.random() < REMEMBERS:
        charges = chance.random()
    if kind is PENDANT and charge > most_left * capacity:
        return FULL
    first = charge  # at the beginning of what is looked at
    readings: list[Measured] = []
    for step in range(ceil((DAYS_BACK + window) * READINGS_A_DAY) + 1):
        # The last step ends with the window: who dies an hour after it has not died in it.
        when = min(step / READINGS_A_DAY - DAYS_BACK, window)
        day = int(when + DAYS_BACK)
        if step % READINGS_A_DAY == 0:
            today = load * chance.lognormvariate(0, kind.day_spread)
        celsius = room + (weather[day] + chance.gauss(0, 0.8) if cold else chance.gauss(0, 0.6))
        charge -= today * min(1 / READINGS_A_DAY, when - (step - 1) / READINGS_A_DAY + DAYS_BACK)
        if charges is not None and when >= charges:
            charge, charges = capacity, when + chance.uniform(*CHARGED_AFTER) if regular else None
        share = charge / capacity
        resists = exp(1500 * (1 / (273.15 + celsius) - 1 / 293.15))
        rests = e0 + kind.tilt * share + kind.head * exp(-25 * (1 - share)) - knee / (max(share, -0.03) + kind.foot)
        rests -= 0.030 * (resists - 1) + max(0.0, 20 - celsius) * 0.0012
        if rests - kind.pulse * (resists - 1) < kind.cut_off:
            if when <= 0:
                return DEAD
            return _seen(number, kind, first, load, capacity, readings, when, chance)
        if when <= 0:
            shown = (
                (rests + off) * gain * 1000
                + chance.gauss(0, 10)
                - (chance.uniform(20, 90) if chance.random() < 0.1 else 0)
            )
            signal = round(chance.gauss(-114 if edge else -95, 4))
            readings.append(Measured(when, STEP_MV * round(shown / STEP_MV), round(celsius, 1), signal))
    return _seen(number, kind, first, load, capacity, readings, None, chance)


def _seen(
    number: int, kind: Kind, first: float, load: float, capacity: float, readings: list[Measured], dies: float | None,
    chance: random.Random,
) -> Truth:  # fmt: skip
    # Of a fifth nobody has written down when the cell was new.
    age = (capacity - first) / load + DAYS_BACK if kind is PENDANT and chance.random() < 0.8 else None
    last = sorted(one.mv for one in readings[-5:])[2]
    points = _PERCENT[kind.chemistry]
    percent = max((share for share, mv in points if last >= mv), default=0)
    return Truth(number, kind, age, tuple(readings), percent, dies)


_PERCENT = {
    "li_mno2": tuple((share, 2000 + share * 10 if share < 60 else 2600 + (share - 60) * 9) for share in range(101)),
    "li_ion": tuple((share, 3100 + share * 10) for share in range(101)),
}
"""What such units' own percentage reads off the voltage: a straight line, as many do."""
