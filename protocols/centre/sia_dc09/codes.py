"""The table between our categories and the two-letter codes of SIA-DCS (DC-03).

It is our table, not a standard's: two categories may share a code (a fall and an illness are both MA), and then the
code is read back as the wider one. `TABLE_VERSION` grows with every change, so that a stored alarm tells which table
read it.
"""

from __future__ import annotations

from protocols.centre.alarm import Action, Category

TABLE_VERSION = "dcs-1"

UNTYPED = "UA"
"""An alarm whose category has no code: a centre shows it, and the text says what it is."""
UNDEFINED = "UX"
"""Something that is no alarm and has no code."""
BATTERY_OF_PENDANT = ("XT", "XR")

SENT: dict[Category, tuple[str, str, str]] = {
    # category: (new, restored, cancelled)
    Category.PERSONAL_HELP: ("QA", "QR", "QH"),
    Category.MEDICAL: ("MA", "MR", "MH"),
    Category.FALL: ("MA", "MR", "MH"),
    Category.PERSONAL_ATTACK: ("PA", "PR", "PH"),
    Category.PANIC: ("PA", "PR", "PH"),
    Category.DURESS: ("HA", "HR", "HH"),
    Category.INACTIVITY: ("NA", "NS", "NS"),
    Category.WANDER: ("UA", "UR", "UH"),
    Category.GEOFENCE: ("UA", "UR", "UH"),
    Category.SMOKE: ("FA", "FR", "FH"),
    Category.FIRE: ("FA", "FR", "FH"),
    Category.GAS: ("GA", "GR", "GH"),
    Category.CO: ("GA", "GR", "GH"),
    Category.FLOOD: ("WA", "WR", "WH"),
    Category.BATTERY_LOW: ("YT", "YR", "YR"),
    Category.BATTERY_FAIL: ("YM", "YR", "YR"),
    Category.MAINS_FAIL: ("AT", "AR", "AR"),
    Category.COMM_FAIL: ("YC", "YK", "YK"),
    Category.HEARTBEAT_MISSED: ("YC", "YK", "YK"),
    Category.RADIO_LOST: ("UY", "UJ", "UJ"),
    Category.RADIO_JAM: ("XQ", "XH", "XH"),
    Category.TAMPER: ("TA", "TR", "TR"),
    Category.DEVICE_FAULT: ("YX", "YZ", "YZ"),
    Category.SERVICE: ("YX", "YZ", "YZ"),
    Category.TEST_MANUAL: ("RX", "RX", "RX"),
    Category.TEST_PERIODIC: ("RP", "RP", "RP"),
    Category.STAFF_PRESENT: (UNDEFINED, UNDEFINED, UNDEFINED),
    Category.STAFF_DONE: (UNDEFINED, UNDEFINED, UNDEFINED),
    Category.OTHER: (UNTYPED, "UR", "UH"),
}

READ: dict[str, tuple[Category, Action]] = {
    "QA": (Category.PERSONAL_HELP, Action.NEW),
    "QH": (Category.PERSONAL_HELP, Action.RESTORE),
    "QR": (Category.PERSONAL_HELP, Action.RESTORE),
    "QT": (Category.DEVICE_FAULT, Action.NEW),
    "QJ": (Category.DEVICE_FAULT, Action.RESTORE),
    "MA": (Category.MEDICAL, Action.NEW),
    "MH": (Category.MEDICAL, Action.RESTORE),
    "MR": (Category.MEDICAL, Action.RESTORE),
    "MT": (Category.DEVICE_FAULT, Action.NEW),
    "MJ": (Category.DEVICE_FAULT, Action.RESTORE),
    "PA": (Category.PERSONAL_ATTACK, Action.NEW),
    "PH": (Category.PERSONAL_ATTACK, Action.RESTORE),
    "PR": (Category.PERSONAL_ATTACK, Action.RESTORE),
    "HA": (Category.DURESS, Action.NEW),
    "HH": (Category.DURESS, Action.RESTORE),
    "HR": (Category.DURESS, Action.RESTORE),
    "NA": (Category.INACTIVITY, Action.NEW),
    "NS": (Category.INACTIVITY, Action.RESTORE),
    "FA": (Category.FIRE, Action.NEW),
    "FH": (Category.FIRE, Action.RESTORE),
    "FR": (Category.FIRE, Action.RESTORE),
    "GA": (Category.GAS, Action.NEW),
    "GH": (Category.GAS, Action.RESTORE),
    "GR": (Category.GAS, Action.RESTORE),
    "WA": (Category.FLOOD, Action.NEW),
    "WH": (Category.FLOOD, Action.RESTORE),
    "WR": (Category.FLOOD, Action.RESTORE),
    "YT": (Category.BATTERY_LOW, Action.NEW),
    "YR": (Category.BATTERY_LOW, Action.RESTORE),
    "XT": (Category.BATTERY_LOW, Action.NEW),
    "XR": (Category.BATTERY_LOW, Action.RESTORE),
    "YM": (Category.BATTERY_FAIL, Action.NEW),
    "AT": (Category.MAINS_FAIL, Action.NEW),
    "AR": (Category.MAINS_FAIL, Action.RESTORE),
    "YC": (Category.COMM_FAIL, Action.NEW),
    "YS": (Category.COMM_FAIL, Action.NEW),
    "YK": (Category.COMM_FAIL, Action.RESTORE),
    "NT": (Category.COMM_FAIL, Action.NEW),
    "NR": (Category.COMM_FAIL, Action.RESTORE),
    "UY": (Category.RADIO_LOST, Action.NEW),
    "UJ": (Category.RADIO_LOST, Action.RESTORE),
    "XQ": (Category.RADIO_JAM, Action.NEW),
    "XH": (Category.RADIO_JAM, Action.RESTORE),
    "TA": (Category.TAMPER, Action.NEW),
    "TR": (Category.TAMPER, Action.RESTORE),
    "YX": (Category.SERVICE, Action.NEW),
    "YZ": (Category.SERVICE, Action.RESTORE),
    "RX": (Category.TEST_MANUAL, Action.TEST),
    "RP": (Category.TEST_PERIODIC, Action.TEST),
    "TX": (Category.TEST_PERIODIC, Action.TEST),
    "TS": (Category.TEST_MANUAL, Action.TEST),
    "TE": (Category.TEST_MANUAL, Action.TEST),
    "RR": (Category.OTHER, Action.INFO),
    "JT": (Category.OTHER, Action.INFO),
    "LB": (Category.OTHER, Action.INFO),
    "LX": (Category.OTHER, Action.INFO),
    "LS": (Category.OTHER, Action.INFO),
    "UX": (Category.OTHER, Action.INFO),
    "UH": (Category.OTHER, Action.RESTORE),
    "UR": (Category.OTHER, Action.RESTORE),
}


def read(code: str) -> tuple[Category, Action]:
    """What a code means to us. An unknown code is something new that a person must look at, never nothing."""
    return READ.get(code, (Category.OTHER, Action.NEW))
