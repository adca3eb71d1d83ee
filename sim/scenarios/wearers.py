"""The units of a scenario, and what their wearers and the world do to them. Two kinds that look the same from outside:

`RealUnit`: the whole firmware in MicroPython, in lock step (`sim.lockstep`).
`BrainUnit`: the firmware's own brain, contacts, courier and CoAP machine on CPython, without board and flash: it costs
little, so a scenario may have many.

Both seal their frames and send them as datagrams to the fleet's real door, over a `Path`.
"""

from __future__ import annotations

import hashlib
import itertools
import random
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path as Folder
from typing import Any, Protocol

from firmware.core import drill, pendants, profiles
from firmware.core.heartbeat import Heartbeat
from firmware.core.setup import Means
from firmware.core.stages import NAMES
from firmware.core.unit import Unit
from fleet.registry.directory import Aead
from protocols.wire import messages, seal
from protocols.wire.coap_client import Client
from provisioning.ca import CertificateAuthority
from provisioning.identity import Extras, Identity, write_flash
from sim.board import BUTTON
from sim.cellular import configured
from sim.lockstep import EPOCH, LockStep, VirtualUnit, is_there
from sim.modem.rig import Rig
from sim.scenarios.path import LONGEST, Air, Path
from sim.scenarios.world import World
from sim.shims.board import PINS

SPREAD_MS = 5000
BOOT = 1
ETHERNET = 2
_PIPE = "coap"


def sha256(data: bytes) -> bytes:
    """As the wire wants it."""
    return hashlib.sha256(data).digest()


@dataclass(frozen=True)
class Plan:
    """What a unit is made of. `pendants` are (input, id, key, seconds between reports)."""

    identity: Identity
    heartbeat_s: int
    pendants: Sequence[tuple[int, int, bytes, int]] = field(default=(), repr=False)

    @property
    def unit(self) -> int:
        """Its number."""
        return self.identity.unit


class Wearer(Protocol):
    """A unit as the world sees it. `stage` is what its lamp shows."""

    @property
    def stage(self) -> str: ...

    def contact(self, closed: bool) -> None:
        """The unit's own button."""

    def mains(self, lost: bool) -> None:
        """Mains go or come back."""

    def radio(self, frame: bytes) -> None:
        """A pendant is in the air."""

    def close(self) -> None:
        """The scenario is over."""


class Pendant:
    """A wireless pendant: frames with a counter that only grows."""

    def __init__(self, number: int, key: bytes) -> None:
        self._number = number
        self._key = key
        self._counters = itertools.count(1)

    def frame(self, what: int, battery: int = 90) -> bytes:
        """The next frame; `what` is pendants.ALIVE, PRESS or TEST."""
        return pendants.frame(sha256, self._key, self._number, next(self._counters), what, battery)


class RealUnit:
    """Real firmware, on the board's own network; with a `rig` behind that modem, whose network is then its way's first
    part."""

    def __init__(
        self, world: World, plan: Plan, folder: Folder, authority: CertificateAuthority, seed: int, *,
        rig: Rig | None = None,
    ) -> None:  # fmt: skip
        assert world.lockstep is not None
        self._lockstep: LockStep = world.lockstep
        self._front = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._front.setblocking(False)
        self._front.bind(("127.0.0.1", 0))
        self._address: Any = None
        self._path: Path | None = None
        self._rig = rig
        self._lockstep.flights.opened(self._front.getsockname())
        self._lockstep.poller.add_reader(self._front, self._readable)
        write_flash(
            folder, plan.identity, authority.issue_unit(plan.unit), authority.ca_der, profile=profiles.SOCIAL,
            heartbeat_s=plan.heartbeat_s, pipes=[_PIPE], coap_addresses=[self._front.getsockname()],
            extras=Extras(pendants=plan.pendants, modem=None if rig is None else configured(rig.scenario)),
        )  # fmt: skip
        put_off_drills(folder)
        self._unit: VirtualUnit = self._lockstep.add_unit(plan.unit, folder, seed=seed, rig=rig, spread=SPREAD_MS)

    def connect(self, path: Path) -> None:
        """Its datagrams go this way."""
        self._path = path

    def down(self, datagram: bytes) -> None:
        """A datagram arrives."""
        if self._address is None:
            return
        if self._rig is None:
            if not is_there(self._address):
                return
            self._unit.goes()
        else:
            self._lockstep.flights.sent(self._address)
        self._front.sendto(datagram, self._address)

    def _readable(self) -> None:
        datagram, self._address = self._front.recvfrom(LONGEST)
        if self._rig is None:
            self._unit.came()
        else:
            self._lockstep.flights.came(self._front.getsockname())
        if self._path is not None:
            self._path.up(datagram)

    @property
    def stage(self) -> str:
        return self._unit.stage

    @property
    def resets(self) -> int:
        """How often it has restarted by itself."""
        return len(self._unit.resets)

    def contact(self, closed: bool) -> None:
        self._unit.contact(0 if closed else 1, BUTTON)

    def mains(self, lost: bool) -> None:
        self._unit.contact(0 if lost else 1, PINS["mains"])

    def radio(self, frame: bytes) -> None:
        self._unit.pendant(frame)

    def close(self) -> None:
        self._lockstep.flights.closed(self._front.getsockname())
        self._lockstep.poller.remove_reader(self._front)
        self._front.close()


