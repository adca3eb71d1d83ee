"""What really happened: every finger, contact and person of a scenario, written as it happens, one JSON object a line.

The judge holds the database and the centres' logs against it. The product never reads it.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Happened:
    """`at` is in seconds of the scenario; `what` is a word of the scenario's own; `input` where it has one."""

    at: float
    unit: int
    what: str
    input: int | None = None


class Truth:
    """The file, open for writing."""

    def __init__(self, file: Path) -> None:
        self._file = file.open("w", encoding="utf-8")

    def note(self, at: float, unit: int, what: str, input: int | None = None) -> None:
        """It happens now."""
        self._file.write(json.dumps(asdict(Happened(at, unit, what, input))) + "\n")

    def close(self) -> None:
        """Nothing more happens."""
        self._file.close()


def read(file: Path) -> list[Happened]:
    """All of it, in order."""
    return [Happened(**json.loads(line)) for line in file.read_text(encoding="utf-8").splitlines()]
