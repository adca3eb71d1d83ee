"""One connection from a DC-09 sender, seen from the alarm centre: a pure machine.

It says what came and makes the octets of answers; it never answers by itself. An ACK is a promise, so the caller gives
it only after the message is stored. A frame whose CRC or length is wrong gets no answer at all. A message seen before
is reported with `duplicate` and is to be answered with ACK again.

An account that has a key must use it: its message in clear is refused. An encrypted message whose time is outside the
window comes with `fresh` False. It is answered by NAK, so that the sender sets its clock and repeats; whoever shows it
meanwhile shows it as such, for it may be a recording.

Which messages were seen is kept in `Seen`, which belongs to the caller: it outlives a connection, and a caller that
rebuilds it from its own store outlives a restart.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from protocols.centre.alarm import Alarm
from protocols.centre.sia_dc09.cipher import Key, in_window, open_frame, seal_frame, window
from protocols.centre.sia_dc09.frame import (
    ACK,
    ADM_CID,
    DUH,
    NAK,
    NULL,
    SIA_DCS,
    XNM,
    Frame,
    FrameError,
    Reason,
    decode,
    encode,
    format_time,
    sequence,
)
from protocols.centre.sia_dc09.interpret import read_alarms
from protocols.centre.sia_dc09.reply import ANSWERS
from protocols.centre.sia_dc09.stream import Splitter
from protocols.centre.sia_dc09.translate import ZERO_ROUTE


class Verdict(StrEnum):
    """What to answer. SILENT is what a dead centre says."""

    ACK = "ACK"
    DUH = "DUH"
    NAK = "NAK"
    SILENT = "SILENT"


@dataclass(frozen=True, slots=True)
class AlarmReceived:
    """A message for a person: one or more alarms from one frame. Store it, then answer `verdict`.

    `fresh` is False for an encrypted message outside the time window; `clock_ahead_s` is how far the sender's clock is
    ahead of ours, where the message tells a time.
    """

    frame: Frame
    alarms: tuple[Alarm, ...]
    key: str
    duplicate: bool
    fresh: bool = True
    clock_ahead_s: float | None = None

    @property
    def verdict(self) -> Verdict:
        """What the protocol answers once the message is stored."""
        return Verdict.ACK if self.fresh else Verdict.NAK


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """A link test. Answer `verdict`; there is nothing to store but when it came."""

    frame: Frame
    fresh: bool = True
    clock_ahead_s: float | None = None

    @property
    def verdict(self) -> Verdict:
        """What the protocol answers."""
        return Verdict.ACK if self.fresh else Verdict.NAK


@dataclass(frozen=True, slots=True)
class Bad:
    """Octets that are no message for us. With `frame` the header could be read and DUH is the answer; else none is."""

    reason: Reason
    message: str
    raw: bytes
    frame: Frame | None = None

    @property
    def verdict(self) -> Verdict:
        """What the protocol answers."""
        return Verdict.SILENT if self.frame is None else Verdict.DUH


Event = AlarmReceived | Heartbeat | Bad


def dedupe_key(frame: Frame) -> str:
    """A message's identity: account, L, R, sequence and a hash of its content. Hex text.

    The timestamp is left out: a sender that was told to set its clock repeats the same message with another time. So
    is the ciphertext, whose pad differs each time.
    """
    content = "]".join([frame.token, frame.data, *(letter + value for letter, value in frame.xdata)])
    fields = (frame.account or "", frame.line or "", frame.receiver or "", frame.seq, content)
    return hashlib.sha256("\0".join(fields).encode("utf-8", "surrogatepass")).hexdigest()[:32]


class Seen:
    """The keys of stored messages, bounded in number and in age.

    `window_s` is how long a repeat counts as one. It ends because a sender that starts again at sequence 0001 with a
    bare code sends the very octets of an older, other alarm; showing an alarm twice is the smaller harm.
    """

    def __init__(self, capacity: int = 100_000, window_s: float = 3600.0) -> None:
        self._capacity = capacity
        self._window_s = window_s
        self._at: OrderedDict[str, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._at)

    def holds(self, key: str, now: float) -> bool:
        """Whether the key was added within the window before `now` (seconds, the same clock as `add`)."""
        at = self._at.get(key)
        return at is not None and now - at <= self._window_s

    def add(self, key: str, now: float) -> None:
        """Remember a stored message; the oldest falls out when the table is full."""
        self._at[key] = now
        self._at.move_to_end(key)
        while len(self._at) > self._capacity:
            self._at.popitem(last=False)


class Receiver:
    """The machine of one connection.

    `received` takes octets; `next_event` gives what is in them one by one, so that a repeat in the same segment is
    judged after the caller stored the first. `new_id` makes the id of each alarm. `keys(account)` gives an account's
    key or None, and `random(n)` n random octets for encrypted answers. With `datagrams` (UDP) every call of `received`
    is one whole frame. `clear_too` lets an account with a key speak in clear, which is for reading logs and for nothing
    that listens.
    """

    def __init__(
        self,
        seen: Seen,
        new_id: Callable[[], str],
        peer: str | None = None,
        *,
        keys: Callable[[str], Key | None] | None = None,
        random: Callable[[int], bytes] | None = None,
        datagrams: bool = False,
        clear_too: bool = False,
        transport: str | None = None,
    ) -> None:
        if keys is not None and random is None:
            raise ValueError("encryption needs a source of randomness")
        self._seen = seen
        self._new_id = new_id
        self._peer = peer
        self._keys = keys
        self._random = random
        self._datagrams = datagrams
        self._clear_too = clear_too
        self._transport = transport or ("udp" if datagrams else "tcp")
        self._splitter = Splitter()
        self._pieces: deque[bytes | FrameError] = deque()

    @property
    def pending(self) -> int:
        """Octets of a frame that is not whole. The caller decides how long a sender may take for the rest."""
        return self._splitter.pending

    def received(self, octets: bytes) -> None:
        """Take octets from the socket in any portions, or one datagram."""
        if self._datagrams:
            self._pieces.append(octets)
        else:
            self._pieces.extend(self._splitter.feed(octets))

    def closed(self) -> None:
        """The connection ended; half a frame becomes a `Bad` that `next_event` gives."""
        self._pieces.extend(self._splitter.end())

    def next_event(self, now: float, at: datetime) -> Event | None:
        """What came next, or None. `now` is the clock of `Seen`; `at` (aware) becomes the alarms' `received_at`."""
        if not self._pieces:
            return None
        piece = self._pieces.popleft()
        if isinstance(piece, FrameError):
            return Bad(piece.reason, str(piece), piece.raw)
        try:
            frame = decode(piece)
        except FrameError as error:
            return Bad(error.reason, str(error), error.raw, _answerable(error.header))
        return self._judge(frame, now, at)

    def _key(self, frame: Frame) -> Key | None:
        return None if self._keys is None or frame.account is None else self._keys(frame.account)

    def _judge(self, frame: Frame, now: float, at: datetime) -> Event:
        if frame.token in ANSWERS:
            return Bad(Reason.TOKEN, f"{frame.token} is an answer, and nothing was asked", frame.raw)
        account_key = self._key(frame)
        if frame.encrypted:
            if account_key is None:
                return Bad(Reason.CIPHER, "the frame is encrypted and no key is set for its account", frame.raw, frame)
            try:
                frame = open_frame(frame, account_key)
            except FrameError as error:
                return Bad(error.reason, str(error), error.raw, error.header)
        elif account_key is not None and not self._clear_too:
            return Bad(Reason.CIPHER, "this account has a key, and the frame is in clear", frame.raw, frame)
        fresh = not frame.encrypted or in_window(frame, at)
        ahead = window(frame, at)
        if frame.token in {NULL, XNM}:
            return Heartbeat(frame, fresh, ahead)
        if frame.token not in {SIA_DCS, ADM_CID}:
            return Bad(Reason.TOKEN, f"token {frame.token} is not one that this receiver reads", frame.raw, frame)
        key = dedupe_key(frame)
        alarms = read_alarms(
            frame, new_id=self._new_id, received_at=at, peer=self._peer, dedupe_key=key,
            transport=self._transport,
        )  # fmt: skip
        if not alarms:
            return Bad(Reason.DATA, "the message holds no event", frame.raw, frame)
        return AlarmReceived(frame, alarms, key, self._seen.holds(key, now), fresh, ahead)

    def answer(self, event: Event, verdict: Verdict, now: float, at: datetime) -> bytes:
        """The octets to write, in the CRC form of the question; empty where there is nobody to answer.

        ACK for an alarm also remembers its key: give it only once the alarm is stored. `at` (aware) is the time that
        a NAK tells. A `Bad` event never gets ACK: that raises ValueError, for it would promise what is not kept.
        """
        frame = event.frame
        if frame is None or verdict is Verdict.SILENT:
            return b""
        if verdict is Verdict.NAK:
            return encode(_nak(frame, at))
        if verdict is Verdict.ACK:
            if isinstance(event, Bad):
                raise ValueError("a message that could not be read cannot be acknowledged")
            if isinstance(event, AlarmReceived):
                self._seen.add(event.key, now)
        reply = _echo(frame, ACK if verdict is Verdict.ACK else DUH)
        account_key = self._key(frame)
        # Who used another key could not read an answer under this one.
        opened = frame.encrypted and not (isinstance(event, Bad) and event.reason is Reason.CIPHER)
        if opened and account_key is not None and self._random is not None:
            reply = seal_frame(replace(reply, timestamp=format_time(at)), account_key, self._random)
        return encode(reply)


def _answerable(header: Frame | None) -> Frame | None:
    """The header, unless it belongs to an answer: answering those would let two ends talk for ever."""
    return None if header is None or header.token in ANSWERS else header


def _echo(frame: Frame, token: str) -> Frame:
    return Frame(
        token=token,
        seq=frame.seq,
        account=frame.account,
        receiver=frame.receiver,
        line=frame.line,
        crc_form=frame.crc_form,
    )


def _nak(frame: Frame, at: datetime) -> Frame:
    return Frame(
        token=NAK,
        seq=sequence(0),
        account=None,
        receiver=ZERO_ROUTE,
        line=ZERO_ROUTE,
        timestamp=format_time(at),
        crc_form=frame.crc_form,
    )
