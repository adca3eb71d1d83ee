"""A way into a file: one normalized alarm a line, on the disk before it counts as delivered. A new file each UTC day.
Old ones go after so many days, or where all of them together hold too much; the day's own file is never cut.

For systems that read files. At least once: who reads knows a repeat by ``id``. A torn line, which a full disk may
leave, is no JSON and is followed by a whole one.
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import logging
import os
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from fleet.clock import Clock, SystemClock, within
from fleet.forwarding.link_webhook import body_of
from fleet.forwarding.model import Outcome, Owed
from fleet.store.private_file import sync_folder

log = logging.getLogger("livlina.forwarding")

WRITE_S = 4.0
LEAST_FREE = 1 << 20
"""Octets that a probe wants to find free."""


def file_of(file: Path, day: date) -> Path:
    """The day's file: ``alarms.jsonl`` becomes ``alarms-2026-11-22.jsonl``."""
    return file.with_name(f"{file.stem}-{day.isoformat()}{file.suffix}")


@dataclass(frozen=True, slots=True)
class Bounds:
    """How long files stay and how much all of them may hold; 0 is without end."""

    keep_days: int = 90
    most_octets: int = 1 << 30


class JsonLinesLink:
    """One file. Writing has a thread of its own, so that a slow disk holds up nobody else."""

    def __init__(self, file: Path, clock: Clock | None = None, bounds: Bounds | None = None) -> None:
        self._file = file
        self._bounds = bounds or Bounds()
        self._clock: Clock = clock or SystemClock()
        self._thread: ThreadPoolExecutor | None = None
        self._work: asyncio.Future[None] | None = None
        self._pruning: asyncio.Future[None] | None = None

    async def deliver(self, owed: Owed) -> Outcome:
        """One attempt: DELIVERED when the line is synced. Never raises for the disk."""
        return await self._run(body_of(owed, with_reason=True) + b"\n")

    async def probe(self) -> Outcome:
        """Whether the file can be written to and the disk has room. Writes nothing; old files go now."""
        outcome = await self._run(None)
        if outcome is Outcome.DELIVERED and self._thread is not None:
            today = self._clock.now().date()
            # Not the work that says the disk is busy: a line that comes now waits for it and is not turned away.
            self._pruning = asyncio.get_running_loop().run_in_executor(
                self._thread, _prune, self._file, today, self._bounds
            )
            self._pruning.add_done_callback(_heard)
        return outcome

    async def close(self) -> None:
        """Lets go of the thread without waiting for the disk."""
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.shutdown(wait=False)

    async def _run(self, line: bytes | None) -> Outcome:
        if self._work is not None and not self._work.done():
            return Outcome.NO_ANSWER  # the disk still has the last one
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="jsonl")
        file = file_of(self._file, self._clock.now().date())
        self._work = asyncio.get_running_loop().run_in_executor(self._thread, _write, file, line)
        self._work.add_done_callback(_heard)
        try:
            async with within(self._clock, WRITE_S):
                await asyncio.shield(self._work)
        except OSError as error:
            log.warning("%s cannot be written: %s", file, type(error).__name__)
            return Outcome.NO_ANSWER
        return Outcome.DELIVERED


def _heard(work: asyncio.Future[None]) -> None:
    """A write that nobody waits for any more may fail; it was not counted as delivered."""
    if not work.cancelled():
        work.exception()


def _write(file: Path, line: bytes | None) -> None:
    """Appends and syncs; only looks where there is no line. Raises OSError."""
    handle = os.open(file, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        if line is None:
            room = os.fstatvfs(handle)
            if room.f_bavail * room.f_frsize < LEAST_FREE:
                raise OSError(errno.ENOSPC, "the disk is full")
            return
        # Several processes may write the same file.
        fcntl.flock(handle, fcntl.LOCK_EX)
        size = os.fstat(handle).st_size
        if size and os.pread(handle, 1, size - 1) != b"\n":
            line = b"\n" + line
        left = line
        while left:
            left = left[os.write(handle, left) :]
        os.fsync(handle)
        if size == 0:
            sync_folder(file.parent)
    finally:
        os.close(handle)


def _prune(file: Path, today: date, bounds: Bounds) -> None:
    """Deletes files of earlier days that are too old or too much, oldest first. Never raises for the disk."""
    dated = re.compile(re.escape(file.stem) + r"-([0-9]{4}-[0-9]{2}-[0-9]{2})" + re.escape(file.suffix))
    found: list[tuple[date, Path, int]] = []
    try:
        for entry in os.scandir(file.parent):
            match = dated.fullmatch(entry.name)
            if match is not None and entry.is_file(follow_symlinks=False):
                found.append((date.fromisoformat(match[1]), Path(entry.path), entry.stat().st_size))
        held = sum(size for _, _, size in found)
        for day, path, size in sorted(found):
            old = bounds.keep_days > 0 and (today - day).days > bounds.keep_days
            much = bounds.most_octets > 0 and held > bounds.most_octets
            if day < today and (old or much):
                path.unlink()
                held -= size
                log.info("%s is deleted: %s", path, "old" if old else "all files together hold too much")
    except (OSError, ValueError) as error:
        log.warning("old files of %s are not deleted: %s", file, type(error).__name__)
