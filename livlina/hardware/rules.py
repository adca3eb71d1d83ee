"""Whether a board can work, as far as its data tell: one function a rule, each named as in its findings.

Pure: a `Board` in, findings out. A finding that its board knows and explains ([[accepted]] in board.toml) is no fault;
an explanation of what is not found is one. Nothing here replaces a measurement.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from livlina.hardware import pin_rules, protection_rules, supply_rules
from livlina.hardware.board import Board

Rule = Callable[[Board], Iterator[tuple[str, str]]]


@dataclass(frozen=True)
class Finding:
    """What a rule says of a subject (a GPIO, a rail, a part). `accepted` is the board's reason, or None for a fault."""

    rule: str
    subject: str
    message: str
    accepted: str | None = None


RULES: dict[str, Rule] = {**pin_rules.RULES, **supply_rules.RULES, **protection_rules.RULES}


def check(board: Board) -> list[Finding]:
    """All findings of a board, faults first, in the order of the rules."""
    reasons = {(one["rule"], one["subject"]): one["reason"] for one in board.data.get("accepted", [])}
    found = [
        Finding(name, subject, message, reasons.get((name, subject)))
        for name, rule in RULES.items()
        for subject, message in rule(board)
    ]
    met = {(one.rule, one.subject) for one in found}
    idle = [
        Finding("idle-acceptance", subject, f"{rule} is accepted for {subject}, and nothing of that kind is found")
        for rule, subject in sorted(set(reasons) - met)
    ]
    return sorted([*idle, *found], key=lambda one: one.accepted is not None)


def faults(board: Board) -> list[Finding]:
    """The findings that the board does not explain."""
    return [one for one in check(board) if one.accepted is None]
