"""The MQTT front door: TLS with client certificates, one connection a unit, and an end for those that are revoked.

It is no broker: a unit reaches its own two topics and nothing else, and nothing is forwarded to anybody.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

import psycopg

from fleet.ingest.closes import Closes
from fleet.ingest.drops import Drops
from fleet.ingest.mqtt_connection import Connection
from fleet.ingest.mqtt_sessions import Login, MqttSessions, Session, Subscription
from fleet.ingest.mqtt_tls import server_context
from fleet.ingest.outcome import Outcome, Way
from fleet.store.borrow import AWAY

log = logging.getLogger("livlina.ingest")

Take = Callable[[bytes, Way, Callable[[Outcome], None]], None]

BACKLOG: Final = 4096
HANDSHAKE_S: Final = 10.0
SHUTDOWN_S: Final = 5.0
RECHECK_S: Final = 20.0
"""How often every open connection's certificate is looked up again; a notification does it at once."""

MOST_A_QUERY: Final = 5000


class MqttDoor:
    """One per process. ``take`` is Intake.take; ``on_listening`` is told of a unit that can be pushed to now."""

    def __init__(
        self,
        tls_folder: Path,
        take: Take,
        sessions: MqttSessions,
        drops: Drops,
        on_listening: Callable[[int], None],
        closes: Closes,
    ) -> None:
        """Raises TlsFolderError where the certificates cannot be used."""
        self._context = server_context(tls_folder, self.drop)
        self._sessions = sessions
        self._drops = drops
        self._closes = closes
        self.take = take
        self.subscribed = on_listening
        self._units: dict[int, Connection] = {}
        self._recheck: set[int] | None = set()
        self._rechecking = asyncio.Event()
        self._server: asyncio.Server | None = None
        self.address: tuple[str, int] = ("", 0)

    async def start(self, host: str, port: int) -> None:
        """Listens. Raises OSError where the port cannot be had."""
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        try:
            opened = socket.create_server((host, port), family=family, backlog=BACKLOG, reuse_port=True)
        except OSError as error:
            raise OSError(error.errno, f"MQTT cannot listen on {host} port {port}: {error.strerror}") from error
        name = opened.getsockname()
        self.address = name[0], name[1]
        self._server = await asyncio.get_running_loop().create_server(
            lambda: Connection(self),
            sock=opened,
            backlog=BACKLOG,
            ssl=self._context,
            ssl_handshake_timeout=HANDSHAKE_S,
            ssl_shutdown_timeout=SHUTDOWN_S,
        )

    async def stop(self) -> None:
        """Closes the door and every connection."""
        if self._server is not None:
            self._server.close()
        for connection in list(self._units.values()):
            connection.close("stopping")

    @property
    def units(self) -> list[int]:
        """The units connected here."""
        return list(self._units)

    def connection_of(self, unit: int) -> Connection | None:
        """The unit's connection if pushes reach it here."""
        connection = self._units.get(unit)
        return connection if connection is not None and connection.listening else None

    def session(self, asked: Login | Subscription) -> asyncio.Future[Session]:
        """Asks the sessions. Raises Overloaded."""
        return self._sessions.batcher.submit(asked)

    def admitted(self, connection: Connection) -> None:
        """This connection is the unit's now; an older one is closed, and its end does not touch this one."""
        older = self._units.get(connection.identity.unit)
        self._units[connection.identity.unit] = connection
        self._closes.back(connection.identity.unit)
        if older is not None and older is not connection:
            older.close("taken over")

    def gone(self, connection: Connection, reason: str) -> None:
        """A connection has ended; the unit is away only if it was the unit's present one."""
        if connection.begun and self._units.get(connection.identity.unit) is connection:
            del self._units[connection.identity.unit]
            self._closes.ended(connection.identity.unit, reason)

    def drop(self, reason: str) -> None:
        """Counts something that a client must not do."""
        self._drops.count("mqtt", reason)

    def recheck(self, units: Iterable[int] | None = None) -> None:
        """These units (None: all) may have been revoked: their certificates are looked up again now."""
        if units is None:
            self._recheck = None
        elif self._recheck is not None:
            self._recheck.update(units)
        self._rechecking.set()

    async def run(self) -> None:
        """Closes revoked connections for ever; cancel it to stop."""
        while True:
            try:
                async with asyncio.timeout(RECHECK_S):
                    await self._rechecking.wait()
            except TimeoutError:
                self._recheck = None
            self._rechecking.clear()
            asked, self._recheck = self._recheck, set()
            try:
                await self._close_revoked(asked)
            except (*AWAY, psycopg.Error) as error:
                log.warning("certificates are looked up again later: %s", type(error).__name__)
                self._recheck = None
                await asyncio.sleep(1)
                self._rechecking.set()

    async def _close_revoked(self, asked: set[int] | None) -> None:
        connections = [one for unit, one in self._units.items() if asked is None or unit in asked]
        for start in range(0, len(connections), MOST_A_QUERY):
            part = connections[start : start + MOST_A_QUERY]
            valid = await self._sessions.valid([one.identity.fingerprint for one in part])
            for one in part:
                if valid.get(one.identity.fingerprint) != one.identity.unit:
                    one.close("connection_revoked")
