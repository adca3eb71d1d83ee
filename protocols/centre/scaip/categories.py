"""The table between our categories and SCAIP's device type and status code.

It is our table, not a standard's. `TABLE_VERSION` grows with every change, so that a stored alarm tells which table
read it. What a request means is decided by its message type first (a heartbeat may carry any code), then by a status
code that speaks for itself (a flat battery), and by the device type last.
"""

from __future__ import annotations

from dataclasses import dataclass

from protocols.centre.alarm import Action, Category, Mode
from protocols.centre.scaip.codes import DEFAULT_STATUS, MessageType, number
from protocols.centre.scaip.messages import Request

TABLE_VERSION = "scaip-1"

DURESS_WORD = "duress"
"""A hold-up under duress is an attack trigger whose text begins with this word."""
CANCEL_CODE = "19"
RESET_CODE = "93"
GEOFENCE_PLACE = "19"
TEST_CODES = {102: Category.TEST_MANUAL, 103: Category.TEST_PERIODIC}

_ATTACK_TYPE = 6
_TRACKER_TYPE = 51
_WANDER_TYPE = 15
_TRESPASS = 106
_MANUAL_ALARM = 10
_BASE_UNITS = frozenset({2, 45, 48, _TRACKER_TYPE})
_STAFF_TYPES = frozenset({8, 9})
_ALARMS = frozenset({6, 7, 9, _MANUAL_ALARM, 11, _TRESPASS, 110})
_RESTORALS = frozenset({70, 94})
_RESETS = frozenset({92, int(RESET_CODE)})


@dataclass(frozen=True, slots=True)
class Sent:
    """How a category is written: device type, status code, and the status code of its end where it has one."""

    dty: str
    stc: str
    restored: str | None = None
    lco: str | None = None


SENT: dict[Category, Sent] = {
    Category.PERSONAL_HELP: Sent("3", "10"),
    Category.MEDICAL: Sent("19", "9"),
    Category.FALL: Sent("5", "9"),
    Category.PERSONAL_ATTACK: Sent("6", "10"),
    Category.PANIC: Sent("7", "10"),
    Category.DURESS: Sent("6", "10"),
    Category.INACTIVITY: Sent("10", "9"),
    Category.WANDER: Sent("15", "106"),
    Category.GEOFENCE: Sent("51", "106", lco=GEOFENCE_PLACE),
    Category.SMOKE: Sent("23", "9"),
    Category.FIRE: Sent("47", "9"),
    Category.GAS: Sent("21", "9"),
    Category.CO: Sent("26", "9"),
    Category.FLOOD: Sent("33", "9"),
    Category.BATTERY_LOW: Sent("2", "16", "15"),
    Category.BATTERY_FAIL: Sent("2", "14"),
    Category.MAINS_FAIL: Sent("41", "85", "86"),
    Category.COMM_FAIL: Sent("32", "26", "115"),
    Category.RADIO_LOST: Sent("3", "123", "124"),
    Category.RADIO_JAM: Sent("50", "122"),
    Category.TAMPER: Sent("38", "125"),
    Category.DEVICE_FAULT: Sent("2", "67"),
    Category.SERVICE: Sent("2", "65"),
    Category.TEST_MANUAL: Sent("2", "102"),
    Category.TEST_PERIODIC: Sent("2", "103"),
    Category.HEARTBEAT: Sent("2", "10"),
    Category.HEARTBEAT_MISSED: Sent("32", "73", "75"),
    Category.STAFF_PRESENT: Sent("8", "121"),
    Category.STAFF_DONE: Sent("8", "111"),
    Category.OTHER: Sent("1", "11"),
}
BATTERY_OF_TRIGGER = Sent("3", "16", "15")
COMM_REDUNDANT = Sent("32", "27", "116")

_BY_STATUS: dict[int, tuple[Category, Action]] = {
    14: (Category.BATTERY_FAIL, Action.NEW),
    15: (Category.BATTERY_LOW, Action.RESTORE),
    16: (Category.BATTERY_LOW, Action.NEW),
    23: (Category.COMM_FAIL, Action.NEW),
    24: (Category.COMM_FAIL, Action.NEW),
    25: (Category.COMM_FAIL, Action.NEW),
    26: (Category.COMM_FAIL, Action.NEW),
    27: (Category.COMM_FAIL, Action.NEW),
    42: (Category.DEVICE_FAULT, Action.NEW),
    52: (Category.RADIO_JAM, Action.NEW),
    65: (Category.SERVICE, Action.NEW),
    66: (Category.SERVICE, Action.NEW),
    67: (Category.DEVICE_FAULT, Action.NEW),
    73: (Category.HEARTBEAT_MISSED, Action.NEW),
    75: (Category.HEARTBEAT_MISSED, Action.RESTORE),
    85: (Category.MAINS_FAIL, Action.NEW),
    86: (Category.MAINS_FAIL, Action.RESTORE),
    88: (Category.STAFF_PRESENT, Action.NEW),
    95: (Category.RADIO_JAM, Action.NEW),
    105: (Category.DEVICE_FAULT, Action.NEW),
    111: (Category.STAFF_DONE, Action.NEW),
    112: (Category.COMM_FAIL, Action.RESTORE),
    113: (Category.COMM_FAIL, Action.RESTORE),
    114: (Category.COMM_FAIL, Action.RESTORE),
    115: (Category.COMM_FAIL, Action.RESTORE),
    116: (Category.COMM_FAIL, Action.RESTORE),
    122: (Category.RADIO_JAM, Action.NEW),
    123: (Category.RADIO_LOST, Action.NEW),
    124: (Category.RADIO_LOST, Action.RESTORE),
    125: (Category.TAMPER, Action.NEW),
}
"""Status codes that mean the same whatever device sends them."""

