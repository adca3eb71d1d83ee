"""Files that the makers' tools read and write and that lie on no disk: they hold identities in the clear.

A station that is killed leaves nothing of them behind, since they are memory and end with the last process that has
them open. Where the system has no such files (Linux has them) they lie in a temporary folder, mode 0600, and a station
that is killed leaves them there.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Handed:
    """`paths` as a program finds them that inherits `descriptors`; in the order of what was handed."""

    paths: tuple[str, ...]
    descriptors: tuple[int, ...]

    def content(self, number: int) -> bytes:
        """What a file holds now."""
        if not self.descriptors:
            return Path(self.paths[number]).read_bytes()
        descriptor = self.descriptors[number]
        return os.pread(descriptor, os.fstat(descriptor).st_size, 0)


@contextmanager
def handed(contents: Sequence[bytes]) -> Iterator[Handed]:
    """One file for each content, as long as the block lasts."""
    if not hasattr(os, "memfd_create"):
        with tempfile.TemporaryDirectory(prefix="handed.") as folder:
            paths = [Path(folder) / f"{number}.bin" for number in range(len(contents))]
            for path, content in zip(paths, contents, strict=True):
                path.touch(mode=0o600)
                path.write_bytes(content)
            yield Handed(tuple(map(str, paths)), ())
        return
    descriptors: list[int] = []
    try:
        for content in contents:
            descriptors.append(os.memfd_create("handed"))
            _write(descriptors[-1], content)
        yield Handed(tuple(f"/proc/self/fd/{descriptor}" for descriptor in descriptors), tuple(descriptors))
    finally:
        for descriptor in descriptors:
            os.close(descriptor)


def _write(descriptor: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]
