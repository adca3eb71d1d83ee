"""The verdict of A3: the database and the logs of centres, their people, and the telephone, held against the truth.

It reads what the fleet has left behind, never what the fleet thinks.
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from fleet.forwarding.model import Reconciliation
from sim.scenarios.a3_story import TITLE, Mode, Night
from sim.scenarios.evidence import Evidence, Stored, worst
from sim.scenarios.fleet_under_test import PRIMARY, SECONDARY
from sim.scenarios.scenario import Check
from sim.scenarios.truth import Happened

PERSONAL_S, SOCIAL_S = 10.0, 20.0
P99_S = {Mode.REFUSES: 30.0, Mode.SILENT: 60.0, Mode.NO_PERSON: 90.0}
HUMAN_S = 60.0
MANAGER_S = 10.0
GOOD_PROBES = 10
PROBE_S = 60.0
PROBE_PUT_OFF_S = 6.0
"""The fleet's polling may be put off so far, and it looks once a second. How long a probe waits for its answer counts
nothing: the next one is due a minute after it began."""
SLACK_S = 2.0
"""An alarm that comes in while the tenth probe is being answered may go either way."""
SAME_S = 0.001
"""The database keeps microseconds, the world's clock more."""
_UNIT = re.compile(r"\b([0-9a-f]{8})\b")


@dataclass(frozen=True, slots=True)
class Sent:
    """A line of the log of a centre's people."""

    at: float
    centre: str
    reference: str
    what: str

    @property
    def unit(self) -> int:
        """Whose alarm it was."""
        return int(self.reference[:8], 16)


@dataclass(frozen=True, slots=True)
class Played:
    """A night as it was: when it began, what really happened, and what our rows and both logs agree on."""

    night: Night
    base: float
    truth: Sequence[Happened]
    agreed: Reconciliation


@dataclass(frozen=True, slots=True)
class Traces:
    """What all nights have left behind. `probes` are when link tests came to the primary centre, `begun` when the fleet
    began to probe it; `asked` are (reference, centre) that a person's silence has sent there; `manager` is his number.
    """

    found: Evidence
    people: Sequence[Sent]
    probes: Sequence[float]
    begun: Sequence[float]
    asked: frozenset[tuple[str, str]]
    manager: str

    @property
    def references(self) -> set[str]:
        """Of every press that is stored."""
        return {press.reference for presses in self.found.presses.values() for press in presses}


@dataclass(frozen=True, slots=True)
class Pair:
    """A finger, and the press that the fleet has stored of it; None where there is none."""

    happened: Happened
    stored: Stored | None


def percentile(values: Sequence[float], part: float) -> float | None:
    """By nearest rank."""
    if not values:
        return None
    return sorted(values)[max(math.ceil(len(values) * part) - 1, 0)]


