"""An owed press as the normalized alarm that every centre protocol is encoded from. Pure."""

from __future__ import annotations

from fleet.forwarding.decide import category_of, is_silent, occurred_at, told_age_s
from fleet.forwarding.model import Owed
from protocols.centre.alarm import Action, Alarm, Category, Correlation, Device, Mode, Source, Transmitter


def normalized(owed: Owed) -> Alarm:
    """The alarm of a press. Only what the press row fixes goes in, so every repetition has the same octets.

    A test press becomes a test and stays one whatever the encoder does; every other press is live.
    """
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
