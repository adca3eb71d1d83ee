"""What happens in A5: who the units are, and every finger, contact, pendant and person, drawn from the seed. Pure."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise

from sim.scenarios.scenario import ScenarioError
from sim.scenarios.world import merged

FEWEST = 3
BEGIN_S = 90.0
"""By then every unit has been heard once."""
FINGER_S = (0.06, 0.4)
WOBBLE_S = (0.1, 4.0)
"""For so long a stuck contact comes open at times; what the firmware takes for a release is longer."""
WOBBLES_EVERY_S = 120.0
FIRST_WOBBLE_S = 45.0
"""From then on the contact wobbles: it must have been closed without a break to be flagged in time."""
FIRST_ANSWERED_WOBBLE_S = 120.0
"""The same where a person has taken the case: by then the unit knows of it."""
LAST_WOBBLE_S = 10.0
"""Before the release."""
TAKEN_AGAIN_S = 30.0
"""Before the release a person takes again what a pendant has opened meanwhile."""
LEAD_S = 180.0
PACE_S = (*[300.0] * 6, 600.0, 1200.0, 2400.0)
LONGEST_PACE_S = 3600.0
"""When the shift lead is told of a case that nobody takes, and after which pauses again (docs/decisions/0014)."""
LEAST_APART_S = 1.5
BURST, REFILL_S = 8, 300.0
"""So many repeated presses a unit tells at once, and one more for each such time; beyond that its count alone travels
(`firmware/core/contact.py`), and not every press has a message of its own."""
FIRST_APART_S = 12.0
"""Between the first two presses of somebody: time to look at the case as it is after the first."""
ANSWERED_S = (15.0, 45.0)
"""In this time a neighbour's press is taken by a person: before the second centre's turn."""
AFTERWARDS_S = 400.0
PENDANT, LOW_PENDANT = 1, 2
"""Inputs of the hub's pendants: one is pressed, one reports a low battery."""


@dataclass(frozen=True, slots=True)
class Act:
    """Somebody or something does `what` to a unit, at seconds of the scenario."""

    at: float
    unit: int
    what: str


@dataclass(frozen=True, slots=True)
class Cast:
    """Who plays what. `answered` are those stuck ones whose case a person takes at once; the others nobody answers."""

    stuck: tuple[int, ...]
    answered: tuple[int, ...]
    short: tuple[int, ...]
    long: tuple[int, ...]
    neighbours: tuple[int, ...]

    @property
    def unanswered(self) -> tuple[int, ...]:
        """Whose case no person ever takes."""
        return (*(unit for unit in self.stuck if unit not in self.answered), *self.short, *self.long)