class NightJudge:
    """One mode."""

    def __init__(self, played: Played, traces: Traces) -> None:
        self._night = played.night
        self._mode = played.night.mode
        self._out = tuple(played.base + at for at in played.night.out)
        self._dead = [(played.base + since, played.base + until) for since, until in played.night.dead]
        self._played = played
        self._traces = traces
        self._found = traces.found
        self._pairs = self._matched()
        self._units = {one.unit for one in played.truth}
        self._references = {pair.stored.reference for pair in self._pairs if pair.stored is not None}
        self._first_told: dict[tuple[str, str], float] = {}
        for told in self._found.told:
            key = told.reference, told.centre
            if key not in self._first_told:
                self._first_told[key] = told.at

    def checks(self) -> list[Check]:
        """All of them, each with the mode before its name."""
        made = [
            *self._whole(), *self._dispatch(), *self._takeover(), *self._managers(), *self._probes(), *self._return(),
        ]  # fmt: skip
        return [Check(f"{TITLE[self._mode]}: {one.name}", one.value, one.limit, one.ok) for one in made]

    # Nothing lost, nothing twice ------------------------------------------------------------------------------------

    def _matched(self) -> list[Pair]:
        """Fingers of a unit in order, beside its presses in order."""
        fingers: dict[int, list[Happened]] = defaultdict(list)
        for one in self._played.truth:
            fingers[one.unit].append(one)
        pairs = []
        for unit, made in fingers.items():
            stored = sorted(self._found.presses[unit], key=lambda press: (press.boot, press.seq))
            padded: list[Stored | None] = [*stored, *([None] * len(made))]
            pairs += [Pair(one, press) for one, press in zip(made, padded, strict=False)]
        return pairs

    def _whole(self) -> list[Check]:
        made, agreed = len(self._pairs), self._played.agreed
        lost = sum(pair.stored is None or self._told(pair) is None for pair in self._pairs)
        invented = sum(len(self._found.presses[unit]) for unit in self._units) - len(self._references)
        logged = {reference for reference, _ in self._first_told if reference in self._references}
        counts = ", ".join(f"{name} {number}" for name, number in agreed.by_centre.items())
        return [
            Check("alarms pressed", made, "any", made > 0),
            _none("lost", lost),
            _none("stored and never pressed", invented),
            Check("ids in both centres' logs together", len(logged), made, len(logged) == made),
            Check(
                "reconcile: lost, unknown, believed in vain, one centre twice",
                f"{len(agreed.lost)}, {len(agreed.unknown)}, {len(agreed.unproven)}, {len(agreed.doubled)} ({counts})",
                f"0, 0, 0, 0 of {made}",
                agreed.agrees and not agreed.doubled and agreed.presses == made,
            ),
        ]

    def _dispatch(self) -> list[Check]:
        """Between two that were sent to the same wearer a further press of his came in, or they were sent twice. Its
        finger may be earlier: it is some moments on its way, and whoever takes the case meanwhile does not know it.
        """
        twice = nobody = 0
        for unit in self._units:
            fingers = [one.at for one in self._played.truth if one.unit == unit]
            came = [
                max(pair.happened.at, pair.stored.at)
                for pair in self._pairs
                if pair.happened.unit == unit and pair.stored is not None
            ]
            sent = sorted(one.at for one in self._people(unit) if one.what == "dispatched")
            for earlier, later in pairwise(sent):
                twice += not any(earlier < at <= later for at in came)
            nobody += not any(at > fingers[-1] for at in sent)
        refused = sum(one.what == "stood down" for unit in self._units for one in self._people(unit))
        wanted = self._mode is Mode.NO_PERSON
        return [
            _none("dispatched twice", twice),
            _none("wearers to whom nobody was sent", nobody),
            Check(
                "times that a centre stood down, since the other one had it", refused,
                "at least 1" if wanted else "any", refused > 0 or not wanted,
            ),
        ]  # fmt: skip

    def _people(self, unit: int) -> list[Sent]:
        return [one for one in self._traces.people if one.unit == unit]

    def _told(self, pair: Pair, centre: str | None = None) -> float | None:
        """When a centre (any, or this one) first had it."""
        if pair.stored is None:
            return None
        names = (PRIMARY, SECONDARY) if centre is None else (centre,)
        return min(
            (at for name in names if (at := self._first_told.get((pair.stored.reference, name))) is not None),
            default=None,
        )

    def _after(self, pair: Pair, centre: str | None = None) -> float | None:
        told = self._told(pair, centre)
        return None if told is None else told - pair.happened.at

    # At the secondary in time ---------------------------------------------------------------------------------------

    def _takeover(self) -> list[Check]:
        during = [pair for pair in self._pairs if self._out[0] <= pair.happened.at < self._out[1]]
        checks = self._without_person(during) if self._mode is Mode.NO_PERSON else self._without_answer(during)
        dead = [pair for pair in self._pairs if any(a <= pair.happened.at < b for a, b in self._dead)]
        carried = [(pair, self._after(pair)) for pair in dead]
        for name, personal, limit in (("personal", True, PERSONAL_S), ("social", False, SOCIAL_S)):
            found = worst(after for pair, after in carried if (pair.happened.what == "personal") == personal)
            if found is not None or any((pair.happened.what == "personal") == personal for pair in dead):
                checks.append(_within(f"SMS gateway dead: {name} alarm at a centre, worst (s)", found, limit))
        return checks

    def _without_answer(self, during: Sequence[Pair]) -> list[Check]:
        personal = [self._after(pair, SECONDARY) for pair in during if pair.happened.what == "personal"]
        social = [self._after(pair, SECONDARY) for pair in during if pair.happened.what != "personal"]
        return [
            _within(f"personal at the secondary, worst of {len(personal)} (s)", worst(personal), PERSONAL_S),
            _within(f"social at the secondary, worst of {len(social)} (s)", worst(social), SOCIAL_S),
            self._p99([*personal, *social]),
            _spread("takeover, personal", personal),
            _spread("takeover, social", social),
        ]

    def _without_person(self, during: Sequence[Pair]) -> list[Check]:
        """Whoever was not taken within 60 s, unless somebody did it before the limit and before the secondary knew.

        From then on it waits for nobody, and the secondary is not told of it. It may be much later, for another cause:
        a further press opens the case again, and whoever gets that one gets all presses of the case.
        """
        waited = [pair for pair in during if not self._taken_in_time(pair)]
        delays = [self._after(pair, SECONDARY) for pair in waited]
        first = {unit: min(one.at for one in self._played.truth if one.unit == unit) for unit in self._units}
        early = [
            pair
            for pair in during
            if pair.happened.at == first[pair.happened.unit] and (self._after(pair, SECONDARY) or HUMAN_S) < HUMAN_S
        ]
        return [
            _within(
                f"at the secondary without a human receipt, worst of {len(waited)} (s)",
                worst(delays), P99_S[Mode.NO_PERSON],
            ),
            self._p99(delays),
            _spread("takeover", delays),
            _none("told the secondary before 60 s had passed", len(early)),
        ]  # fmt: skip

    def _taken_in_time(self, pair: Pair) -> bool:
        finger = pair.happened.at
        taken = min(
            (
                one.at - finger
                for one in self._people(pair.happened.unit)
                if one.what == "dispatched" and one.at > finger
            ),
            default=math.inf,
        )
        told = self._after(pair, SECONDARY)
        return taken <= HUMAN_S or (taken <= P99_S[Mode.NO_PERSON] and (told is None or taken <= told))

    def _p99(self, delays: Sequence[float | None]) -> Check:
        known = [one for one in delays if one is not None]
        value = percentile(known, 0.99) if len(known) == len(delays) else None
        return _within("at the secondary, 99th percentile (s)", None if value is None else round(value, 2),
                       P99_S[self._mode])  # fmt: skip

    # People besides ---------------------------------------------------------------------------------------------------

    def _managers(self) -> list[Check]:
        calls: dict[int, list[float]] = defaultdict(list)
        for at, number, text in self._found.calls:
            named = _UNIT.search(text)
            if number == self._traces.manager and named is not None:
                calls[int(named[1], 16)].append(at)
        delays: list[float | None] = []
        at_once: list[float | None] = []
        for unit in self._units:
            for case in self._found.cases[unit]:
                since = case["opened_at"] - SAME_S
                delay = min((at - case["opened_at"] for at in calls[unit] if at >= since), default=None)
                delays.append(delay)
                if not any(since - 1 <= case["opened_at"] < until + 1 for since, until in self._dead):
                    at_once.append(delay)
        return [
            _none("cases of which the manager was never told", delays.count(None)),
            _within("manager told, SMS gateway alive, worst (s)", worst(at_once), MANAGER_S),
        ]

    # Probes ---------------------------------------------------------------------------------------------------------

    def _probes(self) -> list[Check]:
        since, until = self._out
        begun = [since, *(at for at in self._traces.begun if since <= at < until), until]
        longest = round(max(later - earlier for earlier, later in pairwise(begun)), 2)
        ours = {one.reference for one in self._traces.people} - self._traces.references
        strangers = [one for one in self._found.told if not one.reference]
        return [
            Check("probes of the primary while it is out", len(begun) - 2, "any", len(begun) > 2),
            _within("longest time between two of them (s)", longest, PROBE_S + PROBE_PUT_OFF_S),
            _none("entries of probes in a centre's log", len(strangers)),
            _none("probes or others that are no press and that a person has looked at", len(ours)),
        ]

    # The primary comes back -------------------------------------------------------------------------------------------

    def _return(self) -> list[Check]:
        known = Counter(unit for unit in self._units for _ in self._found.cases[unit])
        moved = after_close = 0
        for pair in self._pairs:
            told = self._told(pair, PRIMARY), self._told(pair, SECONDARY)
            if pair.stored is None:
                continue
            closed = next(
                (
                    one["closed_at"]
                    for one in self._found.cases[pair.happened.unit]
                    if one["case_id"] == pair.stored.case
                ),
                None,
            )
            after_close += sum(at is not None and closed is not None and at > closed for at in told)
            asked = (pair.stored.reference, PRIMARY) in self._traces.asked
            moved += told[0] is not None and told[1] is not None and told[0] > told[1] and not asked
        checks = [
            _none("told the primary though the secondary had it", moved),
            _none("told a centre after the case was closed", after_close),
            _none("cases without a press", sum(known.values()) - len(self._cases_pressed())),
        ]
        return checks if self._mode is Mode.NO_PERSON else [*checks, *self._fail_back()]

    def _cases_pressed(self) -> set[int]:
        return {pair.stored.case for pair in self._pairs if pair.stored is not None}

    def _fail_back(self) -> list[Check]:
        probes = [at for at in self._traces.probes if at >= self._out[1] - SAME_S]
        tenth = probes[GOOD_PROBES - 1] if len(probes) >= GOOD_PROBES else None
        later = [pair for pair in self._pairs if pair.happened.at >= self._out[1]]
        # What a person's silence has sent to both centres is either one's.
        again = [pair for pair in later if self._had(pair) == {SECONDARY}]
        new = [pair for pair in later if not self._had(pair)]
        asked = self._traces.asked
        at_primary = sorted(
            told
            for pair in new
            if (told := self._told(pair, PRIMARY)) is not None
            and pair.stored is not None
            and (pair.stored.reference, PRIMARY) not in asked
        )
        before = sum(sum(one < at for one in probes) < GOOD_PROBES for at in at_primary)
        missed = sum(
            tenth is not None and pair.happened.at > tenth + SLACK_S and self._told(pair, PRIMARY) is None
            for pair in new
        )
        seen = [at for at in probes if at_primary and at < at_primary[0]]
        stayed = sum(self._told(pair, SECONDARY) is not None for pair in again)
        after = sum(tenth is not None and pair.happened.at > tenth for pair in again)
        return [
            Check("good probes before new alarms go to the primary again", len(seen), f"at least {GOOD_PROBES}",
                  len(seen) >= GOOD_PROBES),
            _within("primary back to its tenth good probe (s)", _since(tenth, self._out[1]), 60.0 * GOOD_PROBES + 5),
            _none("new alarms at the primary before its tenth good probe", before),
            _none("new alarms not at the primary after its tenth good probe", missed),
            Check("pressed again in an open case of the secondary after that: at the secondary",
                  f"{stayed} of {len(again)}, {after} after the fail-back", "all, at least 1 after it",
                  stayed == len(again) and after > 0),
        ]  # fmt: skip

    def _had(self, pair: Pair) -> set[str]:
        """The centres that had an open case of this wearer when he pressed."""
        if pair.stored is None:
            return set()
        earlier = [
            other
            for other in self._pairs
            if other.stored is not None
            and other.stored.case == pair.stored.case
            and other.happened.at < pair.happened.at
        ]
        return {
            name
            for name in (PRIMARY, SECONDARY)
            for other in earlier
            if (at := self._told(other, name)) is not None and at < pair.happened.at
        }


def _since(at: float | None, since: float) -> float | None:
    return None if at is None else round(at - since, 2)


def _none(name: str, value: int) -> Check:
    return Check(name, value, 0, value == 0)


def _spread(name: str, delays: Sequence[float | None]) -> Check:
    """For people: nothing is judged here but that each is known."""
    known = [one for one in delays if one is not None]
    parts = [percentile(known, part) for part in (0.5, 0.99, 1.0)]
    said = ", ".join("-" if part is None else f"{part:.2f}" for part in parts)
    return Check(f"{name}: half, 99 %, all within (s)", said, "any", len(known) == len(delays) > 0)


def _within(name: str, value: float | None, limit: float) -> Check:
    return Check(name, value, f"{limit:g}", value is not None and value <= limit)


def judge(nights: Iterable[Played], traces: Traces) -> list[Check]:
    """All nights."""
    return [check for played in nights for check in NightJudge(played, traces).checks()]
