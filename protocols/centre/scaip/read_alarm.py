"""A SCAIP request as the normalized alarm, a reply as the normalized reply. Pure; ids and times are arguments."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime

from protocols.centre.alarm import (
    Alarm,
    Category,
    Correlation,
    Device,
    Endpoint,
    Geo,
    Native,
    Outcome,
    Reply,
    ReplyVoice,
    Scope,
    Source,
    Supervision,
    Text,
    Transmitter,
    Voice,
    VoiceRequest,
    Where,
)
from protocols.centre.scaip.categories import DURESS_WORD, read, wants_call
from protocols.centre.scaip.codes import STATUS_NUMBER, Status, meaning, number
from protocols.centre.scaip.messages import Position, Request, Response
from protocols.centre.sia_dc09 import label

SCHEME = "scaip"
WGS84 = "wgs84"
GGA = "nmea.gga"
REFERENCE = re.compile(r"[0-9A-Za-z]{1,16}")

_PAIR = re.compile(r"([+-]?\d{1,2}(?:\.\d{1,12})?)\s*,\s*([+-]?\d{1,3}(?:\.\d{1,12})?)")
_GGA = re.compile(
    r"\$?[A-Z]{2}GGA,[^,]*,(\d{2})(\d{2}(?:\.\d+)?),([NS]),(\d{3})(\d{2}(?:\.\d+)?),([EW]),[1-9],[^,]*,[^,]*,"
    r"(-?\d{1,5}(?:\.\d+)?)?"
)
_DIGITS_OF_REFERENCE = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_LENGTH_OF_REFERENCE = 16


def wire_reference(reference: str) -> str:
    """The `ref` of a reference: itself where it fits, else 16 characters that follow from it alone.

    A repetition therefore has the same ref, and nobody can make two references meet on purpose (95 bits of SHA-256).
    """
    if REFERENCE.fullmatch(reference):
        return reference
    value = int.from_bytes(hashlib.sha256(reference.encode("utf-8", "surrogatepass")).digest(), "big")
    digits = []
    for _ in range(_LENGTH_OF_REFERENCE):
        value, digit = divmod(value, len(_DIGITS_OF_REFERENCE))
        digits.append(_DIGITS_OF_REFERENCE[digit])
    return "".join(digits)


def dedupe_key(request: Request, raw: bytes) -> str:
    """A message's identity: controller, reference and content. Hex text.

    The content is part of it, because units begin their references anew and a new alarm must not pass for an old one.
    """
    parts = (request.cid, request.ref, hashlib.sha256(raw).hexdigest())
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:32]


def read_alarm(
    request: Request,
    raw: bytes,
    *,
    alarm_id: str,
    received_at: datetime,
    transport: str = "udp",
    peer: str | None = None,
    authenticated: str = "none",
) -> Alarm:
    """The alarm in a request. `raw` is the XML octet for octet; `received_at` (aware) is the receiver's clock."""
    said = read(request)
    line = label.read(request.ite) if request.ite is not None else label.Label()
    ours = line.reference is not None and wire_reference(line.reference) == request.ref
    words = _without_duress(line.text if ours else request.ite, said.category)
    geo = _geo(request.lge)
    return Alarm(
        id=alarm_id,
        received_at=received_at,
        source=Source(
            protocol=SCHEME,
            dialect=request.dialect.value,
            transport=transport,
            peer=peer,
            encrypted=transport == "tls",
            authenticated=authenticated,
            raw=raw,
            wire=_wire(request),
        ),
        correlation=Correlation(
            reference=line.reference if ours else request.ref or None,
            sequence=request.ref or None,
            dedupe_key=dedupe_key(request, raw),
            incident_id=line.incident if ours else None,
            more_follows=number(request.ame) == 1,
        ),
        transmitter=Transmitter(id=request.cid, id_kind="cid"),
        device=Device(id=request.did, type_code=request.dty, component=request.dco, text=request.dte),
        action=said.action,
        category=said.category,
        native=_native(request),
        priority=_priority(request.pri),
        mode=said.mode,
        silent=said.silent,
        where=Where(code=request.lco, value=request.lva, text=request.lte, geo=geo),
        voice=_voice(request),
        supervision=Supervision(
            adjustable=None if number(request.hbo) is None else number(request.hbo) == 1, path=said.path
        ),
        text=tuple(Text(part) for part in (request.stt, words) if part),
        extra=_extra(request, line if ours else label.Label()),
    )


def reply_of(response: Response) -> Reply:
    """What a centre's reply means to the one who sends. Only status 0 is accepted.

    Status 1, 2, 3 and 7 say that the same octets must not go again; every other one, also an unknown one, that another
    centre is to be tried at once.
    """
    status = response.status
    if status == Status.OK:
        outcome = Outcome.OK
    elif status in {Status.TOO_LONG, Status.INVALID_FORMAT, Status.WRONG_CONTENT, Status.TAG_MISSING}:
        outcome = Outcome.REJECT_PERMANENT
    else:
        outcome = Outcome.RETRY_OTHER
    voice = None
    if response.mre is not None or response.cre is not None or response.tnu:
        voice = ReplyVoice(response.mre, response.tnu[0] if response.tnu else None, response.tnu[1:])
    return Reply(
        accepted=status == Status.OK,
        outcome=outcome,
        native_code=response.snu,
        text=response.ste or STATUS_NUMBER.get(status),
        voice=voice,
        heartbeat_interval=response.hbi,
        scope=_scope(status),
    )


