"""An owed press as the normalized alarm that every centre protocol is encoded from. Pure."""

from __future__ import annotations

from dataclasses import replace

from fleet.forwarding.decide import category_of, is_silent, occurred_at, told_age_s
from fleet.forwarding.model import Owed, Position
from protocols.centre.alarm import (
    Action,
    Alarm,
    Category,
    Correlation,
    Device,
    Geo,
    Mode,
    Source,
    Transmitter,
    Where,
)


def normalized(owed: Owed) -> Alarm:
    """The alarm of a press, or where its unit is. Only what the rows fix goes in, so every repetition has the same
    octets.

    A test press becomes a test and stays one whatever the encoder does; every other press is live.
    """
    alarm = _alarm(owed)
    return alarm if owed.position is None else _located(alarm, owed.position)


def _alarm(owed: Owed) -> Alarm:
    category = Category(category_of(owed.unit_type, owed.kind, owed.flags))
    is_test = owed.test or category is Category.TEST_MANUAL
    return Alarm(
        id=owed.key.reference,
        received_at=owed.received_at,
        occurred_at=occurred_at(owed),
        time_source="device" if owed.pressed_at is not None else "receiver",
        source=Source(protocol="fleet", transport=owed.transport, encrypted=True, authenticated="aes"),
        transmitter=Transmitter(id=f"{owed.key.unit:08x}", id_kind="unit", type=owed.unit_type),
        device=Device(component=str(owed.input or 0), battery_pct=owed.battery),
        action=Action.TEST if is_test else Action.NEW,
        category=category,
        mode=Mode.TEST if is_test else Mode.LIVE,
        silent=is_silent(owed),
        correlation=Correlation(reference=owed.key.reference, incident_id=str(owed.case)),
        extra={"count": str(owed.count or 1), "age_s": str(told_age_s(owed))},
    )


def _located(alarm: Alarm, position: Position) -> Alarm:
    """A piece of information about the same press: its reference and its case, another id, never a new alarm."""
    return replace(
        alarm,
        id=f"{alarm.id}-position-{position.boot}-{position.seq}",
        received_at=position.received_at,
        action=Action.INFO,
        where=Where(geo=Geo(lat=position.latitude, lon=position.longitude, fixed_at=position.fixed_at)),
    )
