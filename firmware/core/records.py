"""The record format of the press journal, and what a sequence of records means.

Pure bytes in, values out: the unit's flash port writes these records and the tests read them on a server's Python.
One record is `length (uint16, big endian) | CRC-32 of the payload (uint32, big endian) | payload`, the payload one CBOR
map of our strict subset. A reader stops at the first record that is cut short, fails its CRC or is no map: what a power
cut left behind is a torn tail, never an error. Never does I/O and never repairs anything.
"""

import binascii
import struct

from protocols.wire import cbor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

FORMAT = 1  # goes into the header record; a reader refuses a journal of another format

TYPE, BOOT, SEQ = 0, 1, 2
HEADER, PRESS, STAGE, COUNTED, AGED, CLOSED = 0, 1, 2, 3, 4, 5
# Keys of a press record besides TYPE, BOOT and SEQ.
KIND, INPUT, COUNT, CLOCK, REACHED, AGE = 3, 4, 5, 6, 7, 8

OVERHEAD = 6
LONGEST = 128  # bytes of payload; no record of ours comes near it, so a larger length is a torn one


def header() -> "dict[int, int]":
    """The first record of every journal file."""
    return {TYPE: HEADER, KIND: FORMAT}


def press(
    boot: int, seq: int, kind: int, input_code: int, count: int, clock: int, reached: int = 0, age: int = 0
) -> "dict[int, int]":
    """A press. `clock` is the unit's own clock (unix s), `count` the presses so far.

    The last two are only set when an open press is carried into a new file: the stage it had reached and the age (s)
    that was known of it then.
    """
    record = {TYPE: PRESS, BOOT: boot, SEQ: seq, KIND: kind, INPUT: input_code, COUNT: count, CLOCK: clock}
    if reached:
        record[REACHED] = reached
    if age:
        record[AGE] = age
    return record


def stage(boot: int, seq: int, reached: int) -> "dict[int, int]":
    """The press (boot, seq) has verifiably reached a stage (1 stored, 2 accepted, 3 taken)."""
    return {TYPE: STAGE, BOOT: boot, SEQ: seq, REACHED: reached}


def counted(boot: int, seq: int, count: int) -> "dict[int, int]":
    """A further press was folded into the open press (boot, seq)."""
    return {TYPE: COUNTED, BOOT: boot, SEQ: seq, COUNT: count}


def aged(boot: int, seq: int, age: int) -> "dict[int, int]":
    """The open press (boot, seq) is at least `age` seconds old: what is left of its age after a power cut."""
    return {TYPE: AGED, BOOT: boot, SEQ: seq, AGE: age}


def closed(boot: int, seq: int) -> "dict[int, int]":
    """The unit no longer follows the press (boot, seq), which had been stored, although nobody took it."""
    return {TYPE: CLOSED, BOOT: boot, SEQ: seq}


def frame(record: "dict[int, int]") -> bytes:
    """The bytes of one record on flash."""
    payload = cbor.encode(record)
    return struct.pack(">HI", len(payload), binascii.crc32(payload) & 0xFFFFFFFF) + payload


def unframe(read: "Callable[[int], bytes]") -> "tuple[dict[int, int], int] | None":
    """The next record from `read(n) -> bytes`, as (record, its size), or None at the end or at a torn tail."""
    head = read(OVERHEAD)
    if not head or len(head) < OVERHEAD:
        return None
    length, crc = struct.unpack(">HI", head)
    if not 0 < length <= LONGEST:
        return None
    payload = read(length)
    if payload is None or len(payload) < length or binascii.crc32(payload) & 0xFFFFFFFF != crc:
        return None
    try:
        record = cbor.decode(payload)
    except cbor.CborError:
        return None
    if not isinstance(record, dict) or not isinstance(record.get(TYPE), int):
        return None
    return record, OVERHEAD + length


class Entry:
    """One press as the journal tells it: its key, what it was, and the last stage it reached."""

    def __init__(self, record: "dict[int, int]") -> None:
        self.boot = record[BOOT]
        self.seq = record[SEQ]
        self.kind = record.get(KIND, 1)
        self.input = record.get(INPUT, 0)
        self.count = record.get(COUNT, 1)
        self.clock = record.get(CLOCK, 0)
        self.stage = record.get(REACHED, 0)
        self.age = record.get(AGE, 0)
        self.closed = False

    def over(self) -> bool:
        """Whether nothing is left to do for this press: taken, or no longer followed."""
        return self.stage >= 3 or self.closed

    def record(self) -> "dict[int, int]":
        """The press record that carries this entry into a new file."""
        return press(self.boot, self.seq, self.kind, self.input, self.count, self.clock, self.stage, self.age)


def fold(entries: "dict[tuple[int, int], Entry]", record: "dict[int, int]") -> "Entry | None":
    """Apply one record to `entries`; the entry it was about, or None: a record about an unknown press changes nothing.

    Stage, count and age only grow, so a record that is told twice is told once.
    """
    if record[TYPE] == HEADER or BOOT not in record or SEQ not in record:
        return None
    key = (record[BOOT], record[SEQ])
    if record[TYPE] == PRESS:
        entries[key] = Entry(record)
        return entries[key]
    entry = entries.get(key)
    if entry is None:
        return None
    if record[TYPE] == STAGE:
        entry.stage = max(entry.stage, record.get(REACHED, 0))
    elif record[TYPE] == COUNTED:
        entry.count = max(entry.count, record.get(COUNT, 1))
    elif record[TYPE] == AGED:
        entry.age = max(entry.age, record.get(AGE, 0))
    elif record[TYPE] == CLOSED:
        entry.closed = True
    return entry
