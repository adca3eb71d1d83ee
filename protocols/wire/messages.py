"""What unit and fleet say to each other: one class and one CBOR map with unsigned integer keys per message.

Each class is a table of fields; encoding, checking and decoding read the tables and nothing else. `decode` refuses
what the contract (docs/wire.md) does not name, with one exception: in an alarm an optional field that does not fit is
dropped and listed, because a press is never refused for a detail. Nothing here acts, judges times or knows a key.
"""

from protocols.wire import cbor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MAJOR = 1

# Stages of a receipt: how far a press, or any other message, has come.
STORED = 1
ACCEPTED = 2
TAKEN = 3

# Kinds of alarm. A receiver lets codes pass that it does not know.
KIND_MANUAL = 1
KIND_DURESS = 2
KIND_MAN_DOWN = 3
KIND_NO_MOVEMENT = 4
KIND_PULL_CORD = 5
KIND_TEST = 9

# Alarm flags, a bit each.
ALARM_AGE_IS_LOWER_BOUND = 1
ALARM_TEST = 2
ALARM_SILENT = 4
ALARM_STUCK = 8
ALARM_LATE = 16

# Heartbeat flags, a bit each.
MAINS_LOST = 1
CHARGING = 2
NOT_WORN = 4

# Bearers: which way a message left the unit.
BEARER_UNKNOWN = 0
BEARER_WIFI = 1
BEARER_ETHERNET = 2
BEARER_SIM1 = 3
BEARER_SIM2 = 4
BEARER_SMS = 5

# Radio technologies that a heartbeat was sent on.
RADIO_GSM = 1
RADIO_UMTS = 2
RADIO_LTE = 3
RADIO_LTE_M = 4
RADIO_NB_IOT = 5
RADIO_WIFI = 6
RADIO_ETHERNET = 7

# Kinds of event.
EVENT_POSITION = 1
EVENT_MAINS_LOST = 2
EVENT_MAINS_BACK = 3
EVENT_BATTERY_LOW = 4
EVENT_FAULT = 5
EVENT_INPUT_STUCK = 6
EVENT_INPUT_RELEASED = 7
EVENT_PENDANT_MISSED = 8
EVENT_PENDANT_BACK = 9
EVENT_PENDANT_BATTERY_LOW = 10
EVENT_NOT_WORN = 11
EVENT_WORN = 12
EVENT_SIM_CHANGED = 13
EVENT_SIM_PROVEN = 14
EVENT_PATHS_NOT_DIVERSE = 15
EVENT_TECHNOLOGY_CLOSING = 16
EVENT_CANCELLED = 17

# Kinds of command, and their arguments' keys (docs/wire.md).
COMMAND_CHALLENGE = 1
COMMAND_DRILL = 2
COMMAND_STATUS = 3
COMMAND_SIM_POLICY = 4
COMMAND_HEARTBEAT = 5
COMMAND_SEARCH = 6
COMMAND_SWITCH_SIM = 7
COMMAND_REBOOT = 8

# Results of a command.
RESULT_DONE = 0
RESULT_UNKNOWN_KIND = 1
RESULT_BAD_ARGUMENTS = 2
RESULT_NOT_NOW = 3
RESULT_NOT_THIS_PROFILE = 4

# Keys of a heartbeat's status map.
STATUS_VERSION = 1
STATUS_PROFILE = 2
STATUS_REBOOT = 3
STATUS_HEAP_LOW = 4
STATUS_TEMPERATURE = 5
STATUS_BATTERY_MV = 6
STATUS_SUPPLY_MV = 7
STATUS_ICCID1 = 8
STATUS_ICCID2 = 9
STATUS_CELL = 10
STATUS_TAC = 11
STATUS_LAST_CAUSE = 12
STATUS_PSM_ACTIVE = 13
STATUS_PSM_TAU = 14
STATUS_EDRX = 15
STATUS_JOURNAL = 16
STATUS_UPTIME = 17
STATUS_MODEM = 18
STATUS_IMEI = 19
STATUS_CLOCK = 20

