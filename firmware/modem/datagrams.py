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


class ModemDatagrams:
    """`cellular` is the bearer: `up`, `hurry()`, `use()`, `await open(kind, host, port)`, `await path()`."""

    def __init__(self, cellular: "Any", host: str, port: int) -> None:
        self.errors = 0
        self._cellular = cellular
        self._host = host
        self._port = port
        self._waiting: "list[bytes]" = []
        self._work = asyncio.Event()
        self._socket: "Any" = None
        self._renew = False

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
        socket = self._socket = await self._cellular.open(UDP, self._host, self._port)
        self._renew = False
        listening = asyncio.create_task(self._listen(socket, taken))
        try:
            while socket.alive and not self._renew:
                if not self._waiting:
                    self._work.clear()
                    await self._work.wait()
                    continue
                datagram = self._waiting[0]
                await socket.send(datagram)
                if self._waiting and self._waiting[0] is datagram:
                    self._waiting.pop(0)
        finally:
            listening.cancel()
            self._socket = None
            await socket.close()

    async def _listen(self, socket: "Any", taken: "Callable[[bytes], None]") -> None:
        try:
            while True:
                taken(await socket.recv())
        except OSError:
            # The task that sends finds out by `alive`.
            self._work.set()
