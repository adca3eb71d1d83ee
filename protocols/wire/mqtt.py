"""MQTT 3.1.1 packets (OASIS standard of 29 October 2014): a byte stream in, packets out, and back.

The codec alone. The unit's session is `mqtt_client`, the fleet's side of a connection is `mqtt_server`; a unit ships
only the first.

What is refused, each with its own reason in `MqttError.reason`: packet types 0 and 15, wrong reserved flags (section
2.2.2), a remaining length over the cap (refused on the header, before anything is buffered), longer than four bytes or
not in its shortest form, ill-formed UTF-8 and U+0000 (section 1.5.3; MicroPython's own decoder lets surrogates and
overlong forms pass, so the check is here), packet id 0, cut fields and trailing bytes, QoS 3, DUP on QoS 0, and
wildcards or nothing at all in a topic name.
"""

import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container, Sequence
    from typing import Any

    Actions = list[tuple[Any, ...]]

CONNECT = 1
CONNACK = 2
PUBLISH = 3
PUBACK = 4
SUBSCRIBE = 8
SUBACK = 9
UNSUBSCRIBE = 10
UNSUBACK = 11
PINGREQ = 12
PINGRESP = 13
DISCONNECT = 14

# Section 2.2.2: the low four bits of the first byte, by packet type; PUBLISH has flags of its own.
_FLAGS = b"\x00\x00\x00\x00\x00\x00\x02\x00\x02\x00\x02\x00\x00\x00\x00\x00"

# A sealed frame is at most 512 bytes; the rest is room for topics and for what strangers send before they are refused.
CAP = 2048

# CONNACK return codes, section 3.2.2.3.
ACCEPTED = 0
BAD_PROTOCOL_LEVEL = 1
IDENTIFIER_REJECTED = 2
SERVER_UNAVAILABLE = 3
BAD_CREDENTIALS = 4
NOT_AUTHORISED = 5

# SUBACK return code, section 3.9.3.
SUBSCRIPTION_REFUSED = 0x80


