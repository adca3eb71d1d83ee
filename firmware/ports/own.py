"""The board's own network: Wi-Fi or Ethernet is brought up and kept up here; and where on it the fleet's servers are.

Two things here block. A look-up of a name, which stock MicroPython knows in its blocking form only: so a name is asked
for while no press waits, what was found is kept, and with a press that waits it is only asked for when nothing is
known; beside a second radio not even then at once, see `Peer`. An address in figures needs none of this. And Ethernet
that is switched on without a cable: ESP-IDF waits up to 4 s for the other end. So that is done seldom, see `_anew`.
"""

import asyncio
import errno
import socket

from firmware.ports import sockets
from firmware.ports.console import say

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from firmware.ports.clock import Clock

LOOK_MS = 500
"""How often the link is looked at: MicroPython tells nobody that it has gone."""
CONNECT_MS = 20000
"""For access point, password and address; then it is begun anew."""
PAUSE_MS = 1000
LONGEST_PAUSE_MS = 60000
ANEW = 4
"""Every so many failures in turn the radio is switched off and on; Ethernet after so many, then after twice as many,
and so on."""
HEAD_START_MS = 8000
"""With a press that waits, and no address known of a name, the other radio has so long before the look-up blocks. So
long, too, a press goes to the address that is known."""
NAME_PARTS = 10
LONGEST_NAME_MS = 60000
"""A look-up that has blocked and brought nothing is tried again after so many times as long, at most after a minute; as
soon as it has blocked where a press has no other radio."""


def radios(settings: "list[str] | None") -> "Any":
    """The board's module for its radios; None where somebody else has brought the network up: on a board that does not
    say how its cable is wired (`board.ETHERNET`) its own `main.py`, and a host has no such module."""
    if settings is None:
        return None
    if settings[0] != "wlan":
        import board

        if not hasattr(board, "ETHERNET"):
            return None
    try:
        import network
    except ImportError:
        return None
    return network


def ethernet(network: "Any") -> "Any":
    """The interface that `board.ETHERNET` says: keyword arguments of `network.LAN`, pins as numbers. By their names are
    `phy_type` (of `network`) and ? `ref_clk_mode` ("IN" or "OUT"); ? `spi` is (number, arguments of `machine.SPI`).
    Raises what MicroPython does for a wrong board or a chip that does not answer."""
    import board
    import machine

    words = dict(board.ETHERNET)
    words["phy_type"] = getattr(network, words["phy_type"])
    if "ref_clk_mode" in words:
        words["ref_clk_mode"] = getattr(machine.Pin, words["ref_clk_mode"])
    if "spi" in words:
        number, wires = words["spi"]
        words["spi"] = machine.SPI(number, **wires)
    return network.LAN(**words)


class Peer:
    """Where one server is: what was found last, until `forget`."""

    def __init__(self, network: "OwnNetwork", host: str, port: int) -> None:
        self._network = network
        self._host = host
        self._port = port
        self._known = None
        self._named = bool(host.strip("0123456789."))
        self._not_before: "int | None" = None
        self._ask_at: "int | None" = None

    def forget(self, after: int) -> None:
        """It may have moved: it is asked for anew, with a press that waits not before so many ms."""
        at = self._network.clock.now() + after
        self._ask_at = at if self._ask_at is None else min(self._ask_at, at)

    def where(self, kind: int) -> "object":
        """Its address, as `connect` takes it. Raises OSError: no network, or no such name, or not known yet."""
        network = self._network
        now = network.clock.now()
        if self._known is not None and (self._ask_at is None or (now < self._ask_at and network.urgent())):
            return self._known
        if self._named and self._known is None and self._not_before is None and network.urgent() and network.spare():
            self._not_before = now + HEAD_START_MS
        if self._not_before is not None and now < self._not_before:
            if self._known is None:
                raise OSError(errno.EHOSTUNREACH)
            return self._known
        try:
            self._known = sockets.resolve(self._host, self._port, kind)
            self._ask_at = self._not_before = None
        except OSError:
            if self._named:
                ended = network.clock.now()
                parts = 1 if network.urgent() and not network.spare() else NAME_PARTS
                self._not_before = ended + min((ended - now) * parts, LONGEST_NAME_MS)
            if self._known is None:
                raise
        return self._known


