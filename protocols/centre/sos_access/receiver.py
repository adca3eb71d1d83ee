"""One exchange with an SOS Access transmitter, seen from the centre: one request, one answer, close. A pure machine.

It says what came and makes the octets of an answer; it never answers by itself, because status 0 is a promise that the
caller keeps by storing first. Who may speak is the caller's answer to `authorised`, asked before anything is stored.
"""

from __future__ import annotations

import hmac
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo

from protocols.centre.alarm import Alarm
from protocols.centre.sos_access import documents, status, times
from protocols.centre.sos_access.documents import DocumentError, Message
from protocols.centre.sos_access.stream import Collector
from protocols.centre.sos_access.translate import read_alarm


@dataclass(frozen=True, slots=True)
class AlarmReceived:
    """Something for a person. Store it, then answer `verdict`."""

    message: Message
    alarm: Alarm
    duplicate: bool

    @property
    def verdict(self) -> int:
        """The status once it is stored."""
        return status.DUPLICATE if self.duplicate else status.OK


@dataclass(frozen=True, slots=True)
class Ping:
    """A sign of life."""

    message: Message
    alarm: Alarm
    verdict: int = status.OK


@dataclass(frozen=True, slots=True)
class NewAuthentication:
    """The transmitter wants a new password: store one, then answer with it."""

    message: Message
    verdict: int = status.OK


@dataclass(frozen=True, slots=True)
class Bad:
    """A request that is refused, and the status that says why."""

    verdict: int
    message_text: str
    kind: str | None = None
    reference: str | None = None
    raw: bytes = b""


Event = AlarmReceived | Ping | NewAuthentication | Bad


def same(given: str, expected: str) -> bool:
    """Whether two passwords are equal, in a time that tells nothing of where they differ."""
    return hmac.compare_digest(given.encode(), expected.encode())


class Seen:
    """References that were stored, by transmitter, bounded in number and age (``window_s``)."""

    def __init__(self, capacity: int = 100_000, window_s: float = 86_400.0) -> None:
        self._capacity = capacity
        self._window_s = window_s
        self._at: OrderedDict[tuple[str, str], float] = OrderedDict()

    def holds(self, transmitter: str, reference: str, now: float) -> bool:
        """Whether it was added within the window before ``now``."""
        at = self._at.get((transmitter, reference))
        return at is not None and now - at <= self._window_s

    def add(self, transmitter: str, reference: str, now: float) -> None:
        """Remember a stored message; the oldest falls out when the table is full."""
        self._at[transmitter, reference] = now
        self._at.move_to_end((transmitter, reference))
        while len(self._at) > self._capacity:
            self._at.popitem(last=False)


class PingLimit:
    """How often a transmitter may ping: at most ``most`` in ``period_s``, the time of its service level."""

    def __init__(self, period_s: float, most: int = 6) -> None:
        self._period_s = period_s
        self._most = most
        self._at: dict[str, deque[float]] = {}

    def allows(self, transmitter: str, now: float) -> bool:
        """Count a ping; False if it is one too many, which is not counted."""
        times_ = self._at.setdefault(transmitter, deque())
        while times_ and now - times_[0] >= self._period_s:
            times_.popleft()
        if len(times_) >= self._most:
            return False
        times_.append(now)
        return True


class Receiver:
    """The machine of one connection. ``authorised(transmittercode, transmittertype, authentication)`` says who may
    speak; ``pings`` is None where the ping service is not offered."""

    def __init__(
        self,
        seen: Seen,
        new_id: Callable[[], str],
        authorised: Callable[[str, str, str], bool],
        *,
        pings: PingLimit | None = None,
        zone: tzinfo = UTC,
        peer: str | None = None,
        transport: str = "tcp",
    ) -> None:
        self._seen = seen
        self._new_id = new_id
        self._authorised = authorised
        self._pings = pings
        self._zone = zone
        self._peer = peer
        self._transport = transport
        self._collector = Collector()

    @property
    def pending(self) -> int:
        """Octets of a request that is not whole. The caller decides how long a sender may take."""
        return self._collector.pending

    def received(self, octets: bytes, now: float, at: datetime) -> Event | None:
        """Octets from the transmitter; the event once the request is whole."""
        document = self._collector.feed(octets)
        return None if document is None else self.judge(document, now, at)

    def closed(self, now: float, at: datetime) -> Event | None:
        """The transmitter closed; half a request is a `Bad` one."""
        document = self._collector.end()
        return None if document is None else self.judge(document, now, at)

    def judge(self, document: bytes, now: float, at: datetime) -> Event:
        """What a whole request is. ``now`` is the clock of `Seen`, ``at`` (aware) becomes `received_at`."""
        try:
            message = documents.read(document)
        except DocumentError as error:
            return Bad(error.status, str(error), error.kind, error.fields.get("reference"), document)
        fields = message.fields
        if message.kind not in documents.REPLY_TO:
            return Bad(status.CONTENT, f"{message.kind} is an answer, and nothing was asked", raw=document)
        transmitter = fields["transmittercode"]
        reference = fields.get("reference")
        if not self._authorised(transmitter, fields["transmittertype"], fields["authentication"]):
            text = "the transmitter's password is not its own"
            return Bad(status.NOT_AUTHORIZED, text, message.kind, reference, document)
        if message.kind == documents.NEW_AUTHENTICATION:
            return NewAuthentication(message)
        alarm = read_alarm(
            message, new_id=self._new_id, received_at=at, zone=self._zone, peer=self._peer, transport=self._transport
        )
        if message.kind == documents.PING:
            if self._pings is None:
                return Bad(status.PING_NOT_ALLOWED, "pings are not offered", message.kind, reference, document)
            allowed = self._pings.allows(transmitter, now)
            return Ping(message, alarm, status.OK if allowed else status.PING_TOO_OFTEN)
        return AlarmReceived(message, alarm, reference is not None and self._seen.holds(transmitter, reference, now))

    def answer(self, event: Event, code: int, now: float, at: datetime, new_authentication: str | None = None) -> bytes:
        """The octets to write before closing. Status 0 or 10 for an alarm also remembers its reference: give it only
        once the alarm is stored. Raises ValueError for a promise that cannot be kept."""
        if isinstance(event, Bad):
            if code in {status.OK, status.DUPLICATE}:
                raise ValueError("a request that could not be read cannot be acknowledged")
            kind, reference = event.kind, event.reference
        else:
            kind, reference = event.message.kind, event.message.fields.get("reference")
        fields = {"status": str(code), "info": status.words(code), "arrivaltime": times.write(at, self._zone)}
        if reference is not None and documents.fits(reference, 1, 50):
            fields["reference"] = reference
        if isinstance(event, NewAuthentication) and code == status.OK:
            if new_authentication is None:
                raise ValueError("a new password must be given")
            fields["newauthentication"] = new_authentication
        if isinstance(event, AlarmReceived) and code in {status.OK, status.DUPLICATE} and reference:
            self._seen.add(event.message.fields["transmittercode"], reference, now)
        return documents.write(documents.REPLY_TO.get(kind or "", documents.ALARM_REPLY), fields)
