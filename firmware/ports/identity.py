"""Who this unit is and whom it talks to: what provisioning has written to its flash. Read once, never written here.

`identity.cbor` is `{1: unit, 2: key generation, 3: master secret (16 bytes)}`. `config.cbor` is `{1: profile code,
2: heartbeat interval (s), 3: [pipe, ...] in preferred order, 4: [[host, port], ...] for CoAP,
5: [host, port, name in the server's certificate] for MQTT}`; 4 and 5 are only needed by the pipes that 3 names.
"""

from protocols.wire import cbor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from firmware.ports.flash import Flash

IDENTITY_FILE = "identity.cbor"
CONFIG_FILE = "config.cbor"
CA_FILE = "ca.der"
CERTIFICATE_FILE = "cert.der"
KEY_FILE = "key.der"


class IdentityError(ValueError):
    """A file of provisioning is missing or wrong; the message names the file and the field, never a value."""


def _fields(flash: "Flash", path: str) -> "dict[int, object]":
    data = flash.read(path)
    if data is None:
        raise IdentityError(path + " is missing: provision this unit again")
    try:
        fields = cbor.decode(data)
    except cbor.CborError as error:
        reason = error.reason
    else:
        if isinstance(fields, dict):
            return fields
        reason = "no map"
    raise IdentityError(path + " is damaged (" + reason + "): provision this unit again")


def _need(right: bool, path: str, field: str) -> None:
    if not right:
        raise IdentityError(path + ": " + field + " is missing or wrong: provision this unit again")


class Identity:
    """`unit`, `generation`, `secret`. Raises IdentityError."""

    def __init__(self, flash: "Flash") -> None:
        fields = _fields(flash, IDENTITY_FILE)
        self.unit = fields.get(1)
        self.generation = fields.get(2)
        self.secret = fields.get(3)
        _need(isinstance(self.unit, int) and 0 < self.unit <= 0xFFFFFFFF, IDENTITY_FILE, "unit")
        _need(isinstance(self.generation, int) and 0 <= self.generation <= 255, IDENTITY_FILE, "generation")
        _need(isinstance(self.secret, bytes) and len(self.secret) == 16, IDENTITY_FILE, "secret")


def _is_address(value: object, length: int) -> bool:
    """[host, port] or [host, port, name]."""
    if not isinstance(value, list) or len(value) != length:
        return False
    texts = value[:1] + value[2:]
    return (
        isinstance(value[1], int) and 0 < value[1] < 65536 and all([isinstance(text, str) and text for text in texts])
    )


class Config:
    """`profile`, `interval` (s), `pipes`, `coap` (list of (host, port)), `mqtt` (host, port, name) or None.

    Raises IdentityError.
    """

    def __init__(self, flash: "Flash") -> None:
        fields = _fields(flash, CONFIG_FILE)
        self.profile = fields.get(1)
        self.interval = fields.get(2)
        self.pipes = fields.get(3)
        coap = fields.get(4, [])
        mqtt = fields.get(5)
        _need(isinstance(self.profile, int), CONFIG_FILE, "profile")
        _need(isinstance(self.interval, int) and 0 < self.interval <= 604800, CONFIG_FILE, "heartbeat interval")
        _need(isinstance(self.pipes, list) and len(self.pipes) > 0, CONFIG_FILE, "pipes")
        for pipe in self.pipes:
            _need(pipe in ("coap", "mqtt"), CONFIG_FILE, "pipes")
        _need(isinstance(coap, list) and all([_is_address(one, 2) for one in coap]), CONFIG_FILE, "CoAP addresses")
        _need("coap" not in self.pipes or len(coap) > 0, CONFIG_FILE, "CoAP addresses")
        _need(mqtt is None or _is_address(mqtt, 3), CONFIG_FILE, "MQTT address")
        _need("mqtt" not in self.pipes or mqtt is not None, CONFIG_FILE, "MQTT address")
        self.coap = [(host, port) for host, port in coap]
        self.mqtt = None if mqtt is None else tuple(mqtt)
