"""What a conformance case is: something sent, and what must (or should) come back.

Quiet cases trouble nobody: what they send is a link test, or an alarm that says it is a test. The others could be shown
to an operator and are run only when asked for. A case that a receiver may lawfully do otherwise is `should`: it is told
and fails nobody.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass


class Failed(Exception):
    """The receiver did not do what the case asks; the message says what it did instead."""


@dataclass(frozen=True, slots=True)
class Case:
    """One case. ``run`` returns what was seen, or raises Failed. ``must`` decides the exit status."""

    name: str
    title: str
    must: bool
    run: Callable[[], Awaitable[str]]
    quiet: bool = True


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a case: ``pass``, ``fail``, or ``differs`` for a `should` that was not so."""

    name: str
    title: str
    must: bool
    result: str
    seen: str


async def judge(cases: Sequence[Case], told: Callable[[Verdict], None]) -> list[Verdict]:
    """Runs the cases one after the other. A connection that fails is the case's failure and ends nothing."""
    verdicts = []
    for case in cases:
        try:
            result, seen = "pass", await case.run()
        except (Failed, OSError, TimeoutError) as error:
            result = "fail" if case.must else "differs"
            seen = why(error)
        verdict = Verdict(case.name, case.title, case.must, result, seen)
        told(verdict)
        verdicts.append(verdict)
    return verdicts


def why(error: Exception) -> str:
    """What stood in a connection's way, for a person: without the number that the system has for it."""
    return re.sub(r"^\[Errno -?[0-9]+\] ", "", str(error)) or type(error).__name__
