"""ADM-CID data (Ademco Contact ID, DC-05): `#acct|QEEE GG ZZZ`, its codes, and our table between codes and categories.

Q is 1 for something new or opening, 3 for restored or closing, 6 for a condition that is still there. EEE is the event,
GG the partition, ZZZ a zone or a user, as the event has it. The digits are 0-9 and B-F. Like `codes` this is our table
and no standard's; an unknown event passes through as OTHER, with its digits in `native`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from protocols.centre.alarm import Action, Category

TABLE_VERSION = "cid-1"
NEW, RESTORED, STILL = "1", "3", "6"

_DATA = re.compile(r"(?:#([0-9A-Fa-f]*))?\|?\s*([0-9A-F])\s?([0-9A-F]{3})\s*([0-9A-F]{2})\s*([0-9A-F]{3})\s*", re.I)

_EVENT = re.compile(r"[0-9B-F]{3}")

_USERS = frozenset({"121", "122", "406", "458"})
"""Events whose address is a user and no zone; so are the 400s (openings and closings by a person)."""

READ: dict[str, Category] = {
    "100": Category.MEDICAL,
    "101": Category.PERSONAL_HELP,
    "102": Category.INACTIVITY,
    "103": Category.FALL,
    "110": Category.FIRE,
    "111": Category.SMOKE,
    "114": Category.FIRE,
    "120": Category.PANIC,
    "121": Category.DURESS,
    "122": Category.DURESS,
    "123": Category.PANIC,
    "129": Category.PANIC,
    "137": Category.TAMPER,
    "144": Category.TAMPER,
    "147": Category.DEVICE_FAULT,
    "150": Category.WANDER,
    "151": Category.GAS,
    "154": Category.FLOOD,
    "162": Category.CO,
    "300": Category.DEVICE_FAULT,
    "301": Category.MAINS_FAIL,
    "302": Category.BATTERY_LOW,
    "309": Category.BATTERY_FAIL,
    "311": Category.BATTERY_FAIL,
    "338": Category.BATTERY_LOW,
    "344": Category.RADIO_JAM,
    "350": Category.COMM_FAIL,
    "351": Category.COMM_FAIL,
    "352": Category.COMM_FAIL,
    "353": Category.COMM_FAIL,
    "354": Category.COMM_FAIL,
    "355": Category.RADIO_LOST,
    "356": Category.RADIO_LOST,
    "358": Category.TEST_PERIODIC,
    "381": Category.RADIO_LOST,
    "383": Category.TAMPER,
    "384": Category.BATTERY_LOW,
    "406": Category.OTHER,
    "458": Category.STAFF_PRESENT,
    "601": Category.TEST_MANUAL,
    "602": Category.TEST_PERIODIC,
    "603": Category.TEST_PERIODIC,
    "607": Category.TEST_MANUAL,
    "608": Category.TEST_PERIODIC,
    "616": Category.SERVICE,
    "641": Category.INACTIVITY,
    "654": Category.INACTIVITY,
}
_TESTS = frozenset({"358", "601", "602", "603", "607", "608"})
_NEWS = frozenset({"305", "605", "606", "625"})
_CANCEL = "406"

SENT: dict[Category, str] = {
    Category.PERSONAL_HELP: "101",
    Category.MEDICAL: "100",
    Category.FALL: "103",
    Category.PERSONAL_ATTACK: "120",
    Category.PANIC: "120",
    Category.DURESS: "121",
    Category.INACTIVITY: "102",
    Category.WANDER: "150",
    Category.GEOFENCE: "150",
    Category.SMOKE: "111",
    Category.FIRE: "110",
    Category.GAS: "151",
    Category.CO: "162",
    Category.FLOOD: "154",
    Category.BATTERY_LOW: "302",
    Category.BATTERY_FAIL: "311",
    Category.MAINS_FAIL: "301",
    Category.COMM_FAIL: "350",
    Category.HEARTBEAT_MISSED: "350",
    Category.RADIO_LOST: "381",
    Category.RADIO_JAM: "344",
    Category.TAMPER: "383",
    Category.DEVICE_FAULT: "300",
    Category.SERVICE: "616",
    Category.TEST_MANUAL: "601",
    Category.TEST_PERIODIC: "602",
    Category.STAFF_PRESENT: "458",
    Category.STAFF_DONE: _CANCEL,
    Category.OTHER: "140",
}
"""140 is a general alarm: a centre shows it, and the text says what it is."""
BATTERY_OF_PENDANT = "384"


@dataclass(frozen=True, slots=True)
class Contact:
    """One Contact ID message. All parts are text; ``account`` is None where the data names none."""

    qualifier: str
    event: str
    group: str
    address: str
    account: str | None = None

    @property
    def address_kind(self) -> str:
        """``user`` or ``zone``: what the last three digits are."""
        return "user" if self.event in _USERS or self.event.startswith("4") else "zone"


def parse(data: str) -> Contact | None:
    """The message in a data field, or None where it is none. Never raises."""
    found = _DATA.fullmatch(data)
    if found is None:
        return None
    account, qualifier, event, group, address = found.groups()
    return Contact(qualifier.upper(), event.upper(), group.upper(), address.upper(), account)


def is_event(text: str) -> bool:
    """Whether these are the three digits of an event."""
    return _EVENT.fullmatch(text) is not None


def compose(account: str, contact: Contact) -> str:
    """The data field of a message."""
    return f"#{account}|{contact.qualifier}{contact.event} {contact.group} {contact.address}"


def read(contact: Contact) -> tuple[Category, Action]:
    """What a message means to us. An unknown event is something that a person must look at, never nothing."""
    category = READ.get(contact.event, Category.OTHER)
    if contact.event in _TESTS:
        return category, Action.TEST
    if contact.event == _CANCEL:
        return category, Action.CANCEL
    if contact.event in _NEWS:
        return category, Action.INFO
    action = {RESTORED: Action.RESTORE, STILL: Action.STATUS}.get(contact.qualifier, Action.NEW)
    return category, action


def qualifier(action: Action) -> str:
    """The first digit for what a message does."""
    return {Action.RESTORE: RESTORED, Action.CANCEL: RESTORED, Action.STATUS: STILL}.get(action, NEW)
