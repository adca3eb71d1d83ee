"""Normalized alarm to DC-09 frame, and back.

To a frame: the category becomes a two-letter code by `codes`, what no code can say goes into the alarm text, and what
has no place at all is named in the list of losses. A live alarm never fails for an optional field. A test leaves here
as a test code whatever its category, so that TEST can never arrive as LIVE.

From a frame: every event is one `Alarm`; unknown codes pass through in `native`.
"""

from __future__ import annotations

from collections.abc import Callable
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
from protocols.centre.sia_dc09 import codes, data, label
from protocols.centre.sia_dc09.frame import NULL, SIA_DCS, Frame, format_time, parse_time, sequence

ZERO_ROUTE = "0"
"""R0 and L0 are always sent: receivers exist that answer wrongly when R is left out."""
TEXT_LIMIT = 1000
"""Octets of alarm text and of location text; the rest is cut off and named as a loss. Both fit one frame."""
_TESTS = frozenset({Category.TEST_MANUAL, Category.TEST_PERIODIC})
_ATTACKS = frozenset({Category.PERSONAL_ATTACK, Category.PANIC})


def unit_account(unit: int) -> str:
    """The account of one of our units: its number as 8 upper-case hex digits. Unit 42 is `0000002A`."""
    if not 0 < unit <= 0xFFFFFFFF:
        raise ValueError("a unit number is 1 to 4294967295")
    return f"{unit:08X}"


def poll(account: str, receiver: str = ZERO_ROUTE, line: str = ZERO_ROUTE) -> Frame:
    """A link test (NULL, sequence 0000). It asks whether the receiver lives and never reaches a person."""
    return Frame(token=NULL, seq=sequence(0), account=account, receiver=receiver, line=line)


def alarm_frame(
    alarm: Alarm, seq: int, account: str, minimal: bool = False, *, keep_reference: bool = True, utf8: bool = False
) -> Frame:
    """The frame that tells a centre of an alarm. Same arguments, same octets: a repeat is found by the receiver.

    `seq` 1-9999 and `account` are the caller's. `minimal` is for a centre that answered DUH: no extended data and no
    modifiers; the reference stays as DC-03 text (`QA000^ref 0000002a-3-17^`) unless `keep_reference` is False, which
    is the last thing to try. `utf8` is for centres that are known to read UTF-8; without it accents are taken off.
    Raises ValueError for a heartbeat (use `poll`) and for a sequence or account outside the grammar.
    """
    return translate(alarm, seq, account, minimal, keep_reference=keep_reference, utf8=utf8)[0]


def translate(
    alarm: Alarm, seq: int, account: str, minimal: bool = False, *, keep_reference: bool = True, utf8: bool = False
) -> tuple[Frame, tuple[str, ...]]:
    """`alarm_frame`, and the names of the facets that the frame does not carry as they were."""
    if alarm.action is Action.HEARTBEAT or alarm.category is Category.HEARTBEAT:
        raise ValueError("a heartbeat is not a DC-09 alarm; send a link test (poll)")
    if not 1 <= seq <= 9999:
        raise ValueError("the sequence number of an alarm is 1 to 9999")
    code, lossy = _code(alarm)
    reference = alarm.correlation.reference
    if reference is not None and not label.fits(reference):
        lossy.append("correlation.reference")
    modifiers: tuple[tuple[str, str], ...] = ()
    text: str | None = None
    xdata: tuple[tuple[str, str], ...] = ()
    if minimal:
        if keep_reference and reference is not None and label.fits(reference):
            text = label.write(label.Label(reference))
        elif reference is not None:
            lossy.append("correlation.reference")
        lossy += _left_out(alarm)
    else:
        modifiers = _modifiers(alarm)
        xdata = _xdata(alarm, lossy, utf8=utf8)
    event = data.Event("N", code, _address(alarm, lossy), modifiers, text)
    frame = Frame(
        token=SIA_DCS,
        seq=sequence(seq),
        account=account,
        receiver=ZERO_ROUTE,
        line=ZERO_ROUTE,
        data=data.compose(account, event),
        xdata=xdata,
    )
    return frame, tuple(dict.fromkeys(lossy))


