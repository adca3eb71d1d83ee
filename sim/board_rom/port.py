"""Serial ports of virtual boards: one listening TCP port a board, for `socket://` of a flashing tool.

A cable that is plugged in is a connection; the board is then in download mode. A cable that is pulled is a reset: what
the tool had begun stays as far as it came, RAM and baud rate are forgotten, and `on_reset` may start what is in the
flash; `on_download` ends it when a cable comes again. One cable at a time: a second connection is refused. Over TCP no
DTR and RTS reach the board.
"""

from __future__ import annotations

import asyncio

from sim.board_rom.board import VirtualBoard
from sim.board_rom.cable import Cable, Hook

_PIECE = 1 << 16


class BoardPort(Cable):
    """See Cable."""

    def __init__(self, board: VirtualBoard, on_reset: Hook = None, on_download: Hook = None) -> None:
        super().__init__(board, on_reset, on_download)
        self._busy = False
        self._server: asyncio.Server | None = None
        self._cables: set[asyncio.Task[None]] = set()

    async def open(self, port: int = 0, host: str = "127.0.0.1") -> str:
        """Begin to listen; the address as a tool takes it."""
        self._server = await asyncio.start_server(self._cable, host, port)
        return f"socket://{host}:{self._server.sockets[0].getsockname()[1]}"

    async def close(self) -> None:
        """No cable any more. The board stays open."""
        if self._server is not None:
            self._server.close()
        for cable in list(self._cables):
            cable.cancel()
        await asyncio.gather(*self._cables, return_exceptions=True)

    async def _cable(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if self._busy or task is None:
            writer.close()
            return
        self._busy = True
        self._cables.add(task)
        self.plug()
        try:
            await self._talk(reader, writer)
        except ConnectionError:
            pass  # The tool has gone: that is a pulled cable.
        finally:
            writer.close()
            self._cables.discard(task)
            self._busy = False
            self.unplug()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            data = await reader.read(_PIECE)
            if not data:
                return
            answer, pulled = self.bring(data)
            if pulled:
                return
            writer.write(answer)
            await writer.drain()