def put_off_drills(folder: Folder) -> None:
    """The drill that a unit makes by itself is a month away: a scenario counts what it has caused."""
    from firmware.ports import kept

    (folder / ("drill" + kept.SUFFIX)).write_bytes(kept.pack(drill.EVERY_S))


class BrainUnit:
    """The firmware's brain on CPython. `bearer` is what it says that it is on, `says` and `status` what its heartbeats
    say besides (fields of a heartbeat, keys of a status)."""

    def __init__(
        self, world: World, plan: Plan, seed: int, *, bearer: int = ETHERNET, says: Mapping[str, Any] | None = None,
        status: Mapping[int, Any] | None = None,
    ) -> None:  # fmt: skip
        self.bearer = bearer
        self.says = dict(says or {})
        self._status = dict(status or {})
        self.stage = NAMES[0]
        self._world = world
        self._path: Path | None = None
        self._chance = random.Random(seed)
        self._began = world.clock.now()
        self._identity = plan.identity
        kid = seal.kid(plan.unit, plan.identity.generation)
        up, iv = seal.derive(sha256, plan.identity.secret16, kid, seal.UP)
        down, _ = seal.derive(sha256, plan.identity.secret16, kid, seal.DOWN)
        assert iv is not None
        self._kid, self._iv = kid, iv
        self._up, self._down = Aead(up), Aead(down)
        self._counters = itertools.count(1)
        self._client = Client(self._below(1 << 16), self._below(1 << 32))
        self._tokens: dict[object, bytes] = {}
        self._alarm_clock: Any = None
        setup = profiles.read({1: profiles.SOCIAL, 2: plan.heartbeat_s, 6: [list(row) for row in plan.pendants]})
        if setup.faults:
            raise ValueError(f"unit {plan.unit:08x}: {setup.faults}")
        heard = pendants.Pendants(setup.pendants, sha256, None, 0) if setup.pendants else None
        means = Means(self._below, self._measure, self._wall, lambda pipe: self.bearer, lambda key: False)
        self._unit = Unit(
            BOOT, [_PIPE], setup, means, Heartbeat(setup.heartbeat, self._below, SPREAD_MS), 0,
            kept={"drill": drill.EVERY_S}, pendants=heard,
        )  # fmt: skip

    @property
    def refused(self) -> int:
        """Datagrams that were nothing for this unit: no message, or sealed for another one whose address it has now."""
        return self._unit.refused

    def connect(self, path: Path) -> None:
        """Its datagrams go this way; from now on it runs."""
        self._path = path
        self._carry_out(self._unit.handle(("pipe", _PIPE, True), self._now()))
        self._carry_out(self._unit.start(self._now()))
        self._rest()

    def down(self, datagram: bytes) -> None:
        """A datagram arrives."""
        self._coap(self._client.datagram(datagram, self._now()))
        self._rest()

    def contact(self, closed: bool) -> None:
        self._feed(("edge", profiles.OWN, closed, self._now()))

    def mains(self, lost: bool) -> None:
        self._feed(("mains", lost))

    def radio(self, frame: bytes) -> None:
        self._feed(("pendant", frame))

    def close(self) -> None:
        if self._alarm_clock is not None:
            self._alarm_clock.cancel()

    def _now(self) -> int:
        return int((self._world.clock.now() - self._began) * 1000 + 1e-4)

    def _wall(self) -> int:
        return EPOCH + int(self._world.clock.now())

    def _below(self, bound: int) -> int:
        return self._chance.randrange(bound)

    def _measure(self) -> tuple[dict[str, Any], dict[int, Any]]:
        status = {messages.STATUS_PROFILE: profiles.SOCIAL, messages.STATUS_UPTIME: self._now() // 1000}
        return dict(self.says), status | self._status

    def _feed(self, event: tuple[Any, ...]) -> None:
        self._carry_out(self._unit.handle(event, self._now()))
        self._rest()

    def _rest(self) -> None:
        """Until the brain or a retransmission wants to go on."""
        now = self._now()
        due = [at for at in (self._unit.next_wakeup(now), self._client.next_wakeup(now)) if at is not None]
        if self._alarm_clock is not None:
            self._alarm_clock.cancel()
            self._alarm_clock = None
        if due:
            # Never before its millisecond has begun: a brain that is woken early would only ask again.
            wait = self._began + max(min(due), now) / 1000 + 1e-6 - self._world.clock.now()
            self._alarm_clock = self._world.clock.call_later(max(wait, 0.0), self._woken)

    def _woken(self) -> None:
        now = self._now()
        self._alarm_clock = None
        self._coap(self._client.timeout(now))
        self._feed(("time",))

    def _carry_out(self, actions: Sequence[tuple[Any, ...]]) -> None:
        unsent = []
        for action in actions:
            if action[0] == "send" and not self._send(action[2], action[3], action[4]):
                unsent.append(("unsent", action[2], action[1]))
            elif action[0] == "lamp":
                self.stage = NAMES[action[1]]
        for event in unsent:
            self._carry_out(self._unit.handle(event, self._now()))

    def _send(self, key: object, message: Any, urgent: bool) -> bool:
        """As firmware.ports.udp: an older frame of the same key is no longer repeated."""
        now = self._now()
        token = self._tokens.pop(key, None)
        if token is not None:
            self._client.cancel(token)
        if not urgent and not self._client.ready():
            return key is None
        frame = seal.seal_up(self._up, self._iv, self._kid, next(self._counters), message.encode())
        self._tokens[key], actions = self._client.request("u", frame, now, self._below(1001), urgent)
        self._coap(actions)
        return True

    def _coap(self, actions: Sequence[tuple[Any, ...]]) -> None:
        for action in actions:
            if action[0] == "send" and self._path is not None:
                self._path.up(action[1])
            elif action[0] in ("response", "pushed", "stray"):
                if action[0] == "response":
                    self._over(action[1])
                frame = action[3] if action[0] == "response" else action[-1]
                if frame:
                    self._heard(frame)
            elif action[0] == "failed":
                self._over(action[1])
            elif action[0] == "refused":
                self._carry_out(self._unit.handle(("refused",), self._now()))

    def _over(self, token: bytes) -> None:
        for key in [key for key, known in self._tokens.items() if known == token]:
            del self._tokens[key]

    def _heard(self, frame: bytes) -> None:
        try:
            message: Any = messages.decode(seal.open_down(self._down, seal.parse(frame)))
        except (seal.SealError, messages.MessageError):
            self._carry_out(self._unit.handle(("refused",), self._now()))
            return
        if isinstance(message, messages.Receipt):
            event: tuple[Any, ...] = ("receipt", message.items, message.time)
        else:
            event = ("command", message) if isinstance(message, messages.Command) else ("refused",)
        self._carry_out(self._unit.handle(event, self._now()))


def attach(unit: RealUnit | BrainUnit, world: World, door: tuple[str, int], air: Air, seed: int) -> Path:
    """Gives a unit its way to the fleet."""
    path = Path(world, door, air, random.Random(seed), unit.down)
    unit.connect(path)
    return path