def cast(units: int) -> Cast:
    """Each part at least once, one unit in twenty each; the others are neighbours. Raises ScenarioError below 3."""
    if units < FEWEST:
        raise ScenarioError("A5 needs 3 units: one with a stuck contact, and two wearers who keep pressing")
    share = max(1, units // 20)
    stuck = max(share, 2) if units > FEWEST else 1
    numbers = iter(range(1, units + 1))
    parts = [tuple(next(numbers) for _ in range(count)) for count in (stuck, share if units >= 5 else 1, share)]
    return Cast(parts[0], parts[0][1::2], parts[1], parts[2], tuple(numbers))


def story(players: Cast, numbers: Mapping[str, float], chance: random.Random) -> list[Act]:
    """Everything that happens, in order. Raises ScenarioError for times that leave no room for it."""
    hours = numbers["hours"]
    if hours < 0.2:
        raise ScenarioError("hours=... of a closed contact: at least 0.2, or nothing else can happen meanwhile")
    if numbers["least_ms"] > numbers["most_ms"]:
        raise ScenarioError("least_ms=... of a datagram's way is not above most_ms")
    for window, presses in (("short_min", "short_presses"), ("long_min", "long_presses")):
        if numbers[presses] < 2 or numbers[window] * 60 < 60 * numbers[presses]:
            raise ScenarioError(f"{presses} are at least 2, and {window} has a minute for each")
        if numbers[presses] > 1 + BURST + numbers[window] * 60 / REFILL_S / 2:
            raise ScenarioError(
                f"a unit tells {1 + BURST} presses one by one and then a count every {REFILL_S / 60:.0f} minutes: "
                f"{presses}={numbers[presses]:g} needs a longer {window}"
            )
    acts: list[Act] = []
    for unit in players.stuck:
        acts += _stuck(unit, unit in players.answered, hours * 3600, chance)
    for unit in players.short:
        acts += _pressing(unit, int(numbers["short_presses"]), numbers["short_min"] * 60, chance)
    for unit in players.long:
        acts += _pressing(unit, int(numbers["long_presses"]), numbers["long_min"] * 60, chance)
    for unit in players.neighbours:
        at = BEGIN_S + chance.uniform(0, hours * 3600)
        taken = at + chance.uniform(*ANSWERED_S)
        acts += [*_press(unit, at, chance), Act(taken, unit, "take"), Act(taken + 120, unit, "close case")]
    return sorted(acts, key=lambda act: act.at)


def ends(acts: list[Act]) -> float:
    """When the scenario is over."""
    return acts[-1].at + AFTERWARDS_S


def fine_spans(players: Cast, acts: list[Act]) -> list[tuple[float, float]]:
    """When the fleet polls as often as it wants to: after whatever is pressed, and around the steps of escalation.
    What wakes it up does so at any time; elsewhere only its polling is put off."""
    spans: list[tuple[float, float]] = []
    waiting = {*players.unanswered}
    for act in acts:
        if act.what in ("finger", "closes", "pendant pressed"):
            spans.append((act.at, act.at + 8))
        if act.what in ("finger", "closes") and act.unit in waiting:
            waiting.remove(act.unit)
            spans.append((act.at + 59, act.at + 68))
            spans += [(act.at + due - 1, act.at + due + 6) for due in leads_due(ends(acts) - act.at)]
    return merged(spans)


def leads_due(until: float) -> list[float]:
    """Seconds after the first press at which the shift lead is told, until then."""
    found, due, pauses = [], LEAD_S, list(PACE_S)
    while due < until:
        found.append(due)
        due += pauses.pop(0) if pauses else LONGEST_PACE_S
    return found


def _press(unit: int, at: float, chance: random.Random) -> list[Act]:
    return [Act(at, unit, "finger"), Act(at + chance.uniform(*FINGER_S), unit, "finger up")]


def _pressing(unit: int, presses: int, window_s: float, chance: random.Random) -> list[Act]:
    """So many presses in a window, and nobody answers. After the first and the second somebody looks at the case."""
    begin = BEGIN_S + chance.uniform(0, 60)

    def fits(times: list[float]) -> bool:
        gaps = [later - earlier for earlier, later in pairwise(times)]
        if not _told_one_by_one(times):
            return False
        return min(gaps) >= LEAST_APART_S and gaps[0] >= FIRST_APART_S and (len(gaps) < 2 or gaps[1] >= FIRST_APART_S)

    times = _drawn(presses, 0, window_s, chance, fits)
    acts = [act for at in times for act in _press(unit, begin + at, chance)]
    acts.append(Act(begin + times[1] - 0.5, unit, "look 1"))
    acts.append(Act(begin + times[1] + FIRST_APART_S - 1, unit, "look 2"))
    return acts


def _told_one_by_one(times: list[float]) -> bool:
    """Whether a unit tells each of these presses by a message of its own."""
    left, since = BURST, 0.0
    for at in times[1:]:
        while left < BURST and at >= since + REFILL_S:
            left, since = left + 1, since + REFILL_S
        if not left:
            return False
        since = at if left == BURST else since
        left -= 1
    return True


def _drawn(
    count: int, since: float, until: float, chance: random.Random, fits: Callable[[list[float]], bool]
) -> list[float]:
    while True:
        times = sorted(chance.uniform(since, until) for _ in range(count))
        if fits(times):
            return times


def _stuck(unit: int, answered: bool, span_s: float, chance: random.Random) -> list[Act]:
    """The contact closes and stays closed but for its wobbling; meanwhile a pendant is pressed, one runs down, mains go
    and come. It is released for good, and then pressed by a finger."""
    closed = BEGIN_S + chance.uniform(0, 60)
    released = closed + span_s
    acts = [Act(closed, unit, "closes"), Act(released, unit, "opens")]
    if answered:
        acts += [Act(at, unit, "take") for at in (closed + chance.uniform(*ANSWERED_S), released - TAKEN_AGAIN_S)]
    first = FIRST_ANSWERED_WOBBLE_S if answered else FIRST_WOBBLE_S
    acts += _wobbles(unit, closed + first, released - LAST_WOBBLE_S, chance)
    acts += [Act(chance.uniform(closed + 90, released - 60), unit, "pendant pressed") for _ in range(3)]
    acts.append(Act(chance.uniform(closed + 90, released - 60), unit, "pendant low"))
    for part in range(2):
        lost = closed + 90 + span_s / 2 * part + chance.uniform(0, span_s / 6)
        back = lost + chance.uniform(60, span_s / 6)
        acts += [Act(lost, unit, "mains lost"), Act(back, unit, "mains back")]
    acts += _press(unit, released + chance.uniform(15, 200), chance)
    return acts


def _wobbles(unit: int, since: float, until: float, chance: random.Random) -> list[Act]:
    """At least one, however short the time is."""
    acts: list[Act] = []
    at = since + min(chance.expovariate(1 / WOBBLES_EVERY_S), (until - since) / 2)
    while at + WOBBLE_S[1] < until:
        again = at + chance.uniform(*WOBBLE_S)
        acts += [Act(at, unit, "wobbles open"), Act(again, unit, "wobbles closed")]
        at = again + 5 + chance.expovariate(1 / WOBBLES_EVERY_S)
    return acts
