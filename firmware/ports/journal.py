"""The journal on flash: what has been pressed, what waits, and how far each press has verifiably come.

An append-only file of `core.records`; what the records mean is `core.book`'s. `append` returns only after the record is
on flash. A torn tail, left by a power cut, is ignored and cut off before anything is written behind it. The file is
bounded: past `rotate` bytes it becomes `journal.old` (replacing the one before) and a new file begins with the open
presses and what waits, so that the last 256 finished presses stay readable. Every file continues the hash chain of the
one before it. It decides nothing about presses and never drops one that is open.

A file of an older format is read and carried into a new one. A file of a newer format, or one with damage inside, is
copied aside (`journal.newer`, `journal.bad`), and every sound record in it that is known here is carried on.

Whose flash has not all that was pressed cannot say of a press that it was never made (`ports.past`). Up to which boot
that is so stands in the file `DOUBT`. It is set when a boot finds no journal, a torn or damaged one, or one of a newer
format, and when flash has refused a press.
"""

import hashlib

from firmware.core import records
from firmware.core.book import Book
from firmware.ports.emergency import Emergency
from firmware.ports.kept import pack, unpack

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from firmware.core.records import Record
    from firmware.ports.flash import Flash

FILE = "journal"
OLD = "journal.old"
BAD = "journal.bad"
NEWER = "journal.newer"
DOUBT = "doubt.kept"
_NEW = "journal.new"
_PIECE = 256
_EVERY_BOOT = 0xFFFFFFFF


def _sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def doubtful(flash: "Flash") -> int:
    """The last boot of which the journal may lack a press: 0 if it lacks none, every one if that cannot be read."""
    if flash.size(DOUBT) < 0:
        return 0
    boot = unpack(flash.read(DOUBT))
    return boot if isinstance(boot, int) else _EVERY_BOOT


class _Scan:
    """What a look at a file has found: `size` bytes from its start are sound and `head` is the chain's head there;
    `format` is 0 without a header; `beyond` says that sound records lie behind something that is none."""

    def __init__(self) -> None:
        self.size = 0
        self.head = records.GENESIS
        self.format = 0
        self.beyond = False


