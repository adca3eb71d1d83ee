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
STATUS = 4  # the status map, held against STATUS_FORMS
PAIRS = 5  # array of that many [boot, seq]
TRIPLES = 6  # array of that many [boot, seq, stage]

_MAX_16 = 0xFFFF
_MAX_32 = 0xFFFFFFFF
_MAX_64 = 0xFFFFFFFFFFFFFFFF

# Forms that fields have.
_TEXT_16 = 0
_U32 = 1
_CELSIUS = 2
_U16 = 3
_ICCID = 4
_BYTES_8 = 5
_TEXT_24 = 6
_COUNT = 7
_PERCENT = 8
_DBM = 9
_STATUS_MAP = 10
_PLMN = 11
_MAP_64 = 12
_TRIPLES_8 = 13
_U64 = 14
_PAIRS_8 = 15
# The shape of each, and its low and high one behind the other: rows would each be an object on a unit's heap.
_SHAPES = bytes((TEXT, INT, INT, INT, BYTES, BYTES, TEXT, INT, INT, INT, STATUS, INT, MAP, TRIPLES, INT, PAIRS))
# fmt: off
_BOUNDS = (
    0, 16,
    0, _MAX_32,
    -2732, 20000,
    0, _MAX_16,
    10, 10,
    8, 8,
    0, 24,
    1, _MAX_32,
    0, 100,
    -200, 0,
    0, 64,
    0, 999999,
    0, 64,
    0, 8,
    0, _MAX_64,
    1, 8,
)
# fmt: on

# What a table of fields holds: their names, and for each its key and its form.
# fmt: off
STATUS_NAMES = (
    "version", "profile", "reboot", "heap_low", "temperature", "battery_mv", "supply_mv", "iccid1", "iccid2",
    "cell", "tac", "last_cause", "psm_active", "psm_tau", "edrx", "journal", "uptime", "modem", "imei", "clock"
)
STATUS_FORMS = bytes((
    STATUS_VERSION, _TEXT_16, STATUS_PROFILE, _U32, STATUS_REBOOT, _U32, STATUS_HEAP_LOW, _U32,
    STATUS_TEMPERATURE, _CELSIUS, STATUS_BATTERY_MV, _U16, STATUS_SUPPLY_MV, _U16, STATUS_ICCID1, _ICCID,
    STATUS_ICCID2, _ICCID, STATUS_CELL, _U32, STATUS_TAC, _U16, STATUS_LAST_CAUSE, _U32, STATUS_PSM_ACTIVE, _U32,
    STATUS_PSM_TAU, _U32, STATUS_EDRX, _U32, STATUS_JOURNAL, _BYTES_8, STATUS_UPTIME, _U32, STATUS_MODEM, _TEXT_24,
    STATUS_IMEI, _BYTES_8, STATUS_CLOCK, _U32
))
# fmt: on


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
    NAMES: "tuple[str, ...]" = ()
    FORMS = b""

    extra: "dict[int, Any]"
    dropped: "tuple[int, ...]"

    def __init__(self, **values: "Any") -> None:
        self.extra = values.pop("extra", None) or {}
        self.dropped = tuple(values.pop("dropped", ()))
        for at, name in enumerate(self.NAMES):
            value = values.pop(name, None)
            if value is None and self.FORMS[2 * at] in self.REQUIRED:
                raise TypeError(type(self).__name__ + " needs " + name)
            setattr(self, name, value)
        for name in sorted(values):
            raise TypeError(type(self).__name__ + " has no " + name)

    def encode(self) -> bytes:
        """Return the plaintext. Raises MessageError when a field does not fit its table entry.

        An alarm leaves out an optional field that does not fit: better without it than not at all.
        """
        body: "dict[int, Any]" = {0: MAJOR << 4 | self.TYPE}
        for at, name in enumerate(self.NAMES):
            key = self.FORMS[2 * at]
            value = getattr(self, name)
            if value is None:
                if key in self.REQUIRED:
                    raise MessageError("required", key)
            elif _fits(self.FORMS[2 * at + 1], value):
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
    # fmt: off
    NAMES = ("boot", "seq", "kind", "input", "count", "age", "attempt", "bearer", "battery", "flags", "echo", "clock")
    FORMS = bytes((
        1, _U32, 2, _U32, 3, _U32, 4, _U32, 5, _COUNT, 6, _U32, 7, _COUNT, 8, _U32, 9, _PERCENT, 10, _U32, 11, _U32,
        12, _U32
    ))
    # fmt: on
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
    # fmt: off
    NAMES = (
        "boot", "seq", "next_due", "bearer", "battery", "signal", "attempts", "flags", "open", "refused", "echo",
        "status", "operator", "radio"
    )
    FORMS = bytes((
        1, _U32, 2, _U32, 3, _U32, 4, _U32, 5, _PERCENT, 6, _DBM, 7, _U32, 8, _U32, 9, _U32, 10, _U32, 11, _U32,
        13, _STATUS_MAP, 14, _PLMN, 15, _U32
    ))
    # fmt: on
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
    # fmt: off
    NAMES = ("boot", "seq", "kind", "age", "about_boot", "about_seq", "data")
    FORMS = bytes((1, _U32, 2, _U32, 3, _U32, 4, _U32, 5, _U32, 6, _U32, 7, _MAP_64))
    # fmt: on
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
    # fmt: off
    NAMES = ("items", "time")
    FORMS = bytes((3, _TRIPLES_8, 4, _U32))
    # fmt: on
    items: "list[tuple[int, int, int]]"
    time: "int | None"


