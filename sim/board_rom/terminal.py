"""A virtual board's port as a pseudo-terminal, which a flashing tool reads in large pieces: fast, as a USB cable is.

As with `port.BoardPort`, opening it is plugging in, in download mode, and closing it is a pulled cable. A
pseudo-terminal has no DTR and RTS: the tool says so and goes on.
"""

from __future__ import annotations

import asyncio
import os
import pty
import select
import tty

from sim.board_rom.board import VirtualBoard
from sim.board_rom.cable import Cable, Hook

_PIECE = 1 << 16
_LOOK_S = 0.02
"""How often a port without a cable is looked at; a terminal does not say that it is opened."""


class TerminalPort(Cable):
    """See Cable. A pulled cable stays silent until the tool has gone."""

    def __init__(self, board: VirtualBoard, on_reset: Hook = None, on_download: Hook = None) -> None:
        super().__init__(board, on_reset, on_download)
        self._out = bytearray()
        self._pulled = False
        self._look: asyncio.TimerHandle | None = None

    async def open(self) -> str:
        """Begin to look; the terminal's path."""
        self._loop = asyncio.get_running_loop()
        self._master, slave = pty.openpty()
        tty.setraw(slave)
        name = os.ttyname(slave)
        os.close(slave)
        os.set_blocking(self._master, False)
        self._wait()
        return name

    async def close(self) -> None:
        """No port any more. The board stays open."""
        if self._look is not None:
            self._look.cancel()
        self._loop.remove_reader(self._master)
        self._loop.remove_writer(self._master)
        os.close(self._master)

    def _wait(self) -> None:
        poll = select.poll()
        poll.register(self._master, select.POLLIN)
        if any(event & select.POLLHUP for _, event in poll.poll(0)):
            self._look = self._loop.call_later(_LOOK_S, self._wait)
            return
        self._look = None
        self._pulled = False
        self.plug()
        self._loop.add_reader(self._master, self._readable)

    def _readable(self) -> None:
        try:
            data = os.read(self._master, _PIECE)
        except BlockingIOError:
            return
        except OSError:
            # The tool has closed the terminal.
            self._gone()
            return
        if self._pulled:
            return
        answer, self._pulled = self.bring(data)
        self._out += answer
        if self._pulled:
            self._out.clear()
            self.board.loader.reset()
        self._write()

    def _write(self) -> None:
        while self._out:
            try:
                sent = os.write(self._master, self._out[:_PIECE])
            except BlockingIOError:
                self._loop.add_writer(self._master, self._write)
                return
            except OSError:
                return  # Reading finds that the tool has gone.
            del self._out[:sent]
        self._loop.remove_writer(self._master)

    def _gone(self) -> None:
        self._loop.remove_reader(self._master)
        self._loop.remove_writer(self._master)
        self._out.clear()
        self.unplug()
        self._wait()
