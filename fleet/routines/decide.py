"""Pure decisions about routines: which one holds, who holds a role, which step follows.

Versions are chosen by one moment (``pinned``: when a case was opened), so that an open case keeps the guard company
that it began with; who of a version is on duty is chosen by another (``at``: now), so that nobody is called after work.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from fleet.routines.model import (
    HOURS,
    PARTS,
    PRIMARY,
    SECONDARY,
    SHIFT_LEAD,
    UNIT_TYPES,
    WEEK,
    Holding,
    Routine,
    Step,
    Subject,
    Window,
)

DEFAULT_ZONE = "Europe/Stockholm"
LONGEST_LIMIT_S = 24 * 3600
LONGEST_CHAIN = 20

DEFAULT_STEPS = (
    Step(1, (PRIMARY,), 60, 2),
    Step(2, (SECONDARY,), 120, 3),
    Step(3, (SHIFT_LEAD,), 300, 3),
)
"""Where nobody has written a routine: the second centre after 60 s, the shift lead after 180 s and then every 5 min."""


def minute_of_week(at: datetime, zone: str) -> int:
    """0 for Monday 00:00 by the clocks of the zone, 10079 for Sunday 23:59."""
    local = at.astimezone(ZoneInfo(zone))
    return local.weekday() * 1440 + local.hour * 60 + local.minute


def within(window: Window, at: datetime, zone: str) -> bool:
    """Whether the moment lies in the window."""
    return window.starts <= minute_of_week(at, zone) < window.ends


def choose(
    routines: Iterable[Routine], office: Sequence[tuple[int, datetime, Window]], subject: Subject, pinned: datetime
) -> Routine:
    """The routine of a case that was opened at ``pinned``: of each key its newest version, of those the most specific.

    ``office`` holds (municipality, valid_from, window) of office hours. A municipality's own goes before the
    installation's, then type, priority, office hours or on call, and the narrower window. Never fails: where nothing
    fits, the one that is built in holds.
    """
    newest: dict[tuple[object, ...], Routine] = {}
    for routine in routines:
        if routine.valid_from > pinned or routine.municipality not in (0, subject.municipality):
            continue
        if routine.unit_type not in ("any", subject.unit_type) or routine.priority not in (0, subject.priority):
            continue
        key = (routine.municipality, routine.unit_type, routine.priority, routine.hours, routine.window)
        if key not in newest or newest[key].valid_from < routine.valid_from:
            newest[key] = routine
    fitting = [
        routine
        for routine in newest.values()
        if within(routine.window, pinned, routine.zone) and _hours_fit(routine, office, subject, pinned)
    ]
    if not fitting:
        return Routine(
            None, 0, "built in", "any", 0, "any", Window(), DEFAULT_ZONE,
            datetime.min.replace(tzinfo=pinned.tzinfo), DEFAULT_STEPS,
        )  # fmt: skip
    return max(
        fitting,
        key=lambda r: (
            r.municipality != 0,
            r.unit_type != "any",
            r.priority != 0,
            r.hours != "any",
            r.window.starts - r.window.ends,
            r.valid_from,
            r.routine or 0,
        ),
    )


def _hours_fit(
    routine: Routine, office: Sequence[tuple[int, datetime, Window]], subject: Subject, at: datetime
) -> bool:
    if routine.hours == "any":
        return True
    return in_office(office, subject.municipality, at, routine.zone) == (routine.hours == "office")


def in_office(office: Sequence[tuple[int, datetime, Window]], municipality: int, at: datetime, zone: str) -> bool:
    """Whether it is office hours there. Where nobody has said when that is, it never is: somebody is on call."""
    valid = [row for row in office if row[0] == municipality and row[1] <= at]
    valid = valid or [row for row in office if row[0] == 0 and row[1] <= at]
    newest = max((since for _, since, _ in valid), default=None)
    return any(within(window, at, zone) for _, since, window in valid if since == newest)


def holders(holdings: Iterable[Holding], role: str, municipality: int, pinned: datetime, at: datetime) -> list[Holding]:
    """Who holds a role now, in order: the version of ``pinned``, of it those on duty ``at``.

    A role of the municipality's own hides one of the same name that all share. Empty: nobody.
    """
    named = [holding for holding in holdings if holding.role == role and holding.municipality in (0, municipality)]
    own = [holding for holding in named if holding.municipality == municipality]
    valid = [holding for holding in own or named if holding.valid_from <= pinned]
    newest = max((holding.valid_from for holding in valid), default=None)
    on_duty = [h for h in valid if h.valid_from == newest and within(h.window, at, h.zone)]
    return sorted(on_duty, key=lambda holding: (holding.place, holding.recipient.name))


def step_at(routine: Routine, place: int) -> Step | None:
    """The step of that place, or None where there is none."""
    return next((step for step in routine.steps if step.place == place), None)


def offsets(routine: Routine) -> list[tuple[Step, int]]:
    """The chain from its first step, each step with the seconds after the press at which it comes; a repeat once."""
    found: list[tuple[Step, int]] = []
    step, after = step_at(routine, 1), 0
    while step is not None and step not in [known for known, _ in found]:
        found.append((step, after))
        after += step.limit_s
        step = step_at(routine, step.next) if step.next is not None else None
    return found


def next_due(nominal: datetime, step: Step, at: datetime) -> datetime:
    """When the next step comes: counted from when this one was due, so that lateness does not add up.

    Where the server was away for longer than the limit, from now: nobody is told many times at once.
    """
    due = nominal + timedelta(seconds=step.limit_s)
    return due if due > at else at + timedelta(seconds=step.limit_s)


def check_steps(steps: Sequence[Step], roles: Iterable[str]) -> None:
    """Raises ValueError with what is wrong with a chain: a missing first step, a step to nowhere, an unknown role."""
    known = {PRIMARY, SECONDARY, *roles}
    places = [step.place for step in steps]
    if not steps or 1 not in places or len(set(places)) != len(places) or len(steps) > LONGEST_CHAIN:
        raise ValueError(f"a routine has 1 to {LONGEST_CHAIN} steps with different places, the first is place 1")
    for step in steps:
        if not step.tell or set(step.tell) - known:
            missing = ", ".join(sorted(set(step.tell) - known)) or "nobody"
            raise ValueError(f"step {step.place} tells {missing}: name a role that exists, {PRIMARY} or {SECONDARY}")
        if not 1 <= step.limit_s <= LONGEST_LIMIT_S:
            raise ValueError(f"step {step.place}: a limit is 1 to {LONGEST_LIMIT_S} seconds")
        if step.next is not None and step.next not in places:
            raise ValueError(f"step {step.place} is followed by {step.next}, which is no step")
        if set(step.say) - set(PARTS):
            raise ValueError(f"step {step.place} may say {', '.join(PARTS)} and nothing else")


def check_words(unit_type: str, hours: str, priority: int, zone: str, window: Window) -> None:
    """Raises ValueError with the word that is none."""
    if unit_type not in UNIT_TYPES:
        raise ValueError(f"{unit_type!r} is no unit type: one of {', '.join(UNIT_TYPES)}")
    if hours not in HOURS:
        raise ValueError(f"{hours!r} are no hours: one of {', '.join(HOURS)}")
    if not 0 <= priority <= 9:
        raise ValueError(f"{priority} is no priority: 1 to 9, or 0 for any")
    check_zone(zone)
    if not 0 <= window.starts < window.ends <= WEEK:
        raise ValueError("a window ends after it begins, within one week")


def check_zone(zone: str) -> None:
    """Raises ValueError for a time zone that does not exist."""
    try:
        ZoneInfo(zone)
    except (KeyError, ValueError, OSError):
        raise ValueError(f"{zone!r} is no time zone: write for example {DEFAULT_ZONE}") from None
