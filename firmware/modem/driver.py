"""The channel to a modem as other tasks see it: procedures one after the other, sockets, and what is said unasked.

Decides nothing: what is done when is `conduct`'s. Any error of a socket is an OSError, and a socket that has had one is
of no more use. Everything else that goes through `do` raises AtError.
"""

import asyncio
import errno
import gc

from firmware.core.at_syntax import AtError
from firmware.modem import dialect as dialects
from firmware.modem.engine import Engine
from firmware.modem.steps import LINE, LINE_SAYS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from firmware.modem.dialect import Dialect
    from firmware.modem.steps import Procedure
    from firmware.ports.clock import Clock
    from firmware.ports.uart import Uart, Wires

POLL_MS = 20000
"""A socket that waits for an answer is read so often even if nothing announces data: the announcement may be lost."""
WAITS_MS = 120000
"""For so long after it was sent something, a socket waits for an answer."""
IDLE_POLL_MS = 300000
"""Any open socket is read so often."""


class Socket:
    """`alive` until the modem, the network or the peer has ended it, or `close`."""

    def __init__(self, modem: "Modem", number: int) -> None:
        self.number = number
        self.alive = True
        self._modem = modem
        self._more = asyncio.Event()
        self._drained = True
        self._asked = modem.clock.now()

    async def send(self, data: bytes) -> None:
        """One datagram, or the next bytes of a stream. The modem has taken them; nothing more is known."""
        self._check()
        await self._do("send", self._modem.dialect.send(self.number, data))
        self._asked = self._modem.clock.now()
        # Whoever waits for an answer chooses a shorter wait.
        self._more.set()

    async def recv(self) -> bytes:
        """The next datagram, or some bytes of a stream."""
        while True:
            self._check()
            if not self._drained:
                self._drained = True
                data = await self._do("receive", self._modem.dialect.receive(self.number))
                if data:
                    self._drained = False
                    self._modem.tell(("works",))
                    return data
                continue
            waits = self._modem.clock.now() - self._asked < WAITS_MS
            try:
                await asyncio.wait_for_ms(self._more.wait(), POLL_MS if waits else IDLE_POLL_MS)
            except asyncio.TimeoutError:
                self._drained = False
                continue
            self._more.clear()

    async def close(self) -> None:
        """May be called more than once."""
        if self._modem.forget(self) and self.alive:
            self.alive = False
            try:
                await self._modem.do("close", self._modem.dialect.close(self.number))
            except AtError:
                self._modem.errors += 1

    def announced(self) -> None:
        """There is something to read, or perhaps."""
        self._drained = False
        self._more.set()

    def ended(self) -> None:
        """The socket is gone; whoever waits is told."""
        self.alive = False
        self._more.set()

    def _check(self) -> None:
        if not self.alive:
            raise OSError(errno.ECONNRESET)

    async def _do(self, name: str, procedure: "Procedure") -> "Any":
        try:
            return await self._modem.do(name, procedure)
        except AtError as error:
            self._modem.failed(self)
            raise OSError(errno.ETIMEDOUT if error.reason == "timeout" else errno.EIO)  # noqa: B904 - the dialect