_BY_TYPE: dict[int, Category] = {
    3: Category.PERSONAL_HELP,
    4: Category.PERSONAL_HELP,
    5: Category.FALL,
    6: Category.PERSONAL_ATTACK,
    7: Category.PANIC,
    10: Category.INACTIVITY,
    15: Category.WANDER,
    17: Category.MEDICAL,
    19: Category.MEDICAL,
    21: Category.GAS,
    23: Category.SMOKE,
    25: Category.FIRE,
    26: Category.CO,
    30: Category.FALL,
    33: Category.FLOOD,
    37: Category.FIRE,
    38: Category.TAMPER,
    41: Category.MAINS_FAIL,
    47: Category.FIRE,
}
"""What an alarm, a cancellation or a return to normal of this device type is about."""

_PATHS = {26: "primary", 27: "redundant", 102: "primary", 103: "redundant", 115: "primary", 116: "redundant"}


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a request says, in our words."""

    category: Category
    action: Action
    mode: Mode = Mode.LIVE
    silent: bool = False
    path: str | None = None


def read(request: Request) -> Meaning:
    """What a request means. An unknown code is something new that a person must look at, never nothing.

    A status code for a test makes a test of anything but a heartbeat: nothing on the wire can take that back.
    """
    if request.is_heartbeat:
        return Meaning(Category.HEARTBEAT, Action.HEARTBEAT)
    status = DEFAULT_STATUS if request.stc is None else number(request.stc)
    path = _PATHS.get(-1 if status is None else status)
    if status in TEST_CODES:
        return Meaning(TEST_CODES[status], Action.TEST, Mode.TEST, path=path)
    category, action = _judge(number(request.dty), status, number(request.lco))
    silent = False
    if category is Category.PERSONAL_ATTACK and _says_duress(request.ite):
        category, silent = Category.DURESS, True
    if request.kind == MessageType.INFORMATION:
        action = Action.INFO
    elif request.kind == MessageType.RESET and action is Action.NEW:
        action = Action.RESET if request.stc is None else Action.RESTORE
    return Meaning(category, action, silent=silent, path=path)


def _judge(device: int | None, status: int | None, place: int | None) -> tuple[Category, Action]:
    if status is None:
        return Category.OTHER, Action.NEW
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    kind = _BY_TYPE.get(-1 if device is None else device, Category.OTHER)
    if kind is Category.OTHER and device in _BASE_UNITS and status == _MANUAL_ALARM:
        kind = Category.PERSONAL_HELP
    elif device in {_WANDER_TYPE, _TRACKER_TYPE} and (
        place == int(GEOFENCE_PLACE) or (device == _TRACKER_TYPE and status == _TRESPASS)
    ):
        kind = Category.GEOFENCE
    if status == int(CANCEL_CODE):
        from_base = kind is Category.OTHER and device in _BASE_UNITS
        return Category.PERSONAL_HELP if from_base else kind, Action.CANCEL
    if status in _RESETS:
        return kind, Action.RESET
    if status in _RESTORALS:
        return kind, Action.RESTORE
    if device in _STAFF_TYPES and status == number(SENT[Category.STAFF_PRESENT].stc):
        return Category.STAFF_PRESENT, Action.NEW
    return (kind if status in _ALARMS else Category.OTHER), Action.NEW


def _says_duress(text: str | None) -> bool:
    """Whether the text begins with the word, behind our own label or not."""
    words = (text or "").rpartition(": ")[2] if (text or "").startswith("ref ") else text or ""
    return words.lower().startswith(DURESS_WORD)


def wants_call(request: Request) -> bool:
    """Whether a voice call goes with this request: as public centres do it, for a message only, and not for a test, a
    cancellation, or a unit that says `no-voice:`."""
    meaning = read(request)
    if request.kind in {MessageType.HEARTBEAT, MessageType.RESET, MessageType.INFORMATION}:
        return False
    if meaning.mode is not Mode.LIVE or meaning.action is Action.CANCEL:
        return False
    if dict(request.others).get("mreq") == "4":
        return False
    return not request.crd or any(not endpoint.lower().startswith("no-voice:") for endpoint in request.crd)
