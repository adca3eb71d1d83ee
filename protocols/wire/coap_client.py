"""The unit's end of CoAP (RFC 7252 section 4): requests to one peer, and the receipts that it pushes.

A pure machine. `now` is monotonic milliseconds and random numbers are arguments; every method gives back a list of
actions, to be carried out in order:

    ("send", datagram)
    ("response", token, code, payload)   the exchange is over
    ("failed", token, reason)            the exchange is over: "timeout", "reset", "no response" or "displaced"
    ("pushed", path, payload)            the server's POST to one of our paths; already acknowledged if it wanted that
    ("stray", payload)                   a response that no request waits for any more: cancelled, displaced or failed.
                                         The receipt in it may be the one that an alarm waits for, so it is passed on;
                                         it proves itself by its seal
    ("refused", reason)                  a datagram that was no CoAP message; count it

It never decides that an alarm has arrived: a response is only a datagram that matched, and a reset only says that
this exchange is over. The sealed receipt inside decides, and `courier` goes on sending until there is one.
"""

import binascii

from protocols.wire.coap import (
    ACK,
    BAD_OPTION,
    CHANGED,
    CON,
    EMPTY,
    LIMIT,
    MAX_RETRANSMIT,
    METHOD_NOT_ALLOWED,
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
    from collections.abc import Sequence

    from protocols.wire.coap import Actions

# Requests that may be open at once. NSTART binds ordinary requests; an alarm may go beyond it, up to this.
SLOTS = 4
# How many messages of the server are remembered to recognise their repetitions.
REMEMBERED = 16
# How long a separate response is waited for after the empty ACK, in ms.
PATIENCE = 60000


class _Request:
    __slots__ = ("acked", "data", "due", "left", "mid", "token", "wait")

    def __init__(self, token: bytes, mid: int, data: bytes, now: int, wait: int) -> None:
        self.token = token
        self.mid = mid
        self.data = data
        self.wait = wait
        self.due = now + wait
        self.left = MAX_RETRANSMIT
        self.acked = False


class Client:
    """The exchanges with one server address. `mid` and `token` seed the counters (16 and 32 bits): give random numbers,
    so that a restarted unit does not meet answers to its former self. `paths` are what the server may POST to."""

    def __init__(
        self, mid: int, token: int, paths: "Sequence[str]" = ("d",), nstart: int = 1, limit: int = LIMIT
    ) -> None:
        self._mid = mid & 0xFFFF
        self._token = token & 0xFFFFFFFF
        self._paths = {segments(path): path for path in paths}
        self._nstart = nstart
        self._limit = limit
        self._open: "list[_Request]" = []
        self._seen: "list[tuple[int, int, bytes]]" = []

    def ready(self) -> bool:
        """Whether an ordinary (not urgent) request may start now."""
        return len(self._open) < SLOTS and len([r for r in self._open if not r.acked]) < self._nstart

    def request(
        self, path: str, payload: bytes, now: int, random: int = 0, urgent: bool = False
    ) -> "tuple[bytes, Actions]":
        """Starts a CON POST; gives its token and the actions. `random` is 0..1000 permille of the timeout's spread.

        Raises CoapError "busy" when `ready` is false and the request is not urgent. An urgent one always goes: when
        all slots are taken the oldest request fails as "displaced" (its datagram has been sent; only its
        retransmissions end)."""
        if not urgent and not self.ready():
            raise CoapError("busy")
        actions: "Actions" = []
        if len(self._open) >= SLOTS:
            actions.append(("failed", self._open.pop(0).token, "displaced"))
        mid = self._next_mid()
        self._token = (self._token + 1) & 0xFFFFFFFF
        token = self._token.to_bytes(4, "big")
        data = encode(CON, POST, mid, token, path_options(path), payload)
        self._open.append(_Request(token, mid, data, now, first_timeout(random)))
        actions.append(("send", data))
        return token, actions

    def cancel(self, token: bytes) -> None:
        """Forgets a request: no more retransmissions, and its response will find nobody."""
        self._open = [r for r in self._open if r.token != token]

    def datagram(self, data: bytes, now: int) -> "Actions":
        """Takes one datagram of the server."""
        try:
            message = decode(data, self._limit)
        except CoapError as error:
            if error.mid is None:
                return [("refused", error.reason)]
            return [("send", encode(RST, EMPTY, error.mid)), ("refused", error.reason)]
        if message.type == ACK:
            return self._acknowledged(message, now)
        if message.type == RST:
            for request in self._open:
                if request.mid == message.mid and not request.acked:
                    self._open.remove(request)
                    return [("failed", request.token, "reset")]
            return []
        if message.code == EMPTY:
            return self._reply(message, encode(RST, EMPTY, message.mid))
        return self._fresh_or_repeated(message, binascii.crc32(data))

    def timeout(self, now: int) -> "Actions":
        """Does what is due: retransmits, or ends exchanges that nobody answered."""
        actions: "Actions" = []
        for request in [r for r in self._open if r.due <= now]:
            if request.acked or not request.left:
                self._open.remove(request)
                actions.append(("failed", request.token, "no response" if request.acked else "timeout"))
            else:
                request.left -= 1
                request.wait *= 2
                request.due = now + request.wait
                actions.append(("send", request.data))
        return actions

    def next_wakeup(self, now: int) -> "int | None":
        """When `timeout` is to be called next, or None when no request is open."""
        if not self._open:
            return None
        return max(now, min([r.due for r in self._open]))

    def _next_mid(self) -> int:
        used = [r.mid for r in self._open]
        self._mid = (self._mid + 1) & 0xFFFF
        while self._mid in used:
            self._mid = (self._mid + 1) & 0xFFFF
        return self._mid

    def _acknowledged(self, message: Message, now: int) -> "Actions":
        for request in self._open:
            if request.mid != message.mid or request.acked:
                continue
            if message.code == EMPTY:
                request.acked = True
                request.due = now + PATIENCE
            elif message.is_response() and message.token == request.token:
                self._open.remove(request)
                return [("response", request.token, message.code, message.payload)]
            return []
        return self._stray(message)

    def _fresh_or_repeated(self, message: Message, checksum: int) -> "Actions":
        """A repetition is the same message id *and* the same bytes, so that a restarted server that happens on a
        remembered id is heard; nothing needs to expire, since different sealed frames are different bytes."""
        for mid, seen, reply in self._seen:
            if mid == message.mid and seen == checksum:
                return self._reply(message, reply)
        if message.is_response():
            reply, events = self._separate(message)
        else:
            reply, events = self._pushed(message)
        self._seen.append((message.mid, checksum, reply))
        if len(self._seen) > REMEMBERED:
            self._seen.pop(0)
        return self._reply(message, reply) + events

    def _reply(self, message: Message, reply: bytes) -> "Actions":
        return [("send", reply)] if message.type == CON else []

    def _separate(self, message: Message) -> "tuple[bytes, Actions]":
        for request in self._open:
            if request.token == message.token:
                self._open.remove(request)
                return encode(ACK, EMPTY, message.mid), [("response", request.token, message.code, message.payload)]
        return encode(RST, EMPTY, message.mid), self._stray(message)

    def _stray(self, message: Message) -> "Actions":
        return [("stray", message.payload)] if message.is_response() and message.payload else []

    def _pushed(self, message: Message) -> "tuple[bytes, Actions]":
        path = self._paths.get(message.path())
        code = CHANGED
        events: "Actions" = []
        if message.unknown_critical():
            code = BAD_OPTION
        elif path is None:
            code = NOT_FOUND
        elif message.code != POST:
            code = METHOD_NOT_ALLOWED
        else:
            events.append(("pushed", path, message.payload))
        return encode(ACK, code, message.mid, message.token), events
