"""What the judge of the sunset reads and says, as plain frozen values. Dates are the municipality's days."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Final, Literal, get_args

Class = Literal["fine", "over_the_air", "sim_swap", "hardware_swap", "unknown"]
CLASSES: Final[tuple[Class, ...]] = get_args(Class)


@dataclass(frozen=True, slots=True)
class Seen:
    """A bearer on which a SIM of a unit was seen.

    ``proven``: when a test alarm last went the whole way over exactly this bearer, and ``proven_with`` the modem's
    firmware of that day; both None without one. ``slot`` 0 is what needs no SIM (Ethernet, Wi-Fi).
    """

    slot: int
    operator: str
    region: str
    technology: str
    last_seen: date
    proven: date | None = None
    proven_with: str | None = None


@dataclass(frozen=True, slots=True)
class Sim:
    """A SIM as its issuer tells of it. ``allows``: the technologies of its plan; None: nobody has said."""

    slot: int
    issuer: str = ""
    allows: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Unit:
    """What is known of a unit. ``modem_says``: technologies that the modem itself answered with, None: not asked.

    ``listed``: what a list of models says about it. Nothing here reads it to judge; it is counted beside the judgement.
    ``care_priority``: 1 is the highest. ``active``: somebody relies on it.
    """

    number: int
    unit_type: str
    municipality: int = 0
    district: str = ""
    lives_alone: bool = False
    care_priority: int = 3
    seen: tuple[Seen, ...] = ()
    sims: tuple[Sim, ...] = ()
    modem_firmware: str | None = None
    modem_says: frozenset[str] | None = None
    listed: frozenset[str] | None = None
    active: bool = True


@dataclass(frozen=True, slots=True)
class SimVerdict:
    """Of one SIM. ``doomed``: every bearer that it is seen on ends; ``deadline``: the last day of the last of them.

    ``kept``: radio networks on which it has a bearer that stays and is proven.
    """

    slot: int
    what: Class
    doomed: bool
    deadline: date | None
    kept: frozenset[str]
    why: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """Of a unit. ``doomed``: at least one of its SIMs is. ``stranded``: no proven bearer stays on any SIM while one is
    doomed, so after ``deadline`` nobody hears it. ``single_path``: at most one radio network is left to it."""

    unit: Unit
    what: Class
    doomed: bool
    stranded: bool
    single_path: bool
    deadline: date | None
    sims: tuple[SimVerdict, ...]
    why: str
