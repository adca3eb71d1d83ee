"""Answers that all modems give alike (3GPP TS 27.007): registration, timers, signal, time, identities. Pure.

A field that is missing or makes no sense is None; nothing here raises for what a modem says, except where a caller
could do nothing without the answer.
"""

from firmware.core import at_syntax
from firmware.core.at_syntax import AtError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# <stat> of +CEREG, TS 27.007 clause 10.1.22.
IDLE, HOME, SEARCHING, DENIED, UNKNOWN, ROAMING = 0, 1, 2, 3, 4, 5
EMERGENCY_ONLY = 8
UICC_FAILURE = 90
"""Seen on nRF91 modems; no standard value."""

# TS 24.008 clause 10.5.7.4a (T3412 extended, periodic update) and 10.5.7.3 (T3324, active time): units in seconds.
_TAU_UNITS = (600, 3600, 36000, 2, 30, 60, 1152000, 0)
_ACTIVE_UNITS = (2, 60, 360, 0, 0, 0, 0, 0)
_DEACTIVATED = 7

_LONGEST_ID = 22


class Registration:
    """One report: `stat`; `area` and `cell` as numbers; `act` (7 is E-UTRAN); `cause_type` and `cause` of a refusal;
    `active` and `tau`, the *granted* PSM timers in seconds, None where PSM is not granted."""

    def __init__(self, values: "list[Any]") -> None:
        self.stat = at_syntax.integer(values, 0, 0, 255)
        self.area = at_syntax.hexadecimal(values, 1)
        self.cell = at_syntax.hexadecimal(values, 2)
        self.act = at_syntax.integer(values, 3, 0, 255)
        self.cause_type = at_syntax.integer(values, 4, 0, 255)
        self.cause = at_syntax.integer(values, 5, 0, 255)
        self.active = timer(_text(values, 6), _ACTIVE_UNITS)
        self.tau = timer(_text(values, 7), _TAU_UNITS)

    @property
    def registered(self) -> bool:
        """At home or roaming: both carry an alarm."""
        return self.stat in (HOME, ROAMING)


def _text(values: "list[Any]", at: int) -> str:
    """Eight binary digits, which some modems do not quote."""
    if at >= len(values) or values[at] is None:
        return ""
    text = str(values[at])
    return "0" * (8 - len(text)) + text if at_syntax.is_digits(text) and len(text) < 8 else text


def is_registration_read(answer: str) -> bool:
    """Whether what follows `+CEREG:` answers a read, `n,stat[,...]`, and is no URC, `stat[,"tac",...]`.

    The second field tells: one or two digits without quotes are a <stat>; a URC has nothing there, an empty field, or
    an area code, which is quoted or has four digits."""
    parts = at_syntax.split(answer)
    return len(parts) >= 2 and at_syntax.is_digits(parts[1]) and len(parts[1]) <= 2


def registration(line: str) -> Registration:
    """Of a read's answer or of a URC; their shapes differ. Raises AtError "answer" without a <stat>."""
    values = at_syntax.fields(line)
    if is_registration_read(at_syntax.rest(line)):
        values = values[1:]
    found = Registration(values)
    if found.stat is None:
        raise AtError("answer")
    return found


def timer(bits: str, units: "tuple[int, ...]" = _TAU_UNITS) -> "int | None":
    """Seconds of eight binary digits: unit (3 bits), count (5 bits). None if deactivated or no timer."""
    if len(bits) != 8:
        return None
    for bit in bits:
        if bit not in "01":
            return None
    unit = int(bits[:3], 2)
    if unit == _DEACTIVATED or not units[unit]:
        return None
    return units[unit] * int(bits[3:], 2)


