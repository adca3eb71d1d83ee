"""What is claimed from the outbox, what became of it, and how a centre is doing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum, StrEnum

from fleet.alarms.model import PressKey


@dataclass(frozen=True, slots=True)
class Centre:
    """An alarm centre as configured. ``reports_taken``: console, webhook, protocol or none."""

    centre: int
    name: str
    protocol: str
    host: str
    port: int
    reports_taken: str = "console"
    options: Mapping[str, object] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class Position:
    """Where a unit said it is, in degrees (WGS 84): by its event (boot, seq), received when, found when."""

    boot: int
    seq: int
    latitude: float
    longitude: float
    received_at: datetime
    fixed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Owed:
    """One press that one centre still has to be told. ``attempts`` counts the present one.

    With ``position`` the centre has the press already, and is told where its unit is.
    """

    outbox: int
    case: int
    key: PressKey
    attempts: int
    last_outcome: str | None
    received_at: datetime
    pressed_at: datetime | None
    transport: str
    kind: int
    input: int | None
    count: int | None
    age_s: int | None
    battery: int | None
    flags: int
    marks: tuple[str, ...]
    unit_type: str
    priority: int
    presses: int
    test: bool = False
    reason: str = "route"
    position: Position | None = None


class Outcome(Enum):
    """What became of one attempt. Only DELIVERED means that the centre has it.

    REFUSED is about these octets, UNIT_REFUSED about this unit (the centre may well take others), NOT_AUTHORIZED about
    who we are. The last three reached nobody: silence, another's certificate, a configuration that cannot be used.
    """

    DELIVERED = "delivered"
    REFUSED = "refused"
    UNIT_REFUSED = "unit refused"
    NOT_AUTHORIZED = "not authorized"
    NO_ANSWER = "no answer"
    WRONG_CERTIFICATE = "wrong certificate"
    UNUSABLE = "cannot be used"

    @property
    def answered(self) -> bool:
        """Whether anybody at the centre said anything: whoever refuses, lives."""
        return self not in (Outcome.NO_ANSWER, Outcome.WRONG_CERTIFICATE, Outcome.UNUSABLE)

    @property
    def refusal(self) -> bool:
        """Whether the centre has read it and does not take it."""
        return self.answered and self is not Outcome.DELIVERED


class TroubleKind(StrEnum):
    """What a person has to put right with a centre. UNIT is about one unit, the others about the centre."""

    UNIT = "unit"
    AUTHENTICATION = "authentication"
    CERTIFICATE = "certificate"
    CONFIGURATION = "configuration"
    REFUSING = "refusing"


@dataclass(frozen=True, slots=True)
class Fate:
    """What to do with an owed press after an attempt: try again in ``delay_s``, unless it was delivered."""

    delivered: bool
    delay_s: float
    centre_is_down: bool


class State(StrEnum):
    """How a centre is doing. Only GOOD and FAILING_BACK get new alarms while the other centre is fit."""

    GOOD = "good"
    DOUBTED = "doubted"
    DOWN = "down"
    PROBING = "probing"
    FAILING_BACK = "failing_back"


class Sign(Enum):
    """What was seen of a centre."""

    DELIVERED = "delivered"
    ALARM_UNANSWERED = "alarm unanswered"
    UNITS_REFUSED = "units refused"
    PROBE_ANSWERED = "probe answered"
    PROBE_UNANSWERED = "probe unanswered"


@dataclass(frozen=True, slots=True)
class Health:
    """A centre's state since when, its next probe, and what the machine has to remember."""

    state: State
    since: datetime
    probe_at: datetime
    doubts: int = 0
    doubted_at: datetime | None = None
    good_probes: int = 0

    @property
    def fit(self) -> bool:
        """Whether new alarms go to it."""
        return self.state in (State.GOOD, State.FAILING_BACK)


@dataclass(frozen=True, slots=True)
class Policy:
    """Every duration and count of failover, in seconds. ``failover`` False exists for sabotage: nothing moves then."""

    probe_s: float = 60.0
    """Between two probes of a centre."""
    good_probes: int = 10
    """In a row, before a centre that was down gets alarms again."""
    doubt_window_s: float = 600.0
    """A second doubt within this time is no doubt any more."""
    personal_s: float = 6.0
    """A personal alarm that no centre has by then is told to the other one too, whatever holds it up."""
    social_s: float = 12.0
    """The same for all other alarms."""
    sweep_s: float = 1.0
    """Between two looks for such alarms."""
    refused_units: int = 3
    """So many different units refused, with nothing delivered since the first of them: the centre refuses them all."""
    refused_window_s: float = 900.0
    """Refusals that are older count no more."""
    failover: bool = True


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """Our rows beside the centres' own logs, as sets of references such as ``0000002a-3-17``.

    ``lost`` no centre has; ``unknown`` a centre has and we never stored; ``unproven`` we believe delivered and the
    centre lacks; ``unnoticed`` the centre has though its answer never reached us; ``both`` more than one centre has;
    ``doubled`` one centre holds twice as new.
    """

    presses: int
    lost: tuple[str, ...]
    unknown: tuple[str, ...]
    unproven: tuple[str, ...]
    unnoticed: tuple[str, ...]
    both: tuple[str, ...]
    doubled: tuple[str, ...]
    by_centre: Mapping[str, int]

    @property
    def agrees(self) -> bool:
        """Nothing is lost, nothing is unknown, and what we believe delivered is there."""
        return not (self.lost or self.unknown or self.unproven)
