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


class Connection:
    """A TCP connection of the board's own network, for firmware.ports.tls. Close it at the end, always."""

    def __init__(self) -> None:
        self.stream = socket.socket(socket.AF_INET, socket.SOCK_STREAM)

    async def readable(self) -> None:
        """Until there is something to read, or the end."""
        await readable(self.stream)

    async def writable(self) -> None:
        """Until there is room, or the end."""
        await writable(self.stream)

    def close(self) -> None:
        """May be called more than once."""
        self.stream.close()


async def connect(address: "object") -> Connection:
    """A connection to this address, as `resolve` gives it. Raises OSError."""
    made = Connection()
    made.stream.setblocking(False)
    try:
        try:
            made.stream.connect(address)
        except OSError as error:
            if error.errno not in AGAIN:
                raise
        await made.writable()
    except BaseException:
        made.close()
        raise
    return made
