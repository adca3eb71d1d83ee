"""Which transmitters are overdue at a receiver. Pure: accounts and times in, overdue and returned accounts out.

Any message of an account counts as a sign of life, not its link tests alone. An account is overdue once its interval
and the grace have passed without one; it is told once, and told again as returned when something comes. Who has never
been heard is counted from when it was added. Never decides whom to tell.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass


@dataclass(slots=True)
class _Watched:
    interval_s: float
    due: float
    overdue: bool = False


class Supervision:
    """`grace_s` is added to every interval. `now` is seconds on any clock that never runs backwards."""

    def __init__(self, grace_s: float = 10.0) -> None:
        self._grace_s = grace_s
        self._watched: dict[str, _Watched] = {}
        self._queue: list[tuple[float, str]] = []

    def add(self, account: str, interval_s: float, now: float) -> None:
        """Watch an account, or change its interval. Raises ValueError for an interval that is not positive."""
        if not interval_s > 0:
            raise ValueError("an interval of supervision is longer than 0 s")
        watched = self._watched.setdefault(account, _Watched(interval_s, 0.0))
        watched.interval_s = interval_s
        self._plan(account, watched, now)

    def remove(self, account: str) -> None:
        """Watch it no longer; an account that is not watched changes nothing."""
        self._watched.pop(account, None)

    def heard(self, account: str, now: float) -> bool:
        """Something came from an account. True if it had been overdue: it has returned."""
        watched = self._watched.get(account)
        if watched is None:
            return False
        returned, watched.overdue = watched.overdue, False
        self._plan(account, watched, now)
        return returned

    def overdue(self, now: float) -> list[str]:
        """Accounts that have become overdue since the last call, longest overdue first."""
        found = []
        while self._queue and self._queue[0][0] <= now:
            due, account = heapq.heappop(self._queue)
            watched = self._watched.get(account)
            # An entry that was replaced by a later plan says nothing.
            if watched is not None and watched.due == due and not watched.overdue:
                watched.overdue = True
                found.append(account)
        return found

    def next_wakeup(self) -> float | None:
        """When `overdue` may have something to say, or None."""
        return self._queue[0][0] if self._queue else None

    def _plan(self, account: str, watched: _Watched, now: float) -> None:
        watched.due = now + watched.interval_s + self._grace_s
        heapq.heappush(self._queue, (watched.due, account))
        if len(self._queue) > 64 + 4 * len(self._watched):
            self._queue = [(one.due, name) for name, one in self._watched.items() if not one.overdue]
            heapq.heapify(self._queue)
