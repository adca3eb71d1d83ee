"""Pure decisions about people: which role may do what, where, and whom a centre serves at a moment."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from fleet.people.model import INSTALLATION, ROLES, STEP_UP, Actor, Grant, Plan, Served
from fleet.routines.decide import in_office, within

RECEPTION = "alarm_reception"

_CARE, _TECHNICIAN, _OPERATOR, _LEAD, _OWNER, _AUDITOR, _ADMINISTRATOR = ROLES
_EVERYBODY = frozenset(ROLES)


def _only(*roles: str) -> frozenset[str]:
    return frozenset(roles)


PERMISSIONS: Mapping[str, frozenset[str]] = {
    "account.own": _EVERYBODY,
    "cases.read": _only(_OPERATOR, _LEAD),
    "cases.take": _only(_OPERATOR, _LEAD),
    "recipients.read": _only(_CARE, _OPERATOR, _LEAD, _OWNER),
    "recipients.open": _only(_OPERATOR, _LEAD),
    "recipients.write": _only(_CARE, _OWNER),
    "search.open": _only(_OPERATOR, _LEAD),
    "pairing.use": _only(_CARE, _TECHNICIAN),
    "units.read": _EVERYBODY,
    "units.write": _only(_TECHNICIAN, _OWNER),
    "tasks.read": _only(_TECHNICIAN, _OPERATOR, _LEAD, _OWNER),
    "tasks.close": _only(_TECHNICIAN, _OWNER),
    "sunset.write": _only(_OWNER),
    "supervision.write": _only(_OWNER),
    "centres.read": _only(_TECHNICIAN, _OPERATOR, _LEAD, _OWNER, _AUDITOR, _ADMINISTRATOR),
    "centres.write": _only(_ADMINISTRATOR),
    "routines.read": _only(_OPERATOR, _LEAD, _OWNER, _AUDITOR, _ADMINISTRATOR),
    "routines.write": _only(_OWNER, _ADMINISTRATOR),
    "import.write": _only(_OWNER),
    "export.read": _only(_OWNER),
    "reports.read": _only(_LEAD, _OWNER, _AUDITOR, _ADMINISTRATOR),
    "audit.read": _only(_OWNER, _AUDITOR, _ADMINISTRATOR),
    "people.read": _only(_AUDITOR, _ADMINISTRATOR),
    "people.write": _only(_ADMINISTRATOR),
    "tokens.write": _only(_ADMINISTRATOR),
    "webhooks.write": _only(_ADMINISTRATOR),
}
"""Which roles may do what. docs/people.md prints this table; a test holds them together."""


def may(actor: Actor, permission: str) -> bool:
    """Whether the actor holds a role that allows this, in at least one of its municipalities.

    Before touching rows for a second permission than the one that was required, take ``within_permission``. Raises
    KeyError for a permission that does not exist, so that a spelling mistake never opens or closes a door unseen.
    """
    return bool(actor.roles & PERMISSIONS[permission])


def within_permission(actor: Actor, permission: str) -> Actor:
    """The actor, seeing only the municipalities where this is allowed. It may be left with none."""
    allowed = PERMISSIONS[permission]
    if not actor.held:
        return actor if actor.roles & allowed else replace(actor, roles=frozenset(), municipalities=())
    kept = tuple((place, roles) for place, roles in actor.held if roles & allowed)
    return replace(
        actor,
        roles=frozenset().union(*(roles for _, roles in kept)),
        municipalities=tuple(place for place, _ in kept),
        held=kept,
    )


def stepped_up(actor: Actor, at: datetime) -> bool:
    """Whether the person has shown who they are within the last five minutes, by the server's clock."""
    return actor.stepped_up_at is not None and actor.stepped_up_at <= at < actor.stepped_up_at + STEP_UP


