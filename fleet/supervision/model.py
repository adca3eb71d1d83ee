"""What supervision knows. Times are integer milliseconds of one clock, durations seconds unless a name says `ms`."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, IntEnum


class State(IntEnum):
    """How a unit is. SILENT, OFF, NO_POWER and NO_NETWORK are verdicts: the unit was not heard, and this is why."""

    KNOWN = 0
    LATE = 1
    PROBING = 2
    SILENT = 3
    OFF = 4
    NO_POWER = 5
    NO_NETWORK = 6
    NOT_WORN = 7
    ABSENT = 8


VERDICTS = frozenset({State.SILENT, State.OFF, State.NO_POWER, State.NO_NETWORK})
HEARD = frozenset({State.KNOWN, State.NOT_WORN})
WAITING = frozenset({State.LATE, State.PROBING})


class Cause(Enum):
    """Why a unit is in its state."""

    HEARD = "heard"
    MAINS_LOST = "mains lost"
    NOT_WORN = "not worn"
    OVERDUE = "overdue"
    CONNECTION_CLOSED = "connection closed"
    PROBED = "probed"
    NO_ANSWER = "no answer"
    NEVER_HEARD = "never heard"
    SIM_ATTACHED = "the SIM is attached, the unit says nothing"
    SIM_DETACHED = "the SIM is not attached"
    BATTERY_EMPTY = "battery empty"
    SWITCHED_OFF = "switched off"
    INCIDENT = "incident"
    LIFE = "away by arrangement"


class Spare(Enum):
    """The second way to a unit. A spare SIM in the only modem cannot be probed from outside; a second radio can."""

    NONE = "none"
    SPARE_SIM = "spare sim"
    SECOND_RADIO = "second radio"


class Step(Enum):
    """What is done about a late unit before a person hears of it."""

    PROBE_PATH = "probe path"
    PROBE_SPARE = "probe spare"
    WAKE = "sms wake"
    ASK_SIM = "ask sim provider"
    VERDICT = "verdict"


class Word(Enum):
    """What a unit says about itself besides its heartbeats."""

    MAINS_LOST = "mains lost"
    MAINS_BACK = "mains back"
    BATTERY_LOW = "battery low"
    OFF = "off"
    NOT_WORN = "not worn"
    WORN = "worn"


@dataclass(frozen=True, slots=True)
class Profile:
    """Within which time a fault must be known: ``report_s`` on the path in use, ``spare_s`` on the other (None: none).

    ``source`` says where the figures come from; ``checked`` is False where nobody has read the source itself.
    """

    name: str
    report_s: int
    spare_s: int | None = None
    source: str = ""
    checked: bool = False


@dataclass(frozen=True, slots=True)
class Place:
    """What a unit shares with others, as it was last seen. An empty text is unknown and makes no cohort."""

    operator: str = ""
    issuer: str = ""
    network: str = ""
    cell: str = ""
    apn: str = ""
    firmware: str = ""
    district: str = ""
    link: str = ""


@dataclass(frozen=True, slots=True)
class UnitInfo:
    """What is known of a unit when it is taken up. ``switch_s``: seconds after a missed heartbeat within which it says
    it is on its spare SIM. ``state`` and ``since_ms`` are what was decided before a restart."""

    unit: int
    profile: Profile
    place: Place = field(default_factory=Place)
    spare: Spare = Spare.NONE
    switch_s: int = 390
    priority: int = 5
    reference: str = ""
    seen_ms: int | None = None
    interval_s: int = 300
    epoch: int = -1
    on_battery: bool = False
    battery_low: bool = False
    not_worn: bool = False
    off: bool = False
    absent: bool = False
    state: State | None = None
    cause: Cause | None = None
    since_ms: int | None = None
    incident: int | None = None
    told: bool = False


@dataclass(frozen=True, slots=True)
class Heard:
    """A sign of life. ``epoch`` is boot << 32 | seq; ``next_due_s`` None: the message did not say, so the last holds.
    ``bearer`` None: nor by which way it came, so it proves that the unit lives and says nothing of any path.
    ``place`` None: unchanged; the flags are those of the wire contract's heartbeat, None: not said."""

    unit: int
    at_ms: int
    epoch: int = -1
    next_due_s: int | None = None
    place: Place | None = None
    bearer: int | None = None
    on_battery: bool | None = None
    not_worn: bool | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """A unit's new state. ``told``: a person is to hear about this one unit. ``incident``: explained by that one."""

    unit: int
    state: State
    cause: Cause
    at_ms: int
    was: State
    told: bool = False
    incident: int | None = None


@dataclass(frozen=True, slots=True)
class Action:
    """A step that somebody has to carry out for a unit."""

    unit: int
    step: Step
    at_ms: int


def epoch_of(boot: int, seq: int) -> int:
    """One number that grows with every message of a unit: the boot counter first, then the sequence within it."""
    return boot << 32 | seq
