"""The unit's end of MQTT 3.1.1: one session that outlives its connections.

A pure machine. `now` is monotonic milliseconds. Methods give back a list of actions, to be carried out in order:

    ("send", bytes)
    ("connected", session_present)   both values are fine; subscriptions are sent either way
    ("subscribed", codes)            per subscription 0, 1, 2 or 0x80 (refused): then receipts will not come this way
    ("acked", packet_id)             the server's PUBACK
    ("message", topic, payload)      already acknowledged if it came with QoS 1
    ("closed", reason)               close the transport; `connect` starts anew

It never decides that an alarm has arrived: a PUBACK ends the retransmission of a packet, and only the sealed receipt
ends the alarm's. What was not acknowledged is sent again with DUP after a reconnect, in its old order (section 4.4);
a caller that would rather seal anew calls `forget` first.
"""

from protocols.wire.mqtt import (
    ACCEPTED,
    CAP,
    CONNACK,
    DISCONNECT,
    PINGREQ,
    PINGRESP,
    PUBACK,
    PUBLISH,
    SUBACK,
    MqttError,
    Reader,
    ack,
    connect,
    next_packet_id,
    packet,
    parse_ack,
    parse_connack,
    parse_publish,
    parse_suback,
    publish,
    subscribe,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from protocols.wire.mqtt import Actions

_CLOSED = 0
_CONNECTING = 1
_OPEN = 2

_REFUSALS = (
    "",
    "refused: protocol level",
    "refused: client id",
    "refused: server unavailable",
    "refused: user name or password",
    "refused: not authorised",
)


class Client:
    """`keepalive` is in seconds, 0 for none; `subscriptions` are (filter, qos) pairs; `patience` is how long CONNACK,
    SUBACK and PINGRESP are waited for, in ms; at most `window` publishes are held for retransmission; `packet_id` is
    the last one used before a restart, if the caller kept it."""

    def __init__(
        self,
        client_id: str,
        keepalive: int = 60,
        subscriptions: "Sequence[tuple[str, int]]" = (),
        clean_session: bool = False,
        window: int = 8,
        patience: int = 10000,
        cap: int = CAP,
        packet_id: int = 0,
    ) -> None:
        self._connect = connect(client_id, keepalive, clean_session)
        self._keepalive = keepalive * 1000
        self._subscriptions = subscriptions
        self._window = window
        self._patience = patience
        self._cap = cap
        self._packet_id = packet_id
        # In the order of publishing: packet id, topic, payload, and whether a connection has taken it already.
        self._flight: "list[tuple[int, str, bytes, bool]]" = []
        self._drop()

    def _drop(self) -> None:
        self._state = _CLOSED
        self._reader = Reader(self._cap)
        self._last_out = 0
        self._last_in = 0
        self._subscribing = 0
        # When the answer to CONNECT, SUBSCRIBE or PINGREQ is overdue, and what to say then; None: none is awaited.
        self._overdue: "dict[int, int]" = {}

    def connected(self) -> bool:
        return self._state == _OPEN

    def unacked(self) -> "list[int]":
        """Packet ids that are published but not acknowledged, oldest first."""
        return [packet_id for packet_id, _, _, _ in self._flight]

    def connect(self, now: int) -> "Actions":
        """The transport is open: starts a new connection of the session."""
        self._drop()
        self._state = _CONNECTING
        self._overdue[CONNACK] = now + self._patience
        return self._send(self._connect, now)

    def lost(self) -> "Actions":
        """The transport has closed by itself."""
        return self._close("connection lost") if self._state else []

    def disconnect(self) -> "Actions":
        """Ends the connection by a DISCONNECT; what is not acknowledged stays in the session."""
        if self._state != _OPEN:
            return self._close("closed here") if self._state else []
        return [("send", packet(DISCONNECT, b""))] + self._close("closed here")

    def publish(self, topic: str, payload: bytes, now: int, qos: int = 1) -> "tuple[int, Actions]":
        """Publishes; gives the packet id (0 for QoS 0) and the actions. While there is no connection QoS 1 waits for
        the next one, and QoS 0 is lost. A full window forgets its oldest packet: it was sent, or is superseded by the
        caller's next attempt; a publish is never refused."""
        if not qos:
            return 0, self._send(publish(topic, payload, 0, 0), now) if self._state == _OPEN else []
        if len(self._flight) >= self._window:
            self._flight.pop(0)
        self._packet_id = next_packet_id(self._packet_id, self.unacked() + [self._subscribing])
        self._flight.append((self._packet_id, topic, payload, self._state == _OPEN))
        if self._state != _OPEN:
            return self._packet_id, []
        return self._packet_id, self._send(publish(topic, payload, 1, self._packet_id), now)

    def forget(self, packet_id: int) -> None:
        """Does not send this packet again after a reconnect."""
        self._flight = [entry for entry in self._flight if entry[0] != packet_id]

    def feed(self, data: bytes, now: int) -> "Actions":
        """Takes bytes of the server, cut anywhere."""
        if not self._state:
            return []
        self._last_in = now
        self._reader.feed(data)
        actions: "Actions" = []
        try:
            while self._state:
                taken = self._reader.take()
                if taken is None:
                    break
                actions += self._packet(taken[0], taken[1], now)
        except MqttError as error:
            actions += self._close(error.reason)
        return actions

    def probe(self, now: int) -> "Actions":
        """Asks for a sign of life at once, unless one is awaited already: the server answers a PINGREQ without delay,
        however long it takes over a publish."""
        if self._state != _OPEN or PINGRESP in self._overdue:
            return []
        self._overdue[PINGRESP] = now + self._patience
        return self._send(packet(PINGREQ, b""), now)

    def timeout(self, now: int) -> "Actions":
        """Does what is due: a PINGREQ, or closing a connection that does not answer."""
        for kind, name in ((CONNACK, "no CONNACK"), (SUBACK, "no SUBACK"), (PINGRESP, "no PINGRESP")):
            if self._overdue.get(kind, now + 1) <= now:
                return self._close(name)
        due = self._ping_due()
        return [] if due is None or due > now else self.probe(now)

    def next_wakeup(self, now: int) -> "int | None":
        """When `timeout` is to be called next, or None while there is no connection or nothing to wait for."""
        due = list(self._overdue.values())
        ping = self._ping_due()
        if ping is not None:
            due.append(ping)
        return max(now, min(due)) if due else None

    def _ping_due(self) -> "int | None":
        """A ping also goes when we only send and hear nothing: a half-open connection takes publishes for minutes."""
        if self._state != _OPEN or not self._keepalive or PINGRESP in self._overdue:
            return None
        return min(self._last_in, self._last_out) + self._keepalive

    def _send(self, data: bytes, now: int) -> "Actions":
        self._last_out = now
        return [("send", data)]

    def _close(self, reason: str) -> "Actions":
        self._drop()
        return [("closed", reason)]

    def _packet(self, first: int, body: bytes, now: int) -> "Actions":
        kind = first >> 4
        if (kind == CONNACK) != (self._state == _CONNECTING):
            raise MqttError("CONNACK out of place")
        if kind == CONNACK:
            return self._connack(body, now)
        if kind == PUBLISH:
            packet_id, topic, payload, qos, _ = parse_publish(first, body)
            actions: "Actions" = [("message", topic, payload)]
            return actions + self._send(ack(PUBACK, packet_id), now) if qos else actions
        if kind == PUBACK:
            packet_id = parse_ack(body)
            if packet_id not in self.unacked():
                return []
            self.forget(packet_id)
            return [("acked", packet_id)]
        if kind == SUBACK:
            packet_id, codes = parse_suback(body)
            if packet_id != self._subscribing or len(codes) != len(self._subscriptions):
                raise MqttError("SUBACK out of place")
            self._subscribing = 0
            del self._overdue[SUBACK]
            return [("subscribed", codes)]
        if kind == PINGRESP:
            if body:
                raise MqttError("trailing bytes")
            self._overdue.pop(PINGRESP, None)
            return []
        raise MqttError("packet type")

    def _connack(self, body: bytes, now: int) -> "Actions":
        session_present, code = parse_connack(body)
        if code != ACCEPTED:
            return self._close(_REFUSALS[code])
        self._state = _OPEN
        del self._overdue[CONNACK]
        actions: "Actions" = [("connected", session_present)]
        if self._subscriptions:
            self._packet_id = next_packet_id(self._packet_id, self.unacked())
            self._subscribing = self._packet_id
            self._overdue[SUBACK] = now + self._patience
            actions += self._send(subscribe(self._subscribing, self._subscriptions), now)
        for packet_id, topic, payload, sent in self._flight:
            actions += self._send(publish(topic, payload, 1, packet_id, sent), now)
        self._flight = [(packet_id, topic, payload, True) for packet_id, topic, payload, _ in self._flight]
        return actions
