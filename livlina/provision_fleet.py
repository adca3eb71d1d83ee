"""The fleet that a station makes units for: its registry, reached as `livlina unit add` reaches it.

A unit is registered before its board is written, heard before its ledger row, and retired with its keys revoked when
its board is taken back. A fleet on which people rely takes no development boards.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from fleet.ingest import commands
from fleet.registry import store as registry
from fleet.registry import units
from fleet.registry.secret_box import SecretBox
from fleet.store.pool import Connection, fetch_all, make_pool
from livlina.registry_connection import console_actor, note
from protocols.wire.messages import COMMAND_DRILL, COMMAND_STATUS, COMMAND_SWITCH_SIM, RESULT_DONE
from provisioning.ca import AuthorityError
from provisioning.issuing import IssuerBook
from provisioning.plan import BoardKind, Order
from provisioning.run import RunError
from provisioning.selftest import cards_of, judged
from provisioning.station import Made

Result = TypeVar("Result")
PATIENCE_S = 120.0
"""For a board's first heartbeat: a modem that looks for its network included."""
_LOOK_S = 0.25
LAST_WORD_S = 30.0
"""From a unit's last answer until its status must be there."""
ORDER_LASTS = timedelta(minutes=30)
DRILL_WINDOW = timedelta(minutes=2)
"""Of a unit that has taken the order (docs/wire.md)."""
_LAST = (
    "SELECT answered_at, result, expires_at FROM unit_commands WHERE unit_id = %s AND kind = %s "
    "ORDER BY number DESC LIMIT 1"
)
_PROOFS = "SELECT boot, seq FROM button_proofs WHERE unit_id = %s AND input = 0"
_UNANSWERED = (
    "SELECT 1 FROM unit_commands WHERE unit_id = %s AND kind = %s AND answered_at IS NULL "
    "AND (expires_at IS NULL OR expires_at > now()) LIMIT 1"
)
_SAID = "SELECT battery, signal, imei, iccid1, iccid2 FROM unit_states WHERE unit_id = %s"
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
        fleet, for a station that may make no more units, and when all stations together have made the order's units."""
        if self._production and not order.production:
            raise RunError(
                "this fleet is one that people rely on, and the order is for development boards: "
                "order production boards, or use another fleet",
                "fleet",
            )
        certificate, identity = made.certificate, made.identity
        try:
            station = self._issuers.check(certificate, datetime.now(UTC))
        except AuthorityError as error:
            raise RunError("{words}", "station", words=error) from error

        async def work(connection: Connection) -> None:
            if await registry.unit_of_certificate(connection, certificate.fingerprint_sha256) is not None:
                return
            if await registry.take_order(connection, order.number) >= order.quantity:
                raise RunError(
                    "order {order} is of {boards} boards, and the fleet has as many, of this station or of another: "
                    "take this one off, or order more",
                    "full", order=order.number, boards=order.quantity,
                )  # fmt: skip
            await registry.add_unit(
                connection, self._box,
                unit=unit, municipality=order.municipality, unit_type=order.profile, generation=identity.generation,
                secret=identity.secret16, fingerprint=certificate.fingerprint_sha256, serial=f"{certificate.serial:x}",
                station=station, order=order.number,
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
                "unit {unit} is known with another identity: this station's numbers belong to another one; "
                "give it a range of its own",
                "station", unit=f"{unit:08x}",
            ) from None  # fmt: skip
        except psycopg.errors.ForeignKeyViolation:
            raise RunError(
                "municipality {municipality} is unknown: add it with `livlina municipality add`", "fleet",
                municipality=order.municipality,
            ) from None  # fmt: skip

    def withdraw(self, unit: int) -> None:
        """See provisioning.run.Fleet: keys and certificate are revoked and the doors told."""

        async def work(connection: Connection) -> None:
            if await units.life_of(connection, unit) not in (None, "retired"):
                await units.change_life(connection, unit, "retire", console_actor(), datetime.now(UTC))

        try:
            self._in_registry(work)
        except units.LifeError as error:
            raise RunError("unit {unit} cannot end now: {words}", unit=f"{unit:08x}", words=error) from error

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

    def order_test(self, unit: int, since: datetime, sims: int = 0, *, button: bool = True) -> None:
        """The unit is to tell its status, and its button's next press is to be a test. With two cards it changes to the
        second one before, so that both are read, and the press comes over that. Once is enough.

        An order that the unit has taken before `since` is void: every tool on its cable resets it.
        """

        async def work(connection: Connection) -> None:
            at = datetime.now(UTC)
            rows = await fetch_all(connection, _LAST, [unit, COMMAND_DRILL if button else COMMAND_STATUS])
            if rows and (_under_way if button else _is_given)(rows[0], since, at):
                return
            second: list[tuple[int, dict[int, Any] | None]] = [(COMMAND_SWITCH_SIM, {1: 1}), (COMMAND_STATUS, None)]
            orders = [(COMMAND_STATUS, None), *(second if sims > 1 else ())]
            if button:
                orders.append((COMMAND_DRILL, None))
            if sims > 1:
                orders.append((COMMAND_STATUS, None))  # A card is read behind the first exchange over it.
            for kind, args in orders:
                await commands.queue(connection, unit, kind, args, console_actor(), at=at, expires_at=at + ORDER_LASTS)

        self._in_registry(work)

    def tested(
        self, unit: int, kind: BoardKind, press: Callable[[], None] | None, since: datetime,
        patience_s: float = PATIENCE_S,
    ) -> dict[str, Any]:  # fmt: skip
        """What the self-test has shown: the button's press came through as a test, and what the unit says of itself.

        `press` is called when somebody is to press, at every try anew: what a press moves is looked at; None for a unit
        that takes no press. Raises RunError where a part is silent (provisioning.selftest).
        """
        self.order_test(unit, since, kind.sims, button=press is not None)
        with psycopg.connect(self._app_url, autocommit=True, row_factory=dict_row) as connection:
            connection.execute(sql.SQL("SET ROLE livlina_registry"))

            def taken() -> bool:
                row = connection.execute(_LAST, [unit, COMMAND_DRILL]).fetchone()
                return row is not None and row["answered_at"] is not None and _under_way(row, since, datetime.now(UTC))

            def proofs() -> set[tuple[int, int]]:
                return {(row["boot"], row["seq"]) for row in connection.execute(_PROOFS, [unit])}

            def answered() -> bool:
                return connection.execute(_UNANSWERED, [unit, COMMAND_STATUS]).fetchone() is None

            def told() -> bool:
                return len(cards_of(connection.execute(_SAID, [unit]).fetchone() or {})) >= kind.sims

            if not _within(patience_s * (1 + kind.sims), answered if press is None else taken):
                raise RunError(
                    "unit {unit} has not taken the order for its self-test: run again", "unheard", unit=f"{unit:08x}"
                )
            if press is not None:
                before = proofs()
                press()
                if not _within(patience_s, lambda: proofs() > before):
                    raise RunError(
                        "no press of unit {unit} came through: press again after another run, or repair", "button",
                        unit=f"{unit:08x}",
                    )  # fmt: skip
            # A unit that has answered everything tells no more of a card that is not there.
            _within(patience_s, lambda: told() or answered())
            _within(min(patience_s, LAST_WORD_S), told)
            said = connection.execute(_SAID, [unit]).fetchone() or {}
        shown = judged(unit, said, kind)
        self._describe(unit, shown["iccids"])
        return {"button": "proven" if press is not None else "none", **shown}

    def _describe(self, unit: int, cards: Sequence[str]) -> None:
        async def work(connection: Connection) -> None:
            sims = [units.Sim(slot, iccid) for slot, iccid in enumerate(cards, 1)]
            await units.describe(connection, unit, sims=sims)

        self._in_registry(work)

    def known(self) -> set[int]:
        """The units that this fleet would listen to."""

        async def work(connection: Connection) -> set[int]:
            return {row.unit for row in await registry.keys_of_units(connection, await registry.known_units(connection))
                    if row.state == "active"}  # fmt: skip

        return self._in_registry(work)

    def _in_registry(self, work: Callable[[Connection], Awaitable[Result]]) -> Result:
        async def whole() -> Result:
            async with (
                make_pool(self._app_url, "registry", size=1, name="station") as pool,
                pool.connection() as connection,
            ):
                return await work(connection)

        return asyncio.run(whole())


def _under_way(drill: Mapping[str, Any], since: datetime, at: datetime) -> bool:
    """Whether an order for a test can still bring its press."""
    if drill["answered_at"] is not None:
        return bool(drill["result"] == RESULT_DONE and since <= drill["answered_at"] > at - DRILL_WINDOW)
    return drill["expires_at"] is None or at < drill["expires_at"]


def _is_given(order: Mapping[str, Any], since: datetime, at: datetime) -> bool:
    """Whether an order is still to be answered, or was answered since then."""
    if order["answered_at"] is not None:
        return bool(order["answered_at"] >= since)
    return order["expires_at"] is None or at < order["expires_at"]


def _within(patience_s: float, holds: Callable[[], bool]) -> bool:
    """Looks until something holds, or the time is over."""
    until = time.monotonic() + patience_s
    while not holds():
        if time.monotonic() >= until:
            return False
        time.sleep(_LOOK_S)
    return True
