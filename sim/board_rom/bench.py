"""Several virtual boards on one bench, each on a port of its own, served by a thread: tools run beside it as processes.

`port(n)` gives a board's `TerminalPort`; touch its `pull_after` only while no tool is on that cable.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from sim.board_rom.board import VirtualBoard
from sim.board_rom.terminal import TerminalPort


class VirtualBench:
    """A context manager; `addresses` are the boards' ports in the order of their folders."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self.boards = [VirtualBoard(folder) for folder in folders]
        self.ports = [TerminalPort(board) for board in self.boards]
        self.addresses: list[str] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="virtual-bench", daemon=True)

    def __enter__(self) -> VirtualBench:
        self._thread.start()
        for port in self.ports:
            self.addresses.append(asyncio.run_coroutine_threadsafe(port.open(), self._loop).result())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for port in self.ports:
            asyncio.run_coroutine_threadsafe(port.close(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        for board in self.boards:
            board.close()
