"""The unit's time when the sim holds it: nothing passes unless everybody has come to rest.

`install()` before anything else of the firmware is imported. From then on `time`, `random` and `os.urandom` are given
by the sim (one seed, one run), asyncio's ready tasks are kept in strict order of arrival, and where asyncio would wait
it *declares* instead: how far its own time is, until when it has nothing to do, and how much it has sent and received
on every wire so far. The sim (sim/lockstep.py) moves time only when its own books agree with the last declaration, so
that nothing can be in flight; no pause and no poll stands for that.

    unit -> sim   now, until (ms; -1 for ever), bytes read, written, datagrams sent, received, times heard: i64 each
    sim -> unit   the new time (ms): i64

The address is in the environment (`LIVLINA_CLOCK`, an abstract Unix address), with `LIVLINA_SEED` and `LIVLINA_EPOCH`
(unix seconds at time 0). ticks_ms begins at `LIVLINA_TICKS` and wraps after 2^30 ms (12.4 days) as on a 32-bit board.
"""

import hashlib
import io
import struct
import sys

_PERIOD = 1 << 30
_HALF = _PERIOD >> 1
_FOR_EVER = -1
_FILENO = 10
"""MP_STREAM_GET_FILENO: a stream that answers it is waited for in the kernel."""
_CLOSE = 4
_ROOM = 64


class _Books:
    """What this unit has said and heard."""

    def __init__(self) -> None:
        self.now = 0
        self.read = 0
        self.written = 0
        self.sent = 0
        self.received = 0
        self.heard = 0
        self.first = 0

    def ticks(self) -> int:
        return (self.first + self.now) % _PERIOD


_books = _Books()


class _Time:
    """In place of the module `time`."""

    def __init__(self, real: "object", epoch: int) -> None:
        self.gmtime = real.gmtime
        self.localtime = real.localtime
        self.mktime = real.mktime
        self._epoch = epoch

    def ticks_ms(self) -> int:
        return _books.ticks()

    def ticks_us(self) -> int:
        return _books.now * 1000 % _PERIOD

    ticks_cpu = ticks_us

    def ticks_add(self, ticks: int, delta: int) -> int:
        return (ticks + delta) % _PERIOD

    def ticks_diff(self, later: int, earlier: int) -> int:
        return (later - earlier + _HALF) % _PERIOD - _HALF

    def time(self) -> int:
        return self._epoch + _books.now // 1000

    def time_ns(self) -> int:
        return self._epoch * 1000000000 + _books.now * 1000000

    def sleep_ms(self, ms: int) -> None:
        raise RuntimeError("firmware that blocks stops its own clock: await instead")

    sleep = sleep_us = sleep_ms


def _difference(later: int, earlier: int) -> int:
    return (later - earlier + _HALF) % _PERIOD - _HALF


class TaskQueue:
    """Tasks by their time, and in the order of their arrival at the same time. A list is there from the second task on:
    most queues never have one, and a board's own take next to nothing of the heap."""

    _tasks = ()

    def peek(self) -> "Task | None":
        return self._tasks[0] if self._tasks else None

    def push(self, task: "Task", key: "int | None" = None) -> None:
        task.data = None
        task.ph_key = key = _books.ticks() if key is None else key
        place = len(self._tasks)
        if not place:
            self._tasks = (task,)
            return
        if isinstance(self._tasks, tuple):
            self._tasks = list(self._tasks)
        while place and _difference(self._tasks[place - 1].ph_key, key) > 0:
            place -= 1
        self._tasks.insert(place, task)

    def pop(self) -> "Task":
        task = self._tasks[0]
        if len(self._tasks) == 1:
            self._tasks = ()
        else:
            self._tasks.pop(0)
        return task

    def remove(self, task: "Task") -> None:
        if len(self._tasks) == 1 and self._tasks[0] is task:
            self._tasks = ()
        else:
            list.remove(self._tasks, task)
        task.data = None


class Task:
    """What asyncio.core wants of a task. `state`: True while it runs, a TaskQueue of those that await it, or what
    asyncio itself puts there; False once it is over and somebody knows, None while nobody does. `data`: while it runs,
    what it waits on or is to be thrown; then what it ended with."""

    def __init__(self, coro: "object", scope: "object" = None) -> None:
        self.coro = coro
        self.data = None
        self.state = True
        self.ph_key = 0

    def __iter__(self) -> "Task":
        if self.state is True:
            self.state = TaskQueue()
        elif not self.state:
            self.state = False
        elif not isinstance(self.state, TaskQueue):
            raise RuntimeError("can't wait")
        return self

    def __next__(self) -> None:
        if not self.state:
            raise self.data
        current = _core().cur_task
        self.state.push(current)
        # Who is cancelled while it waits is found through what it waits on.
        current.data = self

    def done(self) -> bool:
        return not self.state

    def cancel(self) -> bool:
        """As a board's own: the end of the chain of tasks that wait for each other is what is woken."""
        core = _core()
        if not self.state:
            return False
        if self is core.cur_task:
            raise RuntimeError("can't cancel self")
        task = self
        while isinstance(task.data, Task):
            task = task.data
        if hasattr(task.data, "remove"):
            task.data.remove(task)
            core._task_queue.push(task)
        elif _difference(task.ph_key, _books.ticks()) > 0:
            core._task_queue.remove(task)
            core._task_queue.push(task)
        task.data = core.CancelledError
        return True


class _Module:
    """A module of the sim's own making."""