def _left_out(alarm: Alarm) -> list[str]:
    """The facets that the minimal form has no room for, of those that the alarm has."""
    facets = {
        "correlation.incident_id": alarm.correlation.incident_id,
        "occurred_at": alarm.occurred_at,
        "text": alarm.text,
        "extra": alarm.extra,
        "where.area": alarm.where.area,
        "where.text": alarm.where.text,
    }
    return [name for name, value in facets.items() if value]


def _code(alarm: Alarm) -> tuple[str, list[str]]:
    if alarm.mode is not Mode.LIVE or alarm.action is Action.TEST:
        test = alarm.category if alarm.category in _TESTS else Category.TEST_MANUAL
        return codes.SENT[test][0], [] if test is alarm.category else ["category"]
    if alarm.category is Category.OTHER:
        for native in alarm.native:
            if native.scheme == "dcs" and len(native.value) == 2 and native.value.isascii() and native.value.isupper():
                return native.value, []
    category = Category.DURESS if alarm.silent and alarm.category in _ATTACKS else alarm.category
    sent = codes.SENT[category]
    if category is Category.BATTERY_LOW and alarm.device.component not in {None, "0"}:
        sent = (codes.BATTERY_OF_PENDANT[0], codes.BATTERY_OF_PENDANT[1], codes.BATTERY_OF_PENDANT[1])
    new, restored, cancelled = sent
    code = {Action.RESTORE: restored, Action.CANCEL: cancelled}.get(alarm.action, new)
    read_category, read_action = codes.read(code)
    lossy = [] if read_category is alarm.category else ["category"]
    if read_action is not alarm.action:
        lossy.append("action")
    if alarm.silent and category is not Category.DURESS:
        lossy.append("silent")
    return code, lossy


def _input(alarm: Alarm) -> str | None:
    component = alarm.device.component
    return component if component is not None and component.isascii() and component.isdigit() else None


def _modifiers(alarm: Alarm) -> tuple[tuple[str, str], ...]:
    area = alarm.where.area if alarm.where.area is not None else _input(alarm)
    if area is None or not (area.isascii() and area.isdigit()):
        return ()
    return (("ri", area),)


def _address(alarm: Alarm, lossy: list[str]) -> str:
    zone = alarm.where.zone
    if zone is not None:
        if zone and len(zone) <= 8 and set(zone) <= set("0123456789ABCDEFabcdef"):
            return zone
        lossy.append("where.zone")
    return (_input(alarm) or "0").rjust(3, "0")


def _words(alarm: Alarm) -> str | None:
    """What the code cannot say, then the alarm's own text, as one sentence line."""
    said = [text.value for text in alarm.text if text.value]
    if alarm.mode is not Mode.LIVE and alarm.category not in _TESTS:
        said.insert(0, f"{alarm.mode.value.lower()} of {_name(alarm.category)}")
    elif "category" in _code(alarm)[1]:
        said.insert(0, _name(alarm.category))
    if alarm.silent:
        said.insert(0, "silent")
    return ". ".join(said) or None


def _name(category: Category) -> str:
    return category.value.lower().replace("_", " ")


def _xdata(alarm: Alarm, lossy: list[str], *, utf8: bool) -> tuple[tuple[str, str], ...]:
    found: list[tuple[str, str]] = []
    if alarm.occurred_at is not None:
        if alarm.occurred_at.tzinfo is None:
            lossy.append("occurred_at")
        else:
            found.append(("H", format_time(alarm.occurred_at)))
    words = _words(alarm)
    plain = None if words is None else label.plain(words[:TEXT_LIMIT], ascii_only=not utf8)
    correlation = alarm.correlation
    line = label.write(
        label.Label(
            correlation.reference, correlation.incident_id, alarm.extra.get("count"), alarm.extra.get("age_s"), plain
        )
    )
    short = label.cut(line, TEXT_LIMIT)
    if plain != words or short != line:
        lossy.append("text")
    if alarm.where.text:
        place = label.cut(label.plain(alarm.where.text[:TEXT_LIMIT], ascii_only=not utf8), TEXT_LIMIT)
        if place != alarm.where.text:
            lossy.append("where.text")
        found.append(("L", place))
    if short:
        found.append(("I", short))
    return tuple(found)


