"""When a swap is over: the new unit is proven from button to centre, and the old one is back. Pure.

Nothing that somebody clicks closes a swap.
"""

from __future__ import annotations

from typing import Final, Literal

State = Literal["open", "old unit out", "closed"]
BACK: Final = frozenset({"returned", "cleaned", "in_stock", "retired"})
"""States of a unit's life in which it is no longer at anybody's home."""


def state(proof: str | None, old_life: str) -> State:
    """Of a swap. ``proof``: of the new unit's pairing, None until every button has gone the whole way."""
    if proof is None:
        return "open"
    return "closed" if old_life in BACK else "old unit out"
