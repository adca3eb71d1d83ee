"""The fleet's end of CoAP (RFC 7252 section 4): requests from any number of units, answered after the commit.

A pure machine. `now` is monotonic milliseconds; `peer` is any hashable address. Every method gives back a list of
actions, to be carried out in order:

    ("send", peer, datagram)
    ("request", exchange, path, payload)  decide, then call `respond` or `silence` with this exchange
    ("refused", reason)                   nothing to decide; count it

**Repetitions.** Doubles are found by (unit, boot, seq) in the database, never by address and message id. Here a
repeated CON only never makes a second exchange while the first is undecided or its separate response is under way.
One that was answered already is delivered anew: the transaction changes nothing the second time and gives a receipt
that may be fresher than the first, while a cache of answers would cost memory for every unit to save a rare query.

**Memory** is bounded by `exchanges` whatever the peers send: the oldest is dropped, and the unit tries again. Refused
frames leave nothing behind.

**No amplification**: an error answer has neither options nor payload, so it is never longer than its request.
"""

from protocols.wire.coap import (
    ACK,
    BAD_OPTION,
    CON,
    EMPTY,
    EXCHANGE_LIFETIME,
    LIMIT,
    MAX_RETRANSMIT,
    METHOD_NOT_ALLOWED,
    NON,
    NOT_FOUND,
    POST,
    RST,
    CoapError,
    Message,
    decode,
    encode,
    first_timeout,
    path_options,
    segments,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from protocols.wire.coap import Actions

# A request that is not answered after this many ms gets an empty ACK, well before its first retransmission (2 s).
PATIENCE = 1000

REFUSALS = {BAD_OPTION: "bad option", NOT_FOUND: "not found", METHOD_NOT_ALLOWED: "method not allowed"}


class _Exchange:
    __slots__ = ("acked", "answer", "due", "left", "message", "mid", "peer", "started", "wait")

    def __init__(self, peer: "Hashable", message: Message, now: int) -> None:
        self.peer = peer
        self.message = message
        self.started = now
        self.acked = False
        self.answer = b""
        self.mid = 0
        self.wait = 0
        self.due = 0
        self.left = MAX_RETRANSMIT

    def key(self) -> "tuple[Hashable, int, bytes]":
        return self.peer, self.message.mid, self.message.token


class Server:
    """All exchanges of one socket. `mid` seeds the message id counter; `paths` take POST; `push_path` is the path on
    the unit that receipts are pushed to; `exchanges` bounds the table; `limit` bounds a datagram in bytes.

    Exchange numbers only grow, so the oldest and the next to acknowledge are found by counting up, without a queue."""

    def __init__(
        self,
        mid: int,
        paths: "Sequence[str]" = ("u",),
        push_path: str = "d",
        exchanges: int = 4096,
        limit: int = LIMIT,
    ) -> None:
        self._mid = mid & 0xFFFF
        self._paths = {segments(path): path for path in paths}
        self._push_options = path_options(push_path)
        self._bound = exchanges
        self._limit = limit
        self._table: "dict[int, _Exchange]" = {}
        self._requests: "dict[tuple[Hashable, int, bytes], int]" = {}
        self._answers: "dict[tuple[Hashable, int], int]" = {}
        self._next = 1
        self._oldest = 1
        self._unacked = 1
        self._resend: "int | None" = None

    def __len__(self) -> int:
        """Exchanges held: undecided ones and separate responses under way."""
        return len(self._table)

    def datagram(self, data: bytes, peer: "Hashable", now: int) -> "Actions":
        """Takes one datagram."""
        try:
            message = decode(data, self._limit)
        except CoapError as error:
            if error.mid is None:
                return [("refused", error.reason)]
            return [("send", peer, encode(RST, EMPTY, error.mid)), ("refused", error.reason)]
        if message.type in (ACK, RST):
            answered = self._answers.get((peer, message.mid))
            if answered is not None:
                self._drop(answered)
            return []
        if message.is_request():
            return self._request(message, peer, now)
        # An empty CON is a ping (section 4.3); a response in a CON belongs to no request of ours. Both get a Reset.
        return [("send", peer, encode(RST, EMPTY, message.mid))] if message.type == CON else []

    def respond(self, exchange: int, code: int, payload: bytes, now: int, random: int = 0) -> "Actions":
        """Answers: in the ACK while none was sent, else in a CON of its own that is retransmitted until it is
        acknowledged. Call it after the commit. An exchange that is gone or answered gives no action."""
        entry = self._table.get(exchange)
        if entry is None or entry.answer:
            return []
        request = entry.message
        if request.type == CON and not entry.acked:
            self._drop(exchange)
            return [("send", entry.peer, encode(ACK, code, request.mid, request.token, (), payload))]
        mid = self._next_mid()
        data = encode(request.type, code, mid, request.token, (), payload)
        if request.type == NON:
            self._drop(exchange)
        else:
            displaced = self._answers.get((entry.peer, mid))
            if displaced is not None:
                self._drop(displaced)
            entry.answer = data
            entry.mid = mid
            entry.wait = first_timeout(random)
            entry.due = now + entry.wait
            self._answers[entry.peer, mid] = exchange
            self._resend = entry.due if self._resend is None else min(self._resend, entry.due)
        return [("send", entry.peer, data)]

    def silence(self, exchange: int) -> None:
        """Drops an exchange: a refused frame is never acknowledged, neither now nor by the timer."""
        if exchange in self._table:
            self._drop(exchange)

    def push(self, peer: "Hashable", payload: bytes) -> "Actions":
        """A NON POST to the unit's push path, without token: nothing is expected back."""
        return [("send", peer, encode(NON, POST, self._next_mid(), b"", self._push_options, payload))]

    def timeout(self, now: int) -> "Actions":
        """Does what is due: empty ACKs, retransmissions of separate responses, and dropping what is too old."""
        actions: "Actions" = []
        entry = self._first_unacked()
        while entry is not None and entry.started + PATIENCE <= now:
            entry.acked = True
            actions.append(("send", entry.peer, encode(ACK, EMPTY, entry.message.mid)))
            entry = self._first_unacked()
        entry = self._first()
        while entry is not None and entry.started + EXCHANGE_LIFETIME <= now:
            self._drop(self._oldest)
            entry = self._first()
        if self._resend is not None and self._resend <= now:
            actions += self._retransmit(now)
        return actions

    def next_wakeup(self, now: int) -> "int | None":
        """When `timeout` is to be called next, or None. It may be early (an answer that was acknowledged meanwhile),
        never late; asking costs the same however many exchanges there are."""
        due = []
        entry = self._first_unacked()
        if entry is not None:
            due.append(entry.started + PATIENCE)
        entry = self._first()
        if entry is not None:
            due.append(entry.started + EXCHANGE_LIFETIME)
        if self._resend is not None:
            due.append(self._resend)
        return max(now, min(due)) if due else None

    def _request(self, message: Message, peer: "Hashable", now: int) -> "Actions":
        known = self._requests.get((peer, message.mid, message.token))
        if known is not None:
            return [("send", peer, encode(ACK, EMPTY, message.mid))] if self._table[known].acked else []
        path = self._paths.get(message.path())
        if message.unknown_critical():
            return self._refuse(message, peer, BAD_OPTION)
        if path is None:
            return self._refuse(message, peer, NOT_FOUND)
        if message.code != POST:
            return self._refuse(message, peer, METHOD_NOT_ALLOWED)
        if len(self._table) >= self._bound:
            self._first()
            self._drop(self._oldest)
        payload = message.payload
        message.payload = b""
        message.options = ()
        entry = _Exchange(peer, message, now)
        exchange = self._next
        self._next += 1
        self._table[exchange] = entry
        self._requests[entry.key()] = exchange
        return [("request", exchange, path, payload)]

    def _refuse(self, message: Message, peer: "Hashable", code: int) -> "Actions":
        refused = ("refused", REFUSALS[code])
        if message.type == CON:
            return [("send", peer, encode(ACK, code, message.mid, message.token)), refused]
        if code == BAD_OPTION:
            return [refused]  # section 5.4.1: a NON with an unknown critical option is rejected without an answer
        return [("send", peer, encode(NON, code, self._next_mid(), message.token)), refused]

    def _drop(self, exchange: int) -> None:
        entry = self._table.pop(exchange)
        del self._requests[entry.key()]
        if entry.answer:
            del self._answers[entry.peer, entry.mid]

    def _retransmit(self, now: int) -> "Actions":
        actions: "Actions" = []
        waiting = sorted(self._answers.values())
        self._resend = None
        for exchange in waiting:
            entry = self._table[exchange]
            if entry.due <= now:
                if not entry.left:
                    self._drop(exchange)
                    continue
                entry.left -= 1
                entry.wait *= 2
                entry.due = now + entry.wait
                actions.append(("send", entry.peer, entry.answer))
            self._resend = entry.due if self._resend is None else min(self._resend, entry.due)
        return actions

    def _first(self) -> "_Exchange | None":
        while self._oldest < self._next:
            entry = self._table.get(self._oldest)
            if entry is not None:
                return entry
            self._oldest += 1
        return None

    def _first_unacked(self) -> "_Exchange | None":
        while self._unacked < self._next:
            entry = self._table.get(self._unacked)
            if entry is not None and entry.message.type == CON and not entry.acked:
                return entry
            self._unacked += 1
        return None

    def _next_mid(self) -> int:
        self._mid = (self._mid + 1) & 0xFFFF
        return self._mid
