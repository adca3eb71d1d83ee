"""A piece of heap that is kept for the press that comes when everything else is used up.

`room()` is called before a press is handled: it collects garbage, and when that is not enough it lets the ballast go.
`restore` takes a new one as soon as the heap can spare it. It never raises, and it decides nothing about presses.
"""

import gc

SIZE = 6144
ROOM = 4096
"""Bytes that handling one press may take, journal and first frame included (tests/on_unit/unit_heap.py)."""
SPARE = 4 * SIZE
"""The heap can spare a new ballast when this much is free."""


class Ballast:
    """Attribute: `used`, how often it had to be let go."""

    def __init__(self, size: int = SIZE) -> None:
        self._size = size
        self.used = 0
        self._piece: "bytearray | None" = bytearray(size)

    def room(self) -> None:
        """Make room for a press. Allocates nothing."""
        if gc.mem_free() >= ROOM:  # type: ignore[attr-defined]
            return
        gc.collect()
        if gc.mem_free() < ROOM:  # type: ignore[attr-defined]
            self.release()

    def release(self) -> bool:
        """Let it go; False if it is gone already."""
        if self._piece is None:
            return False
        self._piece = None
        self.used += 1
        gc.collect()
        return True

    def restore(self) -> None:
        """Take a new one if the heap can spare it."""
        if self._piece is None and gc.mem_free() >= SPARE:  # type: ignore[attr-defined]
            try:
                self._piece = bytearray(self._size)
            except MemoryError:
                # Enough is free, but not in one piece.
                return