def _encode_timer(seconds: int, units: "tuple[int, ...]") -> str:
    """The shortest time that is at least `seconds`. Raises AtError "argument" if there is none."""
    best = None
    for unit, size in enumerate(units):
        count = -(-seconds // size) if size else 32
        if count <= 31 and (best is None or count * size < best[0]):
            best = (count * size, unit << 5 | count)
    if best is None or seconds < 0:
        raise AtError("argument")
    return "".join(["1" if best[1] >> bit & 1 else "0" for bit in range(7, -1, -1)])


def encode_tau(seconds: int) -> str:
    """T3412 extended for +CPSMS. Raises AtError "argument"."""
    return _encode_timer(seconds, _TAU_UNITS)


def encode_active(seconds: int) -> str:
    """T3324 for +CPSMS. Raises AtError "argument"."""
    return _encode_timer(seconds, _ACTIVE_UNITS)


# TS 24.008 clause 10.5.5.32, S1 mode: hundredths of a second of each cycle value.
_EDRX = (512, 1024, 2048, 4096, 6144, 8192, 10240, 12288, 14336, 16384, 32768, 65536, 131072, 262144, 524288, 1048576)


def edrx(line: str) -> "int | None":
    """Seconds of the cycle that the network has provided, of +CEDRXRDP (`type, asked, provided, window`); 0 where
    eDRX is not used, None if the line makes no sense."""
    values = at_syntax.split(at_syntax.rest(line))
    if values[0] == "0":
        return 0
    bits = values[2].strip('"') if len(values) > 2 else ""
    if len(bits) != 4 or bits.strip("01"):
        return None
    return _EDRX[int(bits, 2)] // 100


def signal(line: str) -> "dict[str, int]":
    """`rsrp` (dBm) and `rsrq` (tenths of dB) of +CESQ, or `rssi` (dBm) of +CSQ; what is unknown is left out."""
    values = at_syntax.fields(line)
    found = {}
    if at_syntax.head(line) == "+CSQ":
        rssi = at_syntax.integer(values, 0, 0, 31)
        if rssi is not None:
            found["rssi"] = -113 + 2 * rssi
        return found
    rsrq = at_syntax.integer(values, 4, 0, 34)
    rsrp = at_syntax.integer(values, 5, 0, 97)
    if rsrp is not None:
        found["rsrp"] = -141 + rsrp
    if rsrq is not None:
        found["rsrq"] = -200 + 5 * rsrq
    return found


def network_time(text: str) -> "int | None":
    """Unix seconds of `yy/MM/dd,hh:mm:ss+zz` (zz in quarters of an hour ahead of UTC). None if nobody has set it:
    modems start in 1970, 1980 or 2000 and say so until the network tells them."""
    if len(text) != 20 or text[2] + text[5] + text[8] + text[11] + text[14] != "//,::" or text[17] not in "+-":
        return None
    parts = [text[at : at + 2] for at in (0, 3, 6, 9, 12, 15, 18)]
    for part in parts:
        if not at_syntax.is_digits(part):
            return None
    year, month, day, hour, minute, second, zone = [int(part) for part in parts]
    if not (24 <= year < 70 and 1 <= month <= 12 and 1 <= day <= 31 and hour < 24 and minute < 60 and second < 61):
        return None
    unix = ((_days(2000 + year, month, day) * 24 + hour) * 60 + minute) * 60 + second
    return unix - zone * 900 if text[17] == "+" else unix + zone * 900


def _days(year: int, month: int, day: int) -> int:
    """Days since 1970-01-01 in the Gregorian calendar, counting years from March."""
    year -= month <= 2
    era = year // 400
    of_era = year - era * 400
    of_year = (153 * (month - 3 if month > 2 else month + 9) + 2) // 5 + day - 1
    return era * 146097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719468


def iccid(text: str) -> "str | None":
    """The 18 to 20 digits on the card, whatever shape the modem gives them: quoted, F-padded, nibbles swapped.

    Cards begin with 89 (ITU-T E.118). Some issuers use hexadecimal digits in the account part: they stay."""
    text = text.strip().strip('"').upper()
    if not at_syntax.is_hex(text) or len(text) > _LONGEST_ID:
        return None
    if not text.startswith("89") and text.startswith("98"):
        text = "".join([text[at + 1 : at + 2] + text[at] for at in range(0, len(text), 2)])
    text = text.rstrip("F")
    return text if 18 <= len(text) <= 20 and text.startswith("89") else None


def digits(text: str, least: int, most: int) -> "str | None":
    """An IMEI or IMSI: so many digits, quoted or not."""
    text = text.strip().strip('"')
    return text if at_syntax.is_digits(text) and least <= len(text) <= most else None
