"""The fleet's end of one MQTT 3.1.1 connection. It is no broker: it forwards nothing and keeps no session.

A pure machine, one per TCP connection. `now` is monotonic milliseconds. Methods give back a list of actions, to be
carried out in order:

    ("send", bytes)
    ("connect", client_id, clean_session, keepalive, username_present, will_present)
                                     compare the client id with the certificate, then call `accept` or `refuse`
    ("publish", packet_id, topic, payload, qos, dup)   after the commit call `puback`; packet id 0 (QoS 0) needs none
    ("subscribe", packet_id, filters)    [(filter, qos)]; call `suback`
    ("unsubscribe", packet_id, filters)  [filter]; call `unsuback`
    ("disconnect",)                      the client said goodbye; ("closed", ...) follows
    ("closed", reason)                   flush what was sent, then close the transport; nothing follows

**Back-pressure.** At most `inflight` publishes and subscriptions wait for their answer. Then nothing more is parsed
until one is answered: stop reading from the transport while `paused` is true. The keepalive deadline rests meanwhile,
since the silence is ours.

**Repetitions.** Some clients send a publish again on the same connection before its PUBACK. The same packet id with the
same bytes is one publish; with other bytes it closes the connection, for one PUBACK would answer two messages.
"""

import binascii

from protocols.wire.mqtt import (
    ACCEPTED,
    CAP,
    CONNECT,
    DISCONNECT,
    PINGREQ,
    PINGRESP,
    PUBACK,
    PUBLISH,
    SUBACK,
    SUBSCRIBE,
    UNSUBACK,
    UNSUBSCRIBE,
    Connect,
    MqttError,
    Reader,
    ack,
    connack,
    next_packet_id,
    packet,
    parse_ack,
    parse_publish,
    parse_subscribe,
    parse_unsubscribe,
    publish,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from protocols.wire.mqtt import Actions

_CLOSED = 0
_WAITING = 1
_DECIDING = 2
_OPEN = 3


class Server:
    """`inflight` bounds what waits for our answer, `window` the downlink publishes that wait for a PUBACK, and `queue`
    those that wait for a place in the window; beyond it the oldest queued is dropped and counted in `dropped`, which a
    receipt survives: it is asked for again. `patience` is the time for the CONNECT in ms."""

    def __init__(
        self,
        now: int,
        inflight: int = 16,
        window: int = 16,
        queue: int = 32,
        patience: int = 10000,
        cap: int = CAP,
    ) -> None:
        self.client_id = ""
        self.dropped = 0
        self._reader = Reader(cap)
        self._inflight = inflight
        self._window = window
        self._queue_bound = queue
        self._state = _WAITING
        self._deadline: "int | None" = now + patience
        self._keepalive = 0
        self._pending: "dict[int, tuple[int, int]]" = {}
        self._packet_id = 0
        self._unacked: "set[int]" = set()
        self._queue: "list[tuple[str, bytes]]" = []

    @property
    def pending(self) -> int:
        """Publishes and subscriptions that wait for our answer."""
        return len(self._pending)

    @property
    def paused(self) -> bool:
        """Whether the adapter should not read from the transport now."""
        return self._state == _DECIDING or len(self._pending) >= self._inflight

    @property
    def open(self) -> bool:
        """Whether the client was accepted and the connection is not closed."""
        return self._state == _OPEN

    def feed(self, data: bytes, now: int) -> "Actions":
        """Takes bytes of the client, cut anywhere."""
        if not self._state:
            return []
        self._reader.feed(data)
        if self._state == _OPEN:
            self._touch(now)
        return self._pump()

    def accept(self, session_present: bool, now: int) -> "Actions":
        """The identity fits: the connection is open. Also parses what the client sent in advance."""
        if self._state != _DECIDING:
            return []
        self._state = _OPEN
        self._touch(now)
        accepted: "Actions" = [("send", connack(session_present, ACCEPTED))]
        return accepted + self._pump()

    def refuse(self, code: int) -> "Actions":
        """Answers the CONNECT with a return code other than 0 and closes."""
        if self._state != _DECIDING:
            return []
        refused: "Actions" = [("send", connack(False, code))]
        return refused + self.close("refused")

    def close(self, reason: str) -> "Actions":
        """Closes for a reason of the caller's: the transport is lost, the unit was revoked or connected anew."""
        if not self._state:
            return []
        self._state = _CLOSED
        self._deadline = None
        return [("closed", reason)]

    def puback(self, packet_id: int, now: int) -> "Actions":
        """Acknowledges a publish. Call it after the commit. One that is not pending gives no action."""
        return self._answer(PUBLISH, packet_id, ack(PUBACK, packet_id), now)

    def suback(self, packet_id: int, codes: "Sequence[int]", now: int) -> "Actions":
        """Answers a subscription: per filter the granted QoS, or 0x80."""
        return self._answer(SUBSCRIBE, packet_id, ack(SUBACK, packet_id, bytes(codes)), now)

    def unsuback(self, packet_id: int, now: int) -> "Actions":
        return self._answer(UNSUBSCRIBE, packet_id, ack(UNSUBACK, packet_id), now)

    def publish(self, topic: str, payload: bytes, qos: int = 1) -> "Actions":
        """Sends down. Without an open connection it is dropped and counted: the caller keeps what must not be lost."""
        if self._state != _OPEN:
            self.dropped += 1
            return []
        if not qos:
            return [("send", publish(topic, payload, 0, 0))]
        self._queue.append((topic, payload))
        actions = self._flush()
        if len(self._queue) > self._queue_bound:
            self._queue.pop(0)
            self.dropped += 1
        return actions

    def timeout(self, now: int) -> "Actions":
        """Closes a connection without CONNECT, or one whose client was silent for one and a half keepalives."""
        if self._deadline is None or self._deadline > now or self.paused:
            return []
        return self.close("no CONNECT" if self._state == _WAITING else "keepalive")

    def next_wakeup(self, now: int) -> "int | None":
        """When `timeout` is to be called next, or None."""
        if self._deadline is None or self.paused:
            return None
        return max(now, self._deadline)

    def _touch(self, now: int) -> None:
        self._deadline = now + self._keepalive * 1500 if self._keepalive else None

    def _answer(self, kind: int, packet_id: int, data: bytes, now: int) -> "Actions":
        if self._state != _OPEN or self._pending.get(packet_id, (0, 0))[0] != kind:
            return []
        if self.paused:
            self._touch(now)
        del self._pending[packet_id]
        actions: "Actions" = [("send", data)]
        return actions + self._pump()

    def _flush(self) -> "Actions":
        actions: "Actions" = []
        while self._queue and len(self._unacked) < self._window:
            topic, payload = self._queue.pop(0)
            self._packet_id = next_packet_id(self._packet_id, self._unacked)
            self._unacked.add(self._packet_id)
            actions.append(("send", publish(topic, payload, 1, self._packet_id)))
        return actions

    def _pump(self) -> "Actions":
        actions: "Actions" = []
        try:
            while self._state and not self.paused:
                taken = self._reader.take()
                if taken is None:
                    break
                actions += self._packet(taken[0], taken[1])
        except MqttError as error:
            if error.connack is not None:
                actions.append(("send", connack(False, error.connack)))
            actions += self.close(error.reason)
        return actions

    def _packet(self, first: int, body: bytes) -> "Actions":
        kind = first >> 4
        if (kind == CONNECT) != (self._state == _WAITING):
            raise MqttError("CONNECT out of place")
        if kind == CONNECT:
            asked = Connect(body)
            self._state = _DECIDING
            self.client_id = asked.client_id
            self._keepalive = asked.keepalive
            seen = (asked.clean_session, asked.keepalive, asked.username_present, asked.will_present)
            return [("connect", asked.client_id) + seen]
        if kind == PUBLISH:
            packet_id, topic, payload, qos, dup = parse_publish(first, body)
            if qos and not self._fresh(kind, packet_id, body):
                return []
            return [("publish", packet_id, topic, payload, qos, dup)]
        if kind == PUBACK:
            self._unacked.discard(parse_ack(body))
            return self._flush()
        if kind == SUBSCRIBE:
            packet_id, filters = parse_subscribe(body)
            return [("subscribe", packet_id, filters)] if self._fresh(kind, packet_id, body) else []
        if kind == UNSUBSCRIBE:
            packet_id, names = parse_unsubscribe(body)
            return [("unsubscribe", packet_id, names)] if self._fresh(kind, packet_id, body) else []
        if kind not in (PINGREQ, DISCONNECT):
            raise MqttError("packet type")
        if body:
            raise MqttError("trailing bytes")
        if kind == PINGREQ:
            return [("send", packet(PINGRESP, b""))]
        goodbye: "Actions" = [("disconnect",)]
        return goodbye + self.close("client disconnected")

    def _fresh(self, kind: int, packet_id: int, body: bytes) -> bool:
        """Notes a packet that wants an answer; false when it is a repetition of one that waits already."""
        mark = (kind, binascii.crc32(body))
        known = self._pending.get(packet_id)
        if known is None:
            self._pending[packet_id] = mark
            return True
        if known != mark:
            raise MqttError("packet id in use")
        return False
