"""What units share, and whether a cohort misses more heartbeats than chance explains.

A unit's place (operator, issuer, network, cell area, APN, firmware, power district, link) is interned as one number,
its *signature*; counting a heartbeat is one addition. Every ``BUCKET_MS`` the counts are folded into running sums of
each cohort, and windows are differences of these. With n heartbeats due in a window, m of them missed for the first
time, and a usual rate p, chance gives m or more with a probability of at most exp(-D), D = n * KL(m/n || p) (Chernoff);
z = sqrt(2 D) is what others write as sigmas. The bound holds for cohorts of any size, where the normal approximation
takes one miss of two for six sigmas.

A cohort stands out at D >= ``ALARM`` with ``LEAST`` different units; an operator's areas stand out together where each
alone is too small (`areas.py`). Over 30 days that is 518,400 looks in each of four windows: with 300 cohorts at most
6.2e8 looks of 2.8e-10, one false incident in six such months, and far fewer, since looks that overlap are nearly the
same one. It never says who is to blame for a single unit, and it never counts a unit twice within the longest window.
"""

from __future__ import annotations

import math
from array import array
from bisect import bisect_right
from collections.abc import Collection, Iterable, Mapping
from enum import IntEnum
from typing import Final, NamedTuple

from fleet.supervision import areas
from fleet.supervision.model import Place
from fleet.supervision.wheel import SLOT_MS

BUCKET_MS: Final = 5000
SHORT_MS: Final = 60_000
WINDOWS_MS: Final = (SHORT_MS, 120_000, 180_000, 330_000, 900_000)
WINDOW_MS: Final = 900_000
ALL_AGAIN: Final = 12
"""A cohort comes to stand out by a miss, so only those that missed in the last bucket are looked at; all of them once
in so many buckets, since heartbeats in time that leave a window make it worse too."""
REMADE: Final = 40_000
"""When what is hidden changes, the sums are made anew from as many counts as this: some ten milliseconds."""
ALARM: Final = 22.0
SUSPECT: Final = 8.0
LEAST: Final = 5
USUAL: Final = 0.01
"""What is assumed of a cohort that has no history, and the least that is ever assumed."""
USUAL_MOST: Final = 0.25
HISTORY: Final = 2000.0
"""The assumption weighs as much as so many heartbeats."""
HISTORY_MOST: Final = 200_000.0
ALL_OUT: Final = 0.9
QUIET: Final = 12
"""So many buckets without a miss are before whatever began."""


class Kind(IntEnum):
    """What a cohort shares. Where two explain the same units equally well, the lower number is named first. PATH is an
    issuer's SIMs on one operator: an outage between the two of them is nobody else's."""

    OPERATOR = 1
    ISSUER = 2
    NETWORK = 3
    APN = 4
    DISTRICT = 5
    CELL = 6
    FIRMWARE = 7
    LINK = 8
    FLEET = 9
    PATH = 10


Cohort = tuple[Kind, str]


class Standing(NamedTuple):
    """A cohort that stands out: heartbeats due and missed in the time looked at, and the deviance D. ``parts``: it is
    an operator, and these of its areas stand out together."""

    deviance: float
    cohort: int
    due: int
    missed: int
    parts: tuple[int, ...] = ()

    @property
    def sigmas(self) -> float:
        """The deviance as a signed root, comparable to a z value."""
        return math.sqrt(2 * self.deviance)


def deviance(due: int, missed: int, usual: float) -> float:
    """How unlikely so many misses are: chance gives them with a probability of at most exp(-this)."""
    if due <= 0 or missed <= due * usual:
        return 0.0
    rate = missed / due
    value = rate * math.log(rate / usual)
    if missed < due:
        value += (1 - rate) * math.log((1 - rate) / (1 - usual))
    return due * value


