"""The door at which centres say *taken* by SCAIP: SIP MESSAGE over UDP, TCP and TLS, with the centre's own password.

What counts as such a report is in protocols/centre/scaip/taken.py. A centre may speak of alarms that it was told,
and of no others; the answer comes after the commit. It acts as forwarding, as the hook for *taken* does.
"""

from __future__ import annotations

import asyncio
import logging
import os
import ssl

from fleet.alarms.model import PressKey, TakeRefused
from fleet.clock import Clock, pause
from fleet.forwarding.centre_secrets import SQL
from fleet.forwarding.scaip_client import token
from fleet.forwarding.sip_sockets import SipSockets
from fleet.forwarding.taken import NotReported, read_reference, take_for_centre
from fleet.forwarding.taken_tokens import AGAIN_S, REFRESH_S, TakenTokens
from fleet.loops import Loops
from fleet.registry.secret_box import SecretBox
from fleet.store.borrow import AWAY, borrow
from fleet.store.pool import Connection, Pool, fetch_all, make_pool
from protocols.centre.scaip.read_alarm import wire_reference
from protocols.centre.scaip.sip_digest import Guard
from protocols.centre.scaip.sip_flow import Address, Event, Flow, Wire
from protocols.centre.scaip.taken import Answer, Said, TakenReceiver

log = logging.getLogger("livlina.forwarding")

REALM = "livlina taken"
MOST_WAITING = 1000
"""Reports that wait for the database; a further one is told to come again."""
MOST_ALARMS = 5000
"""Alarms of a centre among which a short reference is looked for, newest first."""


class TakenSip:
    """One per process. Nothing is opened before ``start``. ``tls`` is the server's context where it listens there."""

    def __init__(
        self,
        database_url: str,
        box: SecretBox,
        clock: Clock,
        *,
        listen: str = "127.0.0.1",
        port: int | None = None,
        tls_port: int | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._pool: Pool = make_pool(database_url, "forward", size=1, name="taken-sip")
        self._clock = clock
        self._tokens = TakenTokens(self._pool, box, clock, "protocol")
        self._receiver = TakenReceiver(token, Guard(REALM, os.urandom(32), self._password))
        self._sockets = SipSockets(self, clock=clock)
        self._listen, self._port, self._tls_port, self._tls = listen, port, tls_port, tls
        self._said: asyncio.Queue[Said] = asyncio.Queue(MOST_WAITING)
        self._unknown = asyncio.Event()
        self._loops = Loops("taken by SIP")
        self.addresses: dict[str, Address] = {}

    async def start(self) -> None:
        """Opens the way to the database and, where there is a port, the door. Raises OSError for a port in use."""
        if self._port is None and self._tls_port is None:
            return
        await self._pool.open()
        await self._read_tokens(0.0)
        if self._port is not None:
            self.addresses["udp"] = await self._sockets.open_udp(self._listen, self._port)
            self.addresses["tcp"] = await self._sockets.listen(self._listen, self.addresses["udp"][1], None)
        if self._tls_port is not None:
            if self._tls is None:
                raise ValueError("the SIP door needs a certificate for TLS")
            self.addresses["tls"] = await self._sockets.listen(self._listen, self._tls_port, self._tls)
        self._loops.start(self._know())
        self._loops.start(self._work())

    async def stop(self) -> None:
        """Closes everything."""
        await self._loops.stop()
        await self._sockets.close()
        await self._pool.close()

    async def watch(self) -> None:
        """Waits until a loop has ended by a fault of ours, and raises RuntimeError."""
        await self._loops.watch()

    def handle(self, event: Event, now: float) -> list[Wire]:
        """For the sockets: what came."""
        return self._queue(*self._receiver.handle(event, now), now)

    def wake(self, now: float) -> list[Wire]:
        """For the sockets: what is due."""
        return self._queue(*self._receiver.wake(now), now)

    def next_wakeup(self) -> float | None:
        """For the sockets: when something is due."""
        return self._receiver.next_wakeup()

    def pending(self, flow: Flow) -> int:
        """For the sockets: octets of a message that is not whole."""
        return self._receiver.pending(flow)

    def _password(self, user: str) -> str | None:
        known = self._tokens.known.get(user)
        if known is None:
            self._unknown.set()  # perhaps it is new: what is not known is read again, and the sender asks again
        return None if known is None else known.decode()

    def _queue(self, wires: list[Wire], found: list[Said], now: float) -> list[Wire]:
        for said in found:
            try:
                self._said.put_nowait(said)
            except asyncio.QueueFull:
                wires += self._receiver.answer(said, Answer.LATER, now)
        return wires

    async def _know(self) -> None:
        while True:
            asked = self._unknown.is_set()
            self._unknown.clear()
            known = await self._read_tokens(AGAIN_S if asked else REFRESH_S)
            await pause(self._clock, AGAIN_S)
            if known:
                await pause(self._clock, REFRESH_S - AGAIN_S, self._unknown)

    async def _read_tokens(self, older_than: float) -> bool:
        try:
            await self._tokens.refresh(older_than)
        except AWAY as error:
            log.warning("the database is away, centres that report taken are read later: %s", type(error).__name__)
            return False
        return True

    async def _work(self) -> None:
        while True:
            said = await self._said.get()
            try:
                answer = await self._take(said)
            except AWAY as error:
                log.warning("a report of centre %s is not noted: %s", said.user, type(error).__name__)
                answer = Answer.LATER
            self._sockets.perform(self._receiver.answer(said, answer, self._clock.steady()))

    async def _take(self, said: Said) -> Answer:
        actor = f"centre {said.user}" + (f" {said.operator}" if said.operator else "")
        try:
            async with borrow(self._pool) as connection, connection.transaction():
                at = self._clock.now()
                key = await self._press(connection, said)
                if key is None:
                    return Answer.UNKNOWN
                await take_for_centre(connection, said.user, key.reference, "protocol", at, operator=said.operator)
        except NotReported:
            return Answer.NOT_ALLOWED
        except LookupError:
            return Answer.UNKNOWN
        except TakeRefused as error:
            return Answer.TAKEN if error.case.get("taken_by") == actor else Answer.SOMEBODY_ELSE
        return Answer.TAKEN

    async def _press(self, connection: Connection, said: Said) -> PressKey | None:
        """The press that is meant, of those that this centre was told."""
        if said.reference is not None:
            try:
                key = read_reference(said.reference)
            except ValueError:
                return None
            place = {"name": said.user, "unit_id": key.unit, "boot": key.boot, "seq": key.seq}
            return key if await fetch_all(connection, SQL["was_told"], place) else None
        values = {"name": said.user, "at": self._clock.now(), "most": MOST_ALARMS}
        for row in await fetch_all(connection, SQL["told_lately"], values):
            key = PressKey(row["unit_id"], row["boot"], row["seq"])
            if wire_reference(key.reference) == said.ref:
                return key
        return None
