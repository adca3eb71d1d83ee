"""One exchange with an SOS Access centre, seen from the sender: connect, send, read the answer, close. A pure machine.

Delivered is status 0 or 10 with the same reference. Silence, a close, another reference and an answer that is no
document deliver nothing. What the caller does next follows from `Reply.outcome`. `now` is seconds on any clock that
never runs backwards.

`Password` keeps an account's password through a change: a new one is stored before it is used, and the old one is kept
until a message with the new one was taken.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, tzinfo

from protocols.centre.alarm import Outcome, Reply
from protocols.centre.sos_access import documents, status, times
from protocols.centre.sos_access.documents import DocumentError, Message
from protocols.centre.sos_access.stream import Collector

ANSWER_TIMEOUT_S = 4.0


@dataclass(frozen=True, slots=True)
class Answered:
    """The centre's answer. `reply.accepted` says whether the message is delivered."""

    reply: Reply
    message: Message | None = None


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """Nothing usable came: `reason` is silence, closed, or what was wrong with the answer. Whether the centre has the
    message is not known."""

    reason: str


Result = Answered | NoAnswer


def reply_of(message: Message, zone: tzinfo = UTC) -> Reply:
    """What an answer means. A status that is no number is "other error"."""
    text = message.fields.get("status", "")
    code = int(text) if text.isascii() and text.isdigit() else status.OTHER
    outcome = status.outcome(code)
    arrival = message.fields.get("arrivaltime")
    return Reply(
        accepted=outcome in {Outcome.OK, Outcome.DUPLICATE},
        outcome=outcome,
        native_code=text,
        text=message.fields.get("info"),
        receiver_time=None if arrival is None else times.read(arrival, zone),
        scope=status.scope(code),
    )


class Exchange:
    """One request. `result` is None until it is over."""

    def __init__(self, request: bytes, now: float, timeout_s: float = ANSWER_TIMEOUT_S, zone: tzinfo = UTC) -> None:
        sent = documents.read(request)
        self.octets = request
        """To be written once the connection stands."""
        self.result: Result | None = None
        self._kind = documents.REPLY_TO[sent.kind]
        self._reference = sent.fields.get("reference")
        self._deadline = now + timeout_s
        self._zone = zone
        self._collector = Collector()

    def received(self, octets: bytes) -> Result | None:
        """Octets from the centre."""
        document = None if self.result is not None else self._collector.feed(octets)
        return self.result if document is None else self._judge(document)

    def closed(self) -> Result:
        """The connection is gone, from either side, or never came about."""
        if self.result is None:
            document = self._collector.end()
            return self._end(NoAnswer("closed")) if document is None else self._judge(document)
        return self.result

    def timeout(self, now: float) -> Result | None:
        """Call when `next_wakeup` has come; earlier calls do nothing."""
        if self.result is None and now >= self._deadline:
            self._end(NoAnswer("silence"))
        return self.result

    def next_wakeup(self) -> float | None:
        """When `timeout` has something to say."""
        return self._deadline if self.result is None else None

    def _end(self, result: Result) -> Result:
        self.result = result
        return result

    def _judge(self, document: bytes) -> Result:
        try:
            answer = documents.read(document)
        except DocumentError as error:
            return self._end(NoAnswer(status.words(error.status).lower()))
        if answer.kind != self._kind:
            return self._end(NoAnswer("another document"))
        reply = reply_of(answer, self._zone)
        named = answer.fields.get("reference")
        # An error may come without a reference; what says that it took something must say what.
        if named != self._reference and (reply.accepted or named is not None):
            return self._end(NoAnswer("another reference"))
        return self._end(Answered(reply, answer))


class Password:
    """The password of one account through its changes. `store(current, next)` puts both on durable storage before it
    returns, and may raise: then nothing has changed."""

    def __init__(self, current: str, pending: str | None, store: Callable[[str, str | None], None]) -> None:
        self._current = current
        self._pending = pending
        self._store = store

    @property
    def value(self) -> str:
        """What the next message carries: the new one as soon as it is stored."""
        return self._current if self._pending is None else self._pending

    def issued(self, password: str) -> None:
        """The centre has given a new one."""
        if len(password) != 15:
            raise ValueError("a password of SOS Access has 15 characters")
        self._store(self._current, password)
        self._pending = password

    def taken(self) -> None:
        """A message with `value` was accepted: the old one is of no more use."""
        if self._pending is not None:
            self._store(self._pending, None)
            self._current, self._pending = self._pending, None

    def refused(self) -> bool:
        """The centre says "not authorized". True if the old password is to be tried, which is valid until the first
        message with the new one; False if a person must have the centre issue another."""
        if self._pending is None:
            return False
        self._store(self._current, None)
        self._pending = None
        return True
