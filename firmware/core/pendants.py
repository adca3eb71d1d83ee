"""The wireless pendants of a hub: which frame is a press, and which pendant has not been heard for too long.

Pure. A frame is believed if its pendant is known, its MAC fits that pendant's key and its counter is higher than any
before; anything else opens nothing. It never decides what a press means (`core.contact`) and never sees a radio.

Event source: the hub's short-range radio port. Action sink: `core.contact`, `core.unit` and the flash.
Events: ("frame", bytes) and ("time",). Actions: ("press", input) and ("test", input); ("missed", input, s silent) and
("back", input); ("low", input, battery); ("keep", state). A press comes before its "keep": if the unit dies in between,
the same frame may count once more, but the press is not lost.

A frame is 19 bytes, so that it fits one advertisement of 31: version (1) | pendant id (4) | counter (4) | what (1) |
battery in % (1) | the first 8 bytes of HMAC-SHA256 over LABEL and all before. Integers are big endian. A pendant sends
a frame several times and never uses a counter for two. A genuine press is refused for nothing: a battery above 100 is
not known, and a `what` that is not known here is a press, since a newer pendant has something to say.
"""

import struct

from protocols.wire import seal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    Actions = list[tuple[Any, ...]]

VERSION = 1
LENGTH = 19
TAG = 8
KEY = 16
LABEL = b"livlina pendant"
ALIVE, PRESS, TEST = 0, 1, 2
_COUNTER, _WHAT = 5, 9

MISSES = 3
"""Reports in a row that may be lost before a pendant is missed; their interval is each pendant's own."""
LOW = 20
"""Battery in % from which it is told, once until it has been changed."""
SAVE_MS = 6 * 3600000
"""How long each has been silent is kept this often, so that restarts do not hide a pendant that is gone."""


def frame(sha256: "Callable[[bytes], bytes]", key: bytes, number: int, counter: int, what: int, battery: int) -> bytes:
    """The frame that a pendant sends."""
    body = struct.pack(">BIIBB", VERSION, number, counter, what, battery)
    return body + seal.hmac(sha256, key, LABEL + body)[:TAG]


class Pendant:
    """One pendant: the input it stands for, its id, its key (16 bytes) and how often it reports (s)."""

    __slots__ = ("counter", "heard", "input", "interval", "key", "low", "missed", "number", "proven")

    def __init__(self, input_code: int, number: int, key: bytes, interval: int) -> None:
        if not 1 <= input_code <= 0xFF or not 0 < number <= 0xFFFFFFFF:
            raise ValueError("a pendant stands for input 1 to 255 and has an id above 0")
        if not isinstance(key, bytes) or len(key) != KEY or not 60 <= interval <= 604800:
            raise ValueError("a pendant has a key of 16 bytes and reports every 60 s to a week")
        self.input = input_code
        self.number = number
        self.key = key
        self.interval = interval
        self.counter = -1
        self.heard = 0
        self.proven = False
        self.missed = False
        self.low = False


class Pendants:
    """The pendants of one hub. `state` is what was kept last; what does not fit in it is passed over."""

    def __init__(
        self, pendants: "Iterable[Pendant]", sha256: "Callable[[bytes], bytes]", state: "Any", now: int
    ) -> None:
        self._sha256 = sha256
        self._saved = now
        self.refused = 0
        """Frames in the name of a pendant of ours that were forged or replayed."""
        self._known: "dict[int, Pendant]" = {}
        for one in pendants:
            if one.number in self._known or one.input in [other.input for other in self._known.values()]:
                raise ValueError("two pendants have the same id or input")
            self._known[one.number] = one
            one.heard = now
            kept = state.get(one.number) if isinstance(state, dict) else None
            if isinstance(kept, list) and len(kept) == 3 and all([isinstance(n, int) and n >= -1 for n in kept]):
                one.counter = kept[0]
                one.heard = now - kept[1] * 1000
                one.proven = kept[2] == 1

    def state(self, now: int) -> "dict[int, list[int]]":
        """What is to be kept: id -> [counter, seconds silent, whether a press was ever seen]."""
        self._saved = now
        kept = {}
        for one in self._known.values():
            if one.counter >= 0:
                kept[one.number] = [one.counter, max(now - one.heard, 0) // 1000, 1 if one.proven else 0]
        return kept

    def unproven(self) -> "list[int]":
        """Inputs whose button nobody has ever pressed to us: such a pendant is not in service."""
        return sorted([one.input for one in self._known.values() if not one.proven])

    def handle(self, event: "tuple[Any, ...]", now: int) -> "Actions":
        """What is to be done now that this has happened."""
        actions = self._frame(event[1], now) if event[0] == "frame" else []
        for number in sorted(self._known):
            one = self._known[number]
            if not one.missed and now >= self._due(one):
                one.missed = True
                actions.append(("missed", one.input, (now - one.heard) // 1000))
        if now >= self._saved + SAVE_MS:
            actions.append(("keep", self.state(now)))
        return actions

    def next_wakeup(self, now: int) -> "int | None":
        """When ("time",) is to be handled next."""
        if not self._known:
            return None
        due = [self._due(one) for one in self._known.values() if not one.missed]
        return min(due + [self._saved + SAVE_MS])

    def _due(self, one: Pendant) -> int:
        return one.heard + (MISSES * one.interval + one.interval // 10) * 1000

    def pressing(self, data: bytes) -> "int | None":
        """The input whose press this frame is, as `handle` will believe it; None for anything else. Changes nothing:
        for whoever must know what is owed before memory can fail half way."""
        one = self._sender(data)
        if one is None or data[_WHAT] in (ALIVE, TEST) or not self._genuine(one, data):
            return None
        return one.input

    def _sender(self, data: bytes) -> "Pendant | None":
        """Whose frame this is; None for a neighbour's, and for the same frame once more."""
        if len(data) != LENGTH or data[0] != VERSION:
            return None
        _, number, counter = struct.unpack(">BII", data[:_WHAT])
        one = self._known.get(number)
        return None if one is None or counter == one.counter else one

    def _genuine(self, one: Pendant, data: bytes) -> bool:
        """Whether the frame is this pendant's, and newer than all before."""
        tag = seal.hmac(self._sha256, one.key, LABEL + data[:-TAG])
        difference = 0
        for i in range(TAG):
            difference |= tag[i] ^ data[LENGTH - TAG + i]
        return not difference and struct.unpack(">I", data[_COUNTER:_WHAT])[0] > one.counter

    def _frame(self, data: bytes, now: int) -> "Actions":
        one = self._sender(data)
        if one is None:
            return []
        if not self._genuine(one, data):
            self.refused += 1
            return []
        _, _, counter, what, battery = struct.unpack(">BIIBB", data[:-TAG])
        one.counter = counter
        one.heard = now
        actions: "Actions" = []
        if what != ALIVE:
            one.proven = True
            actions.append(("test" if what == TEST else "press", one.input))
        actions.append(("keep", self.state(now)))
        if one.missed:
            one.missed = False
            actions.append(("back", one.input))
        if battery <= LOW and not one.low:
            actions.append(("low", one.input, battery))
        one.low = battery <= LOW
        return actions
