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


class VoiceRequest(StrEnum):
    """Who is to place the call: nobody, the unit (OUTGOING), or the centre back to the unit (CALLBACK)."""

    NONE = "NONE"
    OUTGOING = "OUTGOING"
    CALLBACK = "CALLBACK"


class Outcome(StrEnum):
    """What a centre's answer means to the one who forwards."""

    OK = "OK"
    DUPLICATE = "DUPLICATE"
    RETRY_OTHER = "RETRY_OTHER"
    RETRY_LATER = "RETRY_LATER"
    REJECT_PERMANENT = "REJECT_PERMANENT"
    AUTH = "AUTH"
    CLOCK = "CLOCK"


class Scope(StrEnum):
    """What a refusal speaks of: these octets, this unit (the centre may well take others), or the centre itself."""

    MESSAGE = "MESSAGE"
    UNIT = "UNIT"
    CENTRE = "CENTRE"


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
    """The wire envelope. `raw` is the message as it came, octet for octet; `wire` its fields by their wire names.

    A field may stand on the wire more than once, so `wire` has a tuple for each name, in the order of the wire.
    `authenticated` is one of none, digest, password, aes, mtls.
    """

    protocol: str
    transport: str
    dialect: str | None = None
    peer: str | None = None
    encrypted: bool = False
    authenticated: str = "none"
    raw: bytes = b""
    raw_crc_form: str | None = None
    wire: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Correlation:
    """How this message is found again: the sender's reference, the wire's sequence, the fleet's case.

    `replaces` is the reference of an earlier message that this one takes back; `more_follows` announces another one.
    """

    reference: str | None = None
    sequence: str | None = None
    receiver: str | None = None
    line: str | None = None
    dedupe_key: str | None = None
    incident_id: str | None = None
    replaces: str | None = None
    more_follows: bool = False


@dataclass(frozen=True, slots=True)
class Transmitter:
    """Who sends, verbatim: `id` keeps leading zeros and case. `id_kind` names the protocol's word for it."""

    id: str
    id_kind: str | None = None
    type: str | None = None
    prefix: str | None = None
    area: str | None = None


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
class Geo:
    """A position: degrees (WGS 84), metres. `raw` is what the wire had, in the form that `raw_format` names.

    A position whose form no table knows keeps `raw` only: `lat` and `lon` are then None.
    """

    lat: float | None = None
    lon: float | None = None
    alt: float | None = None
    acc: float | None = None
    fixed_at: datetime | None = None
    raw: str | None = None
    raw_format: str | None = None


@dataclass(frozen=True, slots=True)
class Where:
    """Where it happened, as the protocol words it: area, zone, section and detector are text."""

    code: str | None = None
    value: str | None = None
    text: str | None = None
    area: str | None = None
    zone: str | None = None
    user: str | None = None
    section: str | None = None
    section_text: str | None = None
    detector: str | None = None
    detector_text: str | None = None
    geo: Geo | None = None


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One way to speak to the unit: `scheme` (sip, tel, gsm ...) and the whole `uri`, verbatim.

    A bare scheme ("gsm:") says that this kind of call is possible and its number is not told.
    """

    scheme: str
    uri: str


@dataclass(frozen=True, slots=True)
class Voice:
    """The call that goes with an alarm. `media` is the protocol's own word where it has one."""

    requested: VoiceRequest = VoiceRequest.NONE
    endpoints: tuple[Endpoint, ...] = ()
    media: str | None = None


@dataclass(frozen=True, slots=True)
class Supervision:
    """What a message says about being watched over: seconds between signs of life, and the path it speaks of."""

    interval_s: int | None = None
    adjustable: bool | None = None
    path: str | None = None


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
    clock_offset_s: float | None = None
    correlation: Correlation = field(default_factory=Correlation)
    device: Device = field(default_factory=Device)
    native: tuple[Native, ...] = ()
    priority: int | None = None
    mode: Mode = Mode.LIVE
    silent: bool = False
    where: Where = field(default_factory=Where)
    voice: Voice = field(default_factory=Voice)
    supervision: Supervision = field(default_factory=Supervision)
    text: tuple[Text, ...] = ()
    extra: Mapping[str, str] = field(default_factory=dict)
    model_version: int = MODEL_VERSION


@dataclass(frozen=True, slots=True)
class ReplyVoice:
    """The call that a centre wants: `media` and `number` verbatim; several numbers are tried in this order."""

    media: str | None = None
    number: str | None = None
    others: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Reply:
    """A centre's answer. `accepted` is True only for what the protocol's README calls delivered.

    `heartbeat_interval` is verbatim: in some protocols it is a class whose seconds are not public. `scope` says of a
    refusal what it is about; None where nothing was refused.
    """

    accepted: bool
    outcome: Outcome
    native_code: str
    text: str | None = None
    receiver_time: datetime | None = None
    voice: ReplyVoice | None = None
    heartbeat_interval: str | None = None
    scope: Scope | None = None