# Shapes of a field; what its low and high mean stands beside it.
INT = 0  # least and greatest value
TEXT = 1  # least and greatest length in UTF-8 bytes
BYTES = 2  # least and greatest length
MAP = 3  # an int-keyed map with that many pairs
STATUS = 4  # the status map, held against STATUS_FIELDS
PAIRS = 5  # array of that many [boot, seq]
TRIPLES = 6  # array of that many [boot, seq, stage]

_U16 = 0xFFFF
_U32 = 0xFFFFFFFF
_U64 = 0xFFFFFFFFFFFFFFFF

# A field is (key, name, shape, low, high).
STATUS_FIELDS = (
    (STATUS_VERSION, "version", TEXT, 0, 16),
    (STATUS_PROFILE, "profile", INT, 0, _U32),
    (STATUS_REBOOT, "reboot", INT, 0, _U32),
    (STATUS_HEAP_LOW, "heap_low", INT, 0, _U32),
    (STATUS_TEMPERATURE, "temperature", INT, -2732, 20000),
    (STATUS_BATTERY_MV, "battery_mv", INT, 0, _U16),
    (STATUS_SUPPLY_MV, "supply_mv", INT, 0, _U16),
    (STATUS_ICCID1, "iccid1", BYTES, 10, 10),
    (STATUS_ICCID2, "iccid2", BYTES, 10, 10),
    (STATUS_CELL, "cell", INT, 0, _U32),
    (STATUS_TAC, "tac", INT, 0, _U16),
    (STATUS_LAST_CAUSE, "last_cause", INT, 0, _U32),
    (STATUS_PSM_ACTIVE, "psm_active", INT, 0, _U32),
    (STATUS_PSM_TAU, "psm_tau", INT, 0, _U32),
    (STATUS_EDRX, "edrx", INT, 0, _U32),
    (STATUS_JOURNAL, "journal", BYTES, 8, 8),
    (STATUS_UPTIME, "uptime", INT, 0, _U32),
    (STATUS_MODEM, "modem", TEXT, 0, 24),
    (STATUS_IMEI, "imei", BYTES, 8, 8),
    (STATUS_CLOCK, "clock", INT, 0, _U32),
)


class MessageError(ValueError):
    """The plaintext is not a message of ours, or the message to encode is not one.

    `reason` is one of cbor, not_a_map, major, type, required, field; `key` is the field's number for the last two.
    """

    def __init__(self, reason: str, key: "int | None" = None) -> None:
        super().__init__("message refused: " + reason + ("" if key is None else " " + str(key)))
        self.reason = reason
        self.key = key


class Message:
    """What all messages share. Fields are keyword arguments and attributes; an absent optional field is None.

    `extra` maps unknown keys to their values; `dropped` lists the keys of an alarm's fields that did not fit.
    Equal messages encode to equal bytes.
    """

    TYPE = 0
    LENIENT = False
    REQUIRED: "tuple[int, ...]" = ()
    FIELDS: "tuple[tuple[int, str, int, int, int], ...]" = ()

    extra: "dict[int, Any]"
    dropped: "tuple[int, ...]"

    def __init__(self, **values: "Any") -> None:
        self.extra = values.pop("extra", None) or {}
        self.dropped = tuple(values.pop("dropped", ()))
        for key, name, _, _, _ in self.FIELDS:
            value = values.pop(name, None)
            if value is None and key in self.REQUIRED:
                raise TypeError(type(self).__name__ + " needs " + name)
            setattr(self, name, value)
        for name in sorted(values):
            raise TypeError(type(self).__name__ + " has no " + name)

    def encode(self) -> bytes:
        """Return the plaintext. Raises MessageError when a field does not fit its table entry.

        An alarm leaves out an optional field that does not fit: better without it than not at all.
        """
        body: "dict[int, Any]" = {0: MAJOR << 4 | self.TYPE}
        for key, name, shape, low, high in self.FIELDS:
            value = getattr(self, name)
            if value is None:
                if key in self.REQUIRED:
                    raise MessageError("required", key)
            elif fits(shape, low, high, value):
                body[key] = value
            elif not self.LENIENT or key in self.REQUIRED:
                raise MessageError("field", key)
        for key in self.extra:
            body.setdefault(key, self.extra[key])
        return _encode(body)

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and isinstance(other, Message) and self.encode() == other.encode()

    def __hash__(self) -> int:
        return hash(self.encode())


