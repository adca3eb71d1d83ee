"""SCAIP's code tables: what a number means in words. Meanings come from public implementations, not from the standard.

Codes are compared as integers, because units write `2`, `02` and `0002` for the same thing; what stood on the wire is
kept beside it. A number that no table has is passed on without a meaning and never refuses an alarm.
"""

from __future__ import annotations

import re
from enum import StrEnum

_DIGITS = re.compile(r"[0-9]{1,9}")


class MessageType(StrEnum):
    """`mty`: a message or alarm, a reset, an update of information, a heartbeat."""

    MESSAGE = "ME"
    RESET = "RE"
    INFORMATION = "IN"
    HEARTBEAT = "PI"


class Status:
    """`snu` of a reply: whether the centre has the message. Only OK says that it has."""

    OK = 0
    TOO_LONG = 1
    INVALID_FORMAT = 2
    WRONG_CONTENT = 3
    HOLD = 4
    NOT_TREATED = 5
    BUSY = 6
    TAG_MISSING = 7
    UNDEFINED = 99


DEFAULT_STATUS = 10
"""`stc` of a request that has none: a manual alarm."""
DEFAULT_CALL = "sip:"
"""`crd` of a request that has none."""
DEFAULT_VERSION = "01.00"


def number(text: str | None) -> int | None:
    """A code as an integer; None where there is none or where it is not decimal digits."""
    if text is None:
        return None
    text = text.strip()
    return int(text) if _DIGITS.fullmatch(text) else None


def meaning(element: str, text: str | None) -> str | None:
    """What the code of an element means, in words; None for an unknown code or an element without a table."""
    code = number(text)
    return None if code is None else TABLES.get(element, {}).get(code)


def _numbered(words: str) -> dict[int, str]:
    """A table from one string: words divided by bars, counted from 0; an empty place is a code that nobody knows."""
    return {code: word.strip() for code, word in enumerate(words.split("|")) if word.strip()}


DEVICE_TYPE = _numbered(
    "unknown|undefined|local unit and controller|personal trigger|fixed trigger|fall detector|personal attack trigger|"
    "panic button|duty switch remote|duty switch local|activity detector|pill dispenser|bed monitor|mat|door|"
    "wandering|enuresis|epilepsy|occupancy|heart rate|environment|gas|lighting circuit|smoke|heating|heat|"
    "carbon monoxide|bogus caller switch|intruder|boundary|automatic man-down|system monitor|"
    "communication link monitor|flood|bath|latch key|perimeter|sprinkler|tamper|printer|router|power supply||"
    "access controller|chair|controller|lift alarm|fire alarm system|local unit|monitoring device|radio unit|"
    "tracking device"
)
"""`dty`. 42 is absent in every source."""

DEVICE_COMPONENT = _numbered(
    "unknown|undefined|button 1|button 2|button 3|button 4|button 5|switch 1|switch 2|switch 3|switch 4|switch 5|"
    "output 1|output 2|output 3|output 4|output 5|automatic circuit 1|automatic circuit 2|automatic circuit 3|"
    "automatic circuit 4|automatic circuit 5|Ethernet|memory|microcontroller|module 1|module 2|module 3|module 4|"
    "module 5"
)
"""`dco`."""

