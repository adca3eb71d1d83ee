"""A normalized alarm as a SCAIP request, and what was lost on the way.

An alarm that came as SCAIP and is unchanged leaves octet for octet as it came. Every other one is written from its
facets by the table of `categories`; what was written is then read again, and each facet that does not come back equal
is named in `lossy`. So the list is what a reader of the message really misses, not what we believe he does.

A test or an exercise always leaves as a test; an optional facet never stops an alarm, it is cut or dropped and named.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, is_dataclass, replace
from datetime import UTC
from typing import Any

from protocols.centre.alarm import Action, Alarm, Category, Geo, Mode, VoiceRequest
from protocols.centre.scaip.categories import (
    BATTERY_OF_TRIGGER,
    CANCEL_CODE,
    COMM_REDUNDANT,
    DURESS_WORD,
    RESET_CODE,
    SENT,
    TABLE_VERSION,
    TEST_CODES,
    Sent,
    read,
)
from protocols.centre.scaip.codes import MessageType, number
from protocols.centre.scaip.messages import MAX_NAME, MessageError, Position, Request, decode, encode, xml_text
from protocols.centre.scaip.read_alarm import GGA, SCHEME, WGS84, read_alarm, wire_reference
from protocols.centre.sia_dc09 import label

NO_VOICE = "no-voice:"
ITE_LIMIT = 128
SHORT_TEXT = 32
DID_LIMIT = 8
CRD_LIMIT = 256

_ATTACKS = frozenset({Category.PERSONAL_ATTACK, Category.PANIC, Category.DURESS})
_NOT_FACETS = frozenset({"id", "received_at", "source", "native", "model_version"})
_NOT_COMPARED = frozenset({"correlation.sequence", "correlation.dedupe_key", "transmitter.id_kind"})
_LABELLED = frozenset({"count", "age_s"})
_OWN_EXTRA = frozenset({"ver", "sco", "ico", "ite", "tim", "gga"}) | _LABELLED


class WriteError(ValueError):
    """The alarm has no identity that SCAIP can carry: give `cid`, the number under which the centre knows the unit."""


@dataclass(frozen=True, slots=True)
class Written:
    """A request ready to go: its octets, and the names of the facets that a reader of them will miss."""

    request: Request
    octets: bytes
    lossy: tuple[str, ...]
    table: str = TABLE_VERSION


def heartbeat(cid: str, ref: str, *, dty: str = "2", adjustable: bool = False) -> Request:
    """A sign of life: `mty` PI. The fleet's probe of a centre is one too; it never reaches a person."""
    return Request(ref=ref, cid=cid, dty=dty, mty=MessageType.HEARTBEAT.value, hbo="1" if adjustable else None)


def write_alarm(alarm: Alarm, *, cid: str | None = None, minimal: bool = False) -> Written:
    """The request of an alarm. `minimal` leaves ref, cid, dty, stc and crd only: the form to send once after a refusal.

    `cid` is the unit's number at this centre; without it the transmitter's own id goes, character for character.
    Raises WriteError where neither can be a cid: that is our configuration's fault, never the alarm's.
    """
    name = alarm.transmitter.id if cid is None else cid
    if not name or name != xml_text(name) or len(name) > MAX_NAME or not name.isprintable():
        raise WriteError("this transmitter's id cannot be a SCAIP cid: configure one for the unit")
    if not minimal and cid in {None, alarm.transmitter.id}:
        same = _unchanged(alarm)
        if same is not None:
            return Written(same, alarm.source.raw, ())
    request = _request(alarm, name)
    if minimal:
        request = Request(request.ref, request.cid, request.dty, mty=_minimal_type(request), crd=request.crd[:1],
                          stc=request.stc)  # fmt: skip
    octets = encode(request)
    back = read_alarm(request, octets, alarm_id=alarm.id, received_at=alarm.received_at)
    return Written(request, octets, lost(alarm, back))


def _minimal_type(request: Request) -> str | None:
    """A restoral without its type would be read as an alarm, so the type stays wherever it is not the default."""
    return None if request.kind == MessageType.MESSAGE else request.mty


def lost(before: Alarm, after: Alarm) -> tuple[str, ...]:
    """The facets that `before` has and that are not equal in `after`, by name."""
    old, new = _facets(before), _facets(after)
    return tuple(name for name, value in old.items() if name not in _NOT_COMPARED and new.get(name) != value)


