"""A TCP connection to a DC-09 receiver, driven by the pure sender machine. It decides nothing itself."""

from __future__ import annotations

import asyncio
import contextlib
import logging

from fleet.clock import Clock, SystemClock, within
from fleet.forwarding.decide import sends_minimal, sequence_of
from fleet.forwarding.model import Outcome, Owed
from fleet.forwarding.normalize import normalized
from protocols.centre.sia_dc09.frame import Frame
from protocols.centre.sia_dc09.sender import ClockNak, Closed, Delivered, NoAnswer, Refused, Sender, Unexpected
from protocols.centre.sia_dc09.translate import alarm_frame, poll, unit_account

log = logging.getLogger("livlina.forwarding")

CONNECT_TIMEOUT_S = 3.0
CLOSE_TIMEOUT_S = 1.0
READ_BYTES = 4096
PROBE_ACCOUNT = "00000000"


class Dc09Link:
    """One connection, one message in flight; opened at the first message and again after any doubt."""

    def __init__(self, host: str, port: int, clock: Clock | None = None, *, probe_account: str = PROBE_ACCOUNT) -> None:
        self._host = host
        self._port = port
        self._clock: Clock = clock or SystemClock()
        self._probe_account = probe_account
        self._sender = Sender()
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def deliver(self, owed: Owed) -> Outcome:
        """One attempt: DELIVERED only for an ACK with the same sequence and account. Never raises for the network."""
        return await self._exchange(
            alarm_frame(
                normalized(owed), sequence_of(owed.outbox), unit_account(owed.key.unit), minimal=sends_minimal(owed)
            )
        )

    async def probe(self) -> Outcome:
        """A link test (NULL): whether the receiver answers. It never reaches a person. The connection ends with it."""
        outcome = await self._exchange(poll(self._probe_account))
        await self.close()
        return outcome

    async def _exchange(self, frame: Frame) -> Outcome:
        """One attempt. A connection that the centre closed while it was idle says nothing about the centre: the frame
        gets one fresh connection, with the same sequence, so that it is known as a repeat should it have been read."""
        reused = self._connected()
        outcome = await self._attempt(frame)
        if outcome is None and reused:
            outcome = await self._attempt(frame)
        return Outcome.NO_ANSWER if outcome is None else outcome

    async def _attempt(self, frame: Frame) -> Outcome | None:
        """None: the connection was closed under the message."""
        if not self._connected():
            await self.close()
            try:
                async with within(self._clock, CONNECT_TIMEOUT_S):
                    self._reader, self._writer = await asyncio.open_connection(self._host, self._port)
            except (OSError, ValueError) as error:
                # ValueError: a name that no resolver takes. One centre's wrong address must not end the others' work.
                log.info("centre %s:%d cannot be reached: %s", self._host, self._port, type(error).__name__)
                return Outcome.NO_ANSWER
            self._sender = Sender()
        assert self._reader is not None and self._writer is not None
        try:
            self._writer.write(self._sender.send(frame, self._now()))
            return await self._answer(self._reader)
        except OSError:
            await self.close()
            return None

    async def close(self) -> None:
        """Hangs up. A message in flight stays owed."""
        writer, self._writer, self._reader = self._writer, None, None
        if writer is not None:
            writer.close()
            with contextlib.suppress(OSError):
                async with within(self._clock, CLOSE_TIMEOUT_S):
                    await writer.wait_closed()
            writer.transport.abort()

    async def _answer(self, reader: asyncio.StreamReader) -> Outcome | None:
        while True:
            now = self._now()
            wakeup = self._sender.next_wakeup(now)
            try:
                async with within(self._clock, max((wakeup if wakeup is not None else now) - now, 0)):
                    octets = await reader.read(READ_BYTES)
                found = self._sender.received(octets, self._now()) if octets else self._sender.closed(self._now())
            except TimeoutError:
                found = self._sender.timeout(self._now())
            for outcome in found:
                match outcome:
                    case Delivered():
                        return Outcome.DELIVERED
                    case Refused() | ClockNak():
                        return Outcome.REFUSED
                    case NoAnswer():
                        await self.close()
                        return Outcome.NO_ANSWER
                    case Closed():
                        await self.close()
                        return None
                    case Unexpected(reason):
                        log.warning("centre %s:%d said something unasked: %s", self._host, self._port, reason)

    def _connected(self) -> bool:
        return (
            self._writer is not None
            and self._reader is not None
            and not self._writer.is_closing()
            and not self._reader.at_eof()
            and self._sender.usable
        )

    def _now(self) -> float:
        return self._clock.steady()
