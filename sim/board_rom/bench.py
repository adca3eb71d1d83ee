"""Several virtual boards on one bench, each on a port of its own, served by a thread: tools run beside it as processes.

Touch a port's `pull_after` only while no tool is on that cable. With a `Processor`, boards start from their flash when
a tool lets go of them, and stop when one takes them again.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from sim.board_rom.board import VirtualBoard
from sim.board_rom.power import PoweredBoard, Processor
from sim.board_rom.terminal import TerminalPort
from sim.modem.scenario import Scenario

Result = TypeVar("Result")


class VirtualBench:
    """A context manager; `addresses` are the boards' ports in the order of their folders."""

    def __init__(
        self, folders: Sequence[Path], processor: Processor | None = None, modem: Scenario | None = None
    ) -> None:
        """`modem`: each started board has one like it on its UART, with cards of its own."""
        self.boards = [VirtualBoard(folder) for folder in folders]
        self.powered: list[PoweredBoard] = []
        self.ports: list[TerminalPort] = []
        for number, board in enumerate(self.boards, 1):
            if processor is None:
                self.ports.append(TerminalPort(board))
                continue
            powered = PoweredBoard(board, number, processor, None if modem is None else _own(modem, number))
            self.powered.append(powered)
            self.ports.append(TerminalPort(board, partial(_on, powered), partial(_off, powered)))
        self.addresses: list[str] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="virtual-bench", daemon=True)

    def __enter__(self) -> VirtualBench:
        self._thread.start()
        self._do(self._lay_wires())
        for port in self.ports:
            self.addresses.append(self._do(port.open()))
        return self

    def press(self, board: int) -> None:
        """A finger on the button of the board with this index. Raises PowerError."""
        self._do(self.powered[board].press())

    def wait_lamp(self, board: int, stage: str, timeout_s: float) -> None:
        """Until its lamp has shown this stage. Raises PowerError."""
        self._do(self.powered[board].wait_lamp(stage, timeout_s))

    def wait_started(self, board: int, timeout_s: float) -> None:
        """Until it runs its firmware. Raises PowerError."""
        self._do(self.powered[board].wait_started(timeout_s))

    def wait_moved(self, board: int, part: str, timeout_s: float) -> None:
        """Until motor or speaker has moved. Raises PowerError."""
        self._do(self.powered[board].wait_moved(part, timeout_s))

    def fit(self, board: int, part: str, *, there: bool) -> None:
        """Take a part (sim.board_rom.power.PARTS) from a board, or put it back; while no tool is on its cable."""

        async def fit() -> None:
            powered = self.powered[board]
            (powered.give if there else powered.take)(part)

        self._do(fit())

    def _do(self, work: Coroutine[Any, Any, Result]) -> Result:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _lay_wires(self) -> None:
        for powered in self.powered:
            powered.open()

    async def _power_off(self) -> None:
        for powered in self.powered:
            powered.close()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for port in self.ports:
            self._do(port.close())
        self._do(self._power_off())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        for board in self.boards:
            board.close()


def _own(modem: Scenario, number: int) -> Scenario:
    """The same modem with other cards: a card is in one board."""
    cards = [replace(card, iccid=f"{card.iccid[:13]}{number:04}{card.iccid[17:]}") for card in modem.cards]
    return replace(modem, seed=number, cards=tuple(cards))


def _on(powered: PoweredBoard, _board: VirtualBoard) -> None:
    powered.on()


def _off(powered: PoweredBoard, _board: VirtualBoard) -> None:
    powered.off()
