"""What a program imports stays as long as it does: the garbage collector need not look it through again and again."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

_USUAL = gc.get_threshold()
SELDOM = 50_000
"""New objects before the collector looks, in place of Python's 700: some megabytes."""


def collect_seldom() -> None:
    """For commands, most of which are done before there is anything to collect: a quarter of their start was that."""
    gc.set_threshold(SELDOM, *_USUAL[1:])


@contextmanager
def uncollected() -> Iterator[None]:
    """Whatever is made within is never looked through again; collecting goes on afterwards, if it did before, as often
    as Python means it to: for a program that stays.

    The server's modules make half a million objects: looking at them a dozen times was a third of its start.
    """
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.set_threshold(*_USUAL)
        if collecting:
            gc.enable()
