"""A modem on a UART as other tasks see it: sockets, messages and a path that comes back. Decides nothing itself.

    modem = Modem(Bg95(), uart, wires, clock, "access.point")
    asyncio.create_task(modem.run())
    socket = await modem.open_udp("fleet.example", 5683)
    await socket.send(datagram); datagram = await socket.recv()

Any error of a socket is an OSError; a socket that has had one is of no more use. Everything else that goes through
`do` raises AtError.
"""

import asyncio
import errno

from firmware.core.at_syntax import AtError
from firmware.modem import dialect as dialects
from firmware.modem.engine import Engine
from firmware.modem.link import UP, Link

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from firmware.modem.dialect import Dialect
    from firmware.modem.steps import Procedure
    from firmware.ports.clock import Clock
    from firmware.ports.uart import Uart, Wires

POLL_MS = 20000
"""An open socket is read so often even if nothing announces data: the announcement may have been lost."""


class Socket:
    """`alive` until the modem, the network or the peer has ended it, or `close`."""

    def __init__(self, modem: "Modem", number: int) -> None:
        self.number = number
        self.alive = True
        self._modem = modem
        self._more = asyncio.Event()
        self._drained = True

    async def send(self, data: bytes) -> None:
        """One datagram, or the next bytes of a stream. The modem has taken them; nothing more is known."""
        self._check()
        await self._do(self._modem.dialect.send(self.number, data))

    async def recv(self) -> bytes:
        """The next datagram, or some bytes of a stream."""
        while True:
            self._check()
            if not self._drained:
                self._more.clear()
                data = await self._do(self._modem.dialect.receive(self.number))
                if data:
                    self._modem.link.works()
                    return data
                self._drained = not self._more.is_set()
                continue
            try:
                await asyncio.wait_for_ms(self._more.wait(), POLL_MS)
            except asyncio.TimeoutError:
                self._drained = False
                continue
            self._drained = False

    async def close(self) -> None:
        """May be called more than once."""
        if self._modem.forget(self) and self.alive:
            self.alive = False
            try:
                await self._modem.do(self._modem.dialect.close(self.number))
            except AtError:
                self._modem.errors += 1

    def announced(self) -> None:
        """There is something to read, or perhaps."""
        self._more.set()

    def ended(self) -> None:
        """The socket is gone; whoever waits is told."""
        self.alive = False
        self._more.set()

    def _check(self) -> None:
        if not self.alive:
            raise OSError(errno.ECONNRESET)

    async def _do(self, procedure: "Procedure") -> "Any":
        try:
            return await self._modem.do(procedure)
        except AtError as error:
            self._modem.failed(self)
            raise OSError(errno.ETIMEDOUT if error.reason == "timeout" else errno.EIO)  # noqa: B904 - the dialect


