"""Who this unit is and whom it talks to: what provisioning has written to its flash. Read once, never written here.

`identity.cbor` is `{1: unit, 2: key generation, 3: master secret (16 bytes)}`. `config.cbor` is `{1: profile code,
2: heartbeat interval (s), 3: [pipe, ...] in preferred order, 4: [[host, port], ...] for CoAP,
5: [host, port, name in the server's certificate] for MQTT, ? 10: [dialect, access point, slots] of a modem that carries
4 and 5, ? 11: the fleet's number for SMS, ? 12: ["wlan", name, password] or ["lan"] of the board's own network, ? 13:
whether the modem goes before that}`; 4 and 5 are only needed by the pipes that 3 names. 6 to 9 are
core.profiles'.
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
DIALECTS = ("bg95", "sim7080g", "gm02s")


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


def _is_modem(value: object) -> bool:
    """[dialect, access point, slots]."""
    return (
        isinstance(value, list)
        and len(value) == 3
        and value[0] in DIALECTS
        and isinstance(value[1], str)
        and value[2] in (1, 2)
    )


def _is_own(value: object) -> bool:
    """["wlan", name, password] or ["lan"]."""
    if not isinstance(value, list) or not all([isinstance(word, str) for word in value]):
        return False
    return value == ["lan"] or (len(value) == 3 and value[0] == "wlan" and value[1] != "")


class Config:
    """How this unit reaches the fleet; what kind of unit it is, core.profiles.read makes of `fields`.

    `pipes` (kinds in preferred order), `coap` (list of (host, port)), `mqtt` (host, port, name) or None, `modem`
    (dialect, access point, slots) or None, `sms` (the fleet's number) or None, `own` ([kind, ...] of
    the board's own network) or None, `modem_first`. What does not fit is left out and listed
    in `faults` as (key, what is wrong): a unit with one way left must alarm. Raises IdentityError if none is left.
    """

    def __init__(self, flash: "Flash") -> None:
        self.fields = fields = _fields(flash, CONFIG_FILE)
        self.faults: "list[tuple[int, str]]" = []
        coap = fields.get(4, [])
        rows = coap if isinstance(coap, list) else [coap]
        self.coap = [(row[0], row[1]) for row in rows if _is_address(row, 2)]
        self._note(4, len(self.coap) == len(rows), "no address of CoAP")
        mqtt = fields.get(5)
        self.mqtt = tuple(mqtt) if _is_address(mqtt, 3) else None
        self._note(5, mqtt is None or self.mqtt is not None, "no address of MQTT")
        modem = fields.get(10)
        self.modem = tuple(modem) if _is_modem(modem) else None
        self._note(10, modem is None or self.modem is not None, "no modem")
        sms = fields.get(11)
        self.sms = sms if isinstance(sms, str) and sms else None
        self._note(11, sms is None or self.sms is not None, "no number")
        own = fields.get(12)
        self.own = own if _is_own(own) else None
        self._note(12, own is None or self.own is not None, "no network")
        self.modem_first = fields.get(13) is True
        self._note(13, fields.get(13) in (None, True, False), "no order of radios")
        named = fields.get(3)
        ways = {"coap": len(self.coap) > 0, "mqtt": self.mqtt is not None}
        self.pipes: "list[str]" = []
        for kind in named if isinstance(named, list) else []:
            if isinstance(kind, str) and ways.get(kind) and kind not in self.pipes:
                self.pipes.append(kind)
            else:
                self._note(3, False, "no such pipe")
        if not self.pipes:
            # Whatever has an address is better than a unit that is silent.
            self._note(3, False, "no pipe named")
            self.pipes = [kind for kind in ("coap", "mqtt") if ways[kind]]
        if self.modem is not None and self.own is not None:
            self._two_radios()
        _need(len(self.pipes) > 0, CONFIG_FILE, "an address of CoAP or MQTT")

    def _two_radios(self) -> None:
        """MQTT has one connection and needs room: a unit that has both radios has CoAP first of all."""
        self._note(12, "coap" in self.pipes, "a modem beside it needs CoAP")
        if "mqtt" in self.pipes and "coap" in self.pipes and self.fields.get(6):
            self._note(5, False, "no room beside two radios and pendants")
            self.pipes.remove("mqtt")

    def _note(self, key: int, right: bool, text: str) -> None:
        if not right:
            self.faults.append((key, text))
