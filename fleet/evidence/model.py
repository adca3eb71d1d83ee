"""What the chain of evidence is made of, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

GENESIS = bytes(32)
"""The hash before the first entry."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One link: which row it stands for, and the SHA-256 of that row's content. ``at`` is when it happened."""

    position: int
    source: str
    key: str
    municipality: int
    at: datetime
    chained_at: datetime
    digest: bytes
    hash: bytes


@dataclass(frozen=True, slots=True)
class Head:
    """A signed statement: at ``at`` the entry at ``position`` had this hash."""

    position: int
    hash: bytes
    at: datetime
    key_id: str
    signature: bytes


@dataclass(frozen=True, slots=True)
class Pruning:
    """A signed statement: rows of ``source`` up to ``position`` have been taken away by rule. For the source ``chain``
    the links themselves are gone up to there, and ``hash`` is what the next one is built on."""

    source: str
    position: int
    hash: bytes
    at: datetime
    key_id: str
    signature: bytes


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that does not fit, and where: ``position`` is the first place in the chain that is wrong."""

    kind: str
    position: int | None
    source: str | None
    key: str | None
    sentence: str


Content = Mapping[str, object]
"""The columns of a row that its digest covers."""