def _scope(status: int) -> Scope | None:
    """What a refusal is about. *Hold* and *busy* are the centre's own troubles; *not treated* (said by a public
    centre to a caller that it does not know), *undefined* and what no table has are judged by whom they hit: one unit,
    or many.
    """
    if status == Status.OK:
        return None
    if status in {Status.TOO_LONG, Status.INVALID_FORMAT, Status.WRONG_CONTENT, Status.TAG_MISSING}:
        return Scope.MESSAGE
    return Scope.CENTRE if status in {Status.HOLD, Status.BUSY} else Scope.UNIT


REFUSED_FOR_EVER = frozenset({413, 415, 416, 420, 513})
REFUSED_SENDER = frozenset({401, 403, 407})


def reply_in_sip(status: int, reason: str | None) -> Reply:
    """What a final SIP response means that holds no reply. A 2xx was carried and no more: it delivers nothing."""
    code = f"sip {status}"
    if status < 300:
        said = "SIP only carried it; the reply with its reference is still to come"
        return Reply(False, Outcome.RETRY_LATER, code, said)
    if status in REFUSED_SENDER:
        return Reply(False, Outcome.AUTH, code, reason, scope=Scope.CENTRE)
    if status in REFUSED_FOR_EVER:
        return Reply(False, Outcome.REJECT_PERMANENT, code, reason, scope=Scope.MESSAGE)
    return Reply(False, Outcome.RETRY_OTHER, code, reason, scope=Scope.CENTRE)


def _without_duress(words: str | None, category: Category) -> str | None:
    """The text of a hold-up under duress without the word that the category says already."""
    if words is None or category is not Category.DURESS or words.partition(". ")[0].lower() != DURESS_WORD:
        return words
    return words.partition(". ")[2]


def _wire(request: Request) -> Mapping[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for name, text in request.wire:
        found[name] = (*found.get(name, ()), text)
    return found


def _native(request: Request) -> tuple[Native, ...]:
    """The codes as they stood, each with its meaning in words where a table has one."""
    codes = (("mty", request.mty), ("dty", request.dty), ("stc", request.stc), ("dco", request.dco),
             ("lco", request.lco), ("ico", request.ico))  # fmt: skip
    return tuple(Native(f"{SCHEME}.{name}", text, meaning(name, text)) for name, text in codes if text is not None)


def _priority(text: str | None) -> int | None:
    found = number(text)
    return found if found is not None and found <= 9 else None


def _voice(request: Request) -> Voice:
    endpoints = tuple(Endpoint(uri.partition(":")[0].lower(), uri) for uri in request.crd)
    if not wants_call(request):
        return Voice(VoiceRequest.NONE, endpoints)
    return Voice(VoiceRequest.CALLBACK if number(request.cha) == 1 else VoiceRequest.OUTGOING, endpoints)


def _extra(request: Request, line: label.Label) -> dict[str, str]:
    named = {"ver": request.ver, "sco": request.sco, "ico": request.ico, "ite": request.ite}
    if request.lge is not None:
        named |= {"tim": request.lge.tim, "gga": request.lge.gga}
    named |= {"count": line.count, "age_s": line.age_s}
    extra = {name: value for name, value in named.items() if value is not None}
    for name, value in request.others:
        copy, free = 2, name
        while free in extra:
            free, copy = f"{name}.{copy}", copy + 1
        extra[free] = value
    return extra


def _geo(position: Position | None) -> Geo | None:
    if position is None:
        return None
    fixed_at = _time(position.tim)
    if position.geo is not None:
        pair = _PAIR.fullmatch(position.geo)
        lat, lon = (float(pair[1]), float(pair[2])) if pair else (math.nan, math.nan)
        if abs(lat) <= 90 and abs(lon) <= 180:
            return Geo(lat, lon, fixed_at=fixed_at, raw=position.geo, raw_format=WGS84)
        return Geo(fixed_at=fixed_at, raw=position.geo, raw_format=WGS84)
    if position.gga is None:
        return Geo(fixed_at=fixed_at)
    found = _GGA.match(position.gga)
    if found is None:
        return Geo(fixed_at=fixed_at, raw=position.gga, raw_format=GGA)
    lat = (int(found[1]) + float(found[2]) / 60) * (1 if found[3] == "N" else -1)
    lon = (int(found[4]) + float(found[5]) / 60) * (1 if found[6] == "E" else -1)
    if abs(lat) > 90 or abs(lon) > 180:
        return Geo(fixed_at=fixed_at, raw=position.gga, raw_format=GGA)
    alt = float(found[7]) if found[7] else None
    return Geo(lat, lon, alt, fixed_at=fixed_at, raw=position.gga, raw_format=GGA)


def _time(text: str | None) -> datetime | None:
    """A time of a fix; one without a zone is UTC, which is what satellites say. None where it is none."""
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found
