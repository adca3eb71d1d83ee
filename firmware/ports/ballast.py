"""A piece of heap that is kept for the press that comes when everything else is used up.

`room()` is called before anything is handled: it collects garbage, and when that is not enough it lets the ballast go.
Much that is free in small pieces is not enough either.
`restore` takes a new one as soon as the heap can spare it. It never raises, and it decides nothing about presses.
"""

import gc

SIZE = 6144
ROOM = 4096
"""Bytes that handling one press may take, journal and first frame included (tests/on_unit/unit_heap.py)."""
PIECE = 1024
"""Bytes that handling anything may need in one piece: the status that goes with a heartbeat, a frame and its parts."""
PLENTY = 4 * ROOM
"""With this much free such a piece is looked for nowhere: to look takes one."""
SPARE = 4 * SIZE
"""The heap can spare a new ballast when this much is free."""


class Ballast:
    """Attribute: `used`, how often it had to be let go."""

    def __init__(self, size: int = SIZE) -> None:
        self._size = size
        self.used = 0
        self._piece: "bytearray | None" = bytearray(size)

    def room(self) -> None:
        """Make room for a press. Keeps nothing that it allocates."""
        free = gc.mem_free()  # type: ignore[attr-defined]
        if free >= PLENTY or (free >= ROOM and self._piece_left()):
            return
        gc.collect()
        if gc.mem_free() < ROOM or not self._piece_left():  # type: ignore[attr-defined]
            self.release()

    def _piece_left(self) -> bool:
        try:
            bytearray(PIECE)
        except MemoryError:
            return False
        return True

    def held(self) -> int:
        """Bytes that are set aside now."""
        return 0 if self._piece is None else self._size

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
