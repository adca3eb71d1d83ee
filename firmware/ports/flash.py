"""The unit's file system, reduced to what survives a power cut.

Everything the firmware keeps goes through these few calls, so that a test can put a flash behind them that loses power
at any byte. A written file counts as kept once `flush` has returned (LittleFS and POSIX both sync there); `rename` over
an existing file is atomic on LittleFS and POSIX, and is not on FAT: the unit must not run on FAT.
"""

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Flash:
    """Files of the current directory."""

    def open(self, path: str, mode: str) -> "Any":
        """As the built-in. Raises OSError."""
        return open(path, mode)

    def rename(self, old: str, new: str) -> None:
        """Atomic, replaces `new`. Raises OSError."""
        os.rename(old, new)

    def size(self, path: str) -> int:
        """Bytes in a file, or -1 if there is none."""
        try:
            return os.stat(path)[6]
        except OSError:
            return -1

    def read(self, path: str) -> "bytes | None":
        """A small file's content, or None if it is missing or cannot be read."""
        try:
            file = self.open(path, "rb")
        except OSError:
            return None
        try:
            data: bytes = file.read()
            return data
        except OSError:
            return None
        finally:
            file.close()

    def replace(self, path: str, data: bytes) -> None:
        """After this returns the file holds `data`; a cut at any time leaves the old content or the new. Raises
        OSError."""
        new = path + ".new"
        file = self.open(new, "wb")
        try:
            file.write(data)
            file.flush()
        finally:
            file.close()
        self.rename(new, path)
