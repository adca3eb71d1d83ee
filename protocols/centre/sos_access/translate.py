"""Normalized alarm to SOS Access request, and back. Event codes are agreed with the centre; SIA's are the usual ones.

`alarmtype` RE says that a condition is over; the event code stays that of the condition. A test leaves here as a test
code whatever its category. What a request cannot say goes into `additionalinfo`; what has no place is named as lost.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo

from protocols.centre.alarm import (
    Action,
    Alarm,
    Category,
    Correlation,
    Mode,
    Native,
    Source,
    Text,
    Transmitter,
    Where,
)
from protocols.centre.sia_dc09 import codes, label
from protocols.centre.sos_access import documents, position, times
from protocols.centre.sos_access.documents import Message

TABLE_VERSION = "sosa-1"
RAISED, OVER = "AL", "RE"
_TESTS = frozenset({Category.TEST_MANUAL, Category.TEST_PERIODIC})
_LINE_END = re.compile(r"\r\n|\r|\n")
"""Lines are CR LF or LF; what Unicode calls a line's end besides is a character of ISO-8859-1 or of Windows-1252."""
_ATTACKS = frozenset({Category.PERSONAL_ATTACK, Category.PANIC})


@dataclass(frozen=True, slots=True)
class Account:
    """Who we are to a centre. `authentication` is a secret of 15 characters and never shown."""

    transmitter: str
    kind: str
    receiver: str
    authentication: str

    def __repr__(self) -> str:
        return f"Account({self.transmitter!r}, {self.kind!r}, {self.receiver!r})"


def alarm_request(alarm: Alarm, account: Account, *, zone: tzinfo = UTC, minimal: bool = False) -> bytes:
    """The document that tells a centre of an alarm. Same arguments, same octets: a repeat is found by its reference."""
    return translate(alarm, account, zone=zone, minimal=minimal)[0]


def translate(
    alarm: Alarm, account: Account, *, zone: tzinfo = UTC, minimal: bool = False
) -> tuple[bytes, tuple[str, ...]]:
    """`alarm_request`, and the names of the facets that it does not carry as they were.

    `minimal` has only what is mandatory and the reference, for a centre that refused the content. Raises ValueError for
    a heartbeat (that is a ping) and for an account outside the protocol's lengths.
    """
    if alarm.action is Action.HEARTBEAT or alarm.category is Category.HEARTBEAT:
        raise ValueError("a heartbeat is no alarm of SOS Access; send a ping")
    lossy: list[str] = []
    fields = {
        "reference": reference(alarm),
        "authentication": account.authentication,
        "receiver": account.receiver,
        "transmittertype": account.kind,
        "transmittercode": account.transmitter,
        "alarmtype": OVER if alarm.action in {Action.RESTORE, Action.CANCEL} and _is_live(alarm) else RAISED,
        "eventcode": _code(alarm, lossy),
    }
    if alarm.action in {Action.CANCEL, Action.STATUS, Action.INFO, Action.RESET}:
        lossy.append("action")
    if minimal:
        lossy += [name for name, value in _optional(alarm).items() if value]
    else:
        fields |= _details(alarm, zone, lossy)
    return documents.write(documents.ALARM, fields), tuple(dict.fromkeys(lossy))


def reference(alarm: Alarm) -> str:
    """What both ends call this message: the alarm's own reference, or its id where it has none."""
    return documents.plain(alarm.correlation.reference or alarm.id, 50).strip() or "-"


def _is_live(alarm: Alarm) -> bool:
    return alarm.mode is Mode.LIVE and alarm.action is not Action.TEST


def _optional(alarm: Alarm) -> dict[str, object]:
    where = alarm.where
    return {
        "occurred_at": alarm.occurred_at, "text": alarm.text, "extra": alarm.extra, "where.area": where.area,
        "where.text": where.text, "where.zone": where.zone, "where.geo": where.geo,
        "correlation.incident_id": alarm.correlation.incident_id,
    }  # fmt: skip


def _code(alarm: Alarm, lossy: list[str]) -> str:
    if not _is_live(alarm):
        test = alarm.category if alarm.category in _TESTS else Category.TEST_MANUAL
        if test is not alarm.category:
            lossy.append("category")
        return codes.SENT[test][0]
    if alarm.category is Category.OTHER:
        for native in alarm.native:
            if native.scheme == "sosa.eventcode" and documents.plain(native.value, 25).strip() == native.value != "":
                return native.value
    category = Category.DURESS if alarm.silent and alarm.category in _ATTACKS else alarm.category
    code = codes.SENT[category][0]
    if category is Category.BATTERY_LOW and alarm.device.component not in {None, "0"}:
        code = codes.BATTERY_OF_PENDANT[0]
    read_category, read_action = codes.read(code)
    if read_category is not alarm.category:
        lossy.append("category")
    if alarm.action is Action.NEW and read_action is not Action.NEW:
        lossy.append("action")
    if alarm.silent and category is not Category.DURESS:
        lossy.append("silent")
    return code


