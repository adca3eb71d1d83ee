"""The press journal on flash: what has been pressed, and how far each press has verifiably come.

An append-only file of `core.records`. `append` returns only after the record is on flash. A torn tail, left by a power
cut, is ignored and cut off before anything is written behind it. The file is bounded: past `ROTATE` bytes it becomes
`journal.old` (replacing the one before) and a new file begins with the open presses, so that the last 256 finished
presses stay readable. It decides nothing about presses and never drops one that is open.
"""

from firmware.core import records

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from firmware.ports.flash import Flash

FILE = "journal"
OLD = "journal.old"
BAD = "journal.bad"
_NEW = "journal.new"
ROTATE = 24 * 1024
"""256 presses with all their stages take less than this."""


class Journal:
    """The journal of one flash. `load` first, then `append`.

    Attributes: `entries`, the presses with something left to do, by (boot, seq); `failures`, writes that flash refused.
    """

    def __init__(self, flash: "Flash") -> None:
        self._flash = flash
        self._file = None
        self._size = 0
        self.entries: "dict[tuple[int, int], records.Entry]" = {}
        self.failures = 0

    def load(self) -> "list[records.Entry]":
        """Read the flash; the open presses, oldest first. Never raises: what cannot be read is as good as not there."""
        self.entries = {}
        size = self._scan(FILE)
        if size:
            self._size = size
            if size != self._flash.size(FILE):
                self._size = 0 if not self._attempt(self._trim, size) else size
        else:
            # No file: the cut came while the files were being changed. A file without our header is kept for the bench.
            if self._flash.size(FILE) > 0:
                self._attempt(self._flash.rename, FILE, BAD)
            self._scan(OLD)
            self._attempt(self._begin)
        return [self.entries[key] for key in sorted(self.entries)]

    def _scan(self, path: str) -> int:
        """Fold a file's records into `entries`; the length of its sound part, 0 if it has no header of ours."""
        if self._flash.size(path) <= 0:
            return 0
        try:
            file = self._flash.open(path, "rb")
        except OSError:
            return 0
        size = 0
        try:
            while True:
                found = records.unframe(file.read)
                if found is None:
                    return size
                record, length = found
                if size == 0 and record != records.header():
                    return 0
                size += length
                self._fold(record)
        except OSError:
            return size
        finally:
            file.close()

    def _fold(self, record: "dict[int, int]") -> None:
        entry = records.fold(self.entries, record)
        if entry is not None and entry.over():
            del self.entries[(entry.boot, entry.seq)]

    def _attempt(self, work: "Callable[..., None]", *arguments: "int | str") -> bool:
        try:
            work(*arguments)
        except OSError:
            self.failures += 1
            return False
        return True

    def _close(self) -> None:
        if self._file is not None:
            file, self._file = self._file, None
            file.close()

    def _trim(self, size: int) -> None:
        """Cut a torn tail off: only the first `size` bytes stay."""
        self._close()
        source = self._flash.open(FILE, "rb")
        try:
            target = self._flash.open(_NEW, "wb")
            try:
                left = size
                while left:
                    piece = source.read(min(left, 256))
                    target.write(piece)
                    left -= len(piece)
                target.flush()
            finally:
                target.close()
        finally:
            source.close()
        self._flash.rename(_NEW, FILE)
        self._size = size

    def _begin(self) -> None:
        """Start a new file with the open presses."""
        self._close()
        self._size = 0
        data = records.frame(records.header())
        file = self._flash.open(_NEW, "wb")
        try:
            size = file.write(data)
            for key in sorted(self.entries):
                size += file.write(records.frame(self.entries[key].record()))
            file.flush()
        finally:
            file.close()
        self._flash.rename(_NEW, FILE)
        self._size = size

    def _rotate(self) -> None:
        self._close()
        # From here until _begin is done the open presses are in the old file, where load looks for them.
        self._flash.rename(FILE, OLD)
        self._begin()

    def append(self, record: "dict[int, int]") -> None:
        """Put one record on flash; when this returns it survives a power cut.

        Raises OSError when flash refuses. The record then counts all the same for this boot, and the next append first
        removes what the refused one may have left behind.
        """
        self._fold(record)
        try:
            if self._size == 0:
                # There is no sound file: a new one begins, and with it the entry that this record has just changed.
                self._begin()
                return
            if self._file is None:
                if self._flash.size(FILE) != self._size:
                    self._trim(self._size)
                self._file = self._flash.open(FILE, "ab")
            data = records.frame(record)
            self._file.write(data)
            self._file.flush()
            self._size += len(data)
        except OSError:
            self.failures += 1
            self._discard()
            raise
        if self._size >= ROTATE:
            self._attempt(self._rotate)

    def _discard(self) -> None:
        """Forget the open file, whatever it holds beyond the last sound record."""
        try:
            self._close()
        except OSError:
            self.failures += 1
