"""What the records of a journal mean together: the presses that are open, the messages that wait, and what was dropped.

Pure. A press is never dropped, nor is an item of priority ALARM. Items of the other priorities are bounded in number
(`MOST`) and together in bytes (`ROOM`); what must go is the oldest of the lowest priority, LOG before HEARTBEAT before
FAULT, never for something less urgent than itself, and every drop is a record of its own, so that the journal says what
is missing. It never touches flash and decides nothing about when something is sent.
"""

from firmware.core import records

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from firmware.core.records import Record

    Key = tuple[int, int]

MOST = (None, 32, 4, 16)
"""Items that may wait, by priority; None: no bound."""
ROOM = 4096
"""Bytes of bodies that may wait together, those of priority ALARM not counted: a unit has them in memory too."""


class Item:
    """One message that waits."""

    __slots__ = ("body", "key", "priority")

    def __init__(self, key: "Key", priority: int, body: bytes) -> None:
        self.key = key
        self.priority = priority
        self.body = body


class Book:
    """Attributes: `entries`, the open presses by (boot, seq); `items`, what waits, oldest first; `drops`, how many
    items of each priority were dropped since the journal began."""

    def __init__(self) -> None:
        self.entries: "dict[Key, records.Entry]" = {}
        self.items: "list[Item]" = []
        self.drops = [0, 0, 0, 0]

    def fold(self, record: "Record") -> None:
        """Apply one record. Any record may come: one of a type that is not known here, or that names what is not
        there, changes nothing."""
        kind = record[records.TYPE]
        if kind == records.HEADER:
            drops = record.get(records.DROPS)
            if isinstance(drops, list) and [isinstance(one, int) for one in drops] == [True] * len(self.drops):
                self.drops = list(drops)
            return
        if not isinstance(record.get(records.BOOT), int) or not isinstance(record.get(records.SEQ), int):
            return
        if kind == records.ITEM:
            self._remember(record)
        elif kind in (records.CONSUMED, records.DROPPED):
            self._forget(record)
        else:
            entry = records.fold(self.entries, record)
            if entry is not None and entry.over():
                del self.entries[(entry.boot, entry.seq)]

    def _remember(self, record: "Record") -> None:
        key = (record[records.BOOT], record[records.SEQ])
        priority = record.get(records.PRIORITY)
        body = record.get(records.BODY)
        if isinstance(priority, int) and records.ALARM <= priority <= records.LOG and isinstance(body, bytes):
            self._remove(key)
            self.items.append(Item(key, priority, body))

    def _remove(self, key: "Key") -> None:
        for index, one in enumerate(self.items):
            if one.key == key:
                self.items.pop(index)
                return

    def _forget(self, record: "Record") -> None:
        self._remove((record[records.BOOT], record[records.SEQ]))
        priority = record.get(records.PRIORITY)
        if record[records.TYPE] == records.DROPPED and isinstance(priority, int) and 0 <= priority < len(self.drops):
            self.drops[priority] += 1

    def admit(self, record: "Record") -> "list[Record]":
        """The records that must be written for this one: itself, and the drops that make room for it. An item that
        finds no room becomes a drop itself. Nothing is applied yet."""
        if record[records.TYPE] != records.ITEM or record[records.PRIORITY] == records.ALARM:
            return [record]
        priority = record[records.PRIORITY]
        key = (record[records.BOOT], record[records.SEQ])
        others = [one for one in self.items if one.key != key and one.priority != records.ALARM]
        gone = []
        while not self._fits(others, priority, len(record[records.BODY])):
            victim = self._victim(others, priority)
            if victim is None:
                return [records.dropped(key[0], key[1], priority)]
            others.remove(victim)
            gone.append(records.dropped(victim.key[0], victim.key[1], victim.priority))
        gone.append(record)
        return gone

    def _fits(self, others: "list[Item]", priority: int, size: int) -> bool:
        most = MOST[priority]
        if most is not None and len([one for one in others if one.priority == priority]) >= most:
            return False
        return sum([len(one.body) for one in others]) + size <= ROOM

    def _victim(self, others: "list[Item]", priority: int) -> "Item | None":
        """What goes first: when its own priority is full the oldest of that; else the oldest of the lowest priority
        that is not above its own."""
        most = MOST[priority]
        same = [one for one in others if one.priority == priority]
        if most is not None and len(same) >= most:
            return same[0]
        lowest = None
        for one in others:
            if one.priority >= priority and (lowest is None or one.priority > lowest.priority):
                lowest = one
        return lowest

    def carried(self, head: bytes) -> "Iterator[Record]":
        """What a new file begins with: its header, the open presses, and what waits. One after the other: there may be
        no room for all of them a second time."""
        yield records.header(head, self.drops)
        for key in sorted(self.entries):
            yield self.entries[key].record()
        for one in self.items:
            yield records.item(one.priority, one.key[0], one.key[1], one.body)
