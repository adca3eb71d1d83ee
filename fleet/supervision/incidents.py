"""One incident: an outage or a power cut with everybody it touches. Pure; it decides who needs a visit, in which order,
who has come back and when it is over. It never decides that there is one (`detector.py`)."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final, NamedTuple

from fleet.supervision.cohorts import Cohort, Kind
from fleet.supervision.decide import SECOND
from fleet.supervision.model import Action, Change

LATE_PRESS_S: Final = 60
RETURNED_LEAST: Final = 5
RETURNED: Final = 0.2
RESTING: Final = 0.05
"""An incident is over when at most this part of those it touched is still down."""
SETTLE_LEAST_S: Final = 60
SETTLE_MOST_S: Final = 900
HUB_BATTERY_S: Final = 70 * 3600
LEFT_BEHIND_S: Final = 24 * 3600
"""So long after the last return those who are down are dead one by one, however many they are."""
RETURN_WINDOW_MS: Final = 10_000


class Fate(Enum):
    """How a member stands. PRESUMED: on a path that is wholly out and not yet due; ON_BATTERY: heard, without mains."""

    PRESUMED = "presumed"
    ON_BATTERY = "on battery"
    DOWN = "down"
    MOVED = "other path"
    BACK = "back"


@dataclass(slots=True)
class Member:
    """A unit that an incident touches, with what a visit list needs and no more: no name, no address."""

    unit: int
    since_ms: int
    fate: Fate
    single: bool
    switch_by_ms: int
    priority: int = 5
    district: str = ""
    reference: str = ""
    fate_ms: int = 0
    was_down: bool = False


class Visit(NamedTuple):
    """A person without any path, in the order in which to go: by care priority (1 first), then district."""

    priority: int
    district: str
    reference: str
    unit: int
    since_ms: int
    presumed: bool


class LatePress(NamedTuple):
    """A press that was received long after it was made."""

    unit: int
    pressed_ms: int
    received_ms: int


@dataclass
class Incident:
    """``scopes``: the cohorts that it is about, the first one named. ``stage`` 2: a power cut whose masts went down."""

    number: int
    power: bool
    scopes: list[Cohort]
    opened_ms: int
    began_ms: int
    interval_s: int = 300
    out: set[Cohort] = field(default_factory=set)
    recovering: bool = False
    stage: int = 1
    due: int = 0
    missed: int = 0
    sigmas: float = 0.0
    alternatives: list[Cohort] = field(default_factory=list)
    members: dict[int, Member] = field(default_factory=dict)
    late: list[LatePress] = field(default_factory=list)
    log: list[tuple[int, str]] = field(default_factory=list)
    dirty: set[int] = field(default_factory=set)
    last_touched_ms: int = 0
    last_return_ms: int | None = None
    closed_ms: int | None = None
    _returns: Counter[int] = field(default_factory=Counter)

    def touch(self, member: Member, now_ms: int) -> None:
        """Takes a member in, or tells that a known one is down; what is known of it stays."""
        known = self.members.get(member.unit)
        if known is None:
            known = self.members[member.unit] = member
        elif known.fate is not Fate.DOWN:
            known.fate, known.since_ms = member.fate, member.since_ms
            known.switch_by_ms, known.single = member.switch_by_ms, member.single
        known.fate_ms = now_ms
        known.was_down = known.was_down or known.fate is Fate.DOWN
        if known.fate is not Fate.PRESUMED:
            self.last_touched_ms = now_ms
        self.dirty.add(member.unit)

    def heard(self, unit: int, now_ms: int, *, inside: bool | None, on_battery: bool = False) -> None:
        """A member was heard, ``inside``: on the path that the incident is about; None: it did not say, of two;
        then it is down no longer, and that path is not known to be back. One presumed only was never down."""
        member = self.members.get(unit)
        if member is None or (inside is None and member.fate is not Fate.DOWN and not self.power):
            return
        if member.fate is Fate.PRESUMED:
            if inside:
                del self.members[unit]
                self.dirty.add(unit)
                return
            fate = Fate.MOVED
        elif self.power and on_battery:
            fate = Fate.ON_BATTERY
        else:
            fate = Fate.BACK if inside or self.power else Fate.MOVED
        if fate is member.fate:
            return
        if fate is Fate.BACK or (fate is Fate.ON_BATTERY and member.fate is Fate.DOWN):
            if member.fate is not Fate.MOVED or self.last_return_ms is None:
                self.last_return_ms = now_ms
            self._returns[now_ms // RETURN_WINDOW_MS] += 1
        member.fate, member.fate_ms = fate, now_ms
        self.dirty.add(unit)

    @property
    def total(self) -> bool:
        """Whether everything that it is about is wholly out."""
        return bool(self.out) and self.out >= set(self.scopes)

    def is_recovering(self) -> bool:
        """Whether so many came back on the path it is about that misses from now on are not explained by it."""
        back = self.count(Fate.BACK)
        return back >= RETURNED_LEAST and back >= RETURNED * (back + self.count(Fate.DOWN, Fate.ON_BATTERY))

    def release(self, unit: int) -> None:
        """Lets a unit go that the incident does not explain after all."""
        if self.members.pop(unit, None) is not None:
            self.dirty.add(unit)

    def press(self, press: LatePress) -> None:
        """Notes a member's press if it came late, once however often it is told."""
        if press in self.late:
            return
        if press.unit in self.members and press.received_ms - press.pressed_ms > LATE_PRESS_S * SECOND:
            self.late.append(press)

    def visits(self, now_ms: int) -> list[Visit]:
        """Persons left without any path: with one path at once, others when their declared switch did not come."""
        return sorted(
            Visit(m.priority, m.district, m.reference, m.unit, m.since_ms, m.fate is Fate.PRESUMED)
            for m in self.members.values()
            if (m.fate is Fate.DOWN and (m.single or now_ms > m.switch_by_ms)) or (m.fate is Fate.PRESUMED and m.single)
        )

    def count(self, *fates: Fate) -> int:
        """How many members stand so."""
        return sum(member.fate in fates for member in self.members.values())

    def is_over(self, now_ms: int) -> bool:
        """Whether it may close: some came back on the path it is about, nobody was lost lately, and nearly all are
        back, or more than are still down and no one returned for two intervals, or no one for a day. Who is still down
        then is looked at one by one: one that came back for a moment must not make that of a whole outage."""
        settle = min(SETTLE_MOST_S, max(SETTLE_LEAST_S, self.interval_s)) * SECOND
        back = self.count(Fate.BACK)
        if self.closed_ms is not None or now_ms < self.last_touched_ms + settle:
            return False
        if not self.members:
            return True
        if back == 0 or self.last_return_ms is None:
            return False
        away = self.count(Fate.DOWN, Fate.ON_BATTERY)
        if away <= RESTING * len(self.members) and now_ms >= self.last_return_ms + settle // 5:
            return True
        quiet = 2 * settle if back >= away else LEFT_BEHIND_S * SECOND
        return not self.count(Fate.ON_BATTERY) and now_ms >= self.last_return_ms + quiet

    def close(self, now_ms: int) -> None:
        """Ends it; those presumed never were down."""
        self.closed_ms = now_ms
        for unit in [member.unit for member in self.members.values() if member.fate is Fate.PRESUMED]:
            self.release(unit)
        self.log.append((now_ms, "closed"))

    def battery_until_ms(self) -> int | None:
        """When the first hub without mains is expected to end, by what hubs' batteries must last; None: none is."""
        lost = [m.since_ms for m in self.members.values() if m.fate is Fate.ON_BATTERY]
        return min(lost) + HUB_BATTERY_S * SECOND if lost else None

    def reattach_peak(self) -> float:
        """The most members a second that came back, over ten seconds."""
        return max(self._returns.values(), default=0) * SECOND / RETURN_WINDOW_MS

    def report(self, now_ms: int) -> dict[str, Any]:
        """The incident in figures, for the page and for the report at its close. It names units, never persons."""
        down = [member for member in self.members.values() if member.was_down]
        usual = len(down) / self.interval_s if down else 0.0
        return {
            "incident": self.number,
            "kind": "power" if self.power else "outage",
            "scope": [{"kind": kind.name.lower(), "name": name} for kind, name in self.scopes],
            "as_likely": [{"kind": kind.name.lower(), "name": name} for kind, name in self.alternatives],
            "total": self.total,
            "recovering": self.recovering,
            "stage": self.stage,
            "began_ms": self.began_ms,
            "opened_ms": self.opened_ms,
            "closed_ms": self.closed_ms,
            "detected_after_s": round((self.opened_ms - self.began_ms) / SECOND, 1),
            "due": self.due,
            "missed": self.missed,
            "sigmas": round(self.sigmas, 1),
            "touched": len(self.members),
            "down": self.count(Fate.DOWN),
            "presumed": self.count(Fate.PRESUMED),
            "on_battery": self.count(Fate.ON_BATTERY),
            "battery_until_ms": self.battery_until_ms(),
            "other_path": self.count(Fate.MOVED),
            "back": self.count(Fate.BACK),
            "without_path": len(self.visits(now_ms)),
            "late_presses": [press._asdict() for press in self.late],
            "reattach_peak_per_s": self.reattach_peak(),
            "usual_rate_per_s": round(usual, 3),
            "log": [{"at_ms": at, "what": what} for at, what in self.log],
        }


@dataclass
class Outcome:
    """What is to be written and done. Incidents are named once; their members that changed are in ``dirty``."""

    changes: list[Change] = field(default_factory=list)
    actions: list[Action] = field(default_factory=list)
    incidents: dict[int, Incident] = field(default_factory=dict)


def named(cohort: Cohort) -> str:
    """A cohort in words for a log, such as ``operator 24001``."""
    kind, name = cohort
    return kind.name.lower() if kind is Kind.FLEET else f"{kind.name.lower()} {name}"
