"""One server address over CoAP: sealed frames as CON POST to `u`, receipts in the answers and on `d`.

Carries bytes and decides nothing: what a frame says, whether a receipt is genuine and when to try again belong to
others. The socket below is the board's own (`own_udp`) or the modem's (`firmware.modem.datagrams`).
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from firmware.ports.clock import Clock
    from protocols.wire.coap import Actions
    from protocols.wire.coap_client import Client

PATH = "u"


class DatagramPipe:
    """`client` is the CoAP machine for one address, `datagrams` the way to it, `on_frame(pipe, frame)` takes what the
    server sends, `on_change(pipe)` hears that `up` has changed, `random(n)` gives an integer in 0..n-1. Attributes:
    `name`, `bearer` (a code of messages), `mark` for the watchdog, `up`, `refused` (datagrams that were no CoAP),
    `errors` (of the socket).

    `datagrams`: `up`; `send(datagram)` at once or soon, never an error, False if it cannot be; `await receive(taken)`
    runs for ever and calls `taken(datagram)`; `renew()` another socket, since this one hears nothing; `hurry()`;
    `errors`.
    """

    deaf_ms = 60000
    """With something sent and nothing heard for this long the name is resolved anew: the server may have moved."""

    def __init__(
        self,
        name: str,
        datagrams: "Any",
        client: "Client",
        clock: "Clock",
        random: "Callable[[int], int]",
        on_frame: "Callable[[object, bytes], None]",
        on_change: "Callable[[object], None] | None" = None,
    ) -> None:
        self.name = name
        self.bearer = 0
        self.mark: "Any" = None
        self.refused = 0
        self._datagrams = datagrams
        self._client = client
        self._clock = clock
        self._random = random
        self._on_frame = on_frame
        self._on_change = on_change
        self._deaf_at = None
        self._tokens: "dict[object, bytes]" = {}

    @property
    def up(self) -> bool:
        return self._datagrams.up

    @property
    def errors(self) -> int:
        return self._datagrams.errors

    def changed(self) -> None:
        """`up` has changed."""
        if self._on_change is not None:
            self._on_change(self)

    def hurry(self) -> None:
        """An alarm is waiting."""
        self._datagrams.hurry()

    def send(self, key: "object", frame: bytes, urgent: bool) -> bool:
        """Send a frame; an older one of the same key is no longer repeated. False if it must wait for another try:
        an ordinary frame for its turn; an urgent one has no network below, and is repeated here all the same."""
        now = self._clock.now()
        self.overtaken(key)
        if not urgent and not self._client.ready():
            return False
        token, actions = self._client.request(PATH, frame, now, self._random(1001), urgent)
        self._tokens[key] = token
        return self._carry_out(actions) or not urgent

    def overtaken(self, key: "object") -> None:
        """What has been sent for this key is repeated no longer, and no longer waits."""
        token = self._tokens.pop(key, None)
        if token is not None:
            self._client.cancel(token)
            self._datagrams.forget(token)

    def abandon(self) -> None:
        """Nothing that has been sent is repeated, and nothing waits: whoever waits for a receipt sends anew."""
        for key in list(self._tokens):
            self.overtaken(key)

    def timeout(self, now: int) -> None:
        """Retransmissions that are due, and another socket for one that hears nothing."""
        self._listen_anew(now)
        self._carry_out(self._client.timeout(now))

    def _listen_anew(self, now: int) -> None:
        """Before anything is sent: its answer would come to a socket that is gone."""
        if self._deaf_at is not None and now >= self._deaf_at:
            self._deaf_at = None
            self._datagrams.renew()

    def next_wakeup(self, now: int) -> "int | None":
        """When `timeout` is to be called."""
        due = self._client.next_wakeup(now)
        if self._deaf_at is not None and (due is None or self._deaf_at < due):
            return self._deaf_at
        return due

    def _carry_out(self, actions: "Actions") -> bool:
        """Whether there was a network for all that was to be sent."""
        sent = True
        for action in actions:
            if action[0] == "send":
                now = self._clock.now()
                self._listen_anew(now)
                if self._deaf_at is None:
                    self._deaf_at = now + self.deaf_ms
                if self._datagrams.send(action[1]) is False:
                    sent = False
            elif action[0] == "response":
                self._over(action[1])
                if action[3]:
                    self._on_frame(self, action[3])
            elif action[0] == "pushed":
                self._on_frame(self, action[2])
            elif action[0] == "stray":
                # Too late for its request; the receipt in it counts all the same.
                self._on_frame(self, action[1])
            elif action[0] == "failed":
                self._over(action[1])
            elif action[0] == "refused":
                self.refused += 1
                # Told as a frame that does not open: garbled, or far too long, it is bad input like one.
                self._on_frame(self, b"")
        return sent

    def _over(self, token: bytes) -> None:
        for key in [key for key in self._tokens if self._tokens[key] == token]:
            del self._tokens[key]

    def _taken(self, datagram: bytes) -> None:
        self._deaf_at = None
        self._carry_out(self._client.datagram(datagram, self._clock.now()))

    async def run(self) -> None:
        """Receive for ever."""
        if self.mark is not None:
            # A server need not send anything; who waits for a receipt is the courier.
            self.mark.pause()
        await self._datagrams.receive(self._taken)
