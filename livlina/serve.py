"""``livlina serve``: the fleet server of this installation, until SIGINT or SIGTERM."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
from collections.abc import Callable

import uvloop

from fleet.app import FleetServer
from fleet.registry.secret_box import SecretBox
from fleet.settings import Settings, SettingsError
from fleet.store.embedded_postgres import EmbeddedPostgres
from fleet.store.postgres_account import PostgresError
from livlina.installation import migrate_database, open_database, open_secret_box, open_trust

log = logging.getLogger("livlina")

_POSTGRES_AGAIN_S = 5.0


def serve(settings: Settings, compose: Callable[[Settings, str, SecretBox], FleetServer] = FleetServer) -> None:
    """Runs until it is told to stop. Raises what its parts raise; nothing is left running then.

    ``compose`` makes the server; only a test names another one.
    """
    with open_database(settings, share=False) as database:
        applied = migrate_database(database)
        if applied:
            log.info("migrated: %s", ", ".join(applied))
        open_trust(settings)
        box = open_secret_box(settings)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            try:
                runner.run(_serve(compose(settings, database.app_url, box), database.embedded))
            except socket.gaierror as error:
                names = f"LIVLINA_LISTEN={settings.listen} and LIVLINA_HTTP_LISTEN={settings.http_listen}"
                raise SettingsError(f"{names} must both be addresses of this machine: {error.strerror}") from error


async def _serve(server: FleetServer, postgres: EmbeddedPostgres | None) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    watching = asyncio.create_task(_watch(postgres)) if postgres is not None else None
    try:
        await server.run(stop)
    finally:
        if watching is not None:
            watching.cancel()


async def _watch(postgres: EmbeddedPostgres) -> None:
    """Brings the embedded PostgreSQL back when it has died, however often that fails; the server waits meanwhile."""
    while True:
        await asyncio.sleep(0.5)
        try:
            if await asyncio.to_thread(postgres.restart_if_dead):
                log.warning("PostgreSQL had died and was started again")
        except (PostgresError, OSError) as error:
            # A full disk, or a start that took too long, passes: alarms wait at their units until it does.
            log.error("PostgreSQL does not come back, trying again: %s", error)
            await asyncio.sleep(_POSTGRES_AGAIN_S)