def _fit(name: str, text: str | None, most: int, facet: str, lossy: list[str]) -> dict[str, str]:
    """One optional field, cut to what it can hold; what was lost of it is named."""
    if not text:
        return {}
    short = documents.plain(text, most).strip()
    if short != text:
        lossy.append(facet)
    return {name: short} if short and short != "None" else {}


def _details(alarm: Alarm, zone: tzinfo, lossy: list[str]) -> dict[str, str]:
    where, fields = alarm.where, {}
    if alarm.occurred_at is not None and alarm.occurred_at.tzinfo is not None:
        fields["transmittertime"] = times.write(alarm.occurred_at, zone)
    component = alarm.device.component
    section = ("section", where.section) if where.section is not None else ("area", where.area)
    detector = ("detector", where.detector) if where.detector is not None else ("zone", where.zone or component)
    fields |= _fit("section", section[1], 5, f"where.{section[0]}", lossy)
    fields |= _fit("sectiontext", where.section_text or where.text, 40, "where.text", lossy)
    fields |= _fit("detector", detector[1], 5, f"where.{detector[0]}", lossy)
    fields |= _fit("detectortext", where.detector_text or alarm.device.text, 40, "where.detector_text", lossy)
    fields |= _fit("transmitterarea", alarm.transmitter.area, 5, "transmitter.area", lossy)
    said = [text.value for text in alarm.text]
    if "category" in lossy:
        said.insert(0, alarm.category.value.lower().replace("_", " "))
    if "silent" in lossy:
        said.insert(0, "silent")
    correlation = alarm.correlation
    head = label.Label(
        correlation.reference, correlation.incident_id, alarm.extra.get("count"), alarm.extra.get("age_s"), None
    )
    lines = [line for line in (label.write(head), *said) if line]
    fields |= _fit("additionalinfo", "\r\n".join(lines), 2000, "text", lossy)
    if where.geo is not None:
        place = position.write(where.geo)
        if place is None:
            lossy.append("where.geo")
        else:
            fields["position"] = place
    return fields


def read_alarm(
    message: Message,
    *,
    new_id: Callable[[], str],
    received_at: datetime,
    zone: tzinfo = UTC,
    peer: str | None = None,
    transport: str = "tcp",
    authenticated: str = "password",
) -> Alarm:
    """The alarm in a request, or the sign of life in a ping. ``zone`` is that of the sender's clock; the password is
    kept out of what is shown as the envelope's fields, and stays in its octets."""
    fields = message.fields
    ping = message.kind == documents.PING
    code = fields.get("eventcode", "")
    category, action = (Category.HEARTBEAT, Action.HEARTBEAT) if ping else _meaning(code, fields.get("alarmtype"))
    happened = times.read(fields["transmittertime"], zone) if "transmittertime" in fields else None
    head, texts = _lines(fields.get("additionalinfo", ""))
    extra = {f"sosa_{name}": fields[name] for name in message.unfit if name in fields}
    extra |= {name: value for name, value in (("count", head.count), ("age_s", head.age_s)) if value is not None}
    return Alarm(
        id=new_id(),
        received_at=received_at,
        source=Source(
            protocol="sosa4", dialect=TABLE_VERSION, transport=transport, peer=peer, encrypted=transport == "tls",
            authenticated=authenticated, raw=message.raw,
            wire={name: (value,) for name, value in fields.items() if name != "authentication"},
        ),
        transmitter=Transmitter(
            id=fields.get("transmittercode", ""), id_kind="transmittercode", type=fields.get("transmittertype"),
            area=fields.get("transmitterarea"),
        ),
        action=action,
        category=category,
        occurred_at=happened,
        time_source="device" if happened else None,
        clock_offset_s=None if happened is None else (happened - received_at).total_seconds(),
        correlation=Correlation(
            reference=fields.get("reference"), receiver=fields.get("receiver"), incident_id=head.incident
        ),
        native=() if ping else (Native("sosa.eventcode", code, fields.get("alarmtype")),),
        mode=Mode.TEST if action is Action.TEST else Mode.LIVE,
        silent=category is Category.DURESS,
        where=Where(
            section=fields.get("section"), section_text=fields.get("sectiontext"), detector=fields.get("detector"),
            detector_text=fields.get("detectortext"), text=fields.get("sectiontext"), zone=fields.get("detector"),
            geo=position.read(fields["position"]) if "position" in fields else None,
        ),
        text=tuple(Text(line) for line in texts),
        extra=extra,
    )  # fmt: skip


def _meaning(code: str, alarmtype: str | None) -> tuple[Category, Action]:
    category, action = codes.read(code)
    if alarmtype == OVER and action is not Action.TEST:
        return category, Action.RESTORE
    return category, action


def _lines(text: str) -> tuple[label.Label, list[str]]:
    """Our own line of reference and figures, if the first one is it, and the lines for a person."""
    lines = [line.strip() for line in _LINE_END.split(text) if line.strip()]
    head = label.read(lines[0]) if lines else label.Label()
    return (head, lines[1:]) if head.reference is not None else (label.Label(), lines)
