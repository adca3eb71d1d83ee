"""The normalized alarm: what every alarm-centre protocol is decoded to and encoded from.

Typed facets say what the fleet understood; `Source.raw` keeps what stood on the wire, so that nothing is lost by being
understood. A code that no table knows stays in `native` and never refuses an alarm. Identity (transmitter, user, zone,
reference, sequence) is text from end to end: leading zeros are part of a name, so nothing here is ever an int.

Nothing here reads a clock or makes an id: `Alarm.id`, `received_at` and `occurred_at` are arguments. Times are aware.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

MODEL_VERSION = 1
"""Grows when a facet changes meaning. A new facet with a default does not change it."""


class Action(StrEnum):
    """What the message does to a condition at the centre."""

    NEW = "NEW"
    RESTORE = "RESTORE"
    STATUS = "STATUS"
    CANCEL = "CANCEL"
    INFO = "INFO"
    TEST = "TEST"
    HEARTBEAT = "HEARTBEAT"
    RESET = "RESET"


class Category(StrEnum):
    """What has happened. `OTHER` is a code that we do not know; the code itself is in `Alarm.native`."""

    PERSONAL_HELP = "PERSONAL_HELP"
    MEDICAL = "MEDICAL"
    FALL = "FALL"
    PERSONAL_ATTACK = "PERSONAL_ATTACK"
    PANIC = "PANIC"
    DURESS = "DURESS"
    INACTIVITY = "INACTIVITY"
    WANDER = "WANDER"
    GEOFENCE = "GEOFENCE"
    SMOKE = "SMOKE"
    FIRE = "FIRE"
    GAS = "GAS"
    CO = "CO"
    FLOOD = "FLOOD"
    BATTERY_LOW = "BATTERY_LOW"
    BATTERY_FAIL = "BATTERY_FAIL"
    MAINS_FAIL = "MAINS_FAIL"
    COMM_FAIL = "COMM_FAIL"
    RADIO_LOST = "RADIO_LOST"
    RADIO_JAM = "RADIO_JAM"
    TAMPER = "TAMPER"
    DEVICE_FAULT = "DEVICE_FAULT"
    SERVICE = "SERVICE"
    TEST_MANUAL = "TEST_MANUAL"
    TEST_PERIODIC = "TEST_PERIODIC"
    HEARTBEAT = "HEARTBEAT"
    HEARTBEAT_MISSED = "HEARTBEAT_MISSED"
    STAFF_PRESENT = "STAFF_PRESENT"
    STAFF_DONE = "STAFF_DONE"
    OTHER = "OTHER"


class Mode(StrEnum):
    """LIVE costs an operator's second; TEST and EXERCISE never do. No codec may turn the others into LIVE."""

    LIVE = "LIVE"
    TEST = "TEST"
    EXERCISE = "EXERCISE"


class Outcome(StrEnum):
    """What a centre's answer means to the one who forwards."""

    OK = "OK"
    DUPLICATE = "DUPLICATE"
    RETRY_OTHER = "RETRY_OTHER"
    RETRY_LATER = "RETRY_LATER"
    REJECT_PERMANENT = "REJECT_PERMANENT"
    AUTH = "AUTH"
    CLOCK = "CLOCK"


@dataclass(frozen=True, slots=True)
class Native:
    """One code as the wire had it: scheme (`dcs`, `cid`, `scaip.stc` ...), value, and a qualifier where it has one."""

    scheme: str
    value: str
    qualifier: str | None = None


@dataclass(frozen=True, slots=True)
class Text:
    """Free text for a person, with its language tag where that is known."""

    value: str
    lang: str | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """The wire envelope. `raw` is the message as it came, octet for octet; `wire` its fields by their wire names."""

    protocol: str
    transport: str
    dialect: str | None = None
    peer: str | None = None
    encrypted: bool = False
    authenticated: str = "none"
    raw: bytes = b""
    raw_crc_form: str | None = None
    wire: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Correlation:
    """How this message is found again: the sender's reference, the wire's sequence, the fleet's case."""

    reference: str | None = None
    sequence: str | None = None
    receiver: str | None = None
    line: str | None = None
    dedupe_key: str | None = None
    incident_id: str | None = None


@dataclass(frozen=True, slots=True)
class Transmitter:
    """Who sends, verbatim: `id` keeps leading zeros and case. `id_kind` names the protocol's word for it."""

    id: str
    id_kind: str | None = None
    type: str | None = None


@dataclass(frozen=True, slots=True)
class Device:
    """What raised it. `component` is the unit's input: "0" its own button, "1".. a pendant."""

    id: str | None = None
    type_code: str | None = None
    component: str | None = None
    text: str | None = None
    battery_pct: int | None = None
    signal: int | None = None


@dataclass(frozen=True, slots=True)
class Where:
    """Where it happened, as the protocol words it: area and zone are text."""

    code: str | None = None
    value: str | None = None
    text: str | None = None
    area: str | None = None
    zone: str | None = None
    user: str | None = None


@dataclass(frozen=True, slots=True)
class Alarm:
    """One thing a centre is told.

    `extra` holds what no facet does, by name. Our own units fill `count` (presses so far) and `age_s` (seconds from
    the press to the first attempt to forward) there, as decimal text.
    """

    id: str
    received_at: datetime
    source: Source
    transmitter: Transmitter
    action: Action
    category: Category
    occurred_at: datetime | None = None
    time_source: str | None = None
    correlation: Correlation = field(default_factory=Correlation)
    device: Device = field(default_factory=Device)
    native: tuple[Native, ...] = ()
    priority: int | None = None
    mode: Mode = Mode.LIVE
    silent: bool = False
    where: Where = field(default_factory=Where)
    text: tuple[Text, ...] = ()
    extra: Mapping[str, str] = field(default_factory=dict)
    model_version: int = MODEL_VERSION


@dataclass(frozen=True, slots=True)
class Reply:
    """A centre's answer. `accepted` is True only for what the notes of the protocol call delivered."""

    accepted: bool
    outcome: Outcome
    native_code: str
    text: str | None = None
    receiver_time: datetime | None = None