class Modem:
    """`wires` carries out what only the board can; `on_event(event)` hears what the modem says unasked, after the
    modem has done its own part. Attributes: `link`, `engine`, `errors` of procedures, `lost` URCs."""

    def __init__(
        self,
        dialect: "Dialect",
        uart: "Uart",
        wires: "Wires",
        clock: "Clock",
        access_point: str = "",
        on_event: "Callable[[tuple[Any, ...]], None] | None" = None,
    ) -> None:
        self.dialect = dialect
        self.engine = Engine(dialect)
        self.link = Link()
        self.errors = 0
        self.lost = 0
        self._uart = uart
        self._wires = wires
        self._clock = clock
        self._access_point = access_point
        self._on_event = on_event
        self._lock = asyncio.Lock()
        self._over = asyncio.Event()
        self._outcome: "tuple[str, Any]" = ("finished", None)
        self._timer = asyncio.Event()
        self._linked = asyncio.Event()
        self._up = asyncio.Event()
        self._sockets: "dict[int, Socket]" = {}
        self._stale: "dict[int, bool]" = {}

    # For other tasks

    async def wait_up(self) -> None:
        """Until there is a path for datagrams."""
        await self._up.wait()

    def hurry(self) -> None:
        """An alarm is waiting: end the pause between two attempts."""
        self.link.hurry()
        self._linked.set()

    async def open_udp(self, host: str, port: int) -> Socket:
        """A socket towards one peer, once there is a path. Raises OSError."""
        return await self._open(dialects.UDP, host, port)

    async def open_tcp(self, host: str, port: int) -> Socket:
        """The same as a stream. Raises OSError."""
        return await self._open(dialects.TCP, host, port)

    async def do(self, procedure: "Procedure") -> "Any":
        """Run one of the dialect's procedures after those that came before. Raises AtError."""
        async with self._lock:
            self._over.clear()
            try:
                self._carry_out(self.engine.start(procedure, self._clock.now()))
                await self._over.wait()
            finally:
                # Only if the caller's own time was over.
                if self.engine.busy:
                    self.engine.abandon()
            kind, value = self._outcome
        if kind == "failed":
            raise value
        return value

    def forget(self, socket: Socket) -> bool:
        """Take a socket off the list; whether it was there."""
        if self._sockets.get(socket.number) is not socket:
            return False
        del self._sockets[socket.number]
        return True

    def drop(self, socket: Socket) -> None:
        """A socket has come to an end that the modem may not know of: its number is closed before its next use."""
        if self.forget(socket):
            self._stale[socket.number] = True
        socket.ended()

    def failed(self, socket: Socket) -> None:
        """The modem has refused something of a socket, or has not answered: is there still a path?"""
        self.errors += 1
        self.drop(socket)
        self.link.doubt(self._clock.now())
        self._show()

    async def _open(self, kind: int, host: str, port: int) -> Socket:
        await self._up.wait()
        free = [number for number in range(dialects.MOST_SOCKETS) if number not in self._sockets]
        if not free:
            raise OSError(errno.EMFILE)
        socket = self._sockets[free[0]] = Socket(self, free[0])
        try:
            if self._stale.pop(socket.number, False):
                await self.do(self.dialect.close(socket.number))
            await self.do(self.dialect.open(socket.number, kind, host, port))
        except AtError as error:
            self.failed(socket)
            raise OSError(errno.ETIMEDOUT if error.reason == "timeout" else errno.EIO)  # noqa: B904 - the dialect
        if not socket.alive:
            raise OSError(errno.ECONNRESET)
        return socket

    # The modem's own tasks

    async def run(self) -> None:
        """Never returns: listen, keep deadlines, and keep the path up."""
        asyncio.create_task(self._listen())
        asyncio.create_task(self._keep_time())
        while True:
            self._linked.clear()
            order = self.link.order(self._clock.now())
            if order is None:
                await self._until(self._linked, self.link.next_wakeup())
                continue
            try:
                value = await self.do(self._procedure(order))
            except AtError as error:
                self.errors += 1
                self.link.failed(order, error, self._clock.now())
            else:
                self.link.finished(order, value, self._clock.now())
            self._show()

    def _procedure(self, order: str) -> "Procedure":
        if order == "pdp_up":
            return self.dialect.pdp_up(self._access_point)
        return getattr(self.dialect, order)()

    async def _until(self, event: "asyncio.Event", due: "int | None") -> None:
        if due is None:
            await event.wait()
            return
        try:
            await asyncio.wait_for_ms(event.wait(), max(0, due - self._clock.now()))
        except asyncio.TimeoutError:
            return

    async def _listen(self) -> None:
        while True:
            data = await self._uart.read()
            self._carry_out(self.engine.feed(data, self._clock.now()))

    async def _keep_time(self) -> None:
        while True:
            self._timer.clear()
            await self._until(self._timer, self.engine.next_wakeup())
            self._carry_out(self.engine.timeout(self._clock.now()))

    async def _on_board(self, what: str, value: int) -> None:
        await self._wires.carry_out(what, value)
        self._carry_out(self.engine.carried_out(self._clock.now()))

    def _carry_out(self, actions: "list[tuple[Any, ...]]") -> None:
        for action in actions:
            kind = action[0]
            if kind == "write":
                self._uart.write(action[1])
            elif kind == "board":
                asyncio.create_task(self._on_board(action[1], action[2]))
            elif kind in ("finished", "failed"):
                self._outcome = (kind, action[1])
                self._over.set()
            elif kind == "event":
                self._heard(action[1])
            elif kind == "lost":
                self.lost += action[1]
                for number in sorted(self._sockets):
                    self._sockets[number].announced()
            else:
                self._heard(action)
        self._timer.set()

    def _heard(self, event: "tuple[Any, ...]") -> None:
        kind = event[0]
        if kind in ("data", "closed"):
            socket = self._sockets.get(event[1])
            if socket is not None and kind == "data":
                socket.announced()
            elif socket is not None:
                self.drop(socket)
        else:
            if kind in ("boot", "hung") or event == ("pdp", False):
                self._drop_all()
            self.link.event(event, self._clock.now())
            self._show()
        if self._on_event is not None:
            self._on_event(event)

    def _drop_all(self) -> None:
        for number in sorted(self._sockets):
            self.drop(self._sockets[number])

    def _show(self) -> None:
        """Tell those who wait what has become of the path. Sockets outlive a moment without a cell."""
        self._linked.set()
        if self.link.state == UP:
            self._up.set()
        else:
            self._up.clear()
