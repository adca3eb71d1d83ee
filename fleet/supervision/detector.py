"""Which incidents there are: opens, widens, narrows and closes them from what the cohorts miss. Pure, on any clock.

One outage is one incident. A cohort that stands out opens one; if most of an open incident's members belong to a cohort
that stands out later, the incident was wider than first seen and takes that cohort's name; if most of the newly missing
are members of a power cut, its masts have gone down, and it is the same incident in a second stage.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from fleet.supervision import areas
from fleet.supervision.cohorts import ALARM, ALL_OUT, BUCKET_MS, LEAST, Cohort, Kind, Places, Standing, Tally, deviance
from fleet.supervision.incidents import Fate, Incident, Member, named

WIDEN_MS: Final = 900_000
REVIEW_MS: Final = 10_000
POWER_WINDOW_MS: Final = 120_000
POWER_MERGE_MS: Final = 300_000
POWER_USUAL: Final = 0.005
"""The part of a district's units that loses mains within two minutes without a power cut: unplugged by hand."""
AS_LIKELY: Final = 0.95
AT_ONCE: Final = 16
BETTER: Final = 1.1
RENAME_MS: Final = 180_000
"""Later the first misses are over, and what is counted then is those who come back."""
OUT_WINDOW_MS: Final = 60_000
WEIGH_MS: Final = 330_000
ALIKE_MS: Final = 600_000
"""Cohorts of one kind whose misses began within this time of each other, such as neighbouring cell areas, are one."""

Missing = Callable[[set[int], int], list[Member]]
"""Units of these signatures that are late or silent, and were heard last before that time."""
Present = Callable[[set[int], int], list[Member]]
"""Units of these signatures that were not heard since that time, and are not due yet."""


