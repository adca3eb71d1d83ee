"""CoAP messages (RFC 7252 section 3): bytes in, a Message out, and back.

The codec alone. The unit's exchange layer is `coap_client`, the fleet's is `coap_server`; a unit ships only the first.

What is refused, each with its own reason in `CoapError.reason`: datagrams over the limit, versions other than 1 (to be
ignored, section 3), token lengths 9 to 15, reserved code classes 1, 6 and 7 (section 3), an empty message with
anything behind its header (section 4.1), option deltas and lengths of 15, cut options, option numbers above 65535, and
a payload marker without payload. Extended deltas and lengths have one form only, so there is no non-shortest form.
"""

import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    Option = tuple[int, bytes]
    Actions = list[tuple[Any, ...]]

CON = 0
NON = 1
ACK = 2
RST = 3

EMPTY = 0x00
GET = 0x01
POST = 0x02
CHANGED = 0x44
BAD_OPTION = 0x82
NOT_FOUND = 0x84
METHOD_NOT_ALLOWED = 0x85

URI_HOST = 3
URI_PORT = 7
URI_PATH = 11

# A sealed frame is at most 512 bytes; the rest is room for header, token, options and payload marker.
LIMIT = 640

# Section 4.8: milliseconds. ACK_RANDOM_FACTOR 1.5 spreads the first timeout over ACK_TIMEOUT .. 1.5 * ACK_TIMEOUT.
ACK_TIMEOUT = 2000
MAX_RETRANSMIT = 4
EXCHANGE_LIFETIME = 247000


class CoapError(ValueError):
    """A datagram that is no CoAP message, or a message that cannot be encoded.

    `reason` is one of a fixed set of short texts, fit for a counter's name. `mid` is the message id when the peer
    must be told with a Reset (a malformed CON, section 4.2), else None: ignore the datagram.
    """

    def __init__(self, reason: str, mid: "int | None" = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.mid = mid


class Message:
    """One message. `type` CON, NON, ACK or RST; `code` as on the wire (2.04 is 0x44); `mid` 0..65535; `token` 0..8
    bytes; `options` ascending (number, value) pairs; `payload` bytes, empty when there is none."""

    __slots__ = ("code", "mid", "options", "payload", "token", "type")

    def __init__(
        self, type: int, code: int, mid: int, token: bytes, options: "Sequence[Option]", payload: bytes
    ) -> None:
        self.type = type
        self.code = code
        self.mid = mid
        self.token = token
        self.options = options
        self.payload = payload

    def is_request(self) -> bool:
        return 0 < self.code < 0x20

    def is_response(self) -> bool:
        return self.code >= 0x40

    def path(self) -> "tuple[bytes, ...]":
        """The Uri-Path segments, undecoded: a path is compared, never shown."""
        return tuple([value for number, value in self.options if number == URI_PATH])

    def unknown_critical(self) -> "list[int]":
        """Numbers of the critical (odd) options that this project does not act on. A request that has one is answered
        4.02 or ignored (section 5.4.1). Uri-Host and Uri-Port are known and make no difference."""
        return [number for number, _ in self.options if number & 1 and number not in (URI_HOST, URI_PORT, URI_PATH)]


def segments(path: str) -> "tuple[bytes, ...]":
    """The Uri-Path segments of a path like `u` or `a/b`."""
    return tuple([part.encode() for part in path.split("/")])


def path_options(path: str) -> "list[Option]":
    return [(URI_PATH, part) for part in segments(path)]


def first_timeout(random: int) -> int:
    """The first retransmission timeout in ms; `random` is 0..1000 permille of the spread (section 4.2)."""
    return ACK_TIMEOUT + ACK_TIMEOUT * random // 2000


def _nibble(value: int) -> "tuple[int, bytes]":
    if value < 13:
        return value, b""
    if value < 269:
        return 13, bytes([value - 13])
    return 14, struct.pack("!H", value - 269)


def encode(
    type: int, code: int, mid: int, token: bytes = b"", options: "Sequence[Option]" = (), payload: bytes = b""
) -> bytes:
    """The datagram. Options must be given in ascending order. Raises CoapError when a field is out of its range."""
    if not (0 <= type <= 3 and 0 <= code <= 255 and 0 <= mid <= 65535 and len(token) <= 8):
        raise CoapError("field out of range")
    if code == EMPTY and (token or options or payload):
        raise CoapError("empty message not empty")
    parts = [struct.pack("!BBH", 0x40 | type << 4 | len(token), code, mid), token]
    last = 0
    for number, value in options:
        if not last <= number <= 65535 or len(value) > 65535:
            raise CoapError("option out of order or range")
        delta, more_delta = _nibble(number - last)
        length, more_length = _nibble(len(value))
        parts.append(bytes([delta << 4 | length]) + more_delta + more_length + value)
        last = number
    if payload:
        parts.append(b"\xff" + payload)
    return b"".join(parts)


def _extended(data: bytes, nibble: int, at: int, mid: "int | None") -> "tuple[int, int]":
    if nibble < 13:
        return nibble, at
    if nibble == 15:
        raise CoapError("reserved option nibble", mid)
    end = at + nibble - 12
    if end > len(data):
        raise CoapError("cut option", mid)
    if nibble == 13:
        return data[at] + 13, end
    return (data[at] << 8 | data[at + 1]) + 269, end


def decode(data: bytes, limit: int = LIMIT) -> Message:
    """The message of a datagram. Raises CoapError; see the head of this file for what is refused."""
    size = len(data)
    if size > limit:
        raise CoapError("oversize")
    if size < 4:
        raise CoapError("short header")
    first, code, mid = struct.unpack("!BBH", data[:4])
    if first >> 6 != 1:
        raise CoapError("version")
    kind = first >> 4 & 3
    answer_to = mid if kind == CON else None
    if code >> 5 in (1, 6, 7):
        raise CoapError("reserved code class", answer_to)
    if code == EMPTY and (size > 4 or first & 15):
        raise CoapError("empty message not empty", answer_to)
    at = 4 + (first & 15)
    if first & 15 > 8:
        raise CoapError("reserved token length", answer_to)
    if at > size:
        raise CoapError("cut token", answer_to)
    token = data[4:at]
    options = []
    payload = b""
    number = 0
    while at < size:
        head = data[at]
        at += 1
        if head == 0xFF:
            if at == size:
                raise CoapError("payload marker without payload", answer_to)
            payload = data[at:]
            break
        delta, at = _extended(data, head >> 4, at, answer_to)
        length, at = _extended(data, head & 15, at, answer_to)
        number += delta
        if number > 65535:
            raise CoapError("option number", answer_to)
        if at + length > size:
            raise CoapError("cut option", answer_to)
        options.append((number, data[at : at + length]))
        at += length
    return Message(kind, code, mid, token, options, payload)