class OwnNetwork:
    """`settings` is ["wlan", name, password] or ["lan"], a cable; None, and ["lan"] on a board without `ETHERNET`, are
    a network that somebody else has brought up. `urgent()` says whether a press waits; `modem` is the other radio
    (`up`), or None. Attributes: `up`, `errors`, `mark` for the watchdog, `clock`, `urgent`. Name and password are never
    shown."""

    def __init__(
        self,
        settings: "list[str] | None",
        clock: "Clock",
        urgent: "Callable[[], bool]",
        modem: "Any" = None,
    ) -> None:
        self.clock = clock
        self.urgent = urgent
        self._modem = modem
        self.errors = 0
        self.mark: "Any" = None
        self._settings = settings
        self._cable = settings is not None and settings[0] != "wlan"
        self._radios = radios(settings)
        self._link = None
        self.up = self._radios is None
        self._pipes: "list[Any]" = []
        self._hurry = asyncio.Event()
        self._failed = 0
        self._server: "Peer | None" = None

    def add(self, pipe: "Any") -> None:
        """This pipe hears when the link changes."""
        self._pipes.append(pipe)

    def spare(self) -> bool:
        """Whether another radio is up."""
        return self._modem is not None and self._modem.up

    def hurry(self) -> None:
        """An alarm is waiting: end the pause between two attempts."""
        self._hurry.set()

    async def stream(self, host: str, port: int) -> "Any":
        """A TCP connection for firmware.ports.tls. Raises OSError."""
        if self._server is None:
            self._server = Peer(self, host, port)
        address = self._server.where(socket.SOCK_STREAM)
        # The next connection asks anew: this one has failed by then.
        self._server.forget(HEAD_START_MS)
        return await sockets.connect(address)

    async def run(self) -> None:
        """Bring it up and keep it up, for ever; over at once where somebody else does, or where Ethernet cannot be."""
        if self._cable and self._radios is not None:
            self._plug()
        while self._radios is not None:
            try:
                await self._hold()
            except (OSError, RuntimeError) as error:
                # Wrong password, no access point, no cable: by count and on the console.
                self.errors += 1
                self._failed += 1
                say("own network:", error)
            self._tell(False)
            await self._rest(min(PAUSE_MS << min(self._failed, 10), LONGEST_PAUSE_MS) if self._failed else LOOK_MS)
        if self.mark is not None:
            self.mark.pause()

    def _plug(self) -> None:
        """Tried once: what a failed attempt has taken MicroPython gives back at a restart only, and a second one runs
        into it."""
        try:
            self._link = ethernet(self._radios)
        except (AttributeError, KeyError, OSError, RuntimeError, TypeError, ValueError) as error:
            self._radios = None
            self.errors += 1
            say("own network:", error)

    async def _hold(self) -> None:
        """One link from beginning to end. Raises OSError, and what a radio raises that is busy."""
        self._begin()
        since = self.clock.now()
        while not self._look():
            if self.clock.now() >= since + CONNECT_MS:
                raise OSError(errno.ETIMEDOUT)
            await asyncio.sleep_ms(LOOK_MS)
        self._failed = 0
        self._tell(True)
        while self._look():
            await asyncio.sleep_ms(LOOK_MS)

    def _look(self) -> bool:
        if self.mark is not None:
            self.mark.alive(self.clock.now())
        return bool(self._link.isconnected())

    def _begin(self) -> None:
        if self._link is None:
            # Not sooner: a radio that cannot be had must not keep the unit from starting.
            self._link = self._radios.WLAN(self._radios.STA_IF)
        if self._anew():
            self._link.active(False)
        self._link.active(True)
        # Ethernet knows neither `connect` nor `disconnect`: the cable does that.
        if self._cable or self._link.isconnected():
            return
        # What is still on its way would refuse the next one.
        self._link.disconnect()
        self._link.connect(*[word for word in self._settings[1:3] if word])

    def _anew(self) -> bool:
        """Whether the radio is switched off and on. Ethernet blocks for seconds then, and what is pressed and let go
        meanwhile nobody sees: so ever more seldom, and not while a press may go over another radio."""
        if not self._cable:
            return self._failed > 0 and self._failed % ANEW == 0
        return self._failed >= ANEW and not self._failed & (self._failed - 1) and not (self.urgent() and self.spare())

    def _tell(self, up: bool) -> None:
        if up == self.up:
            return
        self.up = up
        for pipe in self._pipes:
            if up:
                # Another address of our own, perhaps: another socket.
                pipe.renew()
            pipe.changed()

    async def _rest(self, pause: int) -> None:
        """Wait before the next attempt; an alarm ends that, and so does a cable that is there again."""
        end = self.clock.now() + pause
        while self.clock.now() < end:
            self._hurry.clear()
            if self.mark is not None:
                self.mark.alive(self.clock.now())
            left = end - self.clock.now()
            try:
                await asyncio.wait_for_ms(self._hurry.wait(), min(left, LOOK_MS) if self._cable else left)
            except asyncio.TimeoutError:
                if self._cable and not self._link.isconnected():
                    continue
                return
            # Not faster than once a second, however long an alarm waits.
            end = min(end, self.clock.now() + PAUSE_MS)
