"""Says which socket is ready: as much of asyncio's loop as the emulator's endpoints use, without asyncio."""

from __future__ import annotations

import select
from collections import deque
from collections.abc import Callable
from typing import Any


class Poller:
    """Says which socket is ready: as much of asyncio's loop as the emulator's endpoints use, without asyncio."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._calls: dict[int, dict[int, Callable[[], Any]]] = {}
        self._soon: deque[Callable[[], Any]] = deque()

    def add_reader(self, fd: Any, callback: Callable[..., Any], *args: Any) -> None:
        self._set(_number(fd), select.EPOLLIN, lambda: callback(*args))

    def remove_reader(self, fd: Any) -> None:
        self._set(_number(fd), select.EPOLLIN, None)

    def add_writer(self, fd: Any, callback: Callable[..., Any], *args: Any) -> None:
        self._set(_number(fd), select.EPOLLOUT, lambda: callback(*args))

    def remove_writer(self, fd: Any) -> None:
        self._set(_number(fd), select.EPOLLOUT, None)

    def call_soon(self, callback: Callable[..., Any], *args: Any) -> None:
        self._soon.append(lambda: callback(*args))

    def _set(self, fd: int, event: int, call: Callable[[], Any] | None) -> None:
        calls = self._calls.setdefault(fd, {})
        known = bool(calls)
        if call is None:
            calls.pop(event, None)
        else:
            calls[event] = call
        mask = sum(calls)
        if mask and known:
            self._epoll.modify(fd, mask)
        elif mask:
            self._epoll.register(fd, mask)
        else:
            del self._calls[fd]
            if known:
                self._epoll.unregister(fd)

    def fileno(self) -> int:
        """Readable while any of its sockets is: so another loop can wait for this one."""
        return self._epoll.fileno()

    def turn(self, seconds: float) -> bool:
        """Wait for at most so long (real time), and make the calls of what is ready; whether anything was."""
        ready = self._epoll.poll(0 if self._soon else seconds)
        busy = bool(ready or self._soon)
        while self._soon:
            self._soon.popleft()()
        for fd, events in ready:
            for event, call in list(self._calls.get(fd, {}).items()):
                # An end or an error is found by whoever reads.
                if events & (event | select.EPOLLHUP | select.EPOLLERR):
                    call()
        return busy

    def close(self) -> None:
        self._epoll.close()


def _number(fd: Any) -> int:
    return fd if isinstance(fd, int) else int(fd.fileno())
