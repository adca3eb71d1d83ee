"""The state diagrams of the firmware's pages, drawn from the tables that the firmware runs on.

    python -m sim.diagrams            write them
    python -m sim.diagrams --check    say which pages are not what the tables say; exit 1 if there are any

A page holds a diagram between `<!-- diagram: NAME -->` and `<!-- end of diagram -->`; the rest of it is left alone.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from firmware.core import press, registration, rest, stages
from firmware.modem import orders

ROOT = Path(__file__).resolve().parents[1]
PAGES = ("firmware/README.md", "firmware/modem/README.md")
_BLOCK = re.compile(r"(<!-- diagram: ([a-z-]+) -->\n).*?(<!-- end of diagram -->)", re.DOTALL)
_STAGES = {
    stages.OFF: "off",
    stages.TRYING: "trying",
    stages.STORED: "stored",
    stages.ACCEPTED: "accepted",
    stages.TAKEN: "taken",
    stages.NOT_DELIVERED: "not_delivered",
    stages.CANCELLABLE: "cancellable",
}

Move = tuple[str, str, str]


class DiagramError(Exception):
    """A page asks for a diagram that nobody draws; the message says which."""


def _rows(flat: Sequence[Any], width: int) -> list[tuple[Any, ...]]:
    """The rows of a table that lies in one piece."""
    return [tuple(flat[at : at + width]) for at in range(0, len(flat), width)]


def leads_of(text: str) -> list[tuple[str, str]]:
    """(event, state after it) of one state of a path (firmware.modem.orders)."""
    found = [one.partition("=") for one in text.split(",")[1:]]
    return [(event, after) for event, _, after in found]


def _ladder() -> Iterable[Move]:
    """Rungs of the ladder back to a network, as a chain for each condition."""
    for name, rungs in zip(registration.CONDITIONS, registration.LADDERS, strict=True):
        state = name.replace(" ", "_")
        for number, (dwell, action) in enumerate(_rows(rungs, 2), 1):
            step = f"{state}_{number}"
            yield state, f"{dwell // 1000} s: {action}", step
            state = step


def moves(name: str) -> list[Move]:
    """(state, event, next state) of a diagram. Raises DiagramError."""
    if name == "contact":
        rows = _rows(press.TRANSITIONS, 3)
        return [(press.STATES[one], press.EVENTS[event], press.STATES[to]) for one, event, to in rows]
    if name == "stages":
        return [(_STAGES[one], event, _STAGES[to]) for one, event, to in stages.TRANSITIONS]
    if name == "rest":
        return [(rest.STATES[one], event, rest.STATES[to]) for one, event, to in rest.TRANSITIONS]
    if name == "path":
        return [(one, event, to) for one, leads in orders.TRANSITIONS.items() for event, to in leads_of(leads)]
    if name == "ladder":
        return list(_ladder())
    raise DiagramError(f"nobody draws a diagram called {name}")


def draw(name: str) -> str:
    """A diagram in mermaid's language. Raises DiagramError."""
    lines = [f"    {one} --> {to}: {event}" for one, event, to in moves(name)]
    return "\n".join(["```mermaid", "stateDiagram-v2", *lines, "```", ""])


def page(text: str) -> str:
    """A page with its diagrams as the tables say. Raises DiagramError."""
    return _BLOCK.sub(lambda block: block[1] + draw(block[2]) + block[3], text)


def main(arguments: list[str]) -> int:
    """Write the pages, or check them; the exit code."""
    stale = []
    for name in PAGES:
        path = ROOT / name
        before = path.read_text(encoding="utf-8")
        after = page(before)
        if before != after:
            stale.append(name)
            if "--check" not in arguments:
                path.write_text(after, encoding="utf-8")
    if "--check" in arguments and stale:
        sys.stderr.write(f"not what the tables say: {', '.join(stale)}; run python -m sim.diagrams\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
