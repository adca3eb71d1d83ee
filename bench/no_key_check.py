"""The fleet server without its promise that a press is a press once: every arrival is taken for a new one.

Run as a program by the negative control of bench/loss.py, which must then find doubled presses.
"""

from __future__ import annotations

import itertools
import logging
import sys
from dataclasses import replace
from typing import Any

from fleet.ingest import presses
from fleet.settings import Settings
from livlina.serve import serve

if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, stream=sys.stderr)
    genuine = presses.press_of
    numbers = itertools.count(1 << 31)
    seen: set[Any] = set()

    def press_of(arrived: Any, *, behind: bool) -> Any:
        """The press, under a key that nothing else has."""
        press = genuine(arrived, behind=behind)
        if press.key in seen:
            return replace(press, key=press.key._replace(seq=next(numbers)))
        seen.add(press.key)
        return press

    presses.press_of = press_of
    serve(Settings.from_environment())
