"""A SCAIP receiver and sender on real sockets, for the ``livlina centre`` commands and for tests."""

from __future__ import annotations

import asyncio
import secrets
import ssl
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import replace

from fleet.clock import Clock, SystemClock
from fleet.forwarding.scaip_client import Ending, ScaipClient, token
from fleet.forwarding.sip_sockets import SipSockets
from protocols.centre.alarm import Alarm
from protocols.centre.scaip.codes import Status
from protocols.centre.scaip.receiver import AlarmReceived, Bad, Call, Found, Heartbeat, Receiver, ReplySettled
from protocols.centre.scaip.sip_digest import Credentials, Guard
from protocols.centre.scaip.sip_flow import TLS, UDP, Address, Event, Flow, Wire
from protocols.centre.scaip.write_alarm import write_alarm
from protocols.centre.sia_dc09.receiver import Seen

MOST_WAITING = 10_000
"""Messages that may wait to be stored; a further one is told that the centre is busy."""

OnEvent = Callable[[Found], Awaitable[int | None]]
"""Stores a message and returns the status (`snu`) to answer it with; None answers nothing. What it returns for a
`ReplySettled` is passed over, and a `Bad` is answered with its own status."""


class ScaipReceiver:
    """Receives on any number of addresses. Messages are handed to ``on_event`` one by one, in the order they came."""

    def __init__(
        self,
        on_event: OnEvent,
        *,
        guard: Guard | None = None,
        call: Call | None = None,
        from_is_cid: bool = True,
        seen: Seen | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._on_event = on_event
        self._call = call or Call()
        self._clock: Clock = clock or SystemClock()
        self._receiver = Receiver(
            token, seen or Seen(), lambda: str(uuid.uuid4()), guard=guard, from_is_cid=from_is_cid
        )
        self._sockets = SipSockets(self, clock=self._clock)
        self._found: asyncio.Queue[Found] = asyncio.Queue(MOST_WAITING)

    async def listen(self, host: str, port: int, transport: str = UDP, tls: ssl.SSLContext | None = None) -> Address:
        """Opens one more address and returns it. tls needs the server's context. Raises OSError, ValueError."""
        if transport == UDP:
            return await self._sockets.open_udp(host, port)
        if transport == TLS and tls is None:
            raise ValueError("tls needs a context with the receiver's certificate")
        return await self._sockets.listen(host, port, tls if transport == TLS else None)

    async def run(self) -> None:
        """Serves until it is cancelled. What ``on_event`` raises ends it: an alarm that cannot be stored is no trifle,
        and unanswered it goes to the other centre."""
        try:
            while True:
                await self._take(await self._found.get())
        finally:
            await self._sockets.close()

    def handle(self, event: Event, now: float) -> list[Wire]:
        """For the sockets: what came."""
        return self._queue(*self._receiver.handle(event, now, self._clock.now()), now)

    def wake(self, now: float) -> list[Wire]:
        """For the sockets: what is due."""
        return self._queue(*self._receiver.wake(now, self._clock.now()), now)

    def next_wakeup(self) -> float | None:
        """For the sockets: when something is due."""
        return self._receiver.next_wakeup()

    def pending(self, flow: Flow) -> int:
        """For the sockets: octets of a message that is not whole."""
        return self._receiver.pending(flow)

    def _queue(self, wires: list[Wire], found: list[Found], now: float) -> list[Wire]:
        for event in found:
            try:
                self._found.put_nowait(event)
            except asyncio.QueueFull:
                if not isinstance(event, ReplySettled):
                    wires += self._receiver.answer(event, Status.BUSY, now)
        return wires

    async def _take(self, event: Found) -> None:
        if isinstance(event, AlarmReceived):
            event = replace(event, duplicate=self._receiver.is_duplicate(event, self._clock.steady()))
        status = await self._on_event(event)
        match event:
            case Bad(bad_status):
                self._sockets.perform(self._receiver.answer(event, bad_status, self._clock.steady()))
            case AlarmReceived() | Heartbeat() if status is not None:
                self._sockets.perform(self._receiver.answer(event, status, self._clock.steady(), call=self._call))


async def receive_scaip(
    host: str,
    port: int,
    transport: str,
    tls: ssl.SSLContext | None,
    on_event: OnEvent,
    *,
    ready: Callable[[Address], object] | None = None,
    guard: Guard | None = None,
    call: Call | None = None,
    from_is_cid: bool = True,
) -> None:
    """A receiver on one address until it is cancelled; ``ready`` hears the address when it is open."""
    receiver = ScaipReceiver(on_event, guard=guard, call=call, from_is_cid=from_is_cid)
    address = await receiver.listen(host, port, transport, tls)
    if ready is not None:
        ready(address)
    await receiver.run()


async def send_scaip(
    host: str,
    port: int,
    transport: str,
    tls: ssl.SSLContext | None,
    alarm: Alarm,
    *,
    cid: str | None = None,
    user: str = "arc",
    credentials: Credentials | None = None,
    tls_name: str | None = None,
    minimal: bool = False,
) -> Ending:
    """One attempt to deliver one alarm. Raises WriteError where neither ``cid`` nor the transmitter's id is one."""
    written = write_alarm(alarm, cid=cid, minimal=minimal)
    client = ScaipClient(
        host, port, transport=transport, user=user, credentials=credentials, tls=tls, tls_name=tls_name
    )
    try:
        return await client.send(written.request, written.octets)
    finally:
        await client.close()


def guard_of(realm: str, passwords: dict[str, str]) -> Guard:
    """A guard with a fresh key: nonces do not outlive the program. Passwords by user."""
    return Guard(realm, secrets.token_bytes(32), passwords.get)