class Alarm(Message):
    """A press, or what counts as one. `age` is seconds since the press, `input` 0 the unit's own button."""

    TYPE = 1
    LENIENT = True
    REQUIRED = (1, 2)
    FIELDS = (
        (1, "boot", INT, 0, _U32),
        (2, "seq", INT, 0, _U32),
        (3, "kind", INT, 0, _U32),
        (4, "input", INT, 0, _U32),
        (5, "count", INT, 1, _U32),
        (6, "age", INT, 0, _U32),
        (7, "attempt", INT, 1, _U32),
        (8, "bearer", INT, 0, _U32),
        (9, "battery", INT, 0, 100),
        (10, "flags", INT, 0, _U32),
        (11, "echo", INT, 0, _U32),
        (12, "clock", INT, 0, _U32),
    )
    boot: int
    seq: int
    kind: "int | None"
    input: "int | None"
    count: "int | None"
    age: "int | None"
    attempt: "int | None"
    bearer: "int | None"
    battery: "int | None"
    flags: "int | None"
    echo: "int | None"
    clock: "int | None"


class Heartbeat(Message):
    """A sign of life that says when the next one is due. `status` is an int-keyed dict, see the STATUS constants."""

    TYPE = 2
    REQUIRED = (1, 2, 3)
    FIELDS = (
        (1, "boot", INT, 0, _U32),
        (2, "seq", INT, 0, _U32),
        (3, "next_due", INT, 0, _U32),
        (4, "bearer", INT, 0, _U32),
        (5, "battery", INT, 0, 100),
        (6, "signal", INT, -200, 0),
        (7, "attempts", INT, 0, _U32),
        (8, "flags", INT, 0, _U32),
        (9, "open", INT, 0, _U32),
        (10, "refused", INT, 0, _U32),
        (11, "echo", INT, 0, _U32),
        (13, "status", STATUS, 0, 64),
        (14, "operator", INT, 0, 999999),
        (15, "radio", INT, 0, _U32),
    )
    boot: int
    seq: int
    next_due: int
    bearer: "int | None"
    battery: "int | None"
    signal: "int | None"
    attempts: "int | None"
    flags: "int | None"
    open: "int | None"
    refused: "int | None"
    echo: "int | None"
    status: "dict[int, Any] | None"
    operator: "int | None"
    radio: "int | None"


class Event(Message):
    """Something besides presses and signs of life; `about_boot` and `about_seq` name the press that it belongs to."""

    TYPE = 3
    REQUIRED = (1, 2, 3)
    FIELDS = (
        (1, "boot", INT, 0, _U32),
        (2, "seq", INT, 0, _U32),
        (3, "kind", INT, 0, _U32),
        (4, "age", INT, 0, _U32),
        (5, "about_boot", INT, 0, _U32),
        (6, "about_seq", INT, 0, _U32),
        (7, "data", MAP, 0, 64),
    )
    boot: int
    seq: int
    kind: int
    age: "int | None"
    about_boot: "int | None"
    about_seq: "int | None"
    data: "dict[int, Any] | None"


class Receipt(Message):
    """The fleet's word on what it holds: `items` are (boot, seq, stage), none when it only carries the `time`."""

    TYPE = 4
    REQUIRED = (3,)
    FIELDS = (
        (3, "items", TRIPLES, 0, 8),
        (4, "time", INT, 0, _U32),
    )
    items: "list[tuple[int, int, int]]"
    time: "int | None"


class Command(Message):
    """An order to a unit. `number` only grows; the unit obeys no number at or below the last one it obeyed."""

    TYPE = 5
    REQUIRED = (3, 4)
    FIELDS = (
        (3, "number", INT, 0, _U64),
        (4, "kind", INT, 0, _U32),
        (5, "args", MAP, 0, 64),
        (6, "time", INT, 0, _U32),
    )
    number: int
    kind: int
    args: "dict[int, Any] | None"
    time: "int | None"


