"""Says where a line of a linked module comes from, so that a unit's traceback leads to its source.

    python -m provisioning.where BUILD < console.log
    python -m provisioning.where BUILD firmware/main.py:1234

`BUILD` is a build's folder (sim/firmware_build.py), which holds `lines.json`: for each group the lines from which on it
follows a source, line by line, with that source's line. Every `File "firmware/main.py", line 1234` of what is read is
followed by the source's file and line; the rest passes unchanged. Attributes that a traceback names may have short
names, and a function that is called once is a part of its caller.
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
Lines = Mapping[str, Sequence[tuple[int, str, int]]]


def place(lines: Lines, group: str, line: int) -> tuple[str, int] | None:
    """(module, line in its source) of a line of a group; None for what is no part of one."""
    starts = lines.get(group, ())
    found = bisect.bisect_right([first for first, _, _ in starts], line) - 1
    return None if found < 0 else (starts[found][1], starts[found][2] + line - starts[found][0])


def explained(lines: Lines, text: str) -> str:
    """The text with the source's place behind every place in a linked module."""

    def told(match: re.Match[str]) -> str:
        found = place(lines, match[1].replace("/", "."), int(match[2]))
        return match[0] if found is None else f"{match[0]} [{found[0].replace('.', '/')}.py:{found[1]}]"

    return _TRACED.sub(told, text)


def traced(
    starts: Mapping[str, Sequence[tuple[int, str]]], sources: Mapping[str, Sequence[int]]
) -> dict[str, list[tuple[int, str, int]]]:
    """The lines of groups: `starts` has the first line of each module in its group, `sources` for each line of a module
    the one of its source (provisioning.inlining)."""
    found: dict[str, list[tuple[int, str, int]]] = {}
    for group, modules in starts.items():
        found[group] = []
        for first, module in modules:
            last = None
            for at, line in enumerate(sources[module]):
                if last is None or line != last + 1:
                    found[group].append((first + at, module, line))
                last = line
    return found


def read(build: Path) -> dict[str, list[tuple[int, str, int]]]:
    """The lines of a build. Raises OSError, ValueError."""
    told = json.loads((build / LINES).read_text())
    return {group: [(int(at), str(module), int(line)) for at, module, line in one] for group, one in told.items()}


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