def held_roles(grants: Iterable[Grant], plan: Plan, at: datetime) -> tuple[tuple[int, frozenset[str]], ...]:
    """Municipality by municipality, in order, the roles that these grants give at this moment.

    A grant at the installation holds everywhere, the installation itself included. A grant at a centre holds where
    the centre is responsible now, and where a case is still open that came while it was.
    """
    found: dict[int, set[str]] = {}
    for grant in grants:
        if grant.role not in ROLES:
            continue
        if grant.centre is not None:
            places: Iterable[int] = served_by(grant.centre, plan, at)
        elif grant.municipality == INSTALLATION:
            places = (INSTALLATION, *plan.municipalities)
        else:
            places = () if grant.municipality is None else (grant.municipality,)
        for place in places:
            found.setdefault(place, set()).add(grant.role)
    return tuple((place, frozenset(found[place])) for place in sorted(found))


def served_by(centre: int, plan: Plan, at: datetime) -> frozenset[int]:
    """The municipalities whose alarms this centre's people see at this moment."""
    wanted = {row.municipality for row in plan.served if row.centre == centre and row.service == RECEPTION}
    found = set()
    for municipality in wanted:
        moments = [at, *(since for place, since in plan.open_since if place == municipality)]
        if any(centre in responsible(municipality, RECEPTION, plan, at=moment) for moment in moments):
            found.add(municipality)
    return frozenset(found)


def chosen_by(centre: int, plan: Plan, at: datetime) -> frozenset[int]:
    """The municipalities that have this centre receive their alarms at some hour of the week, by the version of now."""
    wanted = {row.municipality for row in plan.served if row.centre == centre and row.service == RECEPTION}
    return frozenset(
        place for place in wanted if any(row.centre == centre for row in _newest(plan.served, place, RECEPTION, at))
    )


def responsible(municipality: int, service: str, plan: Plan, *, at: datetime) -> frozenset[int]:
    """The centres that give a municipality this service at ``at``, by the version that holds then.

    Where the version leaves a gap in the week, every centre of it answers for the gap: a hole in a plan must not hide
    an alarm. Empty only where the municipality has not chosen the service at all.
    """
    rows = _newest(plan.served, municipality, service, at)
    on_duty = frozenset(row.centre for row in rows if _on_duty(row, plan, at))
    return on_duty or frozenset(row.centre for row in rows)


def _newest(served: Iterable[Served], municipality: int, service: str, at: datetime) -> list[Served]:
    valid = [
        row for row in served if row.municipality == municipality and row.service == service and row.valid_from <= at
    ]
    newest = max((row.valid_from for row in valid), default=None)
    return [row for row in valid if row.valid_from == newest]


def _on_duty(row: Served, plan: Plan, at: datetime) -> bool:
    if not within(row.window, at, row.zone):
        return False
    return row.hours == "any" or in_office(plan.office, row.municipality, at, row.zone) == (row.hours == "office")


def may_grant(giver: Actor, role: str, municipality: int | None) -> bool:
    """Whether ``giver`` may give or take this role there: an administrator of that place, or of the installation.

    ``municipality`` None is a centre: it belongs to the installation. Nobody gives a role to himself; that is for the
    caller to refuse, who knows to whom it goes (``raises_himself``).
    """
    if role not in ROLES:
        return False
    held = dict(giver.held)
    whole = held.get(INSTALLATION, frozenset())
    there = held.get(municipality, frozenset()) if municipality is not None else frozenset()
    return bool((whole | there) & PERMISSIONS["people.write"])


def raises_himself(giver: Actor, person: int) -> bool:
    """Whether somebody would change their own roles, which nobody may."""
    return giver.person_id == person


def may_let_in(giver: Actor, grants: Sequence[Grant], home: int) -> bool:
    """Whether ``giver`` may make a link that lets a person, invited by ``home``, set a new password.

    Only who administers every place where the person holds a role: a link is a way to all of them.
    """
    if not grants:
        return may_grant(giver, ROLES[0], home)
    return all(may_grant(giver, grant.role, grant.municipality) for grant in grants)
