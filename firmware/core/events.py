"""What the unit has to say besides presses and signs of life, and that nobody has confirmed yet.

Pure. Events and answers wait here until a verified receipt confirms them; each is on flash before it is sent and is
consumed there afterwards, so that it survives a restart. It never decides when something is sent. It is bounded: the
oldest of the lowest priority makes way, an answer only for answers.

Codes of faults are told in an event of kind 5, each at most once in `AGAIN_MS` with how often it has happened.
"""

from firmware.core import records
from protocols.wire import messages
from protocols.wire.courier import FAULT, LOG

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    Key = tuple[int, int]

MOST = 24
"""Messages that wait. The courier takes as many, and a heartbeat."""
AGAIN_MS = 3600000

FAULT_CONFIG, FAULT_JOURNAL, FAULT_KEPT, FAULT_TASK, FAULT_CRASH, FAULT_HEAP, FAULT_DRILL, FAULT_PORT = range(1, 9)
"""What failed: the configuration, the journal or another file on flash, a task that stood still or the firmware itself
in the boot before this one (with how many such boots there have been in a row), memory, a drill that was not stored, a
port (modem, pendants' radio) that does not work."""
LONGEST_TEXT = 40


class Waiting:
    """One message that waits. `body` is its plaintext as of `since`."""

    __slots__ = ("body", "kept", "key", "priority", "since")

    def __init__(self, key: "Key", priority: int, body: bytes, since: int, kept: bool) -> None:
        self.key = key
        self.priority = priority
        self.body = body
        self.since = since
        self.kept = kept


class Reports:
    """`items` are the journal's waiting items, oldest first, as (priority, boot, seq, body)."""

    def __init__(self, items: "Iterable[tuple[int, int, int, bytes]]", now: int) -> None:
        self.waiting: "list[Waiting]" = []
        for priority, boot, seq, body in items:
            self.waiting.append(Waiting((boot, seq), priority, body, now, True))

    def find(self, key: "Key") -> "Waiting | None":
        """The message with this key."""
        for one in self.waiting:
            if one.key == key:
                return one
        return None

    def add(
        self, key: "Key", priority: int, message: "messages.Message", keep: bool, now: int
    ) -> "dict[int, Any] | None":
        """Take a message; the record that goes into the journal if it is to be kept."""
        one = Waiting(key, priority, message.encode(), now, keep)
        self.waiting.append(one)
        return records.item(priority, key[0], key[1], one.body) if keep else None

    def surplus(self) -> "list[Waiting]":
        """What is too much, the least important first. It is to be taken out with `done`."""
        over = len(self.waiting) - MOST
        if over <= 0:
            return []
        lowest = [one for one in self.waiting if one.priority == LOG]
        return (lowest + [one for one in self.waiting if one.priority != LOG])[:over]

    def done(self, key: "Key") -> "dict[int, Any] | None":
        """This message is confirmed, or given up. The record that goes into the journal, or None."""
        one = self.find(key)
        if one is None:
            return None
        self.waiting.remove(one)
        return records.consumed(key[0], key[1]) if one.kept else None

    def message(self, one: Waiting, now: int) -> "messages.Message | None":
        """What is sent, as of now. None if the journal's body is no message of ours: an older firmware's perhaps."""
        try:
            message: "messages.Message" = messages.decode(one.body)
        except messages.MessageError:
            return None
        if isinstance(message, messages.Event):
            message.age = (message.age or 0) + max(now - one.since, 0) // 1000
        return message


class Faults:
    """How often what has failed, and what is told of it."""

    def __init__(self) -> None:
        self._counts: "dict[int, int]" = {}
        self._told: "dict[int, int]" = {}

    def note(self, code: int, text: str, now: int, times: int = 1) -> "dict[int, Any] | None":
        """A fault has happened, so often. The data of the event that tells it, or None while it is too soon to tell
        again."""
        self._counts[code] = self._counts.get(code, 0) + times
        told = self._told.get(code)
        if told is not None and now < told + AGAIN_MS:
            return None
        self._told[code] = now
        # The bound is in bytes, and our texts are ASCII; anything else is left out rather than cut in two.
        plain = "".join([letter for letter in text if 32 <= ord(letter) < 127])
        return {1: code, 2: min(self._counts[code], 0xFFFF), 3: plain[:LONGEST_TEXT]}


PRIORITY = {messages.EVENT_POSITION: LOG}
"""Of the kinds of event that can wait longer than others; everything else is FAULT."""


def priority(kind: int) -> int:
    """How urgent an event of this kind is, as a priority of the courier."""
    return PRIORITY.get(kind, FAULT)
