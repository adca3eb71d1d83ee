"""One unit's MQTT connection: the pure machine of `protocols.wire.mqtt_server` on a TLS transport.

It decides what this unit may do: publish to its own ``up`` topic, subscribe to its own ``down`` topic, nothing else.
A publish is acknowledged after its commit; a refused one is acknowledged without a receipt; one that could not be
committed closes the connection, because then the client sends it again.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final, Protocol, cast

from fleet.ingest.mqtt_sessions import Login, Session, Subscription
from fleet.ingest.mqtt_tls import Identity, identity_of
from fleet.ingest.outcome import Outcome, Stored, Unavailable, Way
from fleet.store.batch import Overloaded
from protocols.wire.mqtt import IDENTIFIER_REJECTED, NOT_AUTHORISED, SERVER_UNAVAILABLE
from protocols.wire.mqtt_server import Server

# Ends that are no fault of the client; every other one is counted.
_QUIET: Final = frozenset({"client disconnected", "keepalive", "taken over", "stopping", "transport lost", "refused"})


class Door(Protocol):
    """What a connection needs of its door."""

    def take(self, frame: bytes, way: Way, reply: Callable[[Outcome], None]) -> None: ...

    def session(self, asked: Login | Subscription) -> asyncio.Future[Session]: ...

    def admitted(self, connection: Connection) -> None: ...

    def subscribed(self, unit: int) -> None: ...

    def gone(self, connection: Connection, reason: str) -> None: ...

    def drop(self, reason: str) -> None: ...


def now_ms() -> int:
    """Monotonic milliseconds, the machines' clock."""
    return time.monotonic_ns() // 1_000_000


