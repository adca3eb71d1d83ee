"""The verdict of A5: database, centres' logs and telephone, held against the truth."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise

from protocols.wire import messages
from sim.scenarios.a5_story import LEAD_S, LOW_PENDANT, PENDANT, Cast, leads_due
from sim.scenarios.evidence import Evidence, Reported, Stored, worst
from sim.scenarios.fleet_under_test import LEAD, PRIMARY, SECONDARY
from sim.scenarios.scenario import Check
from sim.scenarios.truth import Happened

CASE_S = 10.0
FLAGGED_S = 60.0
QUIET_S = 300.0
WAY_S = 10.0
"""What the way may take from a message or add to it: of two messages that a unit sends 300 s apart, one may be lost at
first and come some seconds later."""
SECOND_CENTRE_S = 60.0
LATE_S = 10.0
"""Tolerance of a step of escalation, the way to the centre or telephone included."""
CLEAR_S = 5.0
"""A contact that has been open for so long is released (docs/decisions/0014)."""
RUN_S, MOST_TOLD = 600.0, 255
"""Presses that are no further apart are one run, and so many of a run a message tells at most (docs/wire.md)."""
OWN = 0
_CLOSINGS = ("closes", "wobbles closed", "finger")
_EVENTS = {
    "mains lost": (messages.EVENT_MAINS_LOST, None),
    "mains back": (messages.EVENT_MAINS_BACK, None),
    "pendant low": (messages.EVENT_PENDANT_BATTERY_LOW, LOW_PENDANT),
}


class Judge:
    """`looks` are (unit, which look) -> the case's priority then, as somebody at a console saw it; `ends` is when the
    scenario was over."""

    def __init__(
        self,
        players: Cast,
        truth: Sequence[Happened],
        found: Evidence,
        looks: Mapping[tuple[int, int], int | None],
        ends: float,
    ) -> None:
        self._cast = players
        self._truth = truth
        self._found = found
        self._looks = looks
        self._ends = ends

    def checks(self) -> list[Check]:
        """All of them, stuck contacts first."""
        return [
            *self._stuck(),
            *self._wobbling(),
            *self._beside(),
            *self._pressing(),
            *self._escalation(),
            *self._reconciled(),
        ]

    # (a) A contact that is stuck ------------------------------------------------------------------------------------

    def _stuck(self) -> list[Check]:
        units, cases = self._cast.stuck, self._found.cases
        closed = {unit: self._when(unit, "closes") for unit in units}
        flagged = {unit: self._change(unit, "stuck") for unit in units}
        firsts = {unit: next(iter(self._own(unit)), None) for unit in units}
        most, spans = 0, []
        for unit in units:
            heard = self._of_stuck_input(unit)
            most = max([most, *(sum(at <= other < at + QUIET_S - WAY_S for other in heard) for at in heard)])
            opened = self._when(unit, "opens")
            spans.append(len(heard) - 1 - int((opened - closed[unit]) // QUIET_S))
        tasks = [sum(task["kind"] == "stuck input" for task in self._found.tasks[unit]) for unit in units]
        return [
            _each("stuck contact: cases per unit", [len(cases[unit]) for unit in units], 1),
            _within(
                "contact closed to case, worst (s)",
                worst(_after(self._opened(unit), closed[unit]) for unit in units), CASE_S,
            ),
            _within(
                "contact closed to the first centre, worst (s)",
                worst(_after(self._told(firsts[unit], PRIMARY), closed[unit]) for unit in units), CASE_S,
            ),
            _within(
                "contact closed to case flagged stuck, worst (s)",
                worst(_after(flagged[unit], closed[unit]) for unit in units), FLAGGED_S,
            ),
            Check("messages of a stuck input within 5 min, most", most, "1", most <= 1),
            Check(
                "messages of a stuck input in all, above one in 5 min, most", max(spans), "0", max(spans) <= 0
            ),
            _each("technician's tasks for the stuck input, per unit", tasks, 1),
            _within("release told after it was due, worst (s)", worst(self._lifted(unit) for unit in units), WAY_S),
        ]  # fmt: skip

    def _lifted(self, unit: int) -> float | None:
        """A release is due when the contact has been open for a while and its last message is five minutes old;
        presses after it put nothing off."""
        lifted = self._change(unit, "released")
        if lifted is None:
            return None
        due = self._when(unit, "opens") + CLEAR_S
        return lifted - max([due, *(at + QUIET_S for at in self._of_stuck_input(unit))])

    def _wobbling(self) -> list[Check]:
        """Nobody has taken the case: every closing counts. Somebody has: it is the fault again, and no press; only the
        press after a clean release is one, and opens the case again."""
        counted, least, made, told, faults, again = 0, 0, 0, 0, [], 0
        for unit in self._cast.stuck:
            own = self._own(unit)
            if unit not in self._cast.answered:
                counted += _counted(own)
                closings = [one for what in _CLOSINGS for one in self._happened(unit, what)]
                made += len(closings)
                least += _least_counted([one.at for one in closings])
                continue
            taken, opens = self._when(unit, "taken"), self._when(unit, "opens")
            told += sum(taken + WAY_S < one.at < opens for one in own)
            faults.append(
                sum(
                    one.kind == messages.EVENT_INPUT_STUCK and taken < one.at < opens
                    for one in self._stuck_events(unit)
                )
            )
            again += sum(case["state"] == "open" for case in self._found.cases[unit])
        limit: int | str = made if least == made else f"{least} to {made}"
        checks = [Check("nobody answers: closings in the units' counts", counted, limit, least <= counted <= made)]
        if self._cast.answered:
            most = len(self._cast.answered)
            checks += [
                Check("case taken: presses told by the wobbling contact", told, 0, not told),
                Check("case taken: faults told by the wobbling contact, fewest", min(faults), ">= 1", min(faults) >= 1),
                Check("case taken: open again by the press after the release", again, most, again == most),
            ]
        return checks

    def _stuck_events(self, unit: int) -> list[Reported]:
        return [one for one in self._found.events[unit] if one.input == OWN]

    def _of_stuck_input(self, unit: int) -> list[float]:
        """When anything came from the stuck input, from its flag to its release."""
        flags = [one.at for one in self._found.events[unit] if one.kind == messages.EVENT_INPUT_STUCK]
        since = min(flags, default=self._when(unit, "closes") + FLAGGED_S)
        heard = [one.at for one in self._own(unit)]
        heard += [
            one.at
            for one in self._found.events[unit]
            if one.kind in (messages.EVENT_INPUT_STUCK, messages.EVENT_INPUT_RELEASED) and one.input == OWN
        ]
        return sorted(at for at in heard if since <= at < self._when(unit, "opens"))

    def _beside(self) -> list[Check]:
        """What else these units had to say meanwhile, and their button afterwards."""
        pressed, told, events = [], [], []
        after: list[float | None] = []
        for unit in self._cast.stuck:
            pressed += self._matched(unit, "pendant pressed", self._input(unit, PENDANT))
            told += self._matched_at_centre(unit, "pendant pressed", self._input(unit, PENDANT))
            for what, (kind, number) in _EVENTS.items():
                came = [one.at for one in self._found.events[unit] if one.kind == kind and number in (None, one.input)]
                events += [
                    next((at - one.at for at in came if at >= one.at), None) for one in self._happened(unit, what)
                ]
            at = self._when(unit, "finger")
            own = [one for one in self._own(unit) if one.at >= at]
            after.append(_after(self._told(own[0]), at) if own else None)
        return [
            _within("pendant pressed meanwhile to database, worst (s)", worst(pressed), CASE_S),
            _within("pendant pressed meanwhile to a centre, worst (s)", worst(told), CASE_S),
            _within("mains and pendant events meanwhile to database, worst (s)", worst(events), CASE_S),
            _within("button pressed after the release to a centre, worst (s)", worst(after), CASE_S),
        ]

    # (b) People who keep pressing -----------------------------------------------------------------------------------

    def _pressing(self) -> list[Check]:
        found, units = self._found, (*self._cast.short, *self._cast.long)
        fingers = {unit: [one.at for one in self._happened(unit, "finger")] for unit in units}
        stored = sum(len(found.presses[unit]) for unit in units)
        counted = sum(_counted(found.presses[unit]) for unit in units)
        on_cases = sum(case["presses"] for unit in units for case in found.cases[unit])
        there = sum(found.first_told(one.reference) is not None for unit in units for one in found.presses[unit])
        made = sum(len(times) for times in fingers.values())
        in_database = [delay for unit in units for delay in self._matched(unit, "finger", found.presses[unit])]
        at_centre = [delay for unit in units for delay in self._matched_at_centre(unit, "finger", found.presses[unit])]
        rises = sum((self._looks.get((unit, 1)), self._looks.get((unit, 2))) == (2, 1) for unit in units)
        return [
            _each("keeps pressing: cases per wearer", [len(found.cases[unit]) for unit in units], 1),
            _within(
                "first press to case, worst (s)",
                worst(_after(self._opened(unit), fingers[unit][0]) for unit in units), CASE_S,
            ),
            Check("wearers whose priority rose from 2 to 1 at press 2", rises, len(units), rises == len(units)),
            Check("presses in the database", stored, made, stored == made),
            Check("presses counted by units and on their cases", f"{counted}, {on_cases}", made,
                  counted == on_cases == made),
            Check("presses at a centre", there, made, there == made),
            _within("press to database, worst (s)", worst(in_database), CASE_S),
            _within("press to a centre, worst (s)", worst(at_centre), CASE_S),
        ]  # fmt: skip

    def _escalation(self) -> list[Check]:
        units = self._cast.unanswered
        firsts = {unit: self._when(unit, "closes" if unit in self._cast.stuck else "finger") for unit in units}
        second = [self._told(next(iter(self._own(unit)), None), SECONDARY) for unit in units]
        calls = {
            unit: sorted(at for at, number, text in self._found.calls if number == LEAD and f"{unit:08x}" in text)
            for unit in units
        }
        leads = [next(iter(calls[unit]), None) for unit in units]
        off = [self._off_pace(calls[unit], firsts[unit]) for unit in units]
        # A neighbour's press that a person took in time, and one that nobody did: the first goes no further.
        needless = sum(
            bool(self._told(one, SECONDARY)) for unit in self._cast.neighbours for one in self._found.presses[unit]
        )
        alone = [len(self._found.cases[unit]) for unit in self._cast.neighbours]
        checks = [
            _between("first press to the second centre (s)", _all_after(second, firsts.values()), SECOND_CENTRE_S),
            _between("first press to the shift lead (s)", _all_after(leads, firsts.values()), LEAD_S),
            _within("shift lead told again: furthest from the pace (s)", worst(off), LATE_S),
            Check("shift lead told in all, of one case at most", max(len(one) for one in calls.values()), "any", True),
        ]
        if alone:
            checks += [
                _each("neighbours: cases per unit", alone, 1),
                Check("neighbours' cases taken in time that went to the second centre", needless, 0, not needless),
            ]
        return checks

    def _off_pace(self, calls: Sequence[float], first: float) -> float | None:
        """How far the messages to the lead are from their times, at worst; None where one is missing or too much."""
        due = leads_due(self._ends - first - LATE_S)
        # Whatever falls into the last seconds may have come or not.
        if not due or not len(due) <= len(calls) <= len(leads_due(self._ends - first + LATE_S)):
            return None
        return max(abs(at - first - wanted) for at, wanted in zip(calls, due, strict=False))

    def _reconciled(self) -> list[Check]:
        """Both logs against the database."""
        known = {one.reference for presses in self._found.presses.values() for one in presses}
        new = [(one.centre, one.reference) for one in self._found.told if not one.repeat]
        lost = len(known - {reference for _, reference in new})
        strange = len({reference for _, reference in new} - known)
        twice = len(new) - len(set(new))
        return [
            Check("stored presses that no centre has", lost, 0, not lost),
            Check("alarms at a centre that were never stored, or are new there twice", strange + twice, 0,
                  not strange + twice),
        ]  # fmt: skip

    # Looking things up ----------------------------------------------------------------------------------------------

    def _happened(self, unit: int, what: str) -> list[Happened]:
        return [one for one in self._truth if one.unit == unit and one.what == what]

    def _when(self, unit: int, what: str) -> float:
        return self._happened(unit, what)[0].at

    def _opened(self, unit: int) -> float | None:
        cases = self._found.cases[unit]
        return float(cases[0]["opened_at"]) if cases else None

    def _change(self, unit: int, change: str) -> float | None:
        return next(
            (at for case in self._found.cases[unit] for at, what in self._found.log[case["case_id"]] if what == change),
            None,
        )

    def _input(self, unit: int, number: int) -> list[Stored]:
        return [one for one in self._found.presses[unit] if one.input == number]

    def _own(self, unit: int) -> list[Stored]:
        return self._input(unit, OWN)

    def _told(self, press: Stored | None, centre: str | None = None) -> float | None:
        return None if press is None else self._found.first_told(press.reference, centre)

    def _matched(self, unit: int, what: str, presses: Sequence[Stored]) -> list[float | None]:
        """Delays of what was pressed, each with the stored press of the same place in the order; None without one."""
        return self._pair(unit, what, presses, lambda one: one.at)

    def _matched_at_centre(self, unit: int, what: str, presses: Sequence[Stored]) -> list[float | None]:
        return self._pair(unit, what, presses, self._told)

    def _pair(
        self, unit: int, what: str, presses: Sequence[Stored], when: Callable[[Stored], float | None]
    ) -> list[float | None]:
        happened = self._happened(unit, what)
        delays = [_after(when(press), one.at) for one, press in zip(happened, presses, strict=False)]
        # An early one belongs to another press: then the pairs say nothing.
        return [*(delay if delay is None or delay >= 0 else None for delay in delays)] + [None] * (
            len(happened) - len(delays)
        )


def _counted(presses: Sequence[Stored]) -> int:
    """How many presses the units' own counts amount to: within a run the count grows, to `MOST_TOLD`; a new run begins
    at 1."""
    counts = [0, *(press.count for press in presses)]
    grown = [pair for pair in pairwise(counts) if pair != (MOST_TOLD, MOST_TOLD)]
    return sum(count - before if count > before else count for before, count in grown)


def _least_counted(times: Iterable[float]) -> int:
    """How many of these presses the units' counts must amount to at least: all, but for what a run has above
    `MOST_TOLD`."""
    runs: list[int] = []
    last: float | None = None
    for at in sorted(times):
        if last is None or at - last >= RUN_S:
            runs.append(0)
        runs[-1] += 1
        last = at
    return sum(min(run, MOST_TOLD) for run in runs)


def _after(at: float | None, since: float) -> float | None:
    return None if at is None else at - since


def _all_after(times: Iterable[float | None], since: Iterable[float]) -> list[float | None]:
    return [_after(at, began) for at, began in zip(times, since, strict=True)]


def _within(name: str, value: float | None, limit: float) -> Check:
    return Check(name, value, f"<= {limit:.0f}", value is not None and value <= limit)


def _each(name: str, values: Sequence[int], wanted: int) -> Check:
    """The value that is furthest off; the wanted one where all are right."""
    value = max(values, key=lambda one: abs(one - wanted))
    return Check(name, value, wanted, value == wanted)


def _between(name: str, values: Sequence[float | None], due: float) -> Check:
    known = [one for one in values if one is not None]
    shown = f"{min(known):.1f} to {max(known):.1f}" if len(known) == len(values) and known else None
    ok = shown is not None and all(due <= one <= due + LATE_S for one in known)
    return Check(name, shown, f"{due:.0f} to {due + LATE_S:.0f}", ok)
