"""Waiting for a socket without holding up the other tasks, which stock asyncio offers for its own streams only."""

import asyncio
import errno
import socket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

# Not errors of a non-blocking socket: nothing there yet, and a connection that is being made.
AGAIN = (errno.EAGAIN, errno.EINPROGRESS)


def readable(sock: "socket.socket") -> "Iterator[None]":
    """Await this: returns when there is something to receive. At most one task may wait for a socket so."""
    yield asyncio.core._io_queue.queue_read(sock)


def writable(sock: "socket.socket") -> "Iterator[None]":
    """Await this: returns when there is room to send. At most one task may wait for a socket so."""
    yield asyncio.core._io_queue.queue_write(sock)


def resolve(host: str, port: int, kind: int) -> "object":
    """The first address of a host, in the form that `connect` takes. Raises OSError. A name may block for seconds."""
    return socket.getaddrinfo(host, port, 0, kind)[0][-1]