def _unchanged(alarm: Alarm) -> Request | None:
    """The request inside the alarm's envelope, if the alarm still says what it says."""
    if alarm.source.protocol != SCHEME or not alarm.source.raw:
        return None
    try:
        request = decode(alarm.source.raw)
    except MessageError:
        return None
    if not isinstance(request, Request):
        return None
    again = read_alarm(request, alarm.source.raw, alarm_id=alarm.id, received_at=alarm.received_at)
    kept = replace(again, correlation=replace(again.correlation, incident_id=alarm.correlation.incident_id))
    return request if _facets(kept) == _facets(alarm) else None


def _facets(alarm: Alarm) -> dict[str, Any]:
    """Every facet that is set, by its name with dots; `extra.` by key."""
    found: dict[str, Any] = {}

    def collect(value: Any, name: str) -> None:
        if is_dataclass(value) and not isinstance(value, type):
            for item in fields(value):
                if name or item.name not in _NOT_FACETS:
                    collect(getattr(value, item.name), f"{name}.{item.name}" if name else item.name)
        elif name == "extra":
            found.update({f"extra.{key}": text for key, text in value.items()})
        elif value is not None and value is not False and value not in ((), ""):
            found[name] = value

    collect(alarm, "")
    return found


def _request(alarm: Alarm, cid: str) -> Request:
    kind, sent = _codes(alarm)
    stt, ite = _texts(alarm)
    component = _digits(alarm.device.component, 3) if alarm.source.protocol == SCHEME else None
    device = alarm.device.id
    if device is None and component is None:
        device = alarm.device.component
    extra = alarm.extra
    return Request(
        ref=wire_reference(alarm.correlation.reference or alarm.id),
        cid=cid,
        dty=sent.dty,
        ver=extra.get("ver"),
        sco=_digits(extra.get("sco"), 1),
        cha="1" if alarm.voice.requested is VoiceRequest.CALLBACK else None,
        mty=kind,
        hbo=None if alarm.supervision.adjustable is None else "1" if alarm.supervision.adjustable else "0",
        did=device if _short(device, DID_LIMIT) else None,
        dco=component,
        dte=_cut(alarm.device.text, SHORT_TEXT),
        crd=_calls(alarm),
        stc=sent.stc or None,
        stt=stt,
        pri=None if alarm.priority is None or not 0 <= alarm.priority <= 9 else str(alarm.priority),
        lco=sent.lco or _digits(alarm.where.code, 3),
        lva=next((part for part in (alarm.where.value, alarm.where.zone) if _short(part, 2)), None),
        lte=_cut(alarm.where.text, SHORT_TEXT),
        lge=_position(alarm),
        ico=_digits(extra.get("ico"), 3),
        ite=ite,
        ame="1" if alarm.correlation.more_follows else None,
        others=_others(alarm),
    )


def _codes(alarm: Alarm) -> tuple[str | None, Sent]:
    """Message type, device type and status code."""
    if alarm.action is Action.HEARTBEAT or alarm.category is Category.HEARTBEAT:
        return MessageType.HEARTBEAT.value, Sent(SENT[Category.HEARTBEAT].dty, "")
    if alarm.mode is not Mode.LIVE or alarm.action is Action.TEST:
        test = alarm.category if alarm.category in TEST_CODES.values() else Category.TEST_MANUAL
        return None, SENT[test]
    own = _own_codes(alarm)
    if own is not None:
        return own
    sent = _sent(alarm)
    match alarm.action:
        case Action.CANCEL if _ends_only(alarm.category, sent, CANCEL_CODE):
            return None, replace(sent, stc=CANCEL_CODE)
        case Action.RESET if _ends_only(alarm.category, sent, RESET_CODE):
            return MessageType.RESET.value, replace(sent, stc=RESET_CODE)
        case Action.RESTORE | Action.CANCEL | Action.RESET if sent.restored is not None:
            return None, replace(sent, stc=sent.restored)
        case Action.RESTORE | Action.CANCEL | Action.RESET:
            return MessageType.RESET.value, sent
        case Action.INFO:
            return MessageType.INFORMATION.value, sent
    return None, sent


def _ends_only(category: Category, sent: Sent, code: str) -> bool:
    """Whether this status is read as the end of this category: that of a lost radio must not end a cry for help."""
    said = read(Request("0", "0", sent.dty, stc=code, lco=sent.lco))
    return said.category is category or category is Category.DURESS


