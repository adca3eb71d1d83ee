"""Who may connect by MQTT, and what persistent sessions there are: one query for all who connect at a moment.

A session is a row in ``mqtt_sessions``, so that "session present" is true after a restart of the server as well. It
holds one thing, whether the unit subscribed to its own down topic; what was not delivered is in the cases.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Final, NamedTuple

from fleet.ingest.database import reported
from fleet.store.batch import Batcher
from fleet.store.borrow import borrow
from fleet.store.pool import Connection, Pool, fetch_all
from fleet.store.sql_file import read_statements

SQL = read_statements("fleet.ingest")
MOST: Final = 500


class Login(NamedTuple):
    """A unit that shows a certificate: the SHA-256 of that, the unit it names, and whether it wants a new session."""

    unit: int
    fingerprint: bytes
    clean: bool


class Subscription(NamedTuple):
    """A unit with a persistent session has subscribed, or no longer does."""

    unit: int
    subscribed: bool


class Session(NamedTuple):
    """``admitted``: the certificate counts and is the unit's. ``present``: there was a session; was it subscribed?"""

    admitted: bool
    present: bool = False
    subscribed: bool = False


class MqttSessions:
    """Submit a Login or a Subscription to ``batcher``; its `run` must be running."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self.batcher: Batcher[Login | Subscription, Session] = Batcher(reported("sessions", self._commit), most=MOST)

    async def valid(self, fingerprints: Sequence[bytes]) -> dict[bytes, int]:
        """fingerprint -> unit, for those that still count. Raises one of database.AWAY."""
        async with borrow(self._pool) as connection:
            rows = await fetch_all(connection, SQL["certificates"], {"fingerprints": list(fingerprints)})
        return {bytes(row["fingerprint"]): row["unit_id"] for row in rows}

    async def _commit(self, asked: Sequence[Login | Subscription]) -> Sequence[Session]:
        """Order decides where a unit comes twice, so only neighbours of one sort go together."""
        sessions: list[Session] = []
        async with borrow(self._pool) as connection, connection.transaction():
            for sort, run in itertools.groupby(asked, _sort):
                together = list(run)
                if sort == "subscription":
                    sessions += await self._subscribe(
                        connection, [one for one in together if isinstance(one, Subscription)]
                    )
                else:
                    logins = [one for one in together if isinstance(one, Login)]
                    sessions += await self._log_in(connection, logins, clean=sort == "clean")
        return sessions

    async def _log_in(self, connection: Connection, logins: Sequence[Login], *, clean: bool) -> list[Session]:
        rows = await fetch_all(
            connection, SQL["certificates"], {"fingerprints": [login.fingerprint for login in logins]}
        )
        counts = {(row["unit_id"], bytes(row["fingerprint"])): row["municipality_id"] for row in rows}
        units = {
            login.unit: counts[login.unit, login.fingerprint]
            for login in logins
            if (login.unit, login.fingerprint) in counts
        }
        found: dict[int, Session] = {}
        if units and clean:
            await connection.execute(SQL["end_sessions"], {"units": list(units)})
        elif units:
            columns = {"unit_id": list(units), "municipality_id": list(units.values())}
            for row in await fetch_all(connection, SQL["resume_sessions"], columns):
                found[row["unit_id"]] = Session(True, row["present"], row["subscribed"])
        return [
            found.get(login.unit, Session(True)) if (login.unit, login.fingerprint) in counts else Session(False)
            for login in logins
        ]

    async def _subscribe(self, connection: Connection, asked: Sequence[Subscription]) -> list[Session]:
        latest = {one.unit: one.subscribed for one in asked}
        await connection.execute(
            SQL["note_subscriptions"], {"unit_id": list(latest), "subscribed": list(latest.values())}
        )
        return [Session(True, True, one.subscribed) for one in asked]


def _sort(asked: Login | Subscription) -> str:
    if isinstance(asked, Subscription):
        return "subscription"
    return "clean" if asked.clean else "resume"
