"""The fleet that a station makes units for: its registry, reached as `livlina unit add` reaches it.

A unit is registered before its board is written, heard before its ledger row, and retired with its keys revoked when
its board is taken back. A fleet on which people rely takes no development boards.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TypeVar

import psycopg
from psycopg import sql

from fleet.registry import store as registry
from fleet.registry import units
from fleet.registry.secret_box import SecretBox
from fleet.store.pool import Connection, make_pool
from livlina.registry_connection import console_actor, note
from provisioning.ca import AuthorityError
from provisioning.issuing import IssuerBook
from provisioning.plan import Order
from provisioning.run import RunError
from provisioning.station import Made

Result = TypeVar("Result")
PATIENCE_S = 120.0
"""For a board's first heartbeat: a modem that looks for its network included."""
_LOOK_S = 0.25
_HEARD = "SELECT boot, seq, transport FROM readings WHERE unit_id = %s ORDER BY received_at LIMIT 1"


class RegistryFleet:
    """provisioning.run.Fleet on a database whose schema is up to date. May be used by several threads."""

    def __init__(self, app_url: str, box: SecretBox, board: str, *, production: bool, issuers: IssuerBook) -> None:
        self._app_url = app_url
        self._box = box
        self._board = board
        self._production = production
        self._issuers = issuers

    def register(self, unit: int, made: Made, order: Order) -> None:
        """See provisioning.run.Fleet. Raises RunError also for a development board on a production
        fleet, and for a station that may make no more units."""
        if self._production and not order.production:
            raise RunError(
                "this fleet is one that people rely on, and the order is for development boards: "
                "order production boards, or use another fleet"
            )
        certificate, identity = made.certificate, made.identity
        try:
            self._issuers.check(certificate, datetime.now(UTC))
        except AuthorityError as error:
            raise RunError(str(error)) from error

        async def work(connection: Connection) -> None:
            if await registry.unit_of_certificate(connection, certificate.fingerprint_sha256) is not None:
                return
            await registry.add_unit(
                connection, self._box,
                unit=unit, municipality=order.municipality, unit_type=order.profile, generation=identity.generation,
                secret=identity.secret16, fingerprint=certificate.fingerprint_sha256, serial=f"{certificate.serial:x}",
            )  # fmt: skip
            await units.describe(connection, unit, board=self._board)
            await note(
                connection, "unit.registered", f"unit:{unit:08x}", order.municipality,
                type=order.profile, order=order.number, grade="production" if order.production else "development",
            )  # fmt: skip

        try:
            self._in_registry(work)
        except psycopg.errors.UniqueViolation:
            raise RunError(
                f"unit {unit:08x} is known with another identity: this station's numbers belong to another one; "
                "give it a range of its own"
            ) from None
        except psycopg.errors.ForeignKeyViolation:
            raise RunError(
                f"municipality {order.municipality} is unknown: add it with `livlina municipality add`"
            ) from None

    def withdraw(self, unit: int) -> None:
        """See provisioning.run.Fleet: keys and certificate are revoked and the doors told."""

        async def work(connection: Connection) -> None:
            if await units.life_of(connection, unit) not in (None, "retired"):
                await units.change_life(connection, unit, "retire", console_actor(), datetime.now(UTC))

        try:
            self._in_registry(work)
        except units.LifeError as error:
            raise RunError(f"unit {unit:08x} cannot end now: {error}") from error

    def heard(self, unit: int, patience_s: float = PATIENCE_S) -> dict[str, object] | None:
        """The unit's first heartbeat as the server has stored it; None if none comes in time."""
        until = time.monotonic() + patience_s
        with psycopg.connect(self._app_url, autocommit=True) as connection:
            connection.execute(sql.SQL("SET ROLE livlina_registry"))
            while True:
                row = connection.execute(_HEARD, [unit]).fetchone()
                if row is not None:
                    return {"heard": "Heartbeat", "boot": row[0], "seq": row[1], "transport": row[2]}
                if time.monotonic() >= until:
                    return None
                time.sleep(_LOOK_S)

    def known(self) -> set[int]:
        """The units that this fleet would listen to."""

        async def work(connection: Connection) -> set[int]:
            return {row.unit for row in await registry.keys_of_units(connection, await registry.known_units(connection))
                    if row.state == "active"}  # fmt: skip

        return self._in_registry(work)

    def _in_registry(self, work: Callable[[Connection], Awaitable[Result]]) -> Result:
        async def whole() -> Result:
            pool = make_pool(self._app_url, "registry", size=1, name="station")
            await pool.open()
            try:
                async with pool.connection() as connection:
                    return await work(connection)
            finally:
                await pool.close()

        return asyncio.run(whole())
