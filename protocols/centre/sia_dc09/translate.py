"""Normalized alarm to DC-09 frame, as SIA-DCS or as ADM-CID.

The category becomes a code by `codes` or `cid`, what no code can say goes into the alarm text, and what has no place at
all is named in the list of losses. A live alarm never fails for an optional field. A test leaves here as a test code
whatever its category, so that TEST can never arrive as LIVE. The way back is `interpret`.
"""

from __future__ import annotations

from dataclasses import replace

from protocols.centre.alarm import Action, Alarm, Category, Mode
from protocols.centre.sia_dc09 import cid, codes, data, label, position
from protocols.centre.sia_dc09.frame import ADM_CID, NULL, SIA_DCS, Frame, decode, format_time, sequence

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


def envelope(alarm: Alarm) -> Frame | None:
    """The frame that an alarm came in, or None if it did not come by DC-09. `encode` of it gives the same octets."""
    return decode(alarm.source.raw) if alarm.source.protocol == "dc09" and alarm.source.raw else None


def alarm_frame(
    alarm: Alarm,
    seq: int,
    account: str,
    minimal: bool = False,
    *,
    keep_reference: bool = True,
    utf8: bool = False,
    token: str = SIA_DCS,
) -> Frame:
    """The frame that tells a centre of an alarm. Same arguments, same octets: a repeat is found by the receiver.

    `seq` 1-9999 and `account` are the caller's; `token` is SIA_DCS or ADM_CID, as the centre wants it. `minimal` is for
    a centre that answered DUH: no extended data and no modifiers; in SIA-DCS the reference stays as DC-03 text
    (`QA000^ref 0000002a-3-17^`) unless `keep_reference` is False, which is the last thing to try. `utf8` is for centres
    that are known to read UTF-8; without it accents are taken off. Raises ValueError for a heartbeat (use `poll`), for
    another token, and for a sequence or account outside the grammar.
    """
    return translate(alarm, seq, account, minimal, keep_reference=keep_reference, utf8=utf8, token=token)[0]


def translate(
    alarm: Alarm,
    seq: int,
    account: str,
    minimal: bool = False,
    *,
    keep_reference: bool = True,
    utf8: bool = False,
    token: str = SIA_DCS,
) -> tuple[Frame, tuple[str, ...]]:
    """`alarm_frame`, and the names of the facets that the frame does not carry as they were."""
    if alarm.action is Action.HEARTBEAT or alarm.category is Category.HEARTBEAT:
        raise ValueError("a heartbeat is not a DC-09 alarm; send a link test (poll)")
    if not 1 <= seq <= 9999:
        raise ValueError("the sequence number of an alarm is 1 to 9999")
    if token not in {SIA_DCS, ADM_CID}:
        raise ValueError(f"an alarm is sent as {SIA_DCS} or {ADM_CID}")
    lossy = list(_left_out(alarm)) if minimal else []
    if token == ADM_CID:
        content = _contact_id(alarm, account, minimal, lossy)
    else:
        content = _dcs(alarm, account, minimal, keep_reference, lossy)
    reference = alarm.correlation.reference
    if reference is not None and not label.fits(reference):
        lossy.append("correlation.reference")
    frame = Frame(
        token=token,
        seq=sequence(seq),
        account=account,
        receiver=ZERO_ROUTE,
        line=ZERO_ROUTE,
        data=content,
        xdata=() if minimal else _xdata(alarm, lossy, utf8=utf8),
    )
    return frame, tuple(dict.fromkeys(lossy))


def _dcs(alarm: Alarm, account: str, minimal: bool, keep_reference: bool, lossy: list[str]) -> str:
    code, lost = _code(alarm)
    lossy += lost
    reference = alarm.correlation.reference
    text: str | None = None
    if minimal and reference is not None:
        if keep_reference and label.fits(reference):
            text = label.write(label.Label(reference))
        else:
            lossy.append("correlation.reference")
    modifiers = () if minimal else _modifiers(alarm)
    return data.compose(
        account, data.Event("O" if _of_old(alarm) else "N", code, _address(alarm, lossy), modifiers, text)
    )


def _of_old(alarm: Alarm) -> bool:
    """Whether the frame speaks of what the centre has been told already: it must not be shown as another alarm."""
    known = alarm.category is not Category.OTHER and alarm.mode is Mode.LIVE
    return known and alarm.action in {Action.STATUS, Action.INFO}


def _contact_id(alarm: Alarm, account: str, minimal: bool, lossy: list[str]) -> str:
    """Contact ID has no text of its own: the minimal form loses the reference."""
    if minimal and alarm.correlation.reference is not None:
        lossy.append("correlation.reference")
    event, qualifier = _cid_event(alarm, lossy)
    area = alarm.where.area if alarm.where.area is not None else _input(alarm)
    group = area if area is not None and area.isascii() and area.isdigit() and len(area) <= 2 else "0"
    if alarm.where.area is not None and group != alarm.where.area:
        lossy.append("where.area")
    contact = cid.Contact(qualifier, event, group.rjust(2, "0"), "000")
    place = "where.user" if contact.address_kind == "user" else "where.zone"
    named = alarm.where.user if contact.address_kind == "user" else alarm.where.zone
    address = named if named is not None else _input(alarm) or "0"
    if not (0 < len(address) <= 3 and set(address) <= set("0123456789BCDEF")):
        lossy.append(place)
        address = "0"
    return cid.compose(account, replace(contact, address=address.rjust(3, "0")))


def _cid_event(alarm: Alarm, lossy: list[str]) -> tuple[str, str]:
    """The three digits and the qualifier."""
    if alarm.mode is not Mode.LIVE or alarm.action is Action.TEST:
        test = alarm.category if alarm.category in _TESTS else Category.TEST_MANUAL
        if test is not alarm.category:
            lossy.append("category")
        return cid.SENT[test], cid.NEW
    if alarm.category is Category.OTHER:
        for native in alarm.native:
            if native.scheme == "cid" and cid.is_event(native.value):
                return native.value, cid.qualifier(alarm.action)
    category = Category.DURESS if alarm.silent and alarm.category in _ATTACKS else alarm.category
    event = cid.SENT[category]
    if category is Category.BATTERY_LOW and alarm.device.component not in {None, "0"}:
        event = cid.BATTERY_OF_PENDANT
    qualifier = cid.STILL if _of_old(alarm) else cid.qualifier(alarm.action)
    read_category, read_action = cid.read(cid.Contact(qualifier, event, "00", "000"))
    if read_category is not alarm.category:
        lossy.append("category")
    if read_action is not alarm.action:
        lossy.append("action")
    if alarm.silent and category is not Category.DURESS:
        lossy.append("silent")
    return event, qualifier


def _left_out(alarm: Alarm) -> list[str]:
    """The facets that the minimal form has no room for, of those that the alarm has."""
    facets = {
        "correlation.incident_id": alarm.correlation.incident_id,
        "occurred_at": alarm.occurred_at,
        "text": alarm.text,
        "extra": alarm.extra,
        "where.area": alarm.where.area,
        "where.text": alarm.where.text,
        "where.geo": alarm.where.geo,
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
    if alarm.where.geo is not None:
        place_fields = position.write(alarm.where.geo)
        if not place_fields:
            lossy.append("where.geo")
        found += place_fields
    if short:
        found.append(("I", short))
    return tuple(found)
