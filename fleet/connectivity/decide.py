"""Pure decisions about SIM cards and paths: is an ICCID one, which SIM goes first, who survives a failure.

A unit is judged by the paths it was seen on and by how lately each was used or proven, never by its model.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from fleet.connectivity.model import NO_SIM, Choice, Failure, Fate, Judged, Path, Policy, SlotView

FRESH = timedelta(hours=25)
"""A spare SIM is exercised daily (docs/wire.md); one that has not been used for longer is not counted upon."""

ICCID_LEAST, ICCID_MOST = 18, 20
_MAJOR = "89"


class SimError(ValueError):
    """What was given is no SIM's number; the message says what is wrong with it."""


def check_digit(digits: str) -> int:
    """The Luhn digit that belongs behind these (ISO/IEC 7812-1, as ITU-T E.118 asks for)."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if place % 2 == 0 else 1)
        total += value - 9 if value > 9 else value
    return -total % 10


def checked_iccid(text: str) -> str:
    """The ICCID without blanks and hyphens. Raises SimError where length, beginning or check digit are wrong."""
    digits = text.replace(" ", "").replace("-", "")
    if not (digits.isascii() and digits.isdigit()) or not ICCID_LEAST <= len(digits) <= ICCID_MOST:
        raise SimError(f"an ICCID has {ICCID_LEAST} to {ICCID_MOST} digits, as printed on the card")
    if not digits.startswith(_MAJOR):
        raise SimError("an ICCID begins with 89: read the number on the card, not the phone number")
    if check_digit(digits[:-1]) != int(digits[-1]):
        raise SimError("the ICCID's last digit does not fit the others: read the card again")
    return digits


def is_hit(path: Path, failure: Failure) -> bool:
    """Whether a path needs what is down."""
    if path.slot == NO_SIM:
        return False
    if failure.kind == "operator":
        return str(path.operator) == failure.value
    return (path.issuer if failure.kind == "issuer" else path.network) == failure.value


def judge(unit: int, paths: Sequence[Path], failure: Failure, at: datetime, fresh: timedelta = FRESH) -> Judged:
    """What becomes of one unit tonight.

    It is *unaffected* where the path that it was seen on last needs nothing that is down. Else it *survives* on another
    path that was proven lately, is *doubtful* on one that was seen but not proven lately, and *lost* without any. A
    unit that was never seen on any path is *unknown*.
    """
    usable = [path for path in paths if path.usable]
    if not usable:
        return Judged(unit, "unknown")
    now = max(usable, key=lambda path: path.seen_at)
    if not is_hit(now, failure):
        return Judged(unit, "unaffected", now, now)
    left = [path for path in usable if not is_hit(path, failure)]
    proven = [path for path in left if _proven(path, at, fresh)]
    if proven:
        return Judged(unit, "survives", now, max(proven, key=_last_used))
    if left:
        return Judged(unit, "doubtful", now, max(left, key=_last_used))
    return Judged(unit, "lost", now)


def judge_all(
    paths: Iterable[Path], units: Iterable[int], failure: Failure, at: datetime, fresh: timedelta = FRESH
) -> list[Judged]:
    """Every unit's fate, by unit number. ``units`` are all that count, seen or not."""
    found: dict[int, list[Path]] = {unit: [] for unit in units}
    for path in paths:
        if path.unit in found:
            found[path.unit].append(path)
    return [judge(unit, found[unit], failure, at, fresh) for unit in sorted(found)]


def counted(judged: Iterable[Judged]) -> dict[str, int]:
    """How many of each fate, and how many units in all."""
    fates: tuple[Fate, ...] = ("unaffected", "survives", "doubtful", "lost", "unknown")
    found: dict[str, int] = dict.fromkeys(fates, 0)
    for one in judged:
        found[one.fate] += 1
    return {"units": sum(found.values()), **found}


def choose(
    policy: Policy, slots: Mapping[int, SlotView], now_on: int, last_return: datetime | None, at: datetime
) -> Choice:
    """The SIM that a unit should be on, seen from the fleet.

    It leaves a SIM that may not be used, or does not work, at once; it comes back to the preferred one only when that
    has worked for ``hold_s`` and the last return is ``apart_s`` ago. It never sends a unit to a SIM that may not be
    used; where none may, it says so and the unit stays: a doubtful path is better than none.
    """
    allowed = {slot: view for slot, view in slots.items() if may_use(policy, view, at)}
    works = {slot: view for slot, view in allowed.items() if view.good_since is not None}
    if not works:
        return Choice(now_on, "no SIM that may be used is known to work", stuck=True)
    if now_on not in works:
        best = policy.preferred if policy.preferred in works else _strongest(works)
        return Choice(best, "the SIM in use does not work" if now_on in allowed else "the SIM in use may not be used")
    wanted = policy.preferred
    if wanted is None:
        wanted = _strongest(works)
        if _signal(works[wanted]) < _signal(works[now_on]) + policy.margin_db:
            return Choice(now_on, "no SIM is clearly stronger")
    if wanted == now_on or wanted not in works:
        return Choice(now_on, "it is on the best SIM that works")
    since = works[wanted].good_since
    if since is None or at - since < timedelta(seconds=policy.hold_s):
        return Choice(now_on, "the preferred SIM has not worked for long enough")
    if last_return is not None and at - last_return < timedelta(seconds=policy.apart_s):
        return Choice(now_on, "it has returned a short while ago")
    return Choice(wanted, "the preferred SIM works again", is_return=True)


def may_use(policy: Policy, view: SlotView, at: datetime) -> bool:
    """Whether a policy lets a SIM be used on the network that it is on."""
    if view.operator in policy.forbidden or (view.roaming and not policy.roaming):
        return False
    return not any(
        closing.operator == view.operator and closing.radio == view.radio and closing.at <= at
        for closing in policy.closings
    )


def _strongest(works: Mapping[int, SlotView]) -> int:
    return max(sorted(works), key=lambda slot: _signal(works[slot]))


def _signal(view: SlotView) -> int:
    return -200 if view.signal is None else view.signal


def _last_used(path: Path) -> datetime:
    return path.seen_at if path.proven_at is None else max(path.seen_at, path.proven_at)


def _proven(path: Path, at: datetime, fresh: timedelta) -> bool:
    return path.proven_at is not None and at - path.proven_at <= fresh
