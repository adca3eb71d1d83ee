"""The record format of the unit's journal: bytes in, values out, and the hash chain over them.

One record is `length (uint16, big endian) | CRC-32 of the payload (uint32, big endian) | payload`, the payload one CBOR
map of our strict subset, so equal records are equal bytes. A reader passes over what is cut short, fails its CRC or is
no map: what a power cut left behind is a torn tail, never an error. This framing is the same in every format; a reader
takes from a newer format the records that it knows.

The chain: the head after a record is SHA-256(head before it | the record's bytes). A file's header, its first record,
holds the head of the file before it (`GENESIS`, 32 zero bytes, if there was none) and starts from that. Whoever knows
a head that the unit has told finds every change of what came before it (`verify`).

Never does I/O and never repairs anything; what the records mean together is core.book's. SHA-256 is an argument.
"""

import binascii
import struct

from protocols.wire import cbor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any

    Record = dict[int, Any]
    Hash = Callable[[bytes], bytes]

FORMAT = 2  # goes into the header record. 1 had neither chain nor items

TYPE, BOOT, SEQ = 0, 1, 2
HEADER, PRESS, STAGE, COUNTED, AGED, CLOSED, ITEM, CONSUMED, DROPPED = 0, 1, 2, 3, 4, 5, 6, 7, 8
# Keys of a press record besides TYPE, BOOT and SEQ.
KIND, INPUT, COUNT, CLOCK, REACHED, AGE = 3, 4, 5, 6, 7, 8
# Keys of a header besides TYPE and KIND (its format), of an item and of a drop.
PREVIOUS, DROPS = 9, 10
PRIORITY, BODY = 3, 11

# Priorities of what waits, as in protocols.wire.courier; the lowest number goes first.
ALARM, FAULT, HEARTBEAT, LOG = 0, 1, 2, 3

GENESIS = bytes(32)
"""The head before the first record of a unit."""
HEAD_TOLD = 8
"""Bytes of a head that travel in the status."""

OVERHEAD = 6
LONGEST = 512  # bytes of payload; a larger length is a torn one
LONGEST_BODY = 480
"""Bytes of an item's body: a whole frame has at most 512 (docs/wire.md)."""


def header(previous: bytes = GENESIS, drops: "Sequence[int]" = (0, 0, 0, 0)) -> "Record":
    """The first record of every journal file: its format, the head of the file before it, and how many items of each
    priority have been dropped so far."""
    return {TYPE: HEADER, KIND: FORMAT, PREVIOUS: previous, DROPS: list(drops)}


def press(
    boot: int, seq: int, kind: int, input_code: int, count: int, clock: int, reached: int = 0, age: int = 0
) -> "Record":
    """A press. `clock` is the unit's own clock (unix s), `count` the presses so far.

    The last two are only set when an open press is carried into a new file: the stage it had reached and the age (s)
    that was known of it then.
    """
    record: "Record" = {TYPE: PRESS, BOOT: boot, SEQ: seq, KIND: kind, INPUT: input_code, COUNT: count, CLOCK: clock}
    if reached:
        record[REACHED] = reached
    if age:
        record[AGE] = age
    return record


def stage(boot: int, seq: int, reached: int) -> "Record":
    """The press (boot, seq) has verifiably reached a stage (1 stored, 2 accepted, 3 taken)."""
    return {TYPE: STAGE, BOOT: boot, SEQ: seq, REACHED: reached}


def counted(boot: int, seq: int, count: int) -> "Record":
    """A further press was folded into the open press (boot, seq)."""
    return {TYPE: COUNTED, BOOT: boot, SEQ: seq, COUNT: count}


def aged(boot: int, seq: int, age: int) -> "Record":
    """The open press (boot, seq) is at least `age` seconds old: what is left of its age after a power cut."""
    return {TYPE: AGED, BOOT: boot, SEQ: seq, AGE: age}


def closed(boot: int, seq: int) -> "Record":
    """The unit no longer follows the press (boot, seq), which had been stored, although nobody took it."""
    return {TYPE: CLOSED, BOOT: boot, SEQ: seq}


def item(priority: int, boot: int, seq: int, body: bytes) -> "Record":
    """A message other than a press that waits until it is confirmed. Raises ValueError if it is longer than
    LONGEST_BODY or the priority is none."""
    if len(body) > LONGEST_BODY or not ALARM <= priority <= LOG:
        raise ValueError("no item: priority 0 to 3, body at most 480 bytes")
    return {TYPE: ITEM, BOOT: boot, SEQ: seq, PRIORITY: priority, BODY: bytes(body)}


def consumed(boot: int, seq: int) -> "Record":
    """The item (boot, seq) has been confirmed by a verified receipt: nothing is left to do for it."""
    return {TYPE: CONSUMED, BOOT: boot, SEQ: seq}


def dropped(boot: int, seq: int, priority: int) -> "Record":
    """The item (boot, seq) was given up for want of room."""
    return {TYPE: DROPPED, BOOT: boot, SEQ: seq, PRIORITY: priority}


