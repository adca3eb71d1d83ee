"""Pure decisions of escalation: whether a case still waits for a person, whom a step tells, when the next one comes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from fleet.escalation.model import Timer, Waiting
from fleet.routines.decide import next_due
from fleet.routines.model import Holding, Step


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


def timer_after(case: Waiting, step: Step | None, told_anybody: bool, at: datetime) -> Timer:
    """What becomes of the timer when the step was taken.

    A step that found nobody to tell gives way at once to the one after it: time is not spent waiting for nobody.
    """
    if step is None or step.next is None:
        return Timer(case.place, case.repeats, None)
    same = step.next == step.place
    repeats = case.repeats + 1 if same else 0
    if not told_anybody and not same:
        return Timer(step.next, repeats, case.due_at)
    return Timer(step.next, repeats, next_due(case.due_at, step, at))