class Places:
    """Interned places: signatures and the cohorts that each belongs to."""

    def __init__(self) -> None:
        self.cohorts: list[Cohort] = []
        self.of: list[tuple[int, ...]] = []
        self.areas: dict[int, list[int]] = {}
        """The cell areas of each operator, as cohorts."""
        self._paths: list[int | None] = []
        self._ids: dict[Cohort, int] = {}
        self._in: list[set[int]] = []
        self._signatures: dict[Place, int] = {}

    def signature(self, place: Place) -> int:
        """The number of a place; the same place always has the same one."""
        found = self._signatures.get(place)
        if found is None:
            named = [(Kind[name.upper()], getattr(place, name)) for name in Place.__dataclass_fields__]
            if place.operator and place.issuer:
                named.append((Kind.PATH, f"{place.operator} / {place.issuer}"))
            cohorts = [self.cohort(kind, text) for kind, text in named if text]
            self._paths.append(cohorts[-1] if place.operator and place.issuer else None)
            found = self._signatures[place] = len(self.of)
            cohorts.append(self.cohort(Kind.FLEET, ""))
            self.of.append(tuple(cohorts))
            for cohort in cohorts:
                self._in[cohort].add(found)
            if place.operator and place.cell:
                area, known = self.cohort(Kind.CELL, place.cell), self.areas_of(place.operator)
                if area not in known:
                    known.append(area)
        return found

    def areas_of(self, operator: str) -> list[int]:
        """The cell areas of an operator."""
        return self.areas.setdefault(self.cohort(Kind.OPERATOR, operator), [])

    def path_of(self, signature: int) -> int | None:
        """The cohort of a place's issuer on its operator; None where one of them is not known."""
        return self._paths[signature]

    def cohort(self, kind: Kind, name: str) -> int:
        """The number of a cohort."""
        key = (kind, name)
        found = self._ids.get(key)
        if found is None:
            found = self._ids[key] = len(self.cohorts)
            self.cohorts.append(key)
            self._in.append(set())
        return found

    def signatures_in(self, cohort: int) -> set[int]:
        """All places that belong to a cohort; not to be changed by the caller."""
        return self._in[cohort]


class _Bucket(NamedTuple):
    """``hits``: who was heard then. ``kept``: heartbeats in time, at the moment at which they would have counted as
    missed; only beside these do misses say anything."""

    ends_ms: int
    hits: dict[int, int]
    kept: dict[int, int]
    misses: dict[int, int]


class _Sums(NamedTuple):
    """Everything counted until a moment, by cohort. A cohort that was not known yet is beyond the end: 0."""

    ends_ms: int
    due: array[int]
    missed: array[int]

    def of(self, cohort: int) -> tuple[int, int]:
        return (self.due[cohort], self.missed[cohort]) if cohort < len(self.due) else (0, 0)