def frame(record: "Record") -> bytes:
    """The bytes of one record on flash."""
    payload = cbor.encode(record)
    return struct.pack(">HI", len(payload), binascii.crc32(payload) & 0xFFFFFFFF) + payload


def unframe(read: "Callable[[int], bytes]") -> "tuple[Record, int] | None":
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


def format_of(record: "Record") -> int:
    """The format that a header record names; 0 if the record is no header."""
    number = record.get(KIND)
    return number if record[TYPE] == HEADER and isinstance(number, int) and number > 0 else 0


def origin(record: "Record") -> bytes:
    """The head that a file with this header starts from."""
    previous = record.get(PREVIOUS)
    return previous if isinstance(previous, bytes) and len(previous) == len(GENESIS) else GENESIS


def link(head: bytes, record: "Record", sha256: "Hash") -> bytes:
    """The head after this record."""
    return sha256(head + frame(record))


class Reader:
    """Reads from bytes as a file does. `at` is where it is."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.at = 0

    def read(self, size: int) -> bytes:
        """At most `size` bytes."""
        piece = self._data[self.at : self.at + size]
        self.at += len(piece)
        return piece


def heads(data: bytes, sha256: "Hash") -> "Iterator[tuple[int, Record, bytes]]":
    """(offset, record, head after it) of a file's sound first part."""
    reader = Reader(data)
    head = b""
    while True:
        offset = reader.at
        found = unframe(reader.read)
        if found is None or (offset == 0 and not format_of(found[0])):
            return
        if offset == 0:
            head = origin(found[0])
        head = link(head, found[0], sha256)
        yield offset, found[0], head


def verify(
    files: "Sequence[bytes]", known: "Sequence[bytes]", sha256: "Hash"
) -> "tuple[bytes, list[tuple[int, int, str]]]":
    """Whether a unit's journal files, oldest first, are one unbroken chain through heads that it has told.

    `known` are heads in the order in which they were told (whole, or their first HEAD_TOLD bytes), those of before the
    oldest file left out. The last head, and what is wrong as (file number, offset, text): a file that does not begin
    where the one before it ends, bytes that are no record, a told head that is nowhere, or not in its place.
    """
    wrong: "list[tuple[int, int, str]]" = []
    waiting = list(known)
    last = b""
    for number, data in enumerate(files):
        end = 0
        for offset, record, head in heads(data, sha256):
            if offset == 0 and number and origin(record) != last:
                wrong.append((number, 0, "does not continue the file before it"))
            if waiting and head[: len(waiting[0])] == waiting[0]:
                waiting.pop(0)
            last = head
            end = offset + len(frame(record))
        if end < len(data):
            wrong.append((number, end, "no record"))
        if not end:
            last = b""
    if waiting:
        wrong.append((len(files), 0, "a head that was told is not there"))
    return last, wrong


def _number(record: "Record", key: int, missing: int) -> int:
    """A number of a record. A newer format may have put something else there."""
    value = record.get(key)
    return value if isinstance(value, int) and value >= 0 else missing


class Entry:
    """One press as the journal tells it: its key, what it was, and the last stage it reached."""

    def __init__(self, record: "Record") -> None:
        self.boot = record[BOOT]
        self.seq = record[SEQ]
        self.kind = _number(record, KIND, 1)
        self.input = _number(record, INPUT, 0)
        self.count = _number(record, COUNT, 1)
        self.clock = _number(record, CLOCK, 0)
        self.stage = _number(record, REACHED, 0)
        self.age = _number(record, AGE, 0)
        self.closed = False

    def over(self) -> bool:
        """Whether nothing is left to do for this press: taken, or no longer followed."""
        return self.stage >= 3 or self.closed

    def record(self) -> "Record":
        """The press record that carries this entry into a new file."""
        return press(self.boot, self.seq, self.kind, self.input, self.count, self.clock, self.stage, self.age)


def fold(entries: "dict[tuple[int, int], Entry]", record: "Record") -> "Entry | None":
    """Apply one record to `entries`; the entry it was about, or None: a record about an unknown press changes nothing.

    Stage, count and age only grow, so a record that is told twice is told once. Items are core.book's.
    """
    if record[TYPE] == HEADER or not isinstance(record.get(BOOT), int) or not isinstance(record.get(SEQ), int):
        return None
    key = (record[BOOT], record[SEQ])
    if record[TYPE] == PRESS:
        entries[key] = Entry(record)
        return entries[key]
    entry = entries.get(key)
    if entry is None:
        return None
    if record[TYPE] == STAGE:
        entry.stage = max(entry.stage, _number(record, REACHED, 0))
    elif record[TYPE] == COUNTED:
        entry.count = max(entry.count, _number(record, COUNT, 1))
    elif record[TYPE] == AGED:
        entry.age = max(entry.age, _number(record, AGE, 0))
    elif record[TYPE] == CLOSED:
        entry.closed = True
    return entry
