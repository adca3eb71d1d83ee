"""What the measurements' commands have in common: numbers within bounds, and an end by Ctrl-C that says nothing."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from typing import NoReturn

INTERRUPTED = 130
"""As a shell has it for SIGINT."""


def whole(least: int, most: int) -> Callable[[str], int]:
    """A type for argparse: an integer within these bounds."""

    def read(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = least - 1
        if not least <= number <= most:
            raise argparse.ArgumentTypeError(f"{text} is no whole number from {least} to {most}")
        return number

    return read


def real(least: float, most: float) -> Callable[[str], float]:
    """A type for argparse: a number within these bounds."""

    def read(text: str) -> float:
        try:
            number = float(text)
        except ValueError:
            number = least - 1
        # What is not a number lies within no bounds.
        if not least <= number <= most:
            raise argparse.ArgumentTypeError(f"{text} is no number from {least:g} to {most:g}")
        return number

    return read


SEED = whole(0, 2**31 - 1)


def json_in_any_case(parser: argparse.ArgumentParser) -> None:
    """`--json` where nothing else is printed, so that every measurement understands it."""
    parser.add_argument("--json", action="store_true", help="what it prints without it too")


def run(main: Callable[[], int | None]) -> NoReturn:
    """Ends the process with what `main` gives; a Ctrl-C, behind which `main` has tidied up, ends it with 130."""
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
