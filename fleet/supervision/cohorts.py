"""What units share, and whether a cohort misses more heartbeats than chance explains.

A unit's place (operator, issuer, network, cell area, APN, firmware, power district, link) is interned as one number,
its *signature*; counting a heartbeat is one addition. Every ``BUCKET_MS`` the counts are folded into two sliding
windows of each cohort. With n heartbeats due in a window, m of them missed for the first time, and a usual rate p,
chance gives m or more with a probability of at most exp(-D), D = n * KL(m/n || p) (Chernoff); z = sqrt(2 D) is what
others write as sigmas. The bound holds for cohorts of any size, where the normal approximation takes one miss of two
for six sigmas.

A cohort stands out at D >= ``ALARM`` with ``LEAST`` different units. Over 30 days that is 518,400 looks in each of two
windows: with 300 cohorts at most 3.1e8 looks of 1.4e-11, or 0.5 % for one false incident. It never says who is to blame
for a single unit, and it never counts a unit twice within the longer window.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Collection, Iterable
from enum import IntEnum
from typing import Final, NamedTuple

from fleet.supervision.model import Place

BUCKET_MS: Final = 5000
SHORT: Final = 12
LONG: Final = 180
WINDOW_MS: Final = BUCKET_MS * LONG
ALARM: Final = 25.0
SUSPECT: Final = 8.0
LEAST: Final = 5
USUAL: Final = 0.01
"""What is assumed of a cohort that has no history, and the least that is ever assumed."""
USUAL_MOST: Final = 0.25
HISTORY: Final = 2000.0
"""The assumption weighs as much as so many heartbeats."""
HISTORY_MOST: Final = 200_000.0
ALL_OUT: Final = 0.9


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
    """A cohort that stands out: heartbeats due and missed in the time looked at, and the deviance D."""

    deviance: float
    cohort: int
    due: int
    missed: int

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
            found = self._signatures[place] = len(self.of)
            cohorts.append(self.cohort(Kind.FLEET, ""))
            self.of.append(tuple(cohorts))
            for cohort in cohorts:
                self._in[cohort].add(found)
        return found

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
    ends_ms: int
    hits: dict[int, int]
    misses: dict[int, int]


class Tally:
    """Heartbeats due and missed, by cohort, in two sliding windows. ``hidden`` signatures belong to open incidents:
    what explains them is known, so they neither raise another alarm nor become usual."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self._hits: dict[int, int] = {}
        self._misses: dict[int, int] = {}
        self._buckets: deque[_Bucket] = deque()
        self._sums: tuple[dict[int, list[int]], dict[int, list[int]]] = ({}, {})
        self._history: dict[int, list[float]] = {}
        self._hidden: set[int] = set()
        self._in_long = 0
        self._ends_ms = 0

    def hit(self, signature: int) -> None:
        """A heartbeat came in time."""
        self._hits[signature] = self._hits.get(signature, 0) + 1

    def miss(self, signature: int) -> None:
        """A heartbeat did not come, from a unit that was heard until then and did not count within ``WINDOW_MS``."""
        self._misses[signature] = self._misses.get(signature, 0) + 1

    def clear(self) -> None:
        """Forgets the windows, not what is usual: after a time in which we did not listen ourselves."""
        self._hits, self._misses, self._sums, self._ends_ms, self._in_long = {}, {}, ({}, {}), 0, 0
        self._buckets.clear()

    def hide(self, signatures: Collection[int]) -> None:
        """Sets what open incidents explain. The windows are made again without it, from the shorter window's time: the
        longer one fills again, which costs slow heartbeats some minutes and us no pause."""
        wanted = set(signatures)
        if wanted == self._hidden:
            return
        self._hidden = wanted
        self._sums = ({}, {})
        self._in_long = min(SHORT, len(self._buckets))
        for place in range(self._in_long):
            self._add(self._buckets[-1 - place], 1, windows=(0, 1))

    def close(self, now_ms: int) -> bool:
        """Folds the counts in when a bucket's time is over; False: not yet."""
        if self._ends_ms == 0:
            self._ends_ms = now_ms + BUCKET_MS
        if now_ms < self._ends_ms:
            return False
        self._ends_ms = max(self._ends_ms + BUCKET_MS, now_ms)
        bucket = _Bucket(now_ms, self._hits, self._misses)
        self._hits, self._misses = {}, {}
        self._buckets.append(bucket)
        self._add(bucket, 1, windows=(0, 1))
        if len(self._buckets) > SHORT:
            left = self._buckets[-1 - SHORT]
            self._add(left, -1, windows=(0,))
            self._learn(left)
        self._in_long += 1
        if self._in_long > LONG:
            self._add(self._buckets[-1 - LONG], -1, windows=(1,))
            self._in_long = LONG
        if len(self._buckets) > LONG:
            self._buckets.popleft()
        return True

    def standing_out(self, least: float = ALARM) -> list[Standing]:
        """Cohorts whose misses chance does not explain, the most striking first."""
        found: dict[int, Standing] = {}
        for sums in self._sums:
            for cohort, (due, missed) in sums.items():
                if missed < LEAST:
                    continue
                value = deviance(due, missed, self.usual(cohort))
                if value >= least and (cohort not in found or value > found[cohort].deviance):
                    found[cohort] = Standing(value, cohort, due, missed)
        return _ranked(self._places, found.values())

    def explain(
        self, since_ms: int, within: Collection[int] | None = None, without: Collection[int] = ()
    ) -> list[Standing]:
        """All cohorts by how well they explain the misses since a time, hidden or not, in the places asked for."""
        sums: dict[int, list[int]] = {}
        wanted = within
        for bucket in reversed(self._buckets):
            if bucket.ends_ms <= since_ms:
                break
            for place, counts in enumerate((bucket.hits, bucket.misses)):
                for signature, count in counts.items():
                    if (wanted is not None and signature not in wanted) or signature in without:
                        continue
                    for cohort in self._places.of[signature]:
                        row = sums.setdefault(cohort, [0, 0])
                        row[0] += count
                        row[1] += count * place
        found = [Standing(deviance(n, m, self.usual(c)), c, n, m) for c, (n, m) in sums.items()]
        return _ranked(self._places, [standing for standing in found if standing.deviance > 0])

    def began(self, cohort: int, now_ms: int) -> int:
        """When a cohort's misses began: back from now, as long as buckets miss at least half the latest rate."""
        counts, inside = [], self._places.signatures_in(cohort)
        for bucket in reversed(self._buckets):
            hits = sum(n for s, n in bucket.hits.items() if s in inside)
            missed = sum(n for s, n in bucket.misses.items() if s in inside)
            counts.append((bucket.ends_ms, hits + missed, missed))
            if len(counts) > SHORT and not any(c[2] for c in counts[-SHORT:]):
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
        sums = self._sums[0]
        for cohort in self._places.of[signature]:
            due, missed = sums.get(cohort, (0, 0))
            if missed >= LEAST and deviance(due, missed, self.usual(cohort)) >= SUSPECT:
                return True
        return False

    def usual(self, cohort: int) -> float:
        """The rate of misses that is usual in a cohort, learnt from quiet times, within bounds."""
        due, missed = self._history.get(cohort, (0.0, 0.0))
        return min(USUAL_MOST, max(USUAL, (missed + USUAL * HISTORY) / (due + HISTORY)))

    def _learn(self, bucket: _Bucket) -> None:
        """A minute-old bucket becomes history, unless its cohorts are under suspicion or explained by an incident."""
        for cohort, (due, missed) in self._by_cohort(bucket).items():
            window_due, window_missed = self._sums[0].get(cohort, (0, 0))
            if deviance(window_due, window_missed, self.usual(cohort)) >= SUSPECT / 2:
                continue
            row = self._history.setdefault(cohort, [0.0, 0.0])
            if row[0] > HISTORY_MOST:
                row[0] /= 2
                row[1] /= 2
            row[0] += due
            row[1] += missed

    def _add(self, bucket: _Bucket, sign: int, windows: Iterable[int]) -> None:
        counts = self._by_cohort(bucket)
        for window in windows:
            sums = self._sums[window]
            for cohort, (due, missed) in counts.items():
                row = sums.setdefault(cohort, [0, 0])
                row[0] += sign * due
                row[1] += sign * missed
                if row == [0, 0]:
                    del sums[cohort]

    def _by_cohort(self, bucket: _Bucket) -> dict[int, list[int]]:
        counts: dict[int, list[int]] = {}
        of, hidden = self._places.of, self._hidden
        for place, found in enumerate((bucket.hits, bucket.misses)):
            for signature, count in found.items():
                if signature in hidden:
                    continue
                for cohort in of[signature]:
                    row = counts.get(cohort)
                    if row is None:
                        row = counts[cohort] = [0, 0]
                    row[0] += count
                    row[1] += count * place
        return counts


def _ranked(places: Places, found: Iterable[Standing]) -> list[Standing]:
    return sorted(found, key=lambda s: (-s.deviance, places.cohorts[s.cohort]))
