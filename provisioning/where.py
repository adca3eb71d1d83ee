"""Says where a line of a linked module comes from, so that a unit's traceback leads to its source.

    python -m provisioning.where BUILD < console.log
    python -m provisioning.where BUILD firmware/main.py:1234

`BUILD` is a build's folder (sim/firmware_build.py), which holds `lines.json`: the first line of each source in its
group. Every `File "firmware/main.py", line 1234` of what is read is followed by the source's file and line; the rest
passes unchanged. Attributes that a traceback names may have short names; lines and functions of modules do not move.
"""

from __future__ import annotations

import bisect
import json
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

LINES = "lines.json"
"""The name of the file in a build's folder."""
_TRACED = re.compile(r'File "([\w./]+?)(?:\.py)?", line (\d+)')
Lines = Mapping[str, Sequence[tuple[int, str]]]


def place(lines: Lines, group: str, line: int) -> tuple[str, int] | None:
    """(module, line in its source) of a line of a group; None for what is no part of one."""
    starts = lines.get(group, ())
    found = bisect.bisect_right([first for first, _ in starts], line) - 1
    return None if found < 0 else (starts[found][1], line - starts[found][0] + 1)


def explained(lines: Lines, text: str) -> str:
    """The text with the source's place behind every place in a linked module."""

    def told(match: re.Match[str]) -> str:
        found = place(lines, match[1].replace("/", "."), int(match[2]))
        return match[0] if found is None else f"{match[0]} [{found[0].replace('.', '/')}.py:{found[1]}]"

    return _TRACED.sub(told, text)


def read(build: Path) -> dict[str, list[tuple[int, str]]]:
    """The lines of a build. Raises OSError, ValueError."""
    told = json.loads((build / LINES).read_text())
    return {group: [(int(first), str(module)) for first, module in starts] for group, starts in told.items()}


def main(arguments: Sequence[str]) -> int:
    """What the command line asks for; 2 if that is not understood."""
    if not arguments:
        sys.stderr.write("Name the build's folder: python -m provisioning.where BUILD [FILE:LINE ...]\n")
        return 2
    try:
        lines = read(Path(arguments[0]))
    except (OSError, ValueError) as error:
        sys.stderr.write(f"{arguments[0]} is no build of the firmware: {error}\n")
        return 2
    if not arguments[1:]:
        for line in sys.stdin:
            sys.stdout.write(explained(lines, line))
        return 0
    for one in arguments[1:]:
        file, _, number = one.rpartition(":")
        if not number.isdecimal():
            sys.stderr.write(f"{one} is no FILE:LINE\n")
            return 2
        found = place(lines, file.removesuffix(".py").replace("/", "."), int(number))
        sys.stdout.write(
            f"{one} is not of a linked module\n" if found is None else f"{found[0].replace('.', '/')}.py:{found[1]}\n"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