class Journal:
    """The journal of one flash. `load` first, then `append`.

    Attributes: `entries`, the presses with something left to do, by (boot, seq); `failures`, writes that flash refused;
    `unsure`, as `doubtful` while that is not on flash; of the class `rotate`: 256 presses with all their stages take
    less than this.
    """

    rotate = 24 * 1024

    def __init__(self, flash: "Flash") -> None:
        self._flash = flash
        self._file: "Any" = None
        self._size = 0
        self._folded = 0
        self._limit = self.rotate
        self._whole = True  # whether the file has all that the book has
        self._boot = 0
        self._head = records.GENESIS
        self._book = Book()
        self._emergency = Emergency()
        self.unsure = 0
        self.failures = 0

    @property
    def entries(self) -> "dict[tuple[int, int], records.Entry]":
        return self._book.entries

    @property
    def items(self) -> "list[tuple[int, int, int, bytes]]":
        """What waits, oldest first, as (priority, boot, seq, body)."""
        return [(one.priority, one.key[0], one.key[1], one.body) for one in self._book.items]

    @property
    def drops(self) -> "list[int]":
        """How many items of each priority were dropped since the journal began."""
        return list(self._book.drops)

    @property
    def head(self) -> bytes:
        """The first bytes of the chain's head, for the status."""
        self._catch_up()
        return self._head[: records.HEAD_TOLD]

    def load(self, boot: int = 0) -> "list[records.Entry]":
        """Read the flash, in this boot; the open presses, oldest first. Never raises: what cannot be read is as good as
        not there."""
        self._boot = boot
        self._book = Book()
        found = self._scan(FILE)
        total = self._flash.size(FILE)
        if boot > 1 and not (0 < found.size == total and found.format <= records.FORMAT):
            # Before it is mended: afterwards nothing shows it.
            self._doubt(boot - 1)
        if total < 0:
            # The cut came between the two renames of a rotation.
            found = self._scan(OLD)
            self._head = found.head
            self._attempt(self._begin)
        elif found.format == records.FORMAT and not found.beyond:
            self._size = self._folded = found.size
            self._head = found.head
            if found.size != total and not self._attempt(self._trim, found.size):
                self._size = 0
        else:
            if not found.format:
                # Whatever this file was, the one before it may know presses that it does not.
                self._book = Book()
                found.head = self._scan(OLD).head
                self._scan(FILE)
            self._succeed(found)
        self._attempt(self._reopen)
        return [self.entries[key] for key in sorted(self.entries)]

    def _succeed(self, found: _Scan) -> None:
        """The file is not one to go on with: keep it, and begin a new one with what is known of it."""
        self._head = found.head
        older = 0 < found.format < records.FORMAT and not found.beyond
        if not older and self._flash.size(FILE):
            self._attempt(self._copy, FILE, NEWER if found.format > records.FORMAT else BAD, -1)
        if not self._attempt(self._rotate if older else self._begin):
            self._size = 0

    def _scan(self, path: str) -> _Scan:
        """Fold a file's records into the book, those behind damage too."""
        found = _Scan()
        if self._flash.size(path) <= 0:
            return found
        try:
            file = self._flash.open(path, "rb")
        except OSError:
            return found
        try:
            self._scan_file(file, self._flash.size(path), found)
        except OSError:
            self.failures += 1
        finally:
            file.close()
        return found

    def _scan_file(self, file: "Any", total: int, found: _Scan) -> None:
        at = 0
        sound = True
        while at < total:
            one = records.unframe(file.read)
            if one is None or (at == 0 and not records.format_of(one[0])):
                # Nothing more, or damage: look for the next sound record one byte further on.
                sound = False
                at += 1
                file.seek(at)
                continue
            record, length = one
            if at == 0:
                found.format = records.format_of(record)
                found.head = records.origin(record)
            self._book.fold(record)
            at += length
            if sound:
                found.size = at
                found.head = records.link(found.head, record, _sha256)
            else:
                found.beyond = True

    def _attempt(self, work: "Callable[..., None]", *arguments: "int | str") -> bool:
        try:
            work(*arguments)
        except (OSError, MemoryError):
            self.failures += 1
            return False
        return True

    def _close(self) -> None:
        if self._file is not None:
            file, self._file = self._file, None
            file.close()

    def _reopen(self) -> None:
        """Have the file open for appending, all of it sound."""
        if self._file is None and self._size:
            if self._flash.size(FILE) != self._size:
                self._trim(self._size)
            self._file = self._flash.open(FILE, "ab")

    def _copy(self, path: str, to: str, size: int) -> None:
        """The first `size` bytes of a file, or all for -1."""
        source = self._flash.open(path, "rb")
        try:
            target = self._flash.open(to, "wb")
            try:
                left = self._flash.size(path) if size < 0 else size
                while left:
                    piece = source.read(min(left, _PIECE))
                    if not piece:
                        raise OSError(5)
                    target.write(piece)
                    left -= len(piece)
                target.flush()
            finally:
                target.close()
        finally:
            source.close()

    def _trim(self, size: int) -> None:
        """Cut a torn tail off: only the first `size` bytes stay."""
        self._close()
        self._copy(FILE, _NEW, size)
        self._flash.rename(_NEW, FILE)
        self._size = size

    def _begin(self) -> None:
        """Start a new file with the open presses and what waits, in the place of the present one."""
        self._close()
        self._size = 0
        head = self._head
        size = 0
        file = self._flash.open(_NEW, "wb")
        try:
            for record in self._book.carried(head):
                piece = records.frame(record)
                head = _sha256(head + piece)
                size += file.write(piece)
            file.flush()
        finally:
            file.close()
        self._flash.rename(_NEW, FILE)
        self._head = head
        self._whole = True
        self._size = self._folded = size
        # With very much to carry on, a file must not be full as soon as it begins.
        self._limit = max(self.rotate, 2 * size)

    def _rotate(self) -> None:
        self._close()
        # From here until _begin is done the open presses are in the old file, where load looks for them.
        self._flash.rename(FILE, OLD)
        self._begin()

    def _renew(self) -> None:
        """Go on in a new file, which begins with all that is open or waits."""
        if self._size:
            if self._flash.size(FILE) != self._size:
                self._attempt(self._trim, self._size)
            self._rotate()
        else:
            self._begin()
        self._reopen()

    def append(self, record: "Record") -> None:
        """Put one record on flash; when this returns it survives a power cut. An item that finds no room, or that
        pushes others out, is told by `drops`.

        Raises OSError when flash refuses, MemoryError when the heap is full. After an OSError the record counts all the
        same for this boot, and a new file takes what the present one would not, at once or with the next append: what
        flash refuses now, or has no room for, it may take elsewhere. After a MemoryError `emergency` may still have
        room for a press.
        """
        if self.unsure and record[records.TYPE] != records.PRESS:
            self._attempt(self._note)
        behind = not self._catch_up()
        written = self._book.admit(record)
        data = b""
        head = self._head
        for one in written:
            piece = records.frame(one)
            head = _sha256(head + piece)
            data += piece
        if not behind:
            for one in written:
                self._book.fold(one)
        if not (self._whole or behind) and self._attempt(self._renew):
            return
        try:
            if self._size == 0:
                # There is no sound file: a new one begins, and with it what this record has just changed.
                self._renew()
                return
            self._reopen()
            self._file.write(data)
            self._file.flush()
        except (OSError, MemoryError) as error:
            self.failures += 1
            self._discard()
            if isinstance(error, OSError):
                self._refused(record, behind)
            raise
        self._size += len(data)
        if behind:
            # This record too is learnt later, in its place.
            return
        self._folded = self._size
        self._head = head
        # A press is not to wait for a new file.
        if self._size >= self._limit and (record[records.TYPE] != records.PRESS or self._size >= 2 * self._limit):
            self._attempt(self._rotate)
            self._attempt(self._reopen)

    def _refused(self, record: "Record", behind: bool) -> None:
        """Flash has refused this record: another file may take it, the one before the last makes room for it."""
        first, self._whole = self._whole, False
        # What that one knew of presses that are over goes with it.
        self._doubt(max(record[records.BOOT], self._boot))
        if first and not behind:
            self._attempt(self._renew)

    def _discard(self) -> None:
        """Forget the open file, whatever it holds beyond the last sound record."""
        try:
            self._close()
        except OSError:
            self.failures += 1

    def arm(self, boot: int) -> None:
        """Prepare `emergency` for the presses of this boot. Raises OSError when flash refuses."""
        self._emergency.arm(boot)
        self._reopen()

    def _doubt(self, boot: int) -> None:
        """Presses up to this boot may be missing here. If flash refuses to keep it, a later record tries again."""
        self.unsure = max(boot, self.unsure)
        self._attempt(self._note)

    def _note(self) -> None:
        self._flash.replace(DOUBT, pack(max(self.unsure, doubtful(self._flash))))
        self.unsure = 0

    def emergency(self, boot: int, seq: int, kind: int, input_code: int) -> bool:
        """Put a press on flash without allocating anything; True if it is there. For when the heap is full.

        It needs `arm` first, and a file that is open and sound. The book and the chain learn of the press at the next
        call that finds memory.
        """
        if self._file is None or not self._emergency.fill(boot, seq, kind, input_code):
            return False
        try:
            self._file.write(self._emergency.data, self._emergency.size)
            self._file.flush()
        except (OSError, MemoryError):
            self.failures += 1
            self._discard()
            return False
        self._size += self._emergency.size
        return True

    def _catch_up(self) -> bool:
        """Learn what `emergency` has written. False without memory, or when flash refuses: the next call does it."""
        if self._folded >= self._size:
            return True
        try:
            file = self._flash.open(FILE, "rb")
            try:
                file.seek(self._folded)
                while self._folded < self._size:
                    found = records.unframe(file.read)
                    if found is None:
                        # Not there after all: what follows is a torn tail.
                        self._size = self._folded
                        self._discard()
                        return True
                    head = records.link(self._head, found[0], _sha256)
                    self._book.fold(found[0])
                    self._head = head
                    self._folded += found[1]
            finally:
                file.close()
        except (OSError, MemoryError):
            self.failures += 1
            return False
        return True