def read_alarms(
    frame: Frame,
    *,
    new_id: Callable[[], str],
    received_at: datetime,
    transport: str = "tcp",
    peer: str | None = None,
    dedupe_key: str | None = None,
) -> tuple[Alarm, ...]:
    """The alarms in a SIA-DCS frame, one for each event; empty only where the data is empty.

    `new_id` is called once for each alarm and `received_at` is the receiver's clock (aware). A frame whose data holds
    no event but something else gives one alarm, OTHER and INFO, so that it is seen.
    """
    content = data.parse(frame.data)
    events = content.events
    if not events and (content.texts or content.others):
        events = (data.Event("", "", raw="|".join(content.others)),)
    xdata = _collect(frame.xdata)
    source = Source(
        protocol="dc09",
        dialect=codes.TABLE_VERSION,
        transport=transport,
        peer=peer,
        encrypted=frame.encrypted,
        raw=frame.raw,
        raw_crc_form=frame.crc_form.value,
        wire={"token": frame.token, "data": frame.data, "timestamp": frame.timestamp or ""},
    )
    correlation = Correlation(sequence=frame.seq, receiver=frame.receiver, line=frame.line, dedupe_key=dedupe_key)
    transmitter = Transmitter(id=frame.account or "", id_kind="account")
    return tuple(
        _alarm(event, content, xdata, frame, source, correlation, transmitter, new_id(), received_at)
        for event in events
    )


def _collect(xdata: tuple[tuple[str, str], ...]) -> dict[str, str]:
    """Extended data by letter; a second of the same letter gets a number, so that none is lost."""
    found: dict[str, str] = {}
    for letter, value in xdata:
        name, copy = letter, 2
        while name in found:
            name, copy = f"{letter}{copy}", copy + 1
        found[name] = value
    return found


def _alarm(
    event: data.Event,
    content: data.DcsData,
    xdata: dict[str, str],
    frame: Frame,
    source: Source,
    correlation: Correlation,
    transmitter: Transmitter,
    alarm_id: str,
    received_at: datetime,
) -> Alarm:
    category, action = codes.read(event.code) if event.block else (Category.OTHER, Action.INFO)
    said = label.read(xdata["I"]) if "I" in xdata else label.Label()
    aside = label.read(event.text) if event.text is not None else label.Label()
    texts = [part for part in (said.text, aside.text, *content.texts) if part]
    if not event.code and event.raw:
        texts.append(event.raw)
    happened = parse_time(xdata["H"]) if "H" in xdata else None
    occurred_at, time_source = (happened, "xdata_H") if happened else (frame.time, "device" if frame.time else None)
    extra = {f"xdata_{letter}": value for letter, value in xdata.items() if letter not in {"I", "L"}}
    if happened is not None:
        del extra["xdata_H"]
    for name, value in (("count", said.count), ("age_s", said.age_s)):
        if value is not None:
            extra[name] = value
    if content.account and content.account != frame.account:
        extra["data_account"] = content.account
    for name, value in event.modifiers:
        if name != "ri":
            extra[f"modifier_{name}"] = value
    return Alarm(
        id=alarm_id,
        received_at=received_at,
        source=source,
        transmitter=transmitter,
        action=action,
        category=category,
        occurred_at=occurred_at,
        time_source=time_source,
        correlation=Correlation(
            reference=said.reference or aside.reference,
            sequence=correlation.sequence,
            receiver=correlation.receiver,
            line=correlation.line,
            dedupe_key=correlation.dedupe_key,
            incident_id=said.incident,
        ),
        native=(Native("dcs", event.code, event.block),) if event.code else (),
        mode=Mode.TEST if action is Action.TEST else Mode.LIVE,
        silent=category is Category.DURESS,
        where=Where(area=event.modifier("ri"), zone=event.address or None, text=xdata.get("L")),
        text=tuple(Text(part) for part in texts),
        extra=extra,
    )
