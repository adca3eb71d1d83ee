"""What stands on a workshop's bench, place by place, and the numbered changes of it: the bench page's snapshot and log.

Workers are threads: they tell what happens (`tell`) and wait for what a person answers on the page (`ask`). Readers are
the page's streams. Nothing here knows a board, a network or a clock; a page that comes later gets the same state.
"""

from __future__ import annotations

import secrets
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

KEPT_CHANGES = 1000
"""A page that is further behind gets a snapshot."""
END = "end"
"""What every question is answered with once the work has ended."""
NOTHING_SAID: tuple[str, Mapping[str, str]] = ("", MappingProxyType({}))
REST = "rest"
"""What a place's hands do from then on."""


@dataclass(frozen=True, slots=True)
class Place:
    """One cable. `steps` are (name, begin, done, kept or failed) in the order of the plan; `hands`, `fault` and `asks`
    are codes of `bench_words`; `reason` is what the station said, in English, and `said` the same as a sentence of
    `bench_reasons` and its values, where it is one; `label` a file that can be printed."""

    number: int
    port: str
    state: str = "waiting"
    mac: str = ""
    unit: str = ""
    steps: tuple[tuple[str, str], ...] = ()
    hands: str = ""
    fault: str = ""
    reason: str = ""
    said: tuple[str, Mapping[str, str]] = NOTHING_SAID
    label: str = ""
    asks: str = ""
    passed: int = 0


@dataclass(frozen=True, slots=True)
class Change:
    """One line of the log: the place as it is now."""

    position: int
    place: Place


@dataclass(slots=True)
class _Question:
    allowed: Sequence[str]
    answer: str | None = None


@dataclass
class BenchLog:
    """The state of one bench. Every method may be called from any thread."""

    order: str
    ordered: int
    made: int
    places: list[Place]
    scope: str = field(default_factory=lambda: secrets.token_hex(8))
    ended: bool = False

    def __post_init__(self) -> None:
        self._changed = threading.Condition()
        self._position = 0
        self._changes: deque[Change] = deque(maxlen=KEPT_CHANGES)
        self._questions: dict[int, _Question] = {}
        self._wakers: set[Callable[[], None]] = set()

    def tell(self, number: int, *, made: int | None = None, **new: Any) -> None:
        """Something about a place is so now. `made` is the order's count."""
        with self._changed:
            if made is not None:
                self.made = made
            self._tell(number, new)

    def step(self, number: int, name: str, state: str, hands: str, mac: str = "") -> None:
        """A step of the board on a place: begin, done or kept. A place that had failed works again."""
        with self._changed:
            steps = tuple((known, state if known == name else was) for known, was in self.places[number - 1].steps)
            new: dict[str, Any] = {"steps": steps, "state": "working", "mac": mac, "hands": hands}
            self._tell(number, new)

    def ask(self, number: int, question: str, answers: Sequence[str], **new: Any) -> str:
        """Wait for one of `answers` from the page; END once the work has ended."""
        with self._changed:
            if self.ended:
                return END
            asked = self._questions[number] = _Question(answers)
            self._tell(number, {**new, "asks": question})
            self._changed.wait_for(lambda: asked.answer is not None or self.ended)
            self._questions.pop(number, None)
            self._tell(number, {"asks": ""})
            return asked.answer or END

    def answer(self, number: int, question: str, answer: str) -> bool:
        """What a person has answered; False if nobody asks that any more."""
        with self._changed:
            asked = self._questions.get(number)
            if asked is None or self.places[number - 1].asks != question or answer not in asked.allowed:
                return False
            if asked.answer is None:
                asked.answer = answer
                self._changed.notify_all()
            return True

    def end(self) -> None:
        """The work ends: no new board is begun; a board that is under work is finished."""
        with self._changed:
            self.ended = True
            self._changed.notify_all()

    def snapshot(self) -> tuple[int, list[Place]]:
        """The position and all places, as they are now."""
        with self._changed:
            return self._position, list(self.places)

    def since(self, position: int) -> list[Change] | None:
        """The changes after a position; None where they are no longer known, or never were."""
        with self._changed:
            if position > self._position or self._position - position > len(self._changes):
                return None
            return [change for change in self._changes if change.position > position]

    def over(self) -> bool:
        """Whether every place has ended: nothing changes any more."""
        with self._changed:
            return self.ended and all(place.hands == REST for place in self.places)

    def watched(self) -> bool:
        """Whether anybody follows the changes."""
        with self._changed:
            return bool(self._wakers)

    def join(self, waker: Callable[[], None]) -> None:
        """`waker` is called, from any thread, after each change."""
        with self._changed:
            self._wakers.add(waker)

    def leave(self, waker: Callable[[], None]) -> None:
        """The opposite of `join`."""
        with self._changed:
            self._wakers.discard(waker)

    def _tell(self, number: int, new: Mapping[str, Any]) -> None:
        place = self.places[number - 1] = replace(self.places[number - 1], **new)
        self._position += 1
        self._changes.append(Change(self._position, place))
        for waker in self._wakers:
            waker()
