"""One UDP socket of the modem towards one server address, for firmware.ports.udp.DatagramPipe.

It opens a socket when there is a path and something to send, and another one when that has failed. What cannot be sent
yet waits, a few datagrams at most and each once: a CoAP retransmission is the same bytes again.
"""

import asyncio

from firmware.modem.dialect import UDP

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

WAITING = 4
"""The newest datagrams that wait for the modem."""
REOPEN_MS = 500
HEAD_START_MS = 1500
"""After the first datagram of a new socket no other address opens one for so long, or until something comes back: that
takes a second, in which the modem hands over no receipt."""


class ModemDatagrams:
    """`cellular` is the bearer: `up`, `hurry()`, `use()`, `await open(kind, host, port)`, `await path()`, and
    `turn`, the lock of who opens and sends next."""

    def __init__(self, cellular: "Any", host: str, port: int) -> None:
        self.errors = 0
        self._cellular = cellular
        self._host = host
        self._port = port
        self._waiting: "list[bytes]" = []
        self._work = asyncio.Event()
        self._renew = False
        self._heard = asyncio.Event()

    @property
    def up(self) -> bool:
        return self._cellular.up

    def hurry(self) -> None:
        """An alarm is waiting: end the pause between two attempts at a path."""
        self._cellular.hurry()

    def renew(self) -> None:
        """This socket hears nothing: another one."""
        self._renew = True
        self._work.set()

    def send(self, datagram: bytes) -> None:
        """Send soon; a sleeping modem is woken."""
        if datagram not in self._waiting:
            self._waiting = self._waiting[1 - WAITING :] + [datagram]
        self._cellular.use()
        self._work.set()

    def forget(self, token: bytes) -> None:
        """What waits with this CoAP token (RFC 7252 section 3) is overtaken by a newer one."""
        end = 4 + len(token)
        self._waiting = [one for one in self._waiting if one[4:end] != token]

    async def receive(self, taken: "Callable[[bytes], None]") -> None:
        """Send and receive for ever."""
        while True:
            while not self._waiting:
                self._work.clear()
                await self._work.wait()
            await self._cellular.path()
            try:
                await self._serve(taken)
            except OSError:
                # Reported by count; the bearer asks the modem whether there still is a path.
                self.errors += 1
                await asyncio.sleep_ms(REOPEN_MS)

    async def _serve(self, taken: "Callable[[bytes], None]") -> None:
        """One socket from beginning to end. Raises OSError."""
        listening = None
        try:
            async with self._cellular.turn:
                socket = await self._cellular.open(UDP, self._host, self._port)
                self._renew = False
                self._heard.clear()
                listening = asyncio.create_task(self._listen(socket, taken))
                if self._waiting:
                    await self._pass(socket)
                    try:
                        await asyncio.wait_for_ms(self._heard.wait(), HEAD_START_MS)
                    except asyncio.TimeoutError:
                        pass
            while socket.alive and not self._renew:
                if not self._waiting:
                    self._work.clear()
                    await self._work.wait()
                    continue
                await self._pass(socket)
        finally:
            if listening is not None:
                listening.cancel()
                await socket.close()

    async def _pass(self, socket: "Any") -> None:
        datagram = self._waiting[0]
        await socket.send(datagram)
        # It may have been overtaken meanwhile.
        if self._waiting and self._waiting[0] is datagram:
            self._waiting.pop(0)

    async def _listen(self, socket: "Any", taken: "Callable[[bytes], None]") -> None:
        try:
            while True:
                datagram = await socket.recv()
                self._heard.set()
                taken(datagram)
        except OSError:
            # The task that sends finds out by `alive`.
            self._work.set()
            self._heard.set()