class Command(Message):
    """An order to a unit. `number` only grows; the unit obeys no number at or below the last one it obeyed."""

    TYPE = 5
    REQUIRED = (3, 4)
    # fmt: off
    NAMES = ("number", "kind", "args", "time")
    FORMS = bytes((3, _U64, 4, _U32, 5, _MAP_64, 6, _U32))
    # fmt: on
    number: int
    kind: int
    args: "dict[int, Any] | None"
    time: "int | None"


class Answer(Message):
    """What became of a command: `number` is the command's, `result` 0 means done."""

    TYPE = 6
    REQUIRED = (1, 2, 3, 4)
    # fmt: off
    NAMES = ("boot", "seq", "number", "result", "data")
    FORMS = bytes((1, _U32, 2, _U32, 3, _U64, 4, _U32, 5, _MAP_64))
    # fmt: on
    boot: int
    seq: int
    number: int
    result: int
    data: "dict[int, Any] | None"


class Query(Message):
    """A unit asks how far its `open` presses, (boot, seq) each, have come; a receipt answers."""

    TYPE = 7
    REQUIRED = (3,)
    # fmt: off
    NAMES = ("open",)
    FORMS = bytes((3, _PAIRS_8))
    # fmt: on
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
    for at, name in enumerate(kind.NAMES):
        key = kind.FORMS[2 * at]
        if key not in body:
            if key in kind.REQUIRED:
                raise MessageError("required", key)
            continue
        value = body.pop(key)
        form = kind.FORMS[2 * at + 1]
        if _fits(form, value):
            values[name] = [tuple(row) for row in value] if _SHAPES[form] >= PAIRS else value
        elif kind.LENIENT and key not in kind.REQUIRED:
            dropped.append(key)
        else:
            raise MessageError("field", key)
    return kind(extra=body, dropped=dropped, **values)


def fields(names: "tuple[str, ...]", forms: bytes) -> "list[tuple[int, str, int, int, int]]":
    """A table of fields in full: (key, name, shape, low, high) each, from a class's NAMES and FORMS or the status's."""
    found = []
    for at, name in enumerate(names):
        form = forms[2 * at + 1]
        found.append((forms[2 * at], name, _SHAPES[form], _BOUNDS[2 * form], _BOUNDS[2 * form + 1]))
    return found


def _fits(form: int, value: object) -> bool:
    return fits(_SHAPES[form], _BOUNDS[2 * form], _BOUNDS[2 * form + 1], value)


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
    for at in range(0, len(STATUS_FORMS), 2):
        key = STATUS_FORMS[at]
        if key in value and not _fits(STATUS_FORMS[at + 1], value[key]):
            return False
    return True


def _is_row(value: object, width: int) -> bool:
    return (
        isinstance(value, (list, tuple))
        and len(value) == width
        and all([_is_int(number) and 0 <= number <= _MAX_32 for number in value])
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
