"""Paths, failures and SIM policies as plain frozen values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple

FailureKind = Literal["operator", "issuer", "network"]
Fate = Literal["unaffected", "survives", "doubtful", "lost", "unknown"]

NO_SIM = 0
"""The slot of a path that needs no SIM: Wi-Fi, Ethernet."""

# Radio technologies of docs/wire.md.
GSM, UMTS, LTE, LTE_M, NB_IOT = 1, 2, 3, 4, 5


class Path(NamedTuple):
    """A way that a unit was seen on. ``operator`` is MCC and MNC as a number, 0 without a SIM; ``network`` the radio
    network under it, ``issuer`` whoever issued the SIM that was in ``slot`` then; ``usable``: that SIM is still there
    and nobody has ended or suspended it."""

    unit: int
    slot: int
    operator: int
    radio: int
    network: str
    issuer: str
    seen_at: datetime
    proven_at: datetime | None
    usable: bool = True


@dataclass(frozen=True, slots=True)
class Failure:
    """What is down: an operator by its number, an issuer or a radio network by its name."""

    kind: FailureKind
    value: str

    def __str__(self) -> str:
        return f"{self.kind} {self.value}"


@dataclass(frozen=True, slots=True)
class Judged:
    """What becomes of one unit. ``left`` is the path that it would be on; None where none is left."""

    unit: int
    fate: Fate
    now: Path | None = None
    left: Path | None = None


@dataclass(frozen=True, slots=True)
class Closing:
    """An operator's technology that closes, and when."""

    operator: int
    radio: int
    at: datetime


@dataclass(frozen=True, slots=True)
class SlotView:
    """What is known of one SIM of a unit. ``good_since``: without a break since then it has worked; None: it does not
    work now. ``roaming``: it was last seen on an operator that is not its home."""

    slot: int
    operator: int
    radio: int
    good_since: datetime | None
    signal: int | None = None
    roaming: bool = False


HOLD_S = 3600
"""What a unit does whose policy names no other time (docs/wire.md)."""


@dataclass(frozen=True, slots=True)
class Policy:
    """Which SIM goes first and what may never be used. Times in seconds; a signal in dBm.

    ``preferred``: None where the fleet chooses for each unit (`decide.choose`). ``roaming``: whether a SIM may be a
    guest on another operator's network without an alarm. ``hold_s``: so long must the preferred SIM have worked, and a
    unit have been on the other one, before it returns. ``apart_s``: least time between two returns of a unit.
    ``margin_db``: where nothing is preferred, another SIM must be so much stronger.
    """

    preferred: int | None = 1
    forbidden: tuple[int, ...] = ()
    roaming: bool = True
    closings: tuple[Closing, ...] = ()
    hold_s: int = HOLD_S
    apart_s: int = HOLD_S
    margin_db: int = 6


@dataclass(frozen=True, slots=True)
class Choice:
    """The slot that a unit should be on, why, and whether going there is a return that counts towards the limit.
    ``stuck``: no SIM that may be used is known to work."""

    slot: int | None
    why: str
    is_return: bool = False
    stuck: bool = False
