"""What bytes on our wires are: a sealed frame, a message, or a CoAP datagram or MQTT packet around one.

`explain` is pure: bytes in, a JSON-ready dict out, byte strings as hex. It needs no key; with a unit's master secret it
opens the frame as well. It never raises for bad bytes: it says what was wrong with them, which is what it is asked.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from protocols.wire import coap, messages, mqtt, seal
from protocols.wire.ccm import TAG, Ccm

Explained = dict[str, Any]

KINDS = {
    messages.KIND_MANUAL: "manual",
    messages.KIND_DURESS: "duress",
    messages.KIND_MAN_DOWN: "man-down",
    messages.KIND_NO_MOVEMENT: "no movement",
    messages.KIND_PULL_CORD: "pull cord",
    messages.KIND_TEST: "test",
}
BEARERS = {
    messages.BEARER_UNKNOWN: "unknown",
    messages.BEARER_WIFI: "Wi-Fi",
    messages.BEARER_ETHERNET: "Ethernet",
    messages.BEARER_SIM1: "SIM 1",
    messages.BEARER_SIM2: "SIM 2",
    messages.BEARER_SMS: "SMS",
}
RADIOS = {
    messages.RADIO_GSM: "GSM",
    messages.RADIO_UMTS: "UMTS",
    messages.RADIO_LTE: "LTE",
    messages.RADIO_LTE_M: "LTE-M",
    messages.RADIO_NB_IOT: "NB-IoT",
    messages.RADIO_WIFI: "Wi-Fi",
    messages.RADIO_ETHERNET: "Ethernet",
}
EVENTS = {
    messages.EVENT_POSITION: "position",
    messages.EVENT_MAINS_LOST: "mains lost",
    messages.EVENT_MAINS_BACK: "mains back",
    messages.EVENT_BATTERY_LOW: "battery low",
    messages.EVENT_FAULT: "fault",
    messages.EVENT_INPUT_STUCK: "input stuck",
}
STAGES = {messages.STORED: "stored", messages.ACCEPTED: "accepted", messages.TAKEN: "taken"}
ALARM_FLAGS = {
    messages.ALARM_AGE_IS_LOWER_BOUND: "age is a lower bound",
    messages.ALARM_TEST: "test",
    messages.ALARM_SILENT: "silent",
}
HEARTBEAT_FLAGS = {
    messages.MAINS_LOST: "mains lost",
    messages.CHARGING: "charging",
    messages.NOT_WORN: "not worn",
}
# (message, field): what its codes mean.
CODES: dict[tuple[type[messages.Message], str], dict[int, str]] = {
    (messages.Alarm, "kind"): KINDS,
    (messages.Alarm, "bearer"): BEARERS,
    (messages.Heartbeat, "bearer"): BEARERS,
    (messages.Heartbeat, "radio"): RADIOS,
    (messages.Event, "kind"): EVENTS,
    (messages.Answer, "result"): {messages.RESULT_DONE: "done"},
}
FLAGS: dict[type[messages.Message], dict[int, str]] = {
    messages.Alarm: ALARM_FLAGS,
    messages.Heartbeat: HEARTBEAT_FLAGS,
}
MQTT_PACKETS = {
    mqtt.CONNECT: "CONNECT", mqtt.CONNACK: "CONNACK", mqtt.PUBLISH: "PUBLISH", mqtt.PUBACK: "PUBACK",
    mqtt.SUBSCRIBE: "SUBSCRIBE", mqtt.SUBACK: "SUBACK", mqtt.UNSUBSCRIBE: "UNSUBSCRIBE", mqtt.UNSUBACK: "UNSUBACK",
    mqtt.PINGREQ: "PINGREQ", mqtt.PINGRESP: "PINGRESP", mqtt.DISCONNECT: "DISCONNECT",
}  # fmt: skip
COAP_TYPES = {coap.CON: "CON", coap.NON: "NON", coap.ACK: "ACK", coap.RST: "RST"}


def explain(data: bytes, secret: bytes | None = None, kid: bytes | None = None) -> Explained:
    """Say what `data` is; `what` is frame, message, coap, mqtt or unknown.

    `secret` is a unit's 16-byte master secret and opens frames. A down frame names no unit: `kid` says whose it is.
    For unknown bytes `tried` holds, per form, the reason why they are not that. Raises ValueError for a secret or kid
    of another length.
    """
    tried: dict[str, str] = {}
    forms: tuple[tuple[str, Callable[[bytes], Explained]], ...] = (
        ("frame", lambda raw: _frame(raw, secret, kid)),
        ("message", _message),
        # Before CoAP, because a PUBACK also reads as a CoAP POST without options, which is none of ours.
        ("mqtt", lambda raw: _mqtt(raw, secret, kid)),
        ("coap", lambda raw: _coap(raw, secret, kid)),
    )
    for what, form in forms:
        try:
            return {"what": what, "size": len(data), **form(data)}
        except (seal.SealError, messages.MessageError, coap.CoapError, mqtt.MqttError) as error:
            tried[what] = error.reason
    return {"what": "unknown", "size": len(data), "tried": tried}


def _frame(data: bytes, secret: bytes | None, kid: bytes | None) -> Explained:
    envelope = seal.parse(data)
    up = envelope.direction == seal.UP
    found: Explained = {"direction": "up (unit to fleet)" if up else "down (fleet to unit)"}
    if envelope.unit is not None:
        found |= {"unit": f"{envelope.unit:08x}", "generation": envelope.generation, "counter": envelope.counter}
        found["kid_context"] = envelope.kid_context.hex() if envelope.kid_context else None
    if envelope.iv is not None:
        found["iv"] = envelope.iv.hex()
    found["ciphertext_size"] = len(envelope.ciphertext)
    found["plaintext_size"] = len(envelope.ciphertext) - TAG
    owner = envelope.kid or kid
    if secret is None or owner is None:
        return found | {"opened": None}
    return found | _opened(envelope, secret, owner)


def _opened(envelope: seal.Envelope, secret: bytes, kid: bytes) -> Explained:
    key, common_iv = seal.derive(_sha256, secret, kid, envelope.direction, envelope.kid_context)
    # The units' own CCM, over single blocks: nothing is encrypted in ECB mode.
    aead = Ccm(Cipher(algorithms.AES(key), modes.ECB()).encryptor().update)  # noqa: S305
    try:
        plaintext = seal.open_down(aead, envelope) if common_iv is None else seal.open_up(aead, common_iv, envelope)
    except seal.SealError as error:
        return {"opened": False, "refused": error.reason}
    found: Explained = {"opened": True, "plaintext": plaintext.hex()}
    try:
        return found | _message(plaintext)
    except messages.MessageError as error:
        return found | {"refused": str(error)}


def _message(data: bytes) -> Explained:
    message = messages.decode(data)
    kind = type(message)
    fields: Explained = {"type": kind.__name__.lower()}
    meaning: Explained = {}
    for _, name, shape, _, _ in messages.fields(kind.NAMES, kind.FORMS):
        value = getattr(message, name)
        if value is None:
            continue
        fields[name] = _status(value) if shape == messages.STATUS else _plain(value)
        codes = CODES.get((kind, name))
        if codes:
            meaning[name] = codes.get(value, "not known to this version")
    if kind in FLAGS and message.flags:
        meaning["flags"] = ", ".join(_bits(message.flags, FLAGS[kind]))
    if kind is messages.Receipt:
        meaning["stages"] = ", ".join(STAGES.get(stage, str(stage)) for _, _, stage in message.items)
    found: Explained = {"message": fields}
    if meaning:
        found["meaning"] = meaning
    if message.extra:
        found["unknown_keys"] = _plain(message.extra)
    if message.dropped:
        found["dropped_keys"] = list(message.dropped)
    return found


def _status(status: dict[int, Any]) -> Explained:
    names = {key: name for key, name, *_ in messages.fields(messages.STATUS_NAMES, messages.STATUS_FORMS)}
    return {names.get(key, str(key)): _plain(value) for key, value in status.items()}


def _plain(value: Any) -> Any:
    """The same value as JSON can hold it."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def _bits(flags: int, names: dict[int, str]) -> list[str]:
    return [names.get(1 << bit, f"bit {bit}") for bit in range(flags.bit_length()) if flags >> bit & 1]


