"""One TLS connection over a non-blocking stream, with verification both ways.

The server must show a certificate of our authority for the configured name; the unit shows its own. Nothing weaker is
ever tried. While nothing happens it costs no processor time: tasks wait for the raw stream, after everything that
mbedTLS holds has been read (an SSL socket has no descriptor, so asyncio would look every millisecond).
"""

import asyncio

import tls

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

CHUNK = 512


def context(ca: bytes, certificate: bytes, key: bytes) -> "tls.SSLContext":
    """A client's TLS settings from DER bytes. Raises ValueError or OSError if one of them is damaged."""
    settings = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
    settings.verify_mode = tls.CERT_REQUIRED
    settings.load_verify_locations(ca)
    settings.load_cert_chain(certificate, key)
    return settings


class TlsStream:
    """`await open(...)`, then `read` in one task and `write` from anywhere; `close` at the end, always."""

    def __init__(self) -> None:
        self._raw = None
        self._tls = None
        self._waiting: "list[bytes]" = []
        self._more = asyncio.Event()
        self._writer = None

    async def open(self, settings: "tls.SSLContext", connection: "Any", name: str, first: bytes) -> None:
        """Shake hands on a connection (sockets.Connection or the modem's), which is ours from now on, and send `first`.
        Raises OSError, and ValueError if the server is not who it must be."""
        self._raw = connection
        self._tls = settings.wrap_socket(connection.stream, server_hostname=name, do_handshake_on_connect=False)
        # mbedTLS shakes hands inside the first write; a client waits for the server in between.
        while True:
            count = self._tls.write(first)
            if count is not None:
                break
            await self._raw.readable()
        self._writer = asyncio.create_task(self._write_rest())
        if count < len(first):
            self.write(first[count:])

    async def read(self) -> bytes:
        """The next bytes of the server, at least one; b"" when it has closed. Raises OSError."""
        while True:
            data = self._tls.read(CHUNK)
            if data is not None:
                return data
            await self._raw.readable()

    def write(self, data: bytes) -> None:
        """Send, or keep until there is room. An error shows in `read`."""
        self._waiting.append(data)
        self._flush()
        if self._waiting:
            self._more.set()

    def _flush(self) -> None:
        """What mbedTLS did not take must be offered again unchanged, so the head of the queue stays as it is."""
        while self._waiting:
            try:
                count = self._tls.write(self._waiting[0])
            except OSError:
                # The connection is gone; the task that reads is told the same by its next read.
                self._waiting.clear()
                return
            if count is None:
                return
            if count < len(self._waiting[0]):
                self._waiting[0] = self._waiting[0][count:]
            else:
                self._waiting.pop(0)

    async def _write_rest(self) -> None:
        while True:
            await self._more.wait()
            self._more.clear()
            while self._waiting:
                await self._raw.writable()
                self._flush()

    def close(self) -> None:
        """Give everything back. No task may be waiting in `open` or `read`. May be called more than once."""
        if self._writer is not None:
            self._writer.cancel()
            self._writer = None
        self._waiting.clear()
        for one in (self._tls, self._raw):
            if one is not None:
                try:
                    one.close()
                except OSError:
                    # A peer that is gone cannot be told goodbye; the descriptor is free either way.
                    continue
        self._tls = self._raw = None
