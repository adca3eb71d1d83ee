"""The MQTT pipe: sealed frames to `u/<id>/up`, receipts from `u/<id>/down`, over TLS with the unit's certificate.

Keeps a connection for ever: reconnects with growing, random pauses, and at once when an alarm is waiting. Carries
bytes and decides nothing. It is `up` once the server has granted the subscription, so that receipts can come back.
"""

import asyncio
import errno

from firmware.ports.console import say
from firmware.ports.tls import TlsStream

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    import tls

    from firmware.ports.clock import Clock
    from protocols.wire.mqtt import Actions
    from protocols.wire.mqtt_client import Client

OPEN_MS = 15000
"""For the connection, the TLS handshake and the first bytes."""
PAUSE_MS = 1000
LONGEST_PAUSE_MS = 60000
URGENT_PAUSE_MS = 2000
"""Between two attempts while an alarm waits."""
DEAF_MS = 20000
"""With a frame sent and not a byte heard for this long, the connection is taken for half open."""
URGENT_DEAF_MS = 5000
"""The same for an alarm. A sign of life is asked for with it, so that a slow commit is not taken for a dead line."""


class MqttPipe:
    """`client` is the MQTT machine, `settings` the TLS context (None: the certificates are of no use), `topic` where
    frames go, `spread` the longest random pause (ms) before the first connection. `on_frame(pipe, frame)` takes what
    comes down, `on_change(pipe)` hears that `up` has changed, `urgent()` says whether an alarm is waiting; `await
    reach(host, port)` makes a connection for firmware.ports.tls. Attributes: `name`, `bearer` (a code of messages),
    `up`, `errors`, `refused` (connections that ended with bytes that are no MQTT, or with a packet longer than any)."""

    def __init__(
        self,
        name: str,
        address: "tuple[str, int, str]",
        client: "Client",
        settings: "tls.SSLContext | None",
        topic: str,
        clock: "Clock",
        random: "Callable[[int], int]",
        spread: int,
        on_frame: "Callable[[object, bytes], None]",
        on_change: "Callable[[object], None]",
        urgent: "Callable[[], bool]",
        reach: "Callable[[str, int], Any]",
    ) -> None:
        self.name = name
        self.bearer = 0
        self.mark = None  # of the watchdog, set by the driver
        self._reach = reach
        self.up = False
        self.errors = 0
        self.refused = 0
        self._address = address
        self._client = client
        self._settings = settings
        self._topic = topic
        self._clock = clock
        self._random = random
        self._spread = spread
        self._on_frame = on_frame
        self._on_change = on_change
        self._urgent = urgent
        self._stream = None
        self._hurry = asyncio.Event()
        self._failed = 0
        self._packets: "dict[object, int]" = {}
        self._deaf_at = None
        self._serving = None
        self._over = False

    def hurry(self) -> None:
        """An alarm is waiting: end the pause between two attempts."""
        if not self.up:
            self._hurry.set()

    def send(self, key: "object", frame: bytes, urgent: bool) -> bool:
        """Publish a frame in place of an older one of the same key. False if there is no connection."""
        if not self.up:
            return False
        now = self._clock.now()
        old = self._packets.pop(key, None)
        if old is not None:
            self._client.forget(old)
        self._packets[key], actions = self._client.publish(self._topic, frame, now)
        if urgent:
            actions = actions + self._client.probe(now)
        deaf_at = now + (URGENT_DEAF_MS if urgent else DEAF_MS)
        self._deaf_at = deaf_at if self._deaf_at is None else min(self._deaf_at, deaf_at)
        self._carry_out(actions)
        return True

    def timeout(self, now: int) -> None:
        """Pings and deadlines that are due."""
        self._carry_out(self._client.timeout(now))
        if self._deaf_at is not None and now >= self._deaf_at:
            self._carry_out(self._client.lost())

    def next_wakeup(self, now: int) -> "int | None":
        """When `timeout` is to be called."""
        due = self._client.next_wakeup(now)
        if self._deaf_at is not None and (due is None or self._deaf_at < due):
            return self._deaf_at
        return due

    def _carry_out(self, actions: "Actions") -> None:
        for action in actions:
            if action[0] == "send":
                if self._stream is not None:
                    self._stream.write(action[1])
            elif action[0] == "subscribed":
                # Without a subscription no receipt could come back this way.
                if 0x80 in action[1]:
                    self._carry_out(self._client.disconnect())
                else:
                    self._failed = 0
                    self._set_up(True)
            elif action[0] == "acked":
                for key in [key for key in self._packets if self._packets[key] == action[1]]:
                    del self._packets[key]
            elif action[0] == "message":
                self._on_frame(self, action[2])
            elif action[0] == "closed":
                self._end()

    def _set_up(self, up: bool) -> None:
        if up != self.up:
            self.up = up
            self._on_change(self)

    def _end(self) -> None:
        """The connection is over; whoever finds that out, the serving task is the one that stops."""
        self._over = True
        if self._serving is not None and asyncio.current_task() is not self._serving:
            self._serving.cancel()

    def _drop(self) -> None:
        """Clear up. What the connection held is not published again by itself: the next attempt is sealed anew."""
        for packet_id in self._client.unacked():
            self._client.forget(packet_id)
        self._packets = {}
        self._deaf_at = None
        if self._stream is not None:
            self._stream.close()
            self._stream = None
        self._set_up(False)

    async def _connect(self) -> None:
        if self._settings is None:
            raise OSError(errno.EINVAL)
        host, port, name = self._address
        connection = await self._reach(host, port)
        self._stream = stream = TlsStream()
        first = b"".join([action[1] for action in self._client.connect(self._clock.now()) if action[0] == "send"])
        await stream.open(self._settings, connection, name, first)

    async def _serve(self) -> None:
        """One connection from beginning to end. Raises what opening or reading it raises."""
        await asyncio.wait_for_ms(self._connect(), OPEN_MS)
        while not self._over:
            if self.mark is not None:
                # A line that has died is the client's to find: it asks, and counts.
                self.mark.pause()
            data = await self._stream.read()
            if self.mark is not None:
                self.mark.alive(self._clock.now())
            if not data:
                self._carry_out(self._client.lost())
                return
            self._deaf_at = None
            actions = self._client.feed(data, self._clock.now())
            self._carry_out(actions)
            if [one for one in actions if one[0] == "closed" and not one[1].startswith("refused")]:
                self.refused += 1
                # Told as a frame that does not open, as a datagram that is no CoAP.
                self._on_frame(self, b"")

    def _pause(self) -> int:
        pause = min(PAUSE_MS << min(self._failed, 10), LONGEST_PAUSE_MS)
        if self._urgent():
            pause = min(pause, URGENT_PAUSE_MS)
        return pause // 2 + self._random(pause // 2 + 1)

    async def _rest(self, pause: int) -> None:
        """Wait, but not while an alarm does."""
        try:
            await asyncio.wait_for_ms(self._hurry.wait(), pause)
        except asyncio.TimeoutError:
            return
        finally:
            self._hurry.clear()

    async def run(self) -> None:
        """Connect and serve for ever."""
        if not self._urgent():
            await self._rest(self._random(self._spread + 1))
        while True:
            self._over = False
            if self.mark is not None:
                self.mark.alive(self._clock.now())
            self._serving = asyncio.create_task(self._serve())
            try:
                await self._serving
            except asyncio.CancelledError:
                self.errors += 1
                say(self.name, "connection: no answer")
            except (OSError, ValueError, MemoryError, asyncio.TimeoutError) as error:
                # ValueError: the server's certificate is not the one we must see. MemoryError costs the connection and
                # not the unit: nothing of a connection outlives it. Reported by count and on the console.
                self.errors += 1
                say(self.name, "connection:", error)
            self._serving = None
            self._client.lost()
            self._drop()
            self._failed += 1
            await self._rest(self._pause())
