"""TCP through the modem: a stream that TLS can be put on, and the waiting that goes with it.

`firmware.ports.tls.TlsStream` takes one as its connection: `stream` is what `wrap_socket` reads and writes, `readable`
and `writable` are awaited. It has no descriptor, so nothing may poll it; tasks wait for events, and it costs no time
while nothing happens.
"""

import asyncio
import errno
import io

from firmware.modem.dialect import LONGEST_DATA

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ROOM = 2048
"""Bytes that wait for the modem, and bytes that wait for TLS, before the other side has to wait."""
_POLL, _CLOSE = 3, 4
_READ, _WRITE, _HANG_UP = 1, 4, 16


class ModemStream(io.IOBase):
    """The raw stream: non-blocking, None for "not now", b"" at the end. What waits is kept in the pieces in which it
    came: a heap that is nearly full has no room for long ones. `held` octets wait for TLS, `owed` for the modem."""

    def __init__(self) -> None:
        self.outgoing: "list[bytes]" = []
        self.held = 0
        self.owed = 0
        self.ended = False
        self.news = asyncio.Event()
        self.room = asyncio.Event()
        self.work = asyncio.Event()
        self._incoming: "list[bytes]" = []
        self._at = 0

    def arrived(self, data: bytes) -> None:
        """The modem has brought something."""
        self._incoming.append(data)
        self.held += len(data)
        self.news.set()

    def readinto(self, buffer: "Any") -> "int | None":
        if not self._incoming:
            return 0 if self.ended else None
        first = self._incoming[0]
        count = min(len(buffer), len(first) - self._at)
        buffer[:count] = memoryview(first)[self._at : self._at + count]
        self._at += count
        self.held -= count
        if self._at >= len(first):
            self._incoming.pop(0)
            self._at = 0
        self.work.set()
        return count

    def write(self, data: "Any") -> "int | None":
        if self.ended:
            raise OSError(errno.ECONNRESET)
        count = min(len(data), LONGEST_DATA, ROOM - self.owed)
        if count <= 0:
            return None
        self.outgoing.append(bytes(memoryview(data)[:count]))
        self.owed += count
        self.work.set()
        return count

    def sent(self) -> None:
        """The modem has taken the first piece."""
        self.owed -= len(self.outgoing.pop(0))
        self.room.set()

    def ioctl(self, request: int, argument: int) -> int:
        if request == _POLL:
            ready = _READ if self.held or self.ended else 0
            if self.owed < ROOM:
                ready |= _WRITE
            return (ready | (_HANG_UP if self.ended else 0)) & (argument | _HANG_UP)
        if request == _CLOSE:
            self.end()
            return 0
        return -1

    def end(self) -> None:
        """Nothing more goes or comes; whoever waits is told."""
        self.ended = True
        for event in (self.news, self.room, self.work):
            event.set()


class Connection:
    """A TCP socket of the modem (driver.Socket) as a connection for TLS. Close it at the end, always."""

    def __init__(self, socket: "Any") -> None:
        self.stream = ModemStream()
        self._socket = socket
        self._tasks = [asyncio.create_task(self._receive()), asyncio.create_task(self._send())]

    async def readable(self) -> None:
        """Until there is something to read, or the end."""
        stream = self.stream
        while not stream.held and not stream.ended:
            stream.news.clear()
            await stream.news.wait()

    async def writable(self) -> None:
        """Until there is room, or the end."""
        stream = self.stream
        while stream.owed >= ROOM and not stream.ended:
            stream.room.clear()
            await stream.room.wait()

    async def _receive(self) -> None:
        stream = self.stream
        try:
            while not stream.ended:
                data = await self._socket.recv()
                while stream.held >= ROOM and not stream.ended:
                    stream.work.clear()
                    await stream.work.wait()
                stream.arrived(data)
        except OSError:
            stream.end()

    async def _send(self) -> None:
        stream = self.stream
        try:
            while not stream.ended:
                if not stream.outgoing:
                    stream.work.clear()
                    await stream.work.wait()
                    continue
                await self._socket.send(stream.outgoing[0])
                stream.sent()
        except OSError:
            stream.end()

    def close(self) -> None:
        """May be called more than once. The modem is told in its own time."""
        self.stream.end()
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        if tasks:
            asyncio.create_task(self._socket.close())