class Detector:
    """Holds the open incidents. ``places`` is shared with the tally."""

    def __init__(self, places: Places, tally: Tally, *, first_number: int = 1) -> None:
        self._places = places
        self._tally = tally
        self._first = self._next = first_number
        self.open: dict[int, Incident] = {}
        self.closed: list[Incident] = []
        self._by_signature: dict[int, int] = {}
        self._reviewed: dict[int, int] = {}
        self._presumed: dict[int, set[int]] = {}
        self._mains: dict[str, dict[int, int]] = {}
        self._known = 0

    @property
    def count(self) -> int:
        """How many incidents there have been since the first number that was given."""
        return self._next - self._first

    def restore(self, incident: Incident) -> None:
        """Takes up an incident that was open before a restart."""
        self.open[incident.number] = incident
        self._next = max(self._next, incident.number + 1)
        self._cover()

    def incident_of(self, signature: int) -> Incident | None:
        """The open incident that explains a missed heartbeat from this place."""
        if self._known != len(self._places.of):
            self._cover()
        number = self._by_signature.get(signature)
        return None if number is None else self.open[number]

    def inside(self, incident: Incident, signature: int) -> bool:
        """Whether a place is one that the incident is about."""
        cohorts = self._places.of[signature]
        return any(self._places.cohort(*scope) in cohorts for scope in incident.scopes)

    def mains_lost(self, district: str, unit: int, at_ms: int) -> None:
        """A unit said that it lost its mains."""
        if district:
            self._mains.setdefault(district, {})[unit] = at_ms

    def mains_back(self, district: str, unit: int) -> None:
        """It is back, or it was said by mistake."""
        self._mains.get(district, {}).pop(unit, None)

    def look(self, now_ms: int, missing: Missing, present: Present) -> list[Incident]:
        """Opens, widens and reviews; returns incidents that are new or changed. Call when a bucket closed."""
        changed: list[Incident] = []
        for _ in range(AT_ONCE):
            standing = self._tally.standing_out()
            if not standing:
                break
            changed.append(self._take(standing[0], standing, now_ms, missing))
        for incident in list(self.open.values()):
            if incident.stage == 1 and incident.power:
                continue
            if now_ms - self._reviewed.get(incident.number, 0) >= REVIEW_MS and self._review(
                incident, now_ms, missing, present
            ):
                changed.append(incident)
        return changed

    def look_power(
        self, now_ms: int, sizes: Callable[[], Counter[str]], losers: Callable[[Iterable[int]], list[Member]]
    ) -> list[Incident]:
        """Opens an incident for a district where more lost mains within two minutes than chance explains."""
        changed = []
        for district, lost in self._mains.items():
            for unit in [unit for unit, at in lost.items() if at < now_ms - POWER_WINDOW_MS]:
                del lost[unit]
            if len(lost) < LEAST:
                continue
            incident = self._power_incident(district, now_ms)
            if incident is None:
                size = max(sizes()[district], len(lost))
                value = deviance(size, len(lost), POWER_USUAL)
                if value < ALARM:
                    continue
                cohort = self._places.cohort(Kind.DISTRICT, district)
                incident = self._open(True, Standing(value, cohort, size, len(lost)), min(lost.values()), now_ms)
                changed.append(incident)
            for member in losers([unit for unit in lost if unit not in incident.members]):
                member.fate = Fate.ON_BATTERY
                member.since_ms = lost[member.unit]
                incident.touch(member, now_ms)
        return changed

    def close_over(self, now_ms: int) -> list[Incident]:
        """Closes what is over and returns it."""
        over = [incident for incident in self.open.values() if incident.is_over(now_ms)]
        for incident in over:
            incident.close(now_ms)
            del self.open[incident.number]
            self._reviewed.pop(incident.number, None)
            self._presumed.pop(incident.number, None)
        if over:
            self._cover()
        return over

    def _power_incident(self, district: str, now_ms: int) -> Incident | None:
        """The open power cut of a district; a neighbour that opened just now takes the district in."""
        scope = (Kind.DISTRICT, district)
        for incident in self.open.values():
            if not incident.power:
                continue
            if scope in incident.scopes:
                return incident
            if now_ms - incident.opened_ms <= POWER_MERGE_MS:
                incident.scopes.append(scope)
                incident.log.append((now_ms, f"also {named(scope)}"))
                return incident
        return None

    def _take(self, best: Standing, standing: list[Standing], now_ms: int, missing: Missing) -> Incident:
        scopes = self._scopes(best)
        began = self._tally.began(best.parts or (best.cohort,), now_ms)
        evidence = missing(self._signatures(scopes), began)
        for incident in self.open.values():
            if incident.power:
                same = evidence and sum(m.unit in incident.members for m in evidence) * 2 >= len(evidence)
            else:
                away = [m.unit for m in incident.members.values() if m.fate is Fate.DOWN]
                alike = scopes[0][0] is incident.scopes[0][0] and abs(began - incident.began_ms) <= ALIKE_MS
                more = [scope for scope in scopes if scope not in incident.scopes]
                if alike and more:
                    return self._also(incident, more, evidence, now_ms)
                same = incident.recovering or now_ms - incident.opened_ms <= WIDEN_MS
                same = same and bool(away) and self._holds(scopes, incident)
            if same:
                return self._widen(incident, best, evidence, now_ms)
        incident = self._open(False, best, began, now_ms)
        incident.alternatives = [
            self._places.cohorts[s.cohort] for s in standing[1:]
            if s.deviance >= AS_LIKELY * best.deviance and self._places.cohorts[s.cohort] not in scopes
        ]  # fmt: skip
        for member in evidence:
            incident.touch(member, now_ms)
        return incident

    def _scopes(self, standing: Standing) -> list[Cohort]:
        """What an incident is about that is opened by this."""
        return [self._places.cohorts[cohort] for cohort in standing.parts or (standing.cohort,)]

    def _holds(self, scopes: list[Cohort], incident: Incident) -> bool:
        """Whether cohorts that stand out hold an open incident's own scopes, in whole or for the most part."""
        wide = self._signatures(scopes)
        own = self._signatures(incident.scopes)
        return len(own & wide) * 2 >= len(own)

    def _also(self, incident: Incident, scopes: list[Cohort], evidence: list[Member], now_ms: int) -> Incident:
        incident.scopes += scopes
        incident.log.append((now_ms, f"also {', '.join(named(scope) for scope in scopes)}"))
        incident.recovering = False
        self._cover()
        for member in evidence:
            incident.touch(member, now_ms)
        return incident

    def _widen(self, incident: Incident, best: Standing, evidence: list[Member], now_ms: int) -> Incident:
        scopes = self._scopes(best)
        names = ", ".join(named(scope) for scope in scopes)
        if incident.power:
            incident.stage = 2
            incident.scopes += scopes
            incident.log.append((now_ms, f"second stage: {names} is silent"))
        else:
            again = set(scopes) <= set(incident.scopes)
            incident.scopes = incident.scopes if again else scopes
            incident.log.append((now_ms, f"{'again' if again else 'wider'}: {names}"))
            incident.recovering = False
        incident.due, incident.missed, incident.sigmas = best.due, best.missed, best.sigmas
        self._cover()
        for member in evidence:
            incident.touch(member, now_ms)
        return incident

    def _open(self, power: bool, best: Standing, began_ms: int, now_ms: int) -> Incident:
        scopes = self._scopes(best)
        incident = Incident(
            self._next, power, scopes, now_ms, began_ms, due=best.due, missed=best.missed, sigmas=best.sigmas,
            last_touched_ms=now_ms,
        )  # fmt: skip
        incident.log.append((now_ms, f"opened: {', '.join(named(scope) for scope in scopes)}"))
        self.open[incident.number] = incident
        self._next += 1
        self._cover()
        return incident

    def _review(self, incident: Incident, now_ms: int, missing: Missing, present: Present) -> bool:
        """Whether another scope explains it better, something is found to be wholly out, or units come back."""
        self._reviewed[incident.number] = now_ms
        if incident.is_recovering() != incident.recovering:
            incident.recovering = not incident.recovering
            incident.log.append((now_ms, "recovering" if incident.recovering else "down again"))
            self._cover()
            return True
        if now_ms - incident.opened_ms > WIDEN_MS or incident.recovering:
            return False
        changed = not incident.power and self._rename(incident, now_ms, missing)
        changed = self._weigh_areas(incident, now_ms, missing) or changed
        for scope in self._out(incident, now_ms):
            if scope not in incident.out:
                incident.out.add(scope)
                incident.log.append((now_ms, f"wholly out: {named(scope)}"))
                changed = True
            if not incident.power:
                changed = self._presume(incident, scope, now_ms, present) or changed
        return changed

    def _presume(self, incident: Incident, scope: Cohort, now_ms: int, present: Present) -> bool:
        """Takes in whoever is not due yet in a scope that is wholly out: nobody of it was heard after its last
        heartbeat, so they were not heard since either. An issuer's SIMs on an operator of which none was missed are
        left out: they may be well, and be too few to show it."""
        inside = self._signatures([scope])
        counts = self._tally.counted(incident.began_ms + BUCKET_MS, inside)
        missed = {cohort for cohort, (_, missed) in counts.items() if missed}
        done = self._presumed.setdefault(incident.number, set())
        fresh = {one for one in inside - done if (path := self._places.path_of(one)) is None or path in missed}
        if not fresh:
            return False
        done |= fresh
        last = self._tally.last_hit(self._places.cohort(*scope), incident.began_ms)
        for member in present(fresh, last + 1):
            if member.unit not in incident.members:
                incident.touch(member, now_ms)
        return True

    def _rename(self, incident: Incident, now_ms: int, missing: Missing) -> bool:
        """Takes the scope that explains the misses clearly better, judged over all places that no other explains."""
        if now_ms - incident.opened_ms > RENAME_MS:
            return False
        others = {signature for signature, number in self._by_signature.items() if number != incident.number}
        ranked = self._tally.explain(max(incident.began_ms, now_ms - OUT_WINDOW_MS), without=others)
        own = {self._places.cohort(*scope) for scope in incident.scopes}
        mine = sum(s.deviance for s in ranked if s.cohort in own and not s.parts)
        best = next((s for s in ranked if s.missed >= 2 * LEAST), None)
        if best is None or own & set(best.parts or (best.cohort,)) or best.deviance < BETTER * mine:
            return False
        scopes = self._scopes(best)
        if self._signatures(scopes).isdisjoint(self._signatures(incident.scopes)):
            return False
        incident.scopes = scopes
        incident.out.clear()
        self._presumed.pop(incident.number, None)
        incident.log.append((now_ms, f"rather: {', '.join(named(scope) for scope in scopes)}"))
        self._cover()
        for member in missing(self._signatures(scopes), incident.began_ms):
            incident.touch(member, now_ms)
        return True

    def _weigh_areas(self, incident: Incident, now_ms: int, missing: Missing) -> bool:
        """An incident of cell areas takes in areas of the same operators that are as likely out, and lets go those in
        which somebody was heard: with some areas known to be out, a small one needs less to be believed. Who is silent
        is missed once; so a single unit that is heard later does not outweigh all who were missed before."""
        own = [scope for scope in incident.scopes if scope[0] is Kind.CELL]
        if incident.power or len(own) != len(incident.scopes):
            return False
        began, oldest = incident.began_ms + BUCKET_MS, now_ms - WEIGH_MS
        counts = self._tally.counted(max(began, oldest))
        mine = {self._places.cohort(*scope) for scope in own}
        known = {area for of in self._places.areas.values() if mine & set(of) for area in of if area in counts}
        part = len(mine) / max(1, len(known | mine))
        sure = {area for area in known - mine if self._is_out(counts[area], area, part)}
        # The areas that opened it may not have been the first: others were missed a little earlier.
        before = self._tally.counted(max(began - OUT_WINDOW_MS, oldest))
        early = {area for area in known - mine - sure if self._is_out(before[area], area, part)}
        if early:
            incident.began_ms = min(incident.began_ms, self._tally.began(early, now_ms))
        more = [self._places.cohorts[area] for area in sorted(sure | early)]
        doubted = [area for area in sorted(known & mine) if self._likely(counts[area], area, part) < 1 - areas.SURE]
        whole = self._tally.counted(began) if doubted else {}
        less = [self._places.cohorts[one] for one in doubted if self._likely(whole[one], one, part) < 1 - areas.SURE]
        if len(less) == len(own):
            less = []
        if less:
            incident.scopes = [scope for scope in incident.scopes if scope not in less]
            incident.out -= set(less)
            incident.log.append((now_ms, f"not {', '.join(named(scope) for scope in less)}"))
            self._cover()
        if more:
            self._also(incident, more, missing(self._signatures(more), incident.began_ms), now_ms)
        return bool(less or more)

    def _likely(self, counted: Sequence[int], area: int, part: float) -> float:
        """How likely an area is out, by [due, missed], where such a part of all areas is."""
        return areas.likely_out(areas.evidence(counted[0], counted[1], self._tally.usual(area)), part)

    def _is_out(self, counted: Sequence[int], area: int, part: float) -> bool:
        return counted[1] >= areas.LEAST and self._likely(counted, area, part) >= areas.SURE

    def _out(self, incident: Incident, now_ms: int) -> list[Cohort]:
        """Scopes that are wholly out: nine of ten heartbeats of the last minute missed; where too few were due in it,
        nobody heard in it and nine of ten missed since it began. Areas that are out together are believed for
        less: none of them heard since it began, and who was due did not come."""
        began, own = incident.began_ms + BUCKET_MS, self._signatures(incident.scopes)
        lately = self._tally.counted(max(began, now_ms - OUT_WINDOW_MS), own)
        whole = self._tally.counted(began, own)
        found = []
        for scope in incident.scopes:
            cohort = self._places.cohort(*scope)
            due, missed = lately.get(cohort, (0, 0))
            enough = LEAST if len(incident.scopes) == 1 or scope[0] is not Kind.CELL else 1
            if missed == due < enough:
                due, missed = whole.get(cohort, (0, 0))
            if missed >= enough and missed >= ALL_OUT * due:
                found.append(scope)
        return found

    def _signatures(self, scopes: Iterable[Cohort]) -> set[int]:
        return {s for scope in scopes for s in self._places.signatures_in(self._places.cohort(*scope))}

    def _cover(self) -> None:
        """Which places are explained, for missed heartbeats to come and for the windows."""
        self._by_signature = {}
        for incident in self.open.values():
            scopes = incident.scopes[1:] if incident.power and incident.stage == 2 else incident.scopes
            if (incident.power and incident.stage == 1) or incident.recovering:
                continue
            for scope in scopes:
                for signature in self._places.signatures_in(self._places.cohort(*scope)):
                    self._by_signature.setdefault(signature, incident.number)
        self._known = len(self._places.of)
        self._tally.hide(self._by_signature)
