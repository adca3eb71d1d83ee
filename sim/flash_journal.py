"""What a unit's flash says was pressed: read from outside, while the unit runs and after any power cut."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path

from firmware.core import records


@dataclass(frozen=True)
class JournalEntry:
    """One press as the unit's flash tells it; `stage` 0 not stored, 1 stored, 2 accepted, 3 taken."""

    boot: int
    seq: int
    kind: int
    input: int
    stage: int
    count: int
    clock: int


def read_journal(folder: Path) -> list[JournalEntry]:
    """All presses that a unit's flash holds, oldest first. Works while the unit runs, and after any power cut."""
    entries: dict[tuple[int, int], records.Entry] = {}
    for name in ("journal.old", "journal"):
        with contextlib.suppress(FileNotFoundError), (folder / name).open("rb") as file:
            while (found := records.unframe(file.read)) is not None:
                record = found[0]
                key = (record.get(records.BOOT, 0), record.get(records.SEQ, 0))
                # An open press is carried into the new file: what the old one knew of it stays known.
                if record[records.TYPE] != records.PRESS or key not in entries:
                    records.fold(entries, record)
    return [
        JournalEntry(entry.boot, entry.seq, entry.kind, entry.input, entry.stage, entry.count, entry.clock)
        for entry in entries.values()
    ]
