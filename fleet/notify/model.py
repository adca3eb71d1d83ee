"""What is told to technicians and fleet owners, as plain frozen values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final
from zoneinfo import ZoneInfo

INCIDENT: Final = "incident"
TOPIC_OF_TASK: Final[Mapping[str, str]] = MappingProxyType(
    {
        "silent": "silent",
        "network closed": "network_closed",
        "battery low": "battery",
        "pendant battery low": "battery",
        "fault": "fault",
        "stuck input": "fault",
        "pendant missed": "button",
        "drill missed": "button",
        "unknown at centre": "button",
        "SIM not proven": "sim",
        "SIM moved": "sim",
        "modem changed": "sim",
        "paths not diverse": "sim",
        "technology closing": "sim",
    }
)
"""Which topic a technician's task belongs to; a kind that is not here is told to nobody."""
TOPICS: Final = (INCIDENT, "silent", "network_closed", "battery", "button", "fault", "sim")
CANNOT_WAIT: Final = frozenset({INCIDENT, "silent", "network_closed"})
"""Somebody may be without help because of it."""
ROLES: Final = ("technician", "fleet_owner")

SETTLE: Final = timedelta(seconds=60)
"""What comes together goes together: a message waits so long for its like."""
SETTLE_URGENT: Final = timedelta(seconds=5)
ESCALATES: Final = timedelta(minutes=10)
"""A message about what cannot wait that is not delivered by then counts as told to nobody."""
GIVES_UP: Final = timedelta(hours=24)
"""An older message would only mislead."""


@dataclass(frozen=True, slots=True)
class Subscriber:
    """Somebody who wants to be told. Minutes of the day by the clocks of ``zone``; equal ends are no quiet hours.

    ``wake``: what cannot wait may come in the quiet hours. ``group``: the least time between two messages that can
    wait.
    """

    person: int
    topics: frozenset[str]
    group: timedelta
    quiet_from: int
    quiet_until: int
    quiet_weekend: bool
    wake: bool
    zone: ZoneInfo


@dataclass(frozen=True, slots=True)
class Reach:
    """A municipality that somebody is to be told about. ``now`` is false where a role at an alarm centre gives it, and
    that centre receives its alarms at other hours only: then what happens there waits for these."""

    person: int
    municipality: int
    now: bool


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that one person is to be told: a task or an incident."""

    number: int
    person: int
    topic: str
    subject: str
    at: datetime

    @property
    def cannot_wait(self) -> bool:
        return self.topic in CANNOT_WAIT


@dataclass(frozen=True, slots=True)
class Sent:
    """A message to a person: when it was made, when it was delivered (None: not yet), and what it was about."""

    person: int
    at: datetime
    delivered: datetime | None
    subjects: frozenset[str] = frozenset()
