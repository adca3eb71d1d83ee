"""Who may ask for something, as plain frozen values: people, their roles, and which municipalities a centre serves."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from fleet.routines.model import Window

ROLES = ("care_assistant", "technician", "operator", "shift_lead", "fleet_owner", "auditor", "administrator")

INSTALLATION = 0
"""The municipality of what belongs to the installation itself. A role here holds in every municipality."""

STEP_UP = timedelta(minutes=5)
"""How long a person counts as having just shown who they are."""

SERVICES = ("alarm_reception", "camera_supervision", "technicians", "on_call", "search")
"""What a municipality can choose to have from a centre. Operators' consoles follow ``alarm_reception``."""

HOURS = ("any", "office", "on_call")
"""As in routines: always, in the municipality's office hours, or outside them."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who does something. ``roles`` and ``municipalities`` are already those in which one permission holds.

    A role in one municipality is no role in another: ``held`` says which are held where, and ``require`` gives a
    handler an actor that sees only the municipalities where what it asked for is allowed.
    """

    name: str
    """As written into the audit: ``person:17``, ``token:4``, ``machine:forwarding``, ``console:local``."""
    roles: frozenset[str]
    municipalities: tuple[int, ...]
    """Rows that this actor may see (``SET LOCAL livlina.municipalities``)."""
    stepped_up_at: datetime | None = None
    person_id: int | None = None
    held: tuple[tuple[int, frozenset[str]], ...] = ()
    """Municipality and the roles held there; empty where every role holds in every municipality."""


@dataclass(frozen=True, slots=True)
class Grant:
    """One role of one person or token: in one municipality (0: all of them), or at an alarm centre."""

    role: str
    municipality: int | None = None
    centre: int | None = None


@dataclass(frozen=True, slots=True)
class Served:
    """A municipality has chosen a service of an alarm centre, for these hours of the week in its own time zone.

    All rows of one municipality and service with the newest ``valid_from`` are the version that holds.
    """

    municipality: int
    service: str
    centre: int
    hours: str
    window: Window
    zone: str
    valid_from: datetime


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that decides which municipalities a centre's people see."""

    municipalities: tuple[int, ...] = ()
    served: tuple[Served, ...] = ()
    office: tuple[tuple[int, datetime, Window], ...] = ()
    open_since: tuple[tuple[int, datetime], ...] = ()
    """Municipality and the moment of each case that is not closed: whoever was responsible then sees it to its end."""