STATUS_CODE = _numbered(
    "unknown|undefined|abort|absent|accepted|acknowledge|activated|active|added|automatic alarm|manual alarm|alert|"
    "armed|assigned|battery failure|battery ok|battery low|busy|bypass|cancel|charged|closed|closed too long|"
    "IP failure|mobile failure|POTS failure|primary link failure|redundant link failure|deleted|denied|disarmed|"
    "disconnected|error 1|error 2|error 3|error 4|error 5|error 6|error 7|error 8|error 9|executed|failure|"
    "frequency drift|frequency drift low|frequency drift high|high level|in progress|in service||"
    "initiated or inactive|interrupted|jammed|level 1|level 2|level 3|level 4|level 5|level 6|level 7|level 8|"
    "level 9|log|loss|low level|maintenance|urgent maintenance|malfunction|memory full|non active|normal|occupied|"
    "off|offline|on|online|open|open too long|out of service|overflow|pending|pill not taken|pill reminder|"
    "pill taken|planned|power failure|power restored|planned presence|presence after alarm|privacy switch|pulse|"
    "re-established|automatic reset|manual reset|restoral|radio interference (RF)|started|ended|substituted|"
    "succeeded|temperature high|temperature low|test over primary link|test over redundant link|timeout|trouble|"
    "trespass|unauthorized|unbypass|verified|assistance|intervention complete|IP re-established|"
    "mobile re-established|POTS re-established|primary link re-established|redundant link re-established|"
    "lying in bed|locked|movement|occupancy|present|radio interference|radio test missing|"
    "radio test re-established|tamper|temperature rate of rise|unlocked"
)
"""`stc`. 49 is a hole: the source gives 50 to both *inactive* and *initiated*, so that one of them is 49."""

LOCATION_CODE = _numbered(
    "unknown|undefined|home|away|indoors|outdoors|inside|outside|area|zone|basement|bathroom|bedroom|dining room|"
    "floor|garage|garden|back garden|front garden|geofence|gym|kitchen|laundry|relaxation room|sauna|stairs|study|"
    "workshop|loft|shed|temporary address|summer house|winter cottage|mobile|geo position attached|"
    "GPS position attached|property|disabled bathroom|door|front door|back door|fire door|hallway|living room|"
    "apartment|bungalow|lounge|communal area|office|room|site|ward|wing"
)
"""`lco`."""

SYSTEM_CONFIGURATION = _numbered(
    "local unit and controller|grouped, supervisor off duty|grouped, supervisor on duty|"
    "grouped, supervisor on duty and acting as receiver"
)
"""`sco`."""
CALL_HANDLING = _numbered("the device calls out|the centre calls the device back")
"""`cha`."""
HEARTBEAT_OPTION = _numbered("not adjustable|adjustable")
"""`hbo`; 2 and 3 are used by nobody whose source is public."""
MEDIA = _numbered("no call|duplex|device microphone only|device speaker only")
"""`mre`."""
CALL_RECEIVER = {0: "no call", 61: "predefined receiver", 62: "transferred number"}
"""`cre`."""
STATUS_NUMBER = {
    Status.OK: "OK",
    Status.TOO_LONG: "message too long",
    Status.INVALID_FORMAT: "invalid format",
    Status.WRONG_CONTENT: "wrong content",
    Status.HOLD: "hold",
    Status.NOT_TREATED: "not treated",
    Status.BUSY: "busy",
    Status.TAG_MISSING: "mandatory tag missing",
    Status.UNDEFINED: "undefined error",
}
"""`snu`."""

TABLES: dict[str, dict[int, str]] = {
    "dty": DEVICE_TYPE,
    "dco": DEVICE_COMPONENT,
    "stc": STATUS_CODE,
    "lco": LOCATION_CODE,
    "sco": SYSTEM_CONFIGURATION,
    "cha": CALL_HANDLING,
    "hbo": HEARTBEAT_OPTION,
    "mre": MEDIA,
    "cre": CALL_RECEIVER,
    "snu": STATUS_NUMBER,
}
"""Every table by its element. What `ico`, `hbi` and `mreq` mean is not public, so they have none."""

DTMF = {
    "caru": {"0": "clear down", "1": "volume up", "3": "volume down"},
    "arc": {
        "0": "clear down",
        "1": "volume down",
        "3": "volume up",
        "4": "duplex",
        "7": "listen",
        "8": "speak",
        "9": "output control",
    },
}
"""What an operator's digits do in a call, by the source that says so. The volume digits contradict each other, so a
centre chooses the table; nothing here assumes one."""