class _Counted(io.IOBase):
    """A stream or socket whose traffic stands in the books. The kernel waits for the real one."""

    def __init__(self, inner: "object", line: bool) -> None:
        self._inner = inner
        self._line = line

    def __getattr__(self, name: str) -> "object":
        return getattr(self._inner, name)

    def ioctl(self, request: int, argument: int) -> int:
        if request == _FILENO and hasattr(self._inner, "fileno"):
            return self._inner.fileno()
        if request == _CLOSE:
            self._inner.close()
            return 0
        return self._inner.ioctl(request, argument)

    def _took(self, size: "int | None") -> None:
        if self._line:
            _books.read += size or 0
        elif size:
            _books.received += 1

    def read(self, size: int = -1) -> "bytes | None":
        data = self._inner.read(size)
        self._took(len(data) if data else 0)
        return data

    def readline(self) -> "bytes | None":
        data = self._inner.readline()
        self._took(len(data) if data else 0)
        return data

    def readinto(self, buffer: "bytearray") -> "int | None":
        size = self._inner.readinto(buffer)
        self._took(size)
        return size

    def write(self, data: bytes) -> "int | None":
        size = self._inner.write(data)
        if self._line:
            _books.written += size or 0
        elif size:
            _books.sent += 1
        return size

    def send(self, data: bytes) -> int:
        size = self._inner.send(data)
        _books.sent += 1
        return size

    def sendto(self, data: bytes, address: "object") -> int:
        size = self._inner.sendto(data, address)
        _books.sent += 1
        return size

    def recv(self, size: int) -> bytes:
        data = self._inner.recv(size)
        _books.received += 1
        return data

    def recvfrom(self, size: int) -> "tuple[bytes, object]":
        got = self._inner.recvfrom(size)
        _books.received += 1
        return got

    def setblocking(self, flag: bool) -> None:
        self._inner.setblocking(flag)

    def close(self) -> None:
        self._inner.close()


class _Clock:
    """The wire to the sim, and the only place where this unit waits."""

    def __init__(self, wire: "object") -> None:
        self.wire = wire

    def declare(self, wait: int) -> None:
        until = _FOR_EVER if wait < 0 else _books.now + wait
        self.wire.send(
            struct.pack(
                ">7q",
                _books.now,
                until,
                _books.read,
                _books.written,
                _books.sent,
                _books.received,
                _books.heard,
            )
        )

    def hear(self) -> None:
        """Take the new time, before any task runs."""
        while True:
            try:
                told = self.wire.recv(_ROOM)
            except OSError:
                return
            if not told or len(told) % 8:
                # The sim has gone: a unit without time is of no use.
                raise SystemExit(1)
            _books.now = struct.unpack(">q", told[-8:])[0]
            _books.heard += len(told) // 8
            if len(told) < _ROOM:
                # All of it: to be told so by an error costs more than everything else here.
                return


def _core() -> "object":
    return sys.modules["asyncio.core"]


def _pseudo_random(seed: bytes) -> "object":
    """urandom(n) of a hash chain: for one run again, and for nothing that must be secret."""
    state = [hashlib.sha256(seed).digest()]

    def urandom(size: int) -> bytes:
        out = b""
        while len(out) < size:
            state[0] = hashlib.sha256(state[0]).digest()
            out += hashlib.sha256(state[0] + b"out").digest()
        return out[:size]

    return urandom


class _Os:
    """`os` with its randomness replaced."""

    def __init__(self, real: "object", urandom: "object") -> None:
        self._real = real
        self.urandom = urandom

    def __getattr__(self, name: str) -> "object":
        return getattr(self._real, name)


class _Sockets:
    """`socket` with its sockets counted."""

    def __init__(self, real: "object") -> None:
        self._real = real

    def __getattr__(self, name: str) -> "object":
        return getattr(self._real, name)

    def socket(self, *arguments: int) -> _Counted:
        return _Counted(self._real.socket(*arguments), False)


def install() -> None:
    """Take the unit's time out of its hands. Raises OSError if the sim does not listen."""
    import os
    import random
    import socket
    import time

    seed = (os.getenv("LIVLINA_SEED") or "1").encode()
    _books.first = int(os.getenv("LIVLINA_TICKS") or "0")
    random.seed(int.from_bytes(hashlib.sha256(seed).digest()[:4], "big"))
    wire = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    wire.connect(struct.pack("@H", socket.AF_UNIX) + b"\x00" + os.getenv("LIVLINA_CLOCK").encode())
    wire.setblocking(False)
    _replace(os, socket, time, seed)
    _take_over(_Clock(wire))


def _replace(os: "object", socket: "object", time: "object", seed: bytes) -> None:
    tasks = _Module()
    tasks.Task = Task
    tasks.TaskQueue = TaskQueue
    sys.modules["_asyncio"] = tasks
    sys.modules["time"] = _Time(time, int(os.getenv("LIVLINA_EPOCH") or "0"))
    sys.modules["os"] = _Os(os, _pseudo_random(seed))
    sys.modules["socket"] = _Sockets(socket)


def _take_over(clock: _Clock) -> None:
    import asyncio

    core = asyncio.core

    class Waiting(core.IOQueue):
        def wait_io_event(self, wait: int) -> None:
            if wait == 0:
                core.IOQueue.wait_io_event(self, 0)
                return
            clock.declare(wait)
            core.IOQueue.wait_io_event(self, -1)
            clock.hear()

    core._io_queue = Waiting()

    async def listen() -> None:
        while True:
            await _readable(core, clock.wire)

    asyncio.create_task(listen())
    import machine

    if hasattr(machine, "UART"):
        real = machine.UART
        machine.UART = lambda *positional, **named: _Counted(real(*positional, **named), True)


def _readable(core: "object", wire: "object"):
    yield core._io_queue.queue_read(wire)
