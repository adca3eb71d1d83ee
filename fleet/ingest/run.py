"""The front doors as one thing to start and stop: composes pools, directory, commit loops, doors and downlinks."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Final

import psycopg
from starlette.routing import BaseRoute

from fleet.ingest.closes import Closes
from fleet.ingest.coap_door import CoapDoor, Peer
from fleet.ingest.commands import challenge_unproven
from fleet.ingest.database_mark import DatabaseMark
from fleet.ingest.downlink import Downlink, Push
from fleet.ingest.drops import SQL, Drops
from fleet.ingest.effects import Effects
from fleet.ingest.intake import Acknowledge, Intake
from fleet.ingest.listen import Listener, units_in
from fleet.ingest.mqtt_door import MqttDoor
from fleet.ingest.mqtt_sessions import MqttSessions
from fleet.ingest.notices import Notices
from fleet.ingest.orders import Orders
from fleet.ingest.outcome import Way
from fleet.ingest.paths_seen import trust_keys
from fleet.ingest.receipts import Receipts
from fleet.ingest.sms_door import SmsDoor
from fleet.ingest.sms_gateways import Gateways
from fleet.ingest.sms_receipts import SmsReceipts
from fleet.loops import end
from fleet.registry.directory import Directory
from fleet.registry.secret_box import SecretBox
from fleet.settings import Settings
from fleet.store.borrow import AWAY, borrow
from fleet.store.pool import make_pool

log = logging.getLogger("livlina.ingest")

PARTITIONS_EVERY_S: Final = 24 * 3600.0
PARTITIONS_RETRY_S: Final = 60.0
DRAIN_S: Final = 3.0
CHALLENGES_EVERY_S: Final = 60.0
"""A press that a crash has left without its challenge is found after this."""


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Ingest:
    """All front doors. Nothing is opened before ``start``; ``stop`` ends everything that ``start`` began.

    It starts without the database and outlives its absence: nothing is acknowledged meanwhile. ``acknowledge`` is the
    negative control of the durability tests (see Intake) and not to be had by a setting. ``clock`` gives the server's
    time, aware. ``hooks`` are further routes for the listener of the SMS door.
    """

    def __init__(
        self,
        settings: Settings,
        database_url: str,
        box: SecretBox,
        *,
        acknowledge: Acknowledge = "after_commit",
        clock: Callable[[], datetime] = _utc_now,
        hooks: Sequence[BaseRoute] = (),
    ) -> None:
        self._settings = settings
        # Alarms share no connection with anything else; a unit's first look-up is part of an alarm's way.
        self._alarm_pool = make_pool(database_url, "ingest", size=2, name="alarms")
        self._lookup_pool = make_pool(database_url, "ingest", size=1, name="units")
        self._reading_pool = make_pool(database_url, "ingest", size=1, name="readings")
        self._session_pool = make_pool(database_url, "ingest", size=1, name="sessions")
        self._side_pool = make_pool(database_url, "ingest", size=1, name="downlink")
        self._effect_pool = make_pool(database_url, "ingest", size=1, name="effects")
        self._pools = (
            self._alarm_pool, self._lookup_pool, self._reading_pool, self._session_pool, self._side_pool,
            self._effect_pool,
        )  # fmt: skip
        self._clock = clock
        self._drops = Drops(self._side_pool, clock)
        self._closes = Closes(self._side_pool, clock)
        self._mark = DatabaseMark(settings.data, clock)
        self._notices = Notices(self._side_pool, clock)
        self._directory = Directory(self._lookup_pool, box)
        receipts = Receipts(self._directory, lambda: int(clock().timestamp()))
        self._effects = Effects(self._effect_pool, clock)
        self._orders = Orders(
            self._side_pool,
            self._directory,
            receipts,
            clock=clock,
            by=self._back_by,
            here=self._here,
            elsewhere=self._elsewhere,
        )
        self._intake = Intake(
            self._directory,
            receipts,
            self._drops,
            alarm_pool=self._alarm_pool,
            reading_pool=self._reading_pool,
            clock=clock,
            heard=self._heard,
            orders=self._orders,
            owed=self._effects.owed,
            mark=self._mark,
            notices=self._notices,
            acknowledge=acknowledge,
        )
        self._sessions = MqttSessions(self._session_pool)
        self._coap = CoapDoor(self._intake.take, self._drops)
        self._mqtt: MqttDoor | None = None
        gateways = Gateways(self._lookup_pool)
        self._sms_receipts = SmsReceipts(self._directory, receipts, gateways, box, self._drops)
        self._sms = SmsDoor(self._intake.take, gateways, self._drops, self._sms_receipts.told, hooks)
        self._downlink = Downlink(
            self._side_pool,
            self._directory,
            receipts,
            here=self._here,
            at=self._at,
            by_sms=self._sms_receipts.way_to,
            clock=clock,
        )
        channels = {
            "livlina_units": self._units_changed,
            "livlina_stages": self._stages_grew,
            "livlina_commands": self._commands_wait,
        }
        self._listener = Listener(database_url, channels, self._missed)
        self._tasks: list[asyncio.Task[None]] = []
        self._broken = asyncio.Event()
        self._stopping = False

    async def start(self) -> None:
        """Opens the doors. Raises OSError for a port that cannot be had, TlsFolderError for missing certificates."""
        self._mqtt = MqttDoor(
            self._settings.tls_folder,
            self._intake.take,
            self._sessions,
            self._drops,
            lambda unit: self._downlink.want([unit]),
            self._closes,
        )
        for pool in self._pools:
            await pool.open()
        loops = (
            self._directory.run(),
            self._intake.run(),
            self._sessions.batcher.run(),
            self._downlink.run(),
            self._listener.run(),
            self._drops.run(),
            self._closes.run(),
            self._notices.run(),
            self._mqtt.run(),
            self._orders.run(),
            self._effects.run(),
            self._sms_receipts.run(),
            self._partitions(),
            self._challenges(),
            self._mark.run(self._side_pool),
        )
        self._tasks = [asyncio.create_task(loop) for loop in loops]
        for task in self._tasks:
            task.add_done_callback(self._loop_ended)
        try:
            await self._coap.start(self._settings.listen, self._settings.coap_port)
            await self._mqtt.start(self._settings.listen, self._settings.mqtt_port)
            if self._settings.hooks_port is not None:
                await self._sms.start(self._settings.hooks_listen, self._settings.hooks_port)
                watching = asyncio.create_task(self._sms.watch())
                watching.add_done_callback(self._loop_ended)
                self._tasks.append(watching)
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Closes the doors, gives commits under way a few seconds, and ends. The rest was never answered."""
        self._coap.stop()
        if self._mqtt is not None:
            await self._mqtt.stop()
        self._stopping = True
        await self._sms.stop()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_S):
                await self._intake.drain()
        await end(self._tasks)
        self._tasks = []
        await self._drops.flush()
        await self._closes.flush()
        await self._notices.flush()
        for pool in self._pools:
            await pool.close()

    async def watch(self) -> None:
        """Waits until a loop has ended by itself, which is a fault of ours, and raises RuntimeError.

        The process should end then: a server that takes frames and commits none is worse than one that restarts.
        """
        await self._broken.wait()
        raise RuntimeError("a loop of the front doors has ended: see the log")

    @property
    def coap_address(self) -> tuple[str, int]:
        """Host and port of the CoAP door."""
        return self._coap.address

    @property
    def mqtt_address(self) -> tuple[str, int]:
        """Host and port of the MQTT door."""
        return self._mqtt.address if self._mqtt is not None else ("", 0)

    @property
    def hooks_address(self) -> tuple[str, int]:
        """Host and port of the SMS door; ("", 0) where no setting opens it."""
        return self._sms.address

    @property
    def listening(self) -> asyncio.Event:
        """Set while notifications of the database arrive."""
        return self._listener.listening

    @property
    def counters(self) -> dict[str, int]:
        """What this process has done since its start; dropped frames as ``dropped.<transport>.<reason>``."""
        intake = self._intake
        found = {
            "presses": intake.presses.items,
            "press_batches": intake.presses.batches,
            "readings": intake.readings.items,
            "reading_batches": intake.readings.batches,
            "queries": intake.queries.items,
            "unit_lookups": self._directory.queries,
            "pushed": self._downlink.pushed,
            "commands_sent": self._orders.sent,
            "case_effects": self._effects.done,
            "sms_receipts": self._sms_receipts.sent,
            "mqtt_units": len(self._mqtt.units) if self._mqtt is not None else 0,
        }
        for (transport, reason), dropped in sorted(self._drops.totals.items()):
            found[f"dropped.{transport}.{reason}"] = dropped
        return found

    def _heard(self, unit: int, way: Way) -> None:
        if way.peer is not None:
            self._coap.heard(unit, way.peer)

    def _connected(self, unit: int) -> Push | None:
        connection = self._mqtt.connection_of(unit) if self._mqtt is not None else None
        return connection.push if connection is not None else None

    def _here(self, unit: int) -> Push | None:
        connected = self._connected(unit)
        if connected is not None:
            return connected
        peer = self._coap.address_of(unit)
        return self._to(peer) if peer is not None else None

    def _back_by(self, unit: int, way: Way) -> Push | None:
        """The way back to a unit by which its frame came; no command ever goes by SMS."""
        if way.peer is not None:
            return self._to(way.peer)
        return self._connected(unit) if way.unit is not None else None

    def _elsewhere(self, unit: int, way: Way) -> Push | None:
        """The way to where a unit is known to be, if its frame came another way."""
        if self._connected(unit) is not None:
            return self._connected(unit) if way.unit is None else None
        return self._here(unit) if self._coap.address_of(unit) != way.peer else None

    def _to(self, peer: Peer) -> Push:
        return lambda frame: self._coap.push(peer, frame)

    def _at(self, address: str) -> Push | None:
        host, _, port = address.rpartition(" ")
        if not host or not port.isdigit():
            return None
        return self._to((host, int(port)))

    def _units_changed(self, payload: str) -> None:
        units = units_in(payload)
        for unit in units:
            self._directory.forget(unit)
        if self._mqtt is not None:
            self._mqtt.recheck(units)

    def _stages_grew(self, payload: str) -> None:
        self._downlink.want(units_in(payload))

    def _commands_wait(self, payload: str) -> None:
        self._orders.want(units_in(payload))

    def _missed(self) -> None:
        self._directory.distrust()
        self._downlink.want_open()
        if self._mqtt is not None:
            self._mqtt.recheck()

    def _loop_ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and not self._stopping:
            log.critical("a loop of the front doors has ended", exc_info=task.exception())
            self._broken.set()

    async def _partitions(self) -> None:
        """Makes the readings' partitions of the next days, daily. The default partition holds what would be without."""
        while True:
            pause = PARTITIONS_EVERY_S
            try:
                async with borrow(self._side_pool) as connection:
                    await connection.execute(SQL["partitions_ahead"])
            except (*AWAY, psycopg.Error) as error:
                log.warning("partitions are made later: %s", type(error).__name__)
                pause = PARTITIONS_RETRY_S
            await asyncio.sleep(pause)

    async def _challenges(self) -> None:
        """Makes up for challenges that a crash has kept from being queued; the usual ones are queued with the press.
        Before that it believes the keys again of units that a technician has looked at."""
        while True:
            await asyncio.sleep(CHALLENGES_EVERY_S)
            try:
                async with borrow(self._side_pool) as connection, connection.transaction():
                    await trust_keys(connection)
                    await challenge_unproven(connection, None, at=self._clock(), random=secrets.token_bytes)
            except (*AWAY, psycopg.Error) as error:
                log.warning("challenges are queued later: %s", type(error).__name__)
