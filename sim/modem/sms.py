"""PDUs as the network delivers them (3GPP TS 23.040 clause 9.2.2.1), the good ones and the others."""

from __future__ import annotations

_CENTRE = "07916407058099F9"
_TIME = "62112132021340"
_DELIVER, _WITH_HEADER = 0x04, 0x40
_GSM7, _EIGHT_BIT = 0x00, 0x04
_GARBAGE = ("", "0", "07", "07916407058099F9", "ZZ", "07916407058099F904FF91", "FF" * 200, "07916407058099F9040B9164")


def submitted(pdu: bytes) -> tuple[str, bytes]:
    """(number, payload) of an SMS-SUBMIT with a short validity."""
    at = 1 + pdu[0] + 2
    count = pdu[at]
    end = at + 2 + (count + 1) // 2
    number = "".join(f"{byte & 15:X}{byte >> 4:X}" for byte in pdu[at + 2 : end])[:count]
    return number, pdu[end + 4 :]


def delivered(sender: str, payload: bytes, coding: str = "8-bit", number: int = 0) -> list[str]:
    """The PDUs of one message in hexadecimal: one, or several if it is concatenated. `coding` garbage ignores the
    payload; `number` chooses among its kinds."""
    if coding == "garbage":
        return [_GARBAGE[number % len(_GARBAGE)]]
    if coding == "7-bit":
        return [_pdu(sender, _DELIVER, _GSM7, len(payload), packed(payload))]
    if coding == "concatenated":
        middle = (len(payload) + 1) // 2
        parts = [payload[:middle], payload[middle:]]
        out = []
        for place, part in enumerate(parts, 1):
            data = bytes((5, 0, 3, number & 0xFF, len(parts), place)) + part
            out.append(_pdu(sender, _DELIVER | _WITH_HEADER, _EIGHT_BIT, len(data), data))
        return out
    return [_pdu(sender, _DELIVER, _EIGHT_BIT, len(payload), payload)]


def packed(septets: bytes) -> bytes:
    """Seven bits each, first in the low end (TS 23.038 clause 6.1.2.1)."""
    bits = sum((septet & 0x7F) << 7 * place for place, septet in enumerate(septets))
    return bits.to_bytes((7 * len(septets) + 7) // 8, "little")


def _pdu(sender: str, first: int, coding: int, length: int, data: bytes) -> str:
    digits = sender + "F" * (len(sender) % 2)
    swapped = "".join(digits[at + 1] + digits[at] for at in range(0, len(digits), 2))
    head = f"{_CENTRE}{first:02X}{len(sender):02X}91{swapped}00{coding:02X}{_TIME}{length:02X}"
    return head + data.hex().upper()
