"""Steps as they stand in the database: JSON, read back to the same values. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from fleet.pairing.model import Proof, Step


def written(steps: tuple[Step, ...]) -> list[dict[str, Any]]:
    """For the column ``steps``; fields that are absent are left out."""
    return [_plain(step) for step in steps]


def read(rows: list[dict[str, Any]]) -> tuple[Step, ...]:
    """Out of the column ``steps``."""
    return tuple(_step(row) for row in rows)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Step | Proof):
        fields = ((name, getattr(value, name)) for name in value.__slots__)
        return {name: _plain(found) for name, found in fields if found is not None}
    return value


def _step(row: dict[str, Any]) -> Step:
    fields = dict(row)
    for name in ("ordered_at", "until"):
        if name in fields:
            fields[name] = datetime.fromisoformat(fields[name])
    if "proof" in fields:
        proof = dict(fields["proof"])
        for name in ("received_at", "at"):
            proof[name] = datetime.fromisoformat(proof[name])
        fields["proof"] = Proof(**proof)
    return Step(**fields)