class Tally:
    """Heartbeats due and missed, by cohort, in sliding windows. ``hidden`` signatures belong to open incidents: what
    explains them is known, so they neither raise another alarm nor become usual."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self._hits: dict[int, int] = {}
        self._kept: dict[int, dict[int, int]] = {}
        self._misses: dict[int, int] = {}
        self._buckets: list[_Bucket] = []
        self._sums: list[_Sums] = [_Sums(0, array("q"), array("q"))]
        self._history: dict[int, list[float]] = {}
        self._hidden: set[int] = set()
        self._asked: set[int] | None = None
        self._closed = 0
        self._learnt_ms = 0
        self._ends_ms = 0

    def hit(self, signature: int, late_ms: int) -> None:
        """A heartbeat came in time that would have been missed at ``late_ms``. There it stands beside the misses: a
        fleet that has reconnected at once beats at once, and its misses a grace later are no outage."""
        self._hits[signature] = self._hits.get(signature, 0) + 1
        kept = self._kept.setdefault(-(-late_ms // SLOT_MS), {})
        kept[signature] = kept.get(signature, 0) + 1

    def hits(self, counts: Mapping[int, int], late_ms: int) -> None:
        """So many heartbeats came in time, by signature."""
        kept = self._kept.setdefault(-(-late_ms // SLOT_MS), {})
        for signature, count in counts.items():
            self._hits[signature] = self._hits.get(signature, 0) + count
            kept[signature] = kept.get(signature, 0) + count

    def miss(self, signature: int) -> None:
        """A heartbeat did not come, from a unit that was heard until then and did not count within ``WINDOW_MS``."""
        self._misses[signature] = self._misses.get(signature, 0) + 1

    def clear(self) -> None:
        """Forgets the windows, not what is usual: after a time in which we did not listen ourselves."""
        self._hits, self._kept, self._misses, self._ends_ms, self._learnt_ms = {}, {}, {}, 0, 0
        self._buckets.clear()
        self._sums = [_Sums(0, array("q"), array("q"))]

    def hide(self, signatures: Collection[int]) -> None:
        """Sets what open incidents explain. The windows are made again without it, as far back as is done at once: in
        a great fleet the longer ones fill again, which costs slow heartbeats some minutes and us no pause."""
        wanted = set(signatures)
        if wanted == self._hidden:
            return
        for left in self._hidden - wanted:
            # What was counted while an incident explained it is explained for good.
            for bucket in self._buckets:
                bucket.hits.pop(left, None)
                bucket.kept.pop(left, None)
                bucket.misses.pop(left, None)
        self._hidden = wanted
        self._asked = None
        counts, least = 0, len(self._buckets)
        while least and (counts < REMADE or self._buckets[-1].ends_ms - self._buckets[least - 1].ends_ms < SHORT_MS):
            least -= 1
            counts += len(self._buckets[least].kept) + len(self._buckets[least].misses)
        begins = self._buckets[least - 1].ends_ms if least else 0
        self._sums = [_Sums(begins, array("q"), array("q"))]
        for bucket in self._buckets[least:]:
            self._add(bucket)

    def close(self, now_ms: int) -> bool:
        """Folds the counts in when a bucket's time is over; False: not yet."""
        if self._ends_ms == 0:
            self._ends_ms = now_ms + BUCKET_MS
        if now_ms < self._ends_ms:
            return False
        self._ends_ms = max(self._ends_ms + BUCKET_MS, now_ms)
        bucket = _Bucket(now_ms, self._hits, self._kept_until(now_ms), self._misses)
        self._hits, self._misses = {}, {}
        self._buckets.append(bucket)
        self._add(bucket)
        self._closed += 1
        if self._closed % ALL_AGAIN == 0:
            self._asked = None
            self._forget(now_ms - WINDOW_MS)
        elif self._asked is not None:
            self._asked |= {c for s in bucket.misses if s not in self._hidden for c in self._places.of[s]}
        if now_ms >= self._learnt_ms + SHORT_MS:
            self._learn(now_ms)
            self._learnt_ms = now_ms
        return True

    def standing_out(self, least: float = ALARM) -> list[Standing]:
        """Cohorts whose misses chance does not explain, and areas that do so together, the most striking first."""
        latest = self._sums[-1]
        asked = range(len(latest.due)) if self._asked is None else self._asked
        found: dict[int, Standing] = {}
        for window in WINDOWS_MS:
            before = self._before(latest.ends_ms - window)
            for cohort in asked:
                due, missed = self._since(before, cohort)
                if missed < LEAST:
                    continue
                value = deviance(due, missed, self.usual(cohort))
                if value >= least and (cohort not in found or value > found[cohort].deviance):
                    found[cohort] = Standing(value, cohort, due, missed)
                if cohort in self._places.areas and self._looks_out(before, cohort):
                    of = {area: self._since(before, area) for area in self._places.areas[cohort]}
                    all_of = self._together(cohort, of)
                    if all_of.deviance >= min(least, areas.ALARM) and (
                        cohort not in found or all_of.deviance > found[cohort].deviance
                    ):
                        found[cohort] = all_of
        self._asked = {standing.cohort for standing in found.values()}
        return _ranked(self._places, found.values())

    def explain(
        self, since_ms: int, within: Collection[int] | None = None, without: Collection[int] = ()
    ) -> list[Standing]:
        """All cohorts, and areas together, by how well they explain the misses since a time, hidden or not, in the
        places asked for."""
        sums = self.counted(since_ms, within, without)
        found = [Standing(deviance(n, m, self.usual(c)), c, n, m) for c, (n, m) in sums.items()]
        for operator, known in self._places.areas.items():
            of = {area: (sums[area][0], sums[area][1]) for area in known if area in sums}
            if any(missed for _, missed in of.values()):
                found.append(self._together(operator, of))
        return _ranked(self._places, [standing for standing in found if standing.deviance > 0])

    def counted(
        self, since_ms: int, within: Collection[int] | None = None, without: Collection[int] = ()
    ) -> dict[int, list[int]]:
        """[due, missed] since a time by cohort, hidden or not, in the places asked for."""
        sums: dict[int, list[int]] = {}
        for bucket in reversed(self._buckets):
            if bucket.ends_ms <= since_ms:
                break
            for place, counts in enumerate((bucket.hits, bucket.misses)):
                for signature, count in counts.items():
                    if (within is not None and signature not in within) or signature in without:
                        continue
                    for cohort in self._places.of[signature]:
                        row = sums.setdefault(cohort, [0, 0])
                        row[0] += count
                        row[1] += count * place
        return sums

    def last_hit(self, cohort: int, since_ms: int) -> int:
        """The end of the last bucket in which somebody of a cohort was heard; ``since_ms`` where nobody was since."""
        inside = self._places.signatures_in(cohort)
        for bucket in reversed(self._buckets):
            if bucket.ends_ms <= since_ms:
                break
            if not inside.isdisjoint(bucket.hits):
                return bucket.ends_ms
        return since_ms

    def began(self, cohorts: Collection[int], now_ms: int) -> int:
        """When the misses of cohorts began: back from now, as long as buckets miss at least half the latest rate."""
        counts, inside = [], set().union(*(self._places.signatures_in(cohort) for cohort in cohorts))
        for bucket in reversed(self._buckets):
            hits = sum(n for s, n in bucket.hits.items() if s in inside)
            missed = sum(n for s, n in bucket.misses.items() if s in inside)
            counts.append((bucket.ends_ms, hits + missed, missed))
            if len(counts) > QUIET and not any(c[2] for c in counts[-QUIET:]):
                break
        latest_due = sum(due for _, due, _ in counts[:2])
        rate = sum(missed for _, _, missed in counts[:2]) / latest_due if latest_due else 1.0
        start, empty = now_ms, 0
        for ends_ms, due, missed in counts:
            if missed and missed >= due * rate / 2:
                start, empty = ends_ms - BUCKET_MS, 0
            elif due:
                empty += 1
                if empty > 1:
                    break
        return start

    def suspected(self, signature: int) -> bool:
        """Whether a unit's cohorts look bad enough that nobody should hear of it alone yet."""
        before = self._before(self._sums[-1].ends_ms - SHORT_MS)
        for cohort in self._places.of[signature]:
            due, missed = self._since(before, cohort)
            if missed >= LEAST and deviance(due, missed, self.usual(cohort)) >= SUSPECT:
                return True
        return False

    def usual(self, cohort: int) -> float:
        """The rate of misses that is usual in a cohort, learnt from quiet times, within bounds."""
        due, missed = self._history.get(cohort, (0.0, 0.0))
        return min(USUAL_MOST, max(USUAL, (missed + USUAL * HISTORY) / (due + HISTORY)))

    def _looks_out(self, before: _Sums, operator: int) -> bool:
        """Whether any area is worth a closer look: the quick answer, nearly always no."""
        latest, known = self._sums[-1].missed, before.missed
        for area in self._places.areas[operator]:
            if area < len(known) and latest[area] - known[area] < areas.LEAST:
                continue
            due, missed = self._since(before, area)
            if missed >= areas.LEAST and 2 * missed >= due:
                return True
        return False

    def _together(self, operator: int, of: dict[int, tuple[int, int]]) -> Standing:
        """Areas of an operator, and which of them are out if any are."""
        value, due, missed = 0.0, 0, 0
        parts = []
        for area, (n, m) in of.items():
            if n:
                known = areas.evidence(n, m, self.usual(area))
                value += areas.together(known)
                if m >= areas.LEAST and areas.likely_out(known) >= areas.SURE:
                    parts.append(area)
                    due, missed = due + n, missed + m
        if not parts or missed < LEAST:
            return Standing(0.0, operator, due, missed)
        return Standing(value, operator, due, missed, tuple(sorted(parts)))

    def _since(self, before: _Sums, cohort: int) -> tuple[int, int]:
        due, missed = self._sums[-1].of(cohort)
        due_then, missed_then = before.of(cohort)
        return due - due_then, missed - missed_then

    def _before(self, at_ms: int) -> _Sums:
        """Everything counted up to a time; the first that there is where windows are not full yet."""
        return self._sums[max(0, bisect_right(self._sums, at_ms, key=_ends) - 1)]

    def _add(self, bucket: _Bucket) -> None:
        last, known = self._sums[-1], len(self._places.cohorts)
        due, missed = last.due[:], last.missed[:]
        due.extend([0] * (known - len(due)))
        missed.extend([0] * (known - len(missed)))
        of, hidden = self._places.of, self._hidden
        for signature, count in bucket.kept.items():
            if signature not in hidden:
                for cohort in of[signature]:
                    due[cohort] += count
        for signature, count in bucket.misses.items():
            if signature not in hidden:
                for cohort in of[signature]:
                    due[cohort] += count
                    missed[cohort] += count
        self._sums.append(_Sums(bucket.ends_ms, due, missed))

    def _kept_until(self, now_ms: int) -> dict[int, int]:
        """Heartbeats in time whose moment has come, by the same wheel that brings up the missed ones: at either end of
        a window misses without their neighbours would look like an outage."""
        due = sorted(slot for slot in self._kept if slot <= now_ms // SLOT_MS)
        made = self._kept.pop(due[0]) if due else {}
        for slot in due[1:]:
            for signature, count in self._kept.pop(slot).items():
                made[signature] = made.get(signature, 0) + count
        return made

    def _forget(self, before_ms: int) -> None:
        self._buckets = self._buckets[bisect_right(self._buckets, before_ms, key=_ends) :]
        self._sums = self._sums[max(0, bisect_right(self._sums, before_ms, key=_ends) - 1) :]

    def _learn(self, now_ms: int) -> None:
        """The minute before the last becomes history, unless its cohorts are under suspicion or explained."""
        middle, begins = self._before(now_ms - SHORT_MS), self._before(now_ms - 2 * SHORT_MS)
        for cohort in range(len(middle.due)):
            due, missed = middle.of(cohort)
            due_then, missed_then = begins.of(cohort)
            if due == due_then or deviance(*self._since(middle, cohort), self.usual(cohort)) >= SUSPECT / 2:
                continue
            row = self._history.setdefault(cohort, [0.0, 0.0])
            if row[0] > HISTORY_MOST:
                row[0] /= 2
                row[1] /= 2
            row[0] += due - due_then
            row[1] += missed - missed_then


def _ends(one: _Bucket | _Sums) -> int:
    return one.ends_ms


def _ranked(places: Places, found: Iterable[Standing]) -> list[Standing]:
    return sorted(found, key=lambda s: (-s.deviance, places.cohorts[s.cohort]))
