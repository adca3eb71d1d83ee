"""A TCP connection to a DC-09 receiver, driven by the pure sender machine. It decides nothing itself."""

from __future__ import annotations

import asyncio
import contextlib
import logging

from fleet.forwarding.decide import sends_minimal, sequence_of
from fleet.forwarding.model import Outcome, Owed
from fleet.forwarding.normalize import normalized
from protocols.centre.sia_dc09.sender import ClockNak, Closed, Delivered, NoAnswer, Refused, Sender, Unexpected
from protocols.centre.sia_dc09.translate import alarm_frame, unit_account

log = logging.getLogger("livlina.forwarding")

CONNECT_TIMEOUT_S = 3.0
READ_BYTES = 4096


class Dc09Link:
    """One connection, one message in flight; opened at the first message and again after any doubt."""

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = port
        self._sender = Sender()
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def deliver(self, owed: Owed) -> Outcome:
        """One attempt: DELIVERED only for an ACK with the same sequence and account. Never raises for the network.

        A connection that the centre closed while idle is noticed at the next message; that message gets one fresh
        connection, because nothing of it can have been read.
        """
        frame = alarm_frame(
            normalized(owed), sequence_of(owed.outbox), unit_account(owed.key.unit), minimal=sends_minimal(owed)
        )
        if not self._connected():
            await self.close()
            try:
                async with asyncio.timeout(CONNECT_TIMEOUT_S):
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
            return Outcome.NO_ANSWER

    async def close(self) -> None:
        """Hangs up. A message in flight stays owed."""
        writer, self._writer, self._reader = self._writer, None, None
        if writer is not None:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _answer(self, reader: asyncio.StreamReader) -> Outcome:
        while True:
            now = self._now()
            wakeup = self._sender.next_wakeup(now)
            try:
                async with asyncio.timeout(None if wakeup is None else max(wakeup - now, 0)):
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
                    case NoAnswer() | Closed():
                        await self.close()
                        return Outcome.NO_ANSWER
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
        return asyncio.get_running_loop().time()
