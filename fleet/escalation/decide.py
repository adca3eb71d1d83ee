"""Pure decisions of escalation: whether a case still waits for a person, whom a step tells, when the next one comes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from fleet.escalation.model import Timer, Waiting
from fleet.routines.decide import next_due
from fleet.routines.model import Holding, Step

AT_PACE = 6
"""A step that follows itself comes so often at its own limit: half an hour at five minutes."""
LONGEST_REPEAT_S = 3600
"""A step that comes again and again comes at least this often, however long nobody has taken the case."""


def waits(case: Waiting) -> bool:
    """Whether a person has still to take it. Tests never wait for one."""
    return case.state == "open" and not case.test


def applies(case: Waiting) -> bool:
    """Whether the step may be taken for want of a human receipt.

    Where the centre that has the case never says that a person took it, silence means nothing: the first step, which
    needs no silence, is all there is. The case says so (``reports_taken``), and so do page and lamp.
    """
    return case.place == 1 or not (case.accepted and case.reports_taken == "none")


def turn(holders: Sequence[Holding], repeats: int) -> list[Holding]:
    """Whose turn it is of those who hold a role: all of the first place, then, each time the step comes again, of the
    next place, and from the beginning after the last."""
    places = sorted({holding.place for holding in holders})
    if not places:
        return []
    wanted = places[repeats % len(places)]
    return [holding for holding in holders if holding.place == wanted]


def repeat_after(step: Step, repeats: int, places: int) -> int:
    """Seconds until a step that follows itself comes again, which it has done ``repeats`` times before.

    At the step's own limit ``AT_PACE`` times, and until each of its ``places`` has had a turn, then twice as long for
    each further round, up to ``LONGEST_REPEAT_S``: a telephone that rings every five minutes all night is switched off.
    It never ends (docs/decisions/0014-a-contact-that-wobbles.md).
    """
    places = max(places, 1)
    rounds = min(max(repeats - max(AT_PACE, places) + places, 0) // places, LONGEST_REPEAT_S.bit_length())
    return min(step.limit_s << rounds, max(step.limit_s, LONGEST_REPEAT_S))


def timer_after(case: Waiting, step: Step | None, told_anybody: bool, at: datetime, places: int = 1) -> Timer:
    """What becomes of the timer when the step was taken; ``places`` of the role that it told.

    A step that found nobody to tell gives way at once to the one after it: time is not spent waiting for nobody.
    """
    if step is None or step.next is None:
        return Timer(case.place, case.repeats, None)
    if step.next == step.place:
        slower = replace(step, limit_s=repeat_after(step, case.repeats, places))
        return Timer(step.next, case.repeats + 1, next_due(case.due_at, slower, at))
    return Timer(step.next, 0, next_due(case.due_at, step, at) if told_anybody else case.due_at)
