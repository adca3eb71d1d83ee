"""An account at an SOS Access centre as the fleet keeps it: its password through changes, and when it may ping.

One of these a centre and process, shared by the link that tells alarms and the one that probes. A change of password is
made on a copy of the machine, stored, and only then used.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Protocol

from fleet.forwarding.centre_secrets import Kept
from protocols.centre.sos_access.receiver import PingLimit
from protocols.centre.sos_access.sender import Password

MOST_PINGS = 6
SPREAD = 4
"""Pings that are sent for the sake of the interval in a service level's time; the rest is for doubts."""


class Secrets(Protocol):
    """Where passwords are kept: `fleet.forwarding.centre_secrets.CentreSecrets`."""

    async def read(self, centre: int) -> Kept:
        """What is kept."""

    async def keep(self, centre: int, before: str, current: str, pending: str | None) -> bool:
        """Stores a change; False where ``before`` holds no more."""


class KeptPassword:
    """The password of one account. Raises one of AWAY where it must be stored or read and the database is away."""

    def __init__(self, centre: int, secrets: Secrets, kept: Kept) -> None:
        self._centre = centre
        self._secrets = secrets
        self._lock = asyncio.Lock()
        self._current: str = ""
        self._pending: str | None = None
        self._made_at: datetime | None = None
        self._rotated = False
        self._take(kept)

    @property
    def value(self) -> str:
        """What the next message carries."""
        return self._machine().value

    def due(self, at: datetime, days: int) -> bool:
        """Whether a new one is to be asked for: one that a person has seen at once, others after so many days."""
        if days == 0 or self._pending is not None or self._made_at is None:
            return False
        return not self._rotated or at - self._made_at >= timedelta(days=days)

    async def issued(self, used: str, new: str) -> bool:
        """The centre has given a new one in answer to ``used``; True when it is stored. Raises ValueError for one that
        is none."""
        return await self._change(used, lambda machine: machine.issued(new))

    async def taken(self, used: str) -> bool:
        """A message with ``used`` was accepted. True when that ended a change."""
        return self._pending is not None and used == self._pending and await self._change(used, Password.taken)

    async def refused(self, used: str) -> bool:
        """The centre says "not authorized". True if there is another one to try: one that somebody else has given or
        taken meanwhile, or the old one."""
        async with self._lock:
            if self.value != used:
                return True
            self._take(await self._secrets.read(self._centre))
            if self.value != used:
                return True
        return await self._change(used, Password.refused) and self.value != used

    async def _change(self, used: str, step: Callable[[Password], bool | None]) -> bool:
        """One step of the machine on a copy; it counts when it is stored. False where others were first."""
        async with self._lock:
            if self.value != used:
                return False
            written: list[tuple[str, str | None]] = []
            copy = self._machine(lambda current, pending: written.append((current, pending)))
            step(copy)
            for current, pending in written:
                if not await self._secrets.keep(self._centre, self._current, current, pending):
                    self._take(await self._secrets.read(self._centre))
                    return False
            self._take(await self._secrets.read(self._centre))
            return True

    def _machine(self, store: Callable[[str, str | None], None] = lambda current, pending: None) -> Password:
        return Password(self._current, self._pending, store)

    def _take(self, kept: Kept) -> None:
        self._current = kept.secret or ""
        self._pending = kept.next
        self._made_at = kept.made_at
        self._rotated = kept.rotated


class PingTimes:
    """When a ping may go, by the service level's seconds; 0 is never. ``now`` runs steadily.

    As long as the centre answers, pings are spread over the level's time. When it has not answered the last message, a
    ping goes as soon as the level's limit allows, for that is the moment when it must be known.
    """

    def __init__(self, level_s: float) -> None:
        self._spread_s = level_s / SPREAD
        self._limit = PingLimit(level_s, MOST_PINGS)
        self._never = level_s == 0
        self._last: float | None = None
        self.answered = False
        """Whether the last message of any kind was answered."""

    def allows(self, now: float) -> bool:
        """Whether a ping goes now; then it is counted."""
        if self._never or (self.answered and self._last is not None and now - self._last < self._spread_s):
            return False
        if not self._limit.allows("", now):
            return False
        self._last = now
        return True
