"""What a cable to a virtual board does to it, whatever the tool holds at the other end."""

from __future__ import annotations

from collections.abc import Callable

from sim.board_rom.board import VirtualBoard

Hook = Callable[[VirtualBoard], None] | None
"""Called at a moment of the cable's."""


class Cable:
    """`pull_after`, if set, pulls the cable once that many bytes have come from the tool: a fault for tests. `heard`
    are the bytes that have come."""

    def __init__(self, board: VirtualBoard, on_reset: Hook = None, on_download: Hook = None) -> None:
        self.board = board
        self.pull_after: int | None = None
        self.heard = 0
        self._on_reset = on_reset
        self._on_download = on_download

    def plug(self) -> None:
        """What runs on the board ends, and its loader begins."""
        if self._on_download is not None:
            self._on_download(self.board)
        self.board.loader.reset()

    def unplug(self) -> None:
        """The board is reset; what is in its flash may start."""
        self.board.loader.reset()
        if self._on_reset is not None:
            self._on_reset(self.board)

    def bring(self, data: bytes) -> tuple[bytes, bool]:
        """What the board answers, and whether the cable was pulled at that moment."""
        if self.pull_after is not None:
            data = data[: max(0, self.pull_after - self.heard)]
        self.heard += len(data)
        answer = self.board.loader.receive(data)
        if self.pull_after is None or self.heard < self.pull_after:
            return answer, False
        self.pull_after = None
        return answer, True
