"""One connection to a DC-09 receiver, seen from the sender: a pure machine, one message in flight.

Delivered means one thing only: an ACK (or RSP) with the same sequence and the same account, character for character.
Silence, a close, a DUH, a NAK or an answer to something else deliver nothing. After silence or a close the machine is
spent, because a late ACK could be taken for the next message's; the caller opens a new connection or tries the other
centre. Retries, back-off and the choice of centre are the caller's.

With a key everything goes encrypted, and only an ACK that the key opens delivers: one in clear could be anybody's.

Over UDP (`datagrams`) a lost answer spends nothing: the same octets go again, for their repeat is found by sequence.

`now` is seconds on any clock that never runs backwards.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from protocols.centre.sia_dc09.cipher import Key, open_frame, seal_frame, stamped
from protocols.centre.sia_dc09.frame import ACK, DUH, NAK, RSP, Frame, FrameError, Reason, decode, encode
from protocols.centre.sia_dc09.stream import Splitter

ACK_TIMEOUT_S = 4.0
"""Default wait for an answer: the other centre is to be tried within 4 to 5 s."""

_BARE_NAK = b'"NAK"'


@dataclass(frozen=True, slots=True)
class Delivered:
    """The centre has stored the message: its ACK names this sequence and this account."""

    seq: str
    account: str
    frame: Frame


@dataclass(frozen=True, slots=True)
class Refused:
    """DUH: the centre cannot process these octets. Never send them again unchanged; the minimal form may pass."""

    seq: str
    account: str


@dataclass(frozen=True, slots=True)
class ClockNak:
    """NAK: our clock is outside the centre's window. `receiver_time` is the centre's (aware UTC), if it said one."""

    seq: str
    account: str
    receiver_time: datetime | None


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """The time for the ACK is over. Whether the centre has the message is not known; close this connection."""

    seq: str
    account: str


@dataclass(frozen=True, slots=True)
class Closed:
    """The connection is gone. With `seq` a message was in flight, and whether the centre has it is not known."""

    seq: str | None = None
    account: str | None = None


@dataclass(frozen=True, slots=True)
class Unexpected:
    """Something that answers nothing of ours: `reason` is a word for a counter. The wait goes on."""

    reason: str


Outcome = Delivered | Refused | ClockNak | NoAnswer | Closed | Unexpected


class SenderError(RuntimeError):
    """The caller broke the order of calls: a message is in flight, or the connection is spent."""


class Sender:
    """The machine. `in_flight` is the frame that waits for its answer; `usable` is False once it is spent.

    With `key`, `random(n)` gives n random octets for the pad.
    """

    def __init__(
        self,
        ack_timeout_s: float = ACK_TIMEOUT_S,
        *,
        key: Key | None = None,
        random: Callable[[int], bytes] | None = None,
        datagrams: bool = False,
    ) -> None:
        if key is not None and random is None:
            raise ValueError("encryption needs a source of randomness")
        self.in_flight: Frame | None = None
        self.usable = True
        self._ack_timeout_s = ack_timeout_s
        self._key = key
        self._random = random
        self._datagrams = datagrams
        self._deadline: float | None = None
        self._splitter = Splitter()

    def send(self, frame: Frame, now: float, at: datetime | None = None) -> bytes:
        """The octets to write, in one write (or datagram). `at` (aware) is the time that an encrypted frame tells.

        Raises SenderError out of order or without `at` where there is a key, FrameError for an unfit frame.
        """
        if not self.usable:
            raise SenderError("this connection is spent; open a new one")
        if self.in_flight is not None:
            raise SenderError("a message is in flight; wait for its outcome")
        if frame.account is None:
            raise SenderError("a message to a centre names its account")
        octets = encode(self._sealed(frame, at))
        self.in_flight = frame
        self._deadline = now + self._ack_timeout_s
        return octets

    def _sealed(self, frame: Frame, at: datetime | None) -> Frame:
        if self._key is None or self._random is None:
            return frame
        if at is None:
            raise SenderError("an encrypted message tells the time; give it")
        return seal_frame(stamped(frame, at), self._key, self._random)

    def received(self, octets: bytes, now: float) -> list[Outcome]:
        """Octets from the socket, or one datagram. At most one outcome ends the message in flight; the rest are
        `Unexpected`."""
        outcomes: list[Outcome] = []
        pieces: list[bytes | FrameError] = [octets] if self._datagrams else self._splitter.feed(octets)
        for piece in pieces:
            if isinstance(piece, FrameError):
                outcomes.append(self._bare_word(piece))
                continue
            try:
                answer = decode(piece)
            except FrameError as error:
                outcomes.append(Unexpected(error.reason.value))
                continue
            outcomes.append(self._answered(answer))
        return outcomes

    def timeout(self, now: float) -> list[Outcome]:
        """Call when `next_wakeup` has come; earlier calls do nothing."""
        frame = self.in_flight
        if frame is None or self._deadline is None or now < self._deadline:
            return []
        self._settle()
        self.usable = self._datagrams
        return [NoAnswer(frame.seq, frame.account or "")]

    def closed(self, now: float) -> list[Outcome]:
        """The connection ended, from either side. Gives one `Closed` the first time, then nothing."""
        if not self.usable:
            return []
        frame = self.in_flight
        self._settle()
        self.usable = False
        return [Closed() if frame is None else Closed(frame.seq, frame.account)]

    def next_wakeup(self, now: float) -> float | None:
        """When `timeout` has something to say, on the caller's clock; None while nothing is in flight."""
        return self._deadline

    def _settle(self) -> None:
        self.in_flight = None
        self._deadline = None

    def _bare_word(self, piece: FrameError) -> Outcome:
        """Octets that are no frame. A widespread receiver says the bare word to an account that it does not know."""
        frame = self.in_flight
        if frame is None or self._key is not None or piece.raw.strip() != _BARE_NAK:
            return Unexpected(piece.reason.value)
        self._settle()
        return ClockNak(frame.seq, frame.account or "", None)

    def _answered(self, answer: Frame) -> Outcome:
        frame = self.in_flight
        if frame is None or not self.usable:
            return Unexpected("unasked")
        account = frame.account or ""
        if answer.encrypted:
            try:
                answer = self._opened(answer)
            except FrameError as error:
                return Unexpected(error.reason.value)
        elif self._key is not None and answer.token in {ACK, RSP}:
            return Unexpected("clear-answer")
        if answer.token == NAK:
            self._settle()
            return ClockNak(frame.seq, account, answer.time)
        if answer.token not in {ACK, RSP, DUH}:
            return Unexpected("not-an-answer")
        if answer.seq != frame.seq:
            return Unexpected("other-sequence")
        if answer.account != frame.account:
            return Unexpected("other-account")
        self._settle()
        if answer.token == DUH:
            return Refused(frame.seq, account)
        return Delivered(frame.seq, account, frame)

    def _opened(self, answer: Frame) -> Frame:
        if self._key is None:
            raise FrameError(Reason.CIPHER, "the answer is encrypted and there is no key", answer.raw, answer)
        return open_frame(answer, self._key)
