"""One SMS as a PDU (3GPP TS 23.040, TS 27.005): up to 140 bytes of any kind, there and back. Pure.

We send and read 8-bit data only: a sealed frame fits into one message. Text is never interpreted; a message of another
coding comes back with its payload None, so that it can wake and nothing else.
"""

import binascii

from firmware.core import at_syntax
from firmware.core.at_syntax import AtError

LONGEST_SMS = 140
_INTERNATIONAL = 0x91
_NATIONAL = 0x81
_ALPHANUMERIC = 0x50
_EIGHT_BIT = 0x04
_VALID_5_MINUTES = 0
_TIMESTAMP = 7


class Sms:
    """A message that has come: `sender` (digits, or the hexadecimal of an alphanumeric one), `payload` or None."""

    def __init__(self, sender: str, payload: "bytes | None") -> None:
        self.sender = sender
        self.payload = payload


def _swapped(digits: str) -> bytes:
    if len(digits) % 2:
        digits += "F"
    return binascii.unhexlify("".join([digits[at + 1] + digits[at] for at in range(0, len(digits), 2)]))


def encode(to: str, payload: bytes, validity: int = _VALID_5_MINUTES) -> "tuple[int, str]":
    """(TPDU length for +CMGS, PDU in hexadecimal) of an SMS-SUBMIT; the centre is the SIM's own. `validity` as in
    TS 23.040 clause 9.2.3.12.1: 0 is five minutes, since a late alarm by SMS only frightens. Raises AtError."""
    at_syntax.telephone(to)
    if not 1 <= len(payload) <= LONGEST_SMS or not 0 <= validity <= 255:
        raise AtError("argument")
    digits = to.lstrip("+")
    head = bytes([0x11, 0, len(digits), _INTERNATIONAL if to[0] == "+" else _NATIONAL]) + _swapped(digits)
    tpdu = head + bytes([0, _EIGHT_BIT, validity, len(payload)]) + payload
    return len(tpdu), binascii.hexlify(b"\x00" + tpdu).decode().upper()


def decode(text: str) -> Sms:
    """The SMS-DELIVER that +CMGR shows in hexadecimal. Raises AtError "pdu" if it is none."""
    if len(text) % 2 or not at_syntax.is_hex(text) or len(text) > 2 * (LONGEST_SMS + 40):
        raise AtError("pdu")
    data = binascii.unhexlify(text)
    at = 1 + data[0]
    if len(data) < at + 3 or data[at] & 3:
        raise AtError("pdu")
    first, length, kind = data[at], data[at + 1], data[at + 2]
    at += 3
    end = at + (length + 1) // 2
    if length > 20 or len(data) < end + 3 + _TIMESTAMP:
        raise AtError("pdu")
    sender = _sender(data[at:end], length, kind)
    coding = data[end + 1]
    at = end + 2 + _TIMESTAMP
    size = data[at]
    # A user data header means that this is a part, or something for the SIM: none of it is for us.
    if not _is_8_bit(coding) or first & 0x40:
        return Sms(sender, None)
    if size > LONGEST_SMS or len(data) != at + 1 + size:
        raise AtError("pdu")
    return Sms(sender, data[at + 1 :])


def _is_8_bit(coding: int) -> bool:
    """TS 23.038 clause 4: the general group, not compressed, or the group with message class."""
    if coding & 0xF0 == 0xF0:
        return coding & 0x0C == _EIGHT_BIT
    return not coding & 0xE0 and coding & 0x0C == _EIGHT_BIT


def _sender(data: bytes, length: int, kind: int) -> str:
    text = binascii.hexlify(data).decode()
    if kind & 0x70 == _ALPHANUMERIC:
        return text
    swapped = "".join([text[at + 1] + text[at] for at in range(0, len(text), 2)])[:length]
    return "+" + swapped if kind == _INTERNATIONAL else swapped