class Answer(Message):
    """What became of a command: `number` is the command's, `result` 0 means done."""

    TYPE = 6
    REQUIRED = (1, 2, 3, 4)
    FIELDS = (
        (1, "boot", INT, 0, _U32),
        (2, "seq", INT, 0, _U32),
        (3, "number", INT, 0, _U64),
        (4, "result", INT, 0, _U32),
        (5, "data", MAP, 0, 64),
    )
    boot: int
    seq: int
    number: int
    result: int
    data: "dict[int, Any] | None"


class Query(Message):
    """A unit asks how far its `open` presses, (boot, seq) each, have come; a receipt answers."""

    TYPE = 7
    REQUIRED = (3,)
    FIELDS = ((3, "open", PAIRS, 1, 8),)
    open: "list[tuple[int, int]]"


TYPES = {kind.TYPE: kind for kind in (Alarm, Heartbeat, Event, Receipt, Command, Answer, Query)}


def encode(message: Message) -> bytes:
    """Return the plaintext of `message`. Raises MessageError."""
    return message.encode()


def decode(plaintext: "bytes | bytearray | memoryview") -> "Any":
    """Return the message that `plaintext` is, an instance of one of the classes here. Raises MessageError."""
    body = _decode(plaintext)
    if not isinstance(body, dict):
        raise MessageError("not_a_map")
    head = body.pop(0, None)
    if not _is_int(head) or head >> 4 != MAJOR:
        raise MessageError("major")
    kind = TYPES.get(head & 15)
    if kind is None:
        raise MessageError("type")
    values: "dict[str, Any]" = {}
    dropped = []
    for key, name, shape, low, high in kind.FIELDS:
        if key not in body:
            if key in kind.REQUIRED:
                raise MessageError("required", key)
            continue
        value = body.pop(key)
        if fits(shape, low, high, value):
            values[name] = [tuple(row) for row in value] if shape >= PAIRS else value
        elif kind.LENIENT and key not in kind.REQUIRED:
            dropped.append(key)
        else:
            raise MessageError("field", key)
    return kind(extra=body, dropped=dropped, **values)


def fits(shape: int, low: int, high: int, value: object) -> bool:
    """Return whether a value has the shape and lies within the bounds of a field's table entry."""
    if shape == INT:
        return _is_int(value) and low <= value <= high  # type: ignore[operator]
    if shape == TEXT:
        return isinstance(value, str) and low <= len(value.encode()) <= high
    if shape == BYTES:
        return isinstance(value, bytes) and low <= len(value) <= high
    if shape in (MAP, STATUS):
        return isinstance(value, dict) and low <= len(value) <= high and (shape == MAP or _is_status(value))
    width = 2 if shape == PAIRS else 3
    return (
        isinstance(value, (list, tuple)) and low <= len(value) <= high and all([_is_row(row, width) for row in value])
    )


def _is_status(value: "dict[int, Any]") -> bool:
    # Unknown keys pass: a newer unit may say more about itself.
    return all([fits(shape, low, high, value[key]) for key, _, shape, low, high in STATUS_FIELDS if key in value])


def _is_row(value: object, width: int) -> bool:
    return (
        isinstance(value, (list, tuple))
        and len(value) == width
        and all([_is_int(number) and 0 <= number <= _U32 for number in value])
    )


def _is_int(value: object) -> bool:
    # CPython counts bool as int, MicroPython does not.
    return isinstance(value, int) and value is not True and value is not False


def _encode(body: "dict[int, Any]") -> bytes:
    try:
        return cbor.encode(body)
    except cbor.CborError:
        reason = "cbor"
    raise MessageError(reason)


def _decode(plaintext: "bytes | bytearray | memoryview") -> object:
    try:
        return cbor.decode(plaintext)
    except cbor.CborError:
        reason = "cbor"
    raise MessageError(reason)
