"""What happens in A3: who presses when, when the primary centre is out, when the SMS gateway is dead. Pure.

Times are seconds from the beginning of a mode's two hours (Saturday 21:00).
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

from sim.scenarios.scenario import ScenarioError

FEWEST = 10
"""Alarms: each part of the story needs somebody."""
PERSONAL = 3
"""In the burst."""
BEGIN_S = (10.0, 30.0)
"""When the centre goes: so that the burst comes before the next probe."""
BURST_S = (2.0, 20.0)
"""After the centre has gone so many seconds pass until the burst: several press in the same two seconds."""
STAY_S = (420.0, 500.0)
AGAIN_S = (720.0, 800.0)
"""After the centre is back, seconds until those press who press again once new alarms go to it."""
AFTER_S = 840.0
"""What has to be left of the two hours then."""
REPEATS = 0.06
REPEAT_S = (15.0, 240.0)


class Mode(IntEnum):
    """How the primary centre fails."""

    REFUSES = 1
    SILENT = 2
    NO_PERSON = 3


TITLE = {Mode.REFUSES: "refuses", Mode.SILENT: "silent", Mode.NO_PERSON: "no person"}


@dataclass(frozen=True, slots=True)
class Alarm:
    """Somebody presses. `personal` is the type of the unit; `held`: whoever takes it is busy with it for long."""

    at: float
    unit: int
    personal: bool
    held: bool = False


@dataclass(frozen=True, slots=True)
class Night:
    """One mode's two hours. `out` is when the primary centre is out, `dead` when the SMS gateway is."""

    mode: Mode
    alarms: tuple[Alarm, ...]
    out: tuple[float, float]
    dead: tuple[tuple[float, float], ...]
    ends: float

    def in_dead(self, at: float) -> bool:
        """Whether the gateway is dead then."""
        return any(since <= at < until for since, until in self.dead)


def modes_of(numbers: Mapping[str, float]) -> list[Mode]:
    """The modes that were asked for. Raises ScenarioError."""
    wanted = numbers["mode"]
    if wanted not in (0, *Mode):
        raise ScenarioError("mode=1 refuses, mode=2 accepts and is silent, mode=3 no person; mode=0 is all three")
    return list(Mode) if wanted == 0 else [Mode(int(wanted))]


def personal_units(social: int) -> int:
    """How many of the fleet carry a personal alarm: 250 beside 11,000 social ones, and enough for every mode."""
    return max(social * 250 // 11000, PERSONAL * len(Mode))


def nights(social: int, numbers: Mapping[str, float], chance: random.Random) -> list[Night]:
    """All modes that were asked for, each with wearers of its own. Raises ScenarioError for numbers without room."""
    personal = personal_units(social)
    modes = modes_of(numbers)
    # Whoever has pressed in one mode takes no part in another: a small fleet has fewer alarms.
    alarms = min(int(numbers["alarms"]), social // len(modes))
    if alarms < FEWEST:
        raise ScenarioError(
            f"each mode needs {FEWEST} alarms, each of another unit: alarms={FEWEST} or more, and "
            f"--units {FEWEST * len(modes)} or more"
        )
    length, out_for = numbers["minutes"] * 60, numbers["outage_min"] * 60
    if out_for < 300 or BEGIN_S[1] + out_for + AFTER_S + 60 > length:
        raise ScenarioError("outage_min is at least 5, and minutes at least 15 more: the centre must come back in time")
    carried = min(max(int(alarms * numbers["personal_share"]), PERSONAL), personal // len(modes))
    by_type = [
        chance.sample(range(1, social + 1), social),
        chance.sample(range(social + 1, social + personal + 1), personal),
    ]
    made = []
    for mode in modes:
        story = _Story(mode, by_type, carried, length, out_for, numbers["sms_dead_s"], chance)
        made.append(story.night(alarms))
    return made


class _Story:
    def __init__(
        self, mode: Mode, free: list[list[int]], personal: int, length: float, out_for: float, dead_s: float,
        chance: random.Random,
    ) -> None:  # fmt: skip
        self._mode = mode
        self._free = free
        self._personal = personal
        self._length = length
        self._chance = chance
        self._alarms: list[Alarm] = []
        # Between two probes, which come on the minute: alarms and not a probe find that the centre has gone.
        begin = chance.uniform(*BEGIN_S)
        self._out = (begin, begin + out_for)
        # The gateway dies just before the centre, and once more when the other one serves.
        later = begin + chance.uniform(60, 120) + out_for / 2
        self._dead = ((begin - 30.0, begin + dead_s - 30.0), (later, later + dead_s))

    def night(self, count: int) -> Night:
        chance = self._chance
        out = self._out
        begin = out[0] + chance.uniform(*BURST_S)
        for place in range(6):
            self._press(begin + chance.uniform(0, 2), personal=place % 2 == 1)
        for _ in range(max(1, min(3, count // 30))):
            first = self._press(out[1] + chance.uniform(*STAY_S), held=True)
            self._again(first, out[1] + chance.uniform(*AGAIN_S))
        # Whoever calls after the centre is back, so that it is seen to serve again.
        for _ in range(2):
            self._press(out[1] + chance.uniform(AGAIN_S[1], AFTER_S))
        repeats = int(count * REPEATS)
        while len(self._alarms) < count:
            one = self._press(chance.uniform(0, self._length))
            again = one.at + chance.uniform(*REPEAT_S)
            if repeats and len(self._alarms) < count and again < self._length:
                self._again(one, again)
                repeats -= 1
        alarms = tuple(sorted(self._alarms, key=lambda alarm: alarm.at))
        return Night(self._mode, alarms, out, self._dead, self._length)

    def _press(self, at: float, personal: bool | None = None, held: bool = False) -> Alarm:
        """Of a wearer who has not pressed yet."""
        if personal is None:
            left = self._personal - sum(alarm.personal for alarm in self._alarms)
            personal = left > 0 and not held and self._chance.random() < 0.25
        alarm = Alarm(at, self._free[personal].pop(), personal, held)
        self._alarms.append(alarm)
        return alarm

    def _again(self, first: Alarm, at: float) -> None:
        self._alarms.append(Alarm(at, first.unit, first.personal, first.held))