def _sent(alarm: Alarm) -> Sent:
    category = Category.DURESS if alarm.silent and alarm.category in _ATTACKS else alarm.category
    if category is Category.BATTERY_LOW and alarm.device.component not in {None, "0"}:
        return BATTERY_OF_TRIGGER
    if category is Category.COMM_FAIL and alarm.supervision.path == "redundant":
        return COMM_REDUNDANT
    return SENT[category]


def _own_codes(alarm: Alarm) -> tuple[str | None, Sent] | None:
    """The codes with which the alarm came, if they still mean what the alarm says."""
    native = {item.scheme: item.value for item in alarm.native}
    dty = native.get(f"{SCHEME}.dty")
    if dty is None:
        return None
    mty, stc = native.get(f"{SCHEME}.mty"), native.get(f"{SCHEME}.stc")
    trial = Request("0", "0", dty, mty=mty, stc=stc, lco=alarm.where.code, ite=_texts(alarm)[1])
    said = read(trial)
    if (said.category, said.action, said.mode) != (alarm.category, alarm.action, alarm.mode):
        return None
    return mty, Sent(dty, stc or "", lco=alarm.where.code)


def _texts(alarm: Alarm) -> tuple[str | None, str | None]:
    """`stt` and `ite`: the alarm's texts, with what the codes cannot say before them and our label around it."""
    words = [xml_text(part.value) for part in alarm.text if xml_text(part.value)]
    stt = words.pop(0) if len(words) > 1 and len(words[0]) <= SHORT_TEXT else None
    duress = alarm.category is Category.DURESS or (alarm.silent and alarm.category in _ATTACKS)
    if alarm.mode is not Mode.LIVE and alarm.category not in TEST_CODES.values():
        words.insert(0, f"{alarm.mode.value.lower()} of {alarm.category.value.lower().replace('_', ' ')}")
    elif duress and not (words and words[0].lower().startswith(DURESS_WORD)):
        words.insert(0, DURESS_WORD)
    elif alarm.silent and not duress:
        words.insert(0, "silent")
    line = ". ".join(words)
    reference, correlation = alarm.correlation.reference, alarm.correlation
    told = correlation.incident_id is not None or _LABELLED & set(alarm.extra)
    if reference is not None and (told or wire_reference(reference) != reference):
        line = label.write(
            label.Label(
                reference, correlation.incident_id, alarm.extra.get("count"), alarm.extra.get("age_s"), line or None
            )
        )
    return stt, _cut(line, ITE_LIMIT)


def _calls(alarm: Alarm) -> tuple[str, ...]:
    if alarm.action is Action.HEARTBEAT:
        return ()
    calls = tuple(xml_text(endpoint.uri)[:CRD_LIMIT] for endpoint in alarm.voice.endpoints if xml_text(endpoint.uri))
    if alarm.voice.requested is not VoiceRequest.NONE:
        return calls
    return tuple(uri for uri in calls if uri.lower().startswith(NO_VOICE)) or (NO_VOICE,)


def _position(alarm: Alarm) -> Position | None:
    geo = alarm.where.geo
    if geo is None:
        return None
    tim = alarm.extra.get("tim") if alarm.source.protocol == SCHEME else None
    if tim is None and geo.fixed_at is not None and geo.fixed_at.tzinfo is not None:
        fixed = geo.fixed_at.astimezone(UTC)
        tim = f"{fixed:%Y-%m-%dT%H:%M:%S}.{fixed.microsecond // 10_000:02d}"
    gga = geo.raw if geo.raw_format == GGA else None
    position = Position(_pair(geo), tim, gga)
    return None if position == Position() else position


def _pair(geo: Geo) -> str | None:
    if geo.raw_format == WGS84 and geo.raw:
        return geo.raw
    if geo.raw_format == GGA or geo.lat is None or geo.lon is None:
        return None
    return f"{geo.lat:.6f},{geo.lon:.6f}"


def _others(alarm: Alarm) -> tuple[tuple[str, str], ...]:
    """Elements that no table names go on to the next SCAIP reader; what another protocol had in `extra` does not."""
    if alarm.source.protocol != SCHEME:
        return ()
    return tuple((name, text) for name, text in alarm.extra.items() if name not in _OWN_EXTRA)


def _digits(text: str | None, most: int) -> str | None:
    return text if text is not None and len(text) <= most and number(text) is not None else None


def _short(text: str | None, most: int) -> bool:
    return text is not None and 0 < len(text) <= most and text == xml_text(text)


def _cut(text: str | None, most: int) -> str | None:
    return None if text is None else xml_text(xml_text(text)[:most]) or None