class MqttError(ValueError):
    """The peer broke the protocol, or we were asked to. `reason` is one of a fixed set of short texts, fit for a
    counter's name. `connack` is the return code to answer with before the connection is closed, or None."""

    def __init__(self, reason: str, connack: "int | None" = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.connack = connack


class Reader:
    """Cuts a byte stream into packets. It holds at most one packet of `cap` bytes besides what one `feed` brought."""

    def __init__(self, cap: int = CAP) -> None:
        self._cap = cap
        self._buffer = b""
        self._at = 0

    def feed(self, data: bytes) -> None:
        self._buffer = self._buffer[self._at :] + data
        self._at = 0

    def take(self) -> "tuple[int, bytes] | None":
        """The next packet as (first byte, body), or None until more bytes come. Raises MqttError, and then the stream
        is lost: there is no way to find the next packet."""
        at = self._at
        end = len(self._buffer)
        if at == end:
            return None
        first = self._buffer[at]
        if not 0 < first >> 4 < 15:
            raise MqttError("packet type")
        if first >> 4 != PUBLISH and first & 15 != _FLAGS[first >> 4]:
            raise MqttError("reserved flags")
        length = 0
        shift = 0
        while True:
            at += 1
            if at == end:
                return None
            byte = self._buffer[at]
            length |= (byte & 0x7F) << shift
            if length > self._cap:
                raise MqttError("packet too long")
            if byte < 0x80:
                break
            shift += 7
            if shift == 28:
                raise MqttError("remaining length")
        if shift and not byte:
            raise MqttError("remaining length")
        at += 1
        if end - at < length:
            return None
        self._at = at + length
        return first, self._buffer[at : self._at]


class Fields:
    """Reads the fields of a packet's body in order. Raises MqttError "cut field" and, by `end`, "trailing bytes"."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._at = 0

    def raw(self, size: int) -> bytes:
        at = self._at
        self._at = at + size
        if self._at > len(self._body):
            raise MqttError("cut field")
        return self._body[at : self._at]

    def byte(self) -> int:
        return self.raw(1)[0]

    def word(self) -> int:
        high, low = self.raw(2)
        return high << 8 | low

    def packet_id(self) -> int:
        value = self.word()
        if not value:
            raise MqttError("packet id 0")
        return value

    def data(self) -> bytes:
        return self.raw(self.word())

    def text(self) -> str:
        return text(self.data())

    def rest(self) -> bytes:
        return self.raw(len(self._body) - self._at)

    def more(self) -> bool:
        return self._at < len(self._body)

    def end(self) -> None:
        if self.more():
            raise MqttError("trailing bytes")


def text(data: bytes) -> str:
    """A UTF-8 string without U+0000, surrogates or overlong forms (section 1.5.3). Raises MqttError."""
    if 0 in data:
        raise MqttError("U+0000 in text")
    at = 0
    while at < len(data):
        lead = data[at]
        at += 1
        if lead < 0x80:
            continue
        if not 0xC2 <= lead <= 0xF4:
            raise MqttError("text is not UTF-8")
        more = 1 if lead < 0xE0 else 2 if lead < 0xF0 else 3
        tail = data[at : at + more]
        at += more
        if len(tail) < more or any([byte & 0xC0 != 0x80 for byte in tail]):
            raise MqttError("text is not UTF-8")
        # The second byte decides on overlong forms, surrogates and what lies above U+10FFFF (RFC 3629 section 4).
        low = {0xE0: 0xA0, 0xF0: 0x90}.get(lead, 0x80)
        high = {0xED: 0x9F, 0xF4: 0x8F}.get(lead, 0xBF)
        if not low <= tail[0] <= high:
            raise MqttError("text is not UTF-8")
    return str(data, "utf-8")


def _prefixed(data: bytes) -> bytes:
    if len(data) > 65535:
        raise MqttError("field too long")
    return struct.pack("!H", len(data)) + data


def packet(kind: int, body: bytes, flags: int = 0) -> bytes:
    """A whole packet: first byte, remaining length, body."""
    length = len(body)
    if length > 0x0FFFFFFF:
        raise MqttError("packet too long")
    head = bytearray([kind << 4 | flags])
    while length > 127:
        head.append(length & 127 | 128)
        length >>= 7
    head.append(length)
    return bytes(head) + body


def next_packet_id(last: int, used: "Container[int]") -> int:
    """The packet id after `last`: 1..65535, then 1 again, and never one that is in flight (section 2.3.1)."""
    for _ in range(65535):
        last = last % 65535 + 1
        if last not in used:
            return last
    raise MqttError("no free packet id")


class Connect:
    """What a CONNECT asks for (section 3.1). A user name, password or will is noted, not kept."""

    __slots__ = ("clean_session", "client_id", "keepalive", "username_present", "will_present")

    def __init__(self, body: bytes) -> None:
        fields = Fields(body)
        name = fields.data()
        level = fields.byte()
        if name not in (b"MQTT", b"MQIsdp"):
            raise MqttError("protocol name")
        if name != b"MQTT" or level != 4:
            raise MqttError("protocol level", BAD_PROTOCOL_LEVEL)
        flags = fields.byte()
        will = flags & 0x04
        if flags & 0x01 or (flags & 0x18) == 0x18 or (not will and flags & 0x38) or flags & 0xC0 == 0x40:
            raise MqttError("connect flags")
        self.keepalive = fields.word()
        self.client_id = fields.text()
        if will:
            topic_name(fields)
            fields.data()
        if flags & 0x80:
            fields.text()
        if flags & 0x40:
            fields.data()
        fields.end()
        self.clean_session = bool(flags & 0x02)
        self.username_present = bool(flags & 0x80)
        self.will_present = bool(will)


def connect(client_id: str, keepalive: int, clean_session: bool) -> bytes:
    body = _prefixed(b"MQTT") + struct.pack("!BBH", 4, 2 if clean_session else 0, keepalive)
    return packet(CONNECT, body + _prefixed(client_id.encode()))


def connack(session_present: bool, code: int) -> bytes:
    return packet(CONNACK, bytes([1 if session_present else 0, code]))


def parse_connack(body: bytes) -> "tuple[bool, int]":
    """(session present, return code). Session Present is a valid answer, and what a resumed session looks like."""
    fields = Fields(body)
    flags = fields.byte()
    code = fields.byte()
    fields.end()
    if flags > 1 or code > 5 or (flags and code):
        raise MqttError("CONNACK fields")
    return bool(flags), code


def topic_name(fields: Fields) -> str:
    """A topic to publish to: not empty, no wildcards (section 3.3.2.1)."""
    topic = fields.text()
    if not topic or "+" in topic or "#" in topic:
        raise MqttError("topic name")
    return topic


def publish(topic: str, payload: bytes, qos: int, packet_id: int, dup: bool = False) -> bytes:
    body = _prefixed(topic.encode())
    if qos:
        body += struct.pack("!H", packet_id)
    return packet(PUBLISH, body + payload, (8 if dup else 0) | qos << 1)


def parse_publish(first: int, body: bytes) -> "tuple[int, str, bytes, int, bool]":
    """(packet id or 0, topic, payload, qos, dup). QoS 2 is no part of this project and refused like QoS 3."""
    qos = first >> 1 & 3
    dup = bool(first & 8)
    if qos > 1:
        raise MqttError("QoS 2 or 3")
    if dup and not qos:
        raise MqttError("DUP on QoS 0")
    fields = Fields(body)
    topic = topic_name(fields)
    packet_id = fields.packet_id() if qos else 0
    return packet_id, topic, fields.rest(), qos, dup


def ack(kind: int, packet_id: int, codes: bytes = b"") -> bytes:
    """PUBACK, UNSUBACK, or SUBACK with its codes."""
    return packet(kind, struct.pack("!H", packet_id) + codes)


def parse_ack(body: bytes) -> int:
    """The packet id of a PUBACK or UNSUBACK."""
    fields = Fields(body)
    packet_id = fields.packet_id()
    fields.end()
    return packet_id


def parse_suback(body: bytes) -> "tuple[int, list[int]]":
    fields = Fields(body)
    packet_id = fields.packet_id()
    codes = list(fields.rest())
    if not codes or any([code > 2 and code != SUBSCRIPTION_REFUSED for code in codes]):
        raise MqttError("SUBACK codes")
    return packet_id, codes


def subscribe(packet_id: int, filters: "Sequence[tuple[str, int]]") -> bytes:
    parts = [_prefixed(name.encode()) + bytes([qos]) for name, qos in filters]
    return packet(SUBSCRIBE, struct.pack("!H", packet_id) + b"".join(parts), 2)


def parse_subscribe(body: bytes) -> "tuple[int, list[tuple[str, int]]]":
    """(packet id, [(filter, qos)]). A filter must not be empty; whether its wildcards are allowed is the caller's."""
    fields = Fields(body)
    packet_id = fields.packet_id()
    filters: "list[tuple[str, int]]" = []
    while fields.more() or not filters:
        name = fields.text()
        qos = fields.byte()
        if not name or qos > 2:
            raise MqttError("subscription")
        filters.append((name, qos))
    return packet_id, filters


def parse_unsubscribe(body: bytes) -> "tuple[int, list[str]]":
    fields = Fields(body)
    packet_id = fields.packet_id()
    filters: "list[str]" = []
    while fields.more() or not filters:
        name = fields.text()
        if not name:
            raise MqttError("subscription")
        filters.append(name)
    return packet_id, filters
