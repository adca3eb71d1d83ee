"""What the measurements' commands have in common: numbers within bounds, and an end by Ctrl-C that says nothing."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from typing import NoReturn, TypeVar

INTERRUPTED = 130
"""As a shell has it for SIGINT."""


Number = TypeVar("Number", int, float)


def whole(least: int, most: int) -> Callable[[str], int]:
    """A type for argparse: an integer within these bounds."""
    return _within(int, "whole number", least, most)


def real(least: float, most: float) -> Callable[[str], float]:
    """A type for argparse: a number within these bounds."""
    return _within(float, "number", least, most)


def _within(kind: Callable[[str], Number], what: str, least: Number, most: Number) -> Callable[[str], Number]:
    def read(text: str) -> Number:
        try:
            number = kind(text)
        except ValueError:
            number = None
        # "nan" is read, and lies within no bounds.
        if number is None or not least <= number <= most:
            raise argparse.ArgumentTypeError(f"{text} is no {what} from {least} to {most}")
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
