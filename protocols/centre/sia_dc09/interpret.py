"""DC-09 frame to normalized alarms: every event is one `Alarm`; unknown codes pass through in `native`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

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
from protocols.centre.sia_dc09 import cid, codes, data, label, position
from protocols.centre.sia_dc09.frame import ADM_CID, Frame, parse_time


@dataclass(frozen=True, slots=True)
class _Said:
    """What one event says, in either form of data."""

    category: Category
    action: Action
    native: tuple[Native, ...] = ()
    area: str | None = None
    zone: str | None = None
    user: str | None = None
    text: str | None = None
    raw: str = ""
    modifiers: tuple[tuple[str, str], ...] = ()


def read_alarms(
    frame: Frame,
    *,
    new_id: Callable[[], str],
    received_at: datetime,
    transport: str = "tcp",
    peer: str | None = None,
    dedupe_key: str | None = None,
) -> tuple[Alarm, ...]:
    """The alarms in a SIA-DCS or ADM-CID frame, one for each event; empty only where the data is empty.

    `new_id` is called once for each alarm and `received_at` is the receiver's clock (aware). A frame whose data holds
    no event but something else gives one alarm, OTHER and INFO (or NEW where it should have been Contact ID), so that
    it is seen.
    """
    account, said, texts = _contact_id(frame) if frame.token == ADM_CID else _dcs(frame)
    xdata = _collect(frame.xdata)
    line = label.read(xdata["I"]) if "I" in xdata else label.Label()
    data_account = account if account and account != frame.account else None
    base = _base(frame, received_at, transport, peer, dedupe_key, line, xdata, data_account)
    return tuple(_alarm(base, one, texts, new_id()) for one in said)


def _base(
    frame: Frame,
    received_at: datetime,
    transport: str,
    peer: str | None,
    dedupe_key: str | None,
    line: label.Label,
    xdata: dict[str, str],
    data_account: str | None,
) -> Alarm:
    """What all events of a frame share."""
    happened = parse_time(xdata["H"]) if "H" in xdata else None
    occurred_at, time_source = (happened, "xdata_H") if happened else (frame.time, "device" if frame.time else None)
    return Alarm(
        id="",
        received_at=received_at,
        source=Source(
            protocol="dc09",
            dialect=cid.TABLE_VERSION if frame.token == ADM_CID else codes.TABLE_VERSION,
            transport=transport,
            peer=peer,
            encrypted=frame.encrypted,
            authenticated="aes" if frame.encrypted else "none",
            raw=frame.raw,
            raw_crc_form=frame.crc_form.value,
            wire=_wire(frame),
        ),
        correlation=Correlation(
            reference=line.reference,
            sequence=frame.seq,
            receiver=frame.receiver,
            line=frame.line,
            dedupe_key=dedupe_key,
            incident_id=line.incident,
        ),
        transmitter=Transmitter(id=frame.account or "", id_kind="account"),
        action=Action.INFO,
        category=Category.OTHER,
        occurred_at=occurred_at,
        time_source=time_source,
        clock_offset_s=None if frame.time is None else (frame.time - received_at).total_seconds(),
        where=Where(text=xdata.get("L"), geo=position.read(xdata)),
        text=tuple(Text(part) for part in (line.text,) if part),
        extra=_extra(line, xdata, data_account),
    )


def read_heartbeat(frame: Frame, *, new_id: Callable[[], str], received_at: datetime, transport: str = "tcp") -> Alarm:
    """A link test (NULL) as the sign of life that it is; junk in its data stays in the envelope."""
    return replace(
        _base(frame, received_at, transport, None, None, label.Label(), {}, None),
        id=new_id(),
        action=Action.HEARTBEAT,
        category=Category.HEARTBEAT,
    )


def _dcs(frame: Frame) -> tuple[str | None, list[_Said], tuple[str, ...]]:
    content = data.parse(frame.data)
    events = content.events
    if not events and (content.texts or content.others):
        events = (data.Event("", "", raw="|".join(content.others)),)
    said = []
    for event in events:
        category, action = codes.read(event.code) if event.block else (Category.OTHER, Action.INFO)
        native = (Native("dcs", event.code, event.block),) if event.code else ()
        raw = event.raw if not event.code else ""
        others = tuple((name, value) for name, value in event.modifiers if name != "ri")
        area = event.modifier("ri")
        said.append(
            _Said(category, action, native, area, event.address or None, text=event.text, raw=raw, modifiers=others)
        )
    return content.account, said, content.texts


def _contact_id(frame: Frame) -> tuple[str | None, list[_Said], tuple[str, ...]]:
    contact = cid.parse(frame.data)
    if contact is None:
        # Something came that was meant as an alarm; a person must look at it.
        return None, [_Said(Category.OTHER, Action.NEW, raw=frame.data)] if frame.data else [], ()
    category, action = cid.read(contact)
    is_user = contact.address_kind == "user"
    said = _Said(
        category,
        action,
        (Native("cid", contact.event, contact.qualifier),),
        area=contact.group,
        zone=None if is_user else contact.address,
        user=contact.address if is_user else None,
    )
    return contact.account, [said], ()


def _wire(frame: Frame) -> dict[str, tuple[str, ...]]:
    """The fields as they stood, by name; those that were not there are left out."""
    fields = {"token": frame.token, "data": frame.data, "timestamp": frame.timestamp}
    wire: dict[str, tuple[str, ...]] = {name: (value,) for name, value in fields.items() if value is not None}
    for letter, value in frame.xdata:
        wire[f"xdata.{letter}"] = (*wire.get(f"xdata.{letter}", ()), value)
    return wire


def _collect(xdata: tuple[tuple[str, str], ...]) -> dict[str, str]:
    """Extended data by letter; a second of the same letter gets a number, so that none is lost."""
    found: dict[str, str] = {}
    for letter, value in xdata:
        name, copy = letter, 2
        while name in found:
            name, copy = f"{letter}{copy}", copy + 1
        found[name] = value
    return found


def _extra(line: label.Label, xdata: dict[str, str], data_account: str | None) -> dict[str, str]:
    placed = {"I", "L"} | ({"X", "Y", "Z"} if position.read(xdata) is not None else set())
    extra = {f"xdata_{letter}": value for letter, value in xdata.items() if letter not in placed}
    if "xdata_H" in extra and parse_time(extra["xdata_H"]) is not None:
        del extra["xdata_H"]
    for name, value in (("count", line.count), ("age_s", line.age_s), ("data_account", data_account)):
        if value is not None:
            extra[name] = value
    return extra


def _alarm(base: Alarm, said: _Said, texts: tuple[str, ...], alarm_id: str) -> Alarm:
    aside = label.read(said.text) if said.text is not None else label.Label()
    more = tuple(Text(part) for part in (aside.text, *texts, said.raw) if part)
    correlation = base.correlation
    if correlation.reference is None and aside.reference is not None:
        correlation = replace(correlation, reference=aside.reference)
    action = said.action
    if action is Action.NEW and correlation.reference is not None and _is_old(said):
        action = Action.STATUS
    return replace(
        base,
        id=alarm_id,
        action=action,
        category=said.category,
        correlation=correlation,
        native=said.native,
        mode=Mode.TEST if said.action is Action.TEST else Mode.LIVE,
        silent=said.category is Category.DURESS,
        where=replace(base.where, area=said.area, zone=said.zone, user=said.user),
        text=base.text + more,
        extra={**base.extra, **{f"modifier_{name}": value for name, value in said.modifiers}},
    )


def _is_old(said: _Said) -> bool:
    """Whether an event stands in a block of old ones. Of our own frames that is news about an alarm which the centre
    has; a panel of somebody else may put what it could not send before there, and then a person must look at it."""
    return any(native.scheme == "dcs" and native.qualifier == "O" for native in said.native)