def _coap(data: bytes, secret: bytes | None, kid: bytes | None) -> Explained:
    message = coap.decode(data)
    return {
        "type": COAP_TYPES[message.type],
        "code": f"{message.code >> 5}.{message.code & 31:02}",
        "message_id": message.mid,
        "token": message.token.hex(),
        "path": "/" + "/".join(part.decode(errors="replace") for part in message.path()),
        "payload": explain(message.payload, secret, kid) if message.payload else None,
    }


def _mqtt(data: bytes, secret: bytes | None, kid: bytes | None) -> Explained:
    reader = mqtt.Reader()
    reader.feed(data)
    taken = reader.take()
    if taken is None:
        raise mqtt.MqttError("cut packet")
    first, body = taken
    kind = MQTT_PACKETS.get(first >> 4)
    if kind is None:
        raise mqtt.MqttError("packet type")
    if reader.take() is not None or len(mqtt.packet(first >> 4, body, first & 15)) != len(data):
        raise mqtt.MqttError("trailing bytes")
    found: Explained = {"type": kind}
    if first >> 4 != mqtt.PUBLISH:
        return found
    packet_id, topic, payload, qos, dup = mqtt.parse_publish(first, body)
    found |= {"topic": topic, "qos": qos, "dup": dup, "packet_id": packet_id or None}
    return found | {"payload": explain(payload, secret, kid) if payload else None}


def _sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()