class Connection(asyncio.Protocol):
    """Made with the TCP connection; it begins once TLS has proven who it is."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self._server = Server(now_ms())
        self._transport: asyncio.Transport | None = None
        self._identity: Identity | None = None
        self._lost = False
        self._clean = True
        self._subscribed = False
        self._congested = False
        self._held = False
        self._timer: asyncio.TimerHandle | None = None
        self._actions: deque[tuple[Any, ...]] = deque()
        self._acting = False
        self._ended = "transport lost"

    @property
    def begun(self) -> bool:
        """Whether TLS has proven whose connection it is."""
        return self._identity is not None

    @property
    def identity(self) -> Identity:
        """Whose connection it is; only for a connection that has begun."""
        assert self._identity is not None
        return self._identity

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """TLS is up and the certificate is of our authority; its name says which unit it is."""
        self._transport = cast(asyncio.Transport, transport)
        identity = identity_of(transport.get_extra_info("ssl_object"))
        if identity is None:
            self.close("certificate_name")
            return
        self._identity = identity
        self._way = Way("mqtt", identity.unit)
        self._up, self._down = f"u/{identity.name}/up", f"u/{identity.name}/down"
        self._arm()

    def close(self, reason: str) -> None:
        """Closes for a reason of the door's."""
        self._act(self._server.close(reason))

    def push(self, frame: bytes) -> None:
        """Sends a sealed frame down if the unit listens. A client that does not read gets no more until it does."""
        if self._subscribed and not self._congested:
            self._act(self._server.publish(self._down, frame))

    @property
    def listening(self) -> bool:
        """Whether pushes reach the unit."""
        return self._subscribed and self._server.open

    def data_received(self, data: bytes) -> None:
        self._act(self._server.feed(data, now_ms()))

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost = True
        self._server.close("transport lost")
        self._finish()

    def pause_writing(self) -> None:
        self._congested = True
        self._balance()

    def resume_writing(self) -> None:
        self._congested = False
        self._balance()

    def _act(self, actions: Sequence[tuple[Any, ...]]) -> None:
        """Carries out actions in order. What acting brings about is queued behind, so a flood cannot nest calls."""
        self._actions.extend(actions)
        if self._acting:
            return
        self._acting = True
        out: list[bytes] = []
        try:
            while self._actions:
                action = self._actions.popleft()
                if action[0] == "send":
                    out.append(action[1])
                else:
                    getattr(self, "_on_" + action[0])(*action[1:])
                    if action[0] == "closed":
                        self._write(out)
                        self._finish()
                        return
            self._write(out)
        finally:
            self._acting = False
        self._balance()

    def _write(self, out: list[bytes]) -> None:
        if out and self._transport is not None and not self._lost:
            self._transport.write(b"".join(out))
        out.clear()

    def _on_connect(self, client_id: str, clean: bool, keepalive: int, username: bool, will: bool) -> None:
        if client_id != self.identity.name:
            self._door.drop("client_id")
            self._act(self._server.refuse(IDENTIFIER_REJECTED))
            return
        self._clean = clean
        try:
            asked = self._door.session(Login(self.identity.unit, self.identity.fingerprint, clean))
        except Overloaded:
            self._act(self._server.refuse(SERVER_UNAVAILABLE))
            return
        asked.add_done_callback(self._admit)

    def _admit(self, asked: asyncio.Future[Session]) -> None:
        if self._lost:
            return
        if asked.cancelled() or asked.exception() is not None:
            self._act(self._server.refuse(SERVER_UNAVAILABLE))
            return
        session = asked.result()
        if not session.admitted:
            self._door.drop("certificate_refused")
            self._act(self._server.refuse(NOT_AUTHORISED))
            return
        self._door.admitted(self)
        self._subscribed = session.subscribed
        self._act(self._server.accept(session.present, now_ms()))
        self._arm()  # the keepalive may be shorter than the patience for the CONNECT
        if self._subscribed:
            self._door.subscribed(self.identity.unit)

    def _on_publish(self, packet_id: int, topic: str, payload: bytes, qos: int, dup: bool) -> None:
        if topic != self._up:
            self._foreign()
        else:
            self._door.take(payload, self._way, partial(self._reply, packet_id))

    def _reply(self, packet_id: int, outcome: Outcome) -> None:
        if isinstance(outcome, Unavailable):
            self.close("unavailable")
            return
        actions = self._server.puback(packet_id, now_ms()) if packet_id else []
        if isinstance(outcome, Stored) and self._subscribed and not self._congested:
            actions = actions + self._server.publish(self._down, outcome.receipt)
        self._act(actions)

    def _on_subscribe(self, packet_id: int, filters: Sequence[tuple[str, int]]) -> None:
        if any(name != self._down for name, _ in filters):
            self._foreign()
            return
        codes = [min(qos, 1) for _, qos in filters]
        self._note_subscription(True, partial(self._server.suback, packet_id, codes))

    def _on_unsubscribe(self, packet_id: int, names: Sequence[str]) -> None:
        if self._down in names:
            self._note_subscription(False, partial(self._server.unsuback, packet_id))
        else:
            self._act(self._server.unsuback(packet_id, now_ms()))

    def _note_subscription(self, subscribed: bool, answer: Callable[[int], Sequence[tuple[Any, ...]]]) -> None:
        """Answers once the session holds it; a session of this connection alone holds it at once."""
        if self._clean or subscribed == self._subscribed:
            self._noted(subscribed, answer, None)
            return
        try:
            asked = self._door.session(Subscription(self.identity.unit, subscribed))
        except Overloaded:
            self.close("unavailable")
            return
        asked.add_done_callback(partial(self._noted, subscribed, answer))

    def _noted(
        self,
        subscribed: bool,
        answer: Callable[[int], Sequence[tuple[Any, ...]]],
        asked: asyncio.Future[Session] | None,
    ) -> None:
        if asked is not None and (asked.cancelled() or asked.exception() is not None):
            self.close("unavailable")
            return
        self._subscribed = subscribed
        self._act(answer(now_ms()))
        if subscribed and self._server.open:
            self._door.subscribed(self.identity.unit)

    def _foreign(self) -> None:
        self._act(self._server.close("foreign_topic"))

    def _on_disconnect(self) -> None:
        """Said goodbye; "closed" follows."""

    def _on_closed(self, reason: str) -> None:
        self._ended = reason
        if reason not in _QUIET:
            self._door.drop(reason)

    def _finish(self) -> None:
        self._actions.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._transport is not None and not self._lost:
            self._transport.close()
        self._door.gone(self, self._ended)

    def _balance(self) -> None:
        """Reads only while there is room for what comes, and keeps the machine's clock running."""
        held = self._server.paused or self._congested
        if held != self._held and self._transport is not None and not self._transport.is_closing():
            self._held = held
            if held:
                self._transport.pause_reading()
            else:
                self._transport.resume_reading()
        if self._timer is None:
            self._arm()

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        now = now_ms()
        due = self._server.next_wakeup(now)
        if due is not None and not self._lost:
            self._timer = asyncio.get_running_loop().call_later((due - now) / 1000, self._wake)

    def _wake(self) -> None:
        self._timer = None
        self._act(self._server.timeout(now_ms()))