class Modem:
    """`wires` carries out what only the board can. `tell(event)` hears what the modem says unasked, except what is a
    socket's, and ("begin", operation), ("end",), ("doubt",) and ("works",). Attributes: `engine`, `errors` of
    procedures, `lost` URCs, `starved`, how often what came found no memory to be read."""

    def __init__(
        self,
        dialect: "Dialect",
        uart: "Uart",
        wires: "Wires",
        clock: "Clock",
        tell: "Callable[[tuple[Any, ...]], None]",
    ) -> None:
        self.dialect = dialect
        self.engine = Engine(dialect)
        self.tell = tell
        self.errors = 0
        self.starved = 0
        self.lost = 0
        self._uart = uart
        self._wires = wires
        self.clock = clock
        self._lock = asyncio.Lock()
        self._over = asyncio.Event()
        self._outcome: "tuple[str, Any]" = ("finished", None)
        self._given_up = False
        self._interrupted = False
        self._stepped = asyncio.Event()
        self._name: "str | None" = None
        self._timer = asyncio.Event()
        self._sockets: "dict[int, Socket]" = {}
        self._stale: "dict[int, bool]" = {}

    async def do(self, name: str, procedure: "Procedure") -> "Any":
        """Run one of the dialect's procedures after those that came before. Raises AtError."""
        async with self._lock:
            self._name = name
            if not self._given_up:
                self.tell(("begin", name))
            self._over.clear()
            self._interrupted = False
            try:
                self._carry_out(self.engine.start(procedure, self.clock.now()))
                await self._over.wait()
                while self._interrupted and not self.engine.at.ready:
                    # What comes next must know whether the modem still answers.
                    self._stepped.clear()
                    await self._stepped.wait()
            finally:
                if self.engine.busy:
                    # The caller's own time was over. What the modem has been given goes on, unheard; until then it
                    # is still this operation that holds the channel.
                    self.engine.abandon()
                    self._given_up = not self.engine.at.ready
                self._name = None
                if not self._given_up:
                    self.tell(("end",))
            kind, value = self._outcome
        if kind == "failed":
            raise value
        return value

    def interrupt(self) -> None:
        """Give up what the modem is doing, whoever wanted it."""
        self._interrupted = self.engine.busy
        self._carry_out(self.engine.interrupt(self.clock.now()))

    async def open(self, kind: int, host: str, port: int) -> Socket:
        """A socket towards one peer (dialect.UDP or dialect.TCP), if there is a path. Raises OSError."""
        free = [number for number in range(dialects.MOST_SOCKETS) if number not in self._sockets]
        if not free:
            raise OSError(errno.EMFILE)
        socket = self._sockets[free[0]] = Socket(self, free[0])
        try:
            if self._stale.pop(socket.number, False):
                await self.do("close", self.dialect.close(socket.number))
            name = "open" if kind == dialects.UDP else "open_tcp"
            await self.do(name, self.dialect.open(socket.number, kind, host, port))
        except AtError as error:
            self.failed(socket, kind == dialects.UDP or error.reason != "open")
            raise OSError(errno.ETIMEDOUT if error.reason == "timeout" else errno.EIO)  # noqa: B904 - the dialect
        except asyncio.CancelledError:
            self.drop(socket)
            raise
        if not socket.alive:
            raise OSError(errno.ECONNRESET)
        return socket

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

    def drop_all(self) -> None:
        """The path is gone, and all sockets with it."""
        for number in sorted(self._sockets):
            self.drop(self._sockets[number])

    def failed(self, socket: Socket, doubtful: bool = True) -> None:
        """The modem has refused something of a socket, or has not answered: is there still a path? A server that takes
        no connection is no reason for doubt."""
        self.errors += 1
        self.drop(socket)
        if doubtful:
            self.tell(("doubt",))

    async def run(self) -> None:
        """Never returns: listen, and keep the channel's deadlines. Raises MemoryError."""
        asyncio.create_task(self._keep_time())
        while True:
            try:
                data = await self._uart.read()
            except MemoryError:
                # What was being said is lost; the command ends by its time, and the channel sets itself right.
                self.starved += 1
                gc.collect()
                continue
            # Memory that fails here leaves an order half given: only a reset sets that right, and takes seconds.
            self._carry_out(self.engine.feed(data, self.clock.now()))

    async def _keep_time(self) -> None:
        while True:
            self._timer.clear()
            due = self.engine.next_wakeup()
            if due is None:
                await self._timer.wait()
            else:
                try:
                    await asyncio.wait_for_ms(self._timer.wait(), max(0, due - self.clock.now()))
                except asyncio.TimeoutError:
                    pass
            self._carry_out(self.engine.timeout(self.clock.now()))

    async def _on_board(self, what: str, value: int) -> None:
        if what == LINE:
            self._uart.write(LINE_SAYS)
        else:
            await self._wires.carry_out(what, value)
        self._carry_out(self.engine.carried_out(self.clock.now()))

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
            elif kind == "free":
                self._freed()
            else:
                if kind == "lost":
                    self.lost += action[1]
                    for number in sorted(self._sockets):
                        self._sockets[number].announced()
                elif kind == "hung":
                    self._freed()
                self.tell(action)
        self._timer.set()
        self._stepped.set()

    def _freed(self) -> None:
        if self._given_up:
            self._given_up = False
            self.tell(("end",))
            if self._name is not None:
                self.tell(("begin", self._name))

    def _heard(self, event: "tuple[Any, ...]") -> None:
        if event[0] not in ("data", "closed"):
            self.tell(event)
            return
        socket = self._sockets.get(event[1])
        if socket is not None and event[0] == "data":
            socket.announced()
        elif socket is not None:
            self.drop(socket)
