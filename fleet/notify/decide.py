"""Who is told what, when: grouping, quiet hours, and that what cannot wait reaches somebody. Pure.

It never tells a person the same thing twice, and never sends in quiet hours what can wait.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from fleet.notify.model import ESCALATES, ROLES, SETTLE, SETTLE_URGENT, Item, Reach, Sent, Subscriber
from fleet.people.decide import chosen_by, held_roles
from fleet.people.model import Grant, Plan

SATURDAY = 5


def is_quiet(who: Subscriber, at: datetime) -> bool:
    """Whether this person is not to be disturbed now, by their own clocks."""
    here = at.astimezone(who.zone)
    if who.quiet_weekend and here.weekday() >= SATURDAY:
        return True
    minute = here.hour * 60 + here.minute
    if who.quiet_from <= who.quiet_until:
        return who.quiet_from <= minute < who.quiet_until
    return minute >= who.quiet_from or minute < who.quiet_until


def reach(grants: Mapping[int, Iterable[Grant]], plan: Plan, at: datetime) -> list[Reach]:
    """Who is to be told about which municipality, as the pages decide who sees it; a person and place stand once."""
    found = []
    for person in sorted(grants):
        telling = [grant for grant in grants[person] if grant.role in ROLES]
        now = {place for place, _ in held_roles(telling, plan, at)}
        centres = (grant.centre for grant in telling if grant.centre is not None)
        later = {place for centre in centres for place in chosen_by(centre, plan, at)} - now
        found += [Reach(person, place, place in now) for place in sorted(now | later)]
    return found


def to_send(
    subscribers: Mapping[int, Subscriber], waiting: Iterable[Item], sent: Sequence[Sent], at: datetime
) -> list[tuple[Subscriber, tuple[Item, ...]]]:
    """The messages that go out now: to each person one, with everything that may go with it.

    In quiet hours a person gets what cannot wait, where they let themselves be woken for it, or where nobody else who
    is to know of it can be reached now: then it goes to all who are to know. ``sent`` are the messages of lately.
    """
    of_person: dict[int, list[Item]] = {}
    of_subject: dict[str, set[int]] = {}
    for item in waiting:
        if item.person in subscribers:
            of_person.setdefault(item.person, []).append(item)
            of_subject.setdefault(item.subject, set()).add(item.person)
    found = []
    for person in sorted(of_person):
        who, items = subscribers[person], sorted(of_person[person], key=lambda one: one.number)
        if is_quiet(who, at):
            items = [
                item
                for item in items
                if item.cannot_wait
                and (who.wake or not _somebody_else(item, of_subject[item.subject], subscribers, sent, at))
            ]
        if items and _is_time(who, items, sent, at):
            found.append((who, tuple(items)))
    return found


def _somebody_else(
    item: Item, waiting: Iterable[int], subscribers: Mapping[int, Subscriber], sent: Sequence[Sent], at: datetime
) -> bool:
    """Whether another person knows of it, is about to be told, or was told a short while ago."""
    for person in waiting:
        other = subscribers[person]
        if person != item.person and (other.wake or not is_quiet(other, at)):
            return True
    return any(
        item.subject in one.subjects and one.person != item.person
        and (one.delivered is not None or at - one.at < ESCALATES)
        for one in sent
    )  # fmt: skip


def _is_time(who: Subscriber, items: Sequence[Item], sent: Sequence[Sent], at: datetime) -> bool:
    urgent = [item.at for item in items if item.cannot_wait]
    if urgent and at - min(urgent) >= SETTLE_URGENT:
        return True
    last = max((one.at for one in sent if one.person == who.person), default=None)
    oldest = min(item.at for item in items)
    return at - oldest >= SETTLE and (last is None or at - last >= who.group or last > at)


def again_after(attempts: int) -> timedelta:
    """The pause after so many attempts in vain: 5, 15, 30 s, 1, 2, 5 and then every 15 minutes."""
    pauses = (5, 15, 30, 60, 120, 300, 900)
    return timedelta(seconds=pauses[min(max(attempts, 1), len(pauses)) - 1])


def hint(address: str) -> str:
    """What a page may show of an address: enough to know one's own by."""
    name, at, host = address.rpartition("@")
    return f"{name[:1]}…@{host}" if at else f"…{address[-2:]}"
