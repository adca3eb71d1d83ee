"""What is an event, and who has asked for it. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

ROOTS = frozenset({"case", "unit", "pairing", "incident", "task", "search"})
"""Kinds of events. People, tokens and who looked at whom are in the record and are told to nobody."""

_PATTERN = re.compile(r"([a-z_]+)\.(\*|[a-z_]+(?:\.[a-z_]+)*)")

FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 3600.0


def is_pattern(text: str) -> bool:
    """Whether this can be asked for: ``case.*`` or ``unit.revoke``."""
    found = _PATTERN.fullmatch(text)
    return found is not None and found[1] in ROOTS


def wanted(action: str | None, patterns: Iterable[str]) -> bool:
    """Whether a subscriber to these is told of this action."""
    if action is None or action.partition(".")[0] not in ROOTS:
        return False
    return any(
        pattern == action or (pattern.endswith(".*") and action.startswith(pattern[:-1])) for pattern in patterns
    )


def pause_after(attempts: int) -> float:
    """Seconds until the next attempt after so many in vain, at least one: doubling, at most an hour."""
    return min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0 ** min(max(attempts - 1, 0), 12))
