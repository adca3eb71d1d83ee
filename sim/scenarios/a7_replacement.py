"""What A7 plays with a whole unit: the replacement is real firmware behind an emulated modem. It is paired with proof,
answered by a simulated centre; then somebody sends it SMS.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
import uuid
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final
from unittest import mock

from firmware.core import profiles
from fleet.clock import SystemClock
from fleet.forwarding.links import Links
from fleet.forwarding.run import Forwarding
from fleet.ingest.drill_orders import order_test
from fleet.pairing import decide, store
from fleet.pairing.watch import PairingWatch
from fleet.registry import recipients, units
from fleet.registry import store as registry
from fleet.registry.directory import Aead
from fleet.registry.reference import check_digits
from fleet.store.pool import Connection, make_pool, tenant_transaction
from protocols.wire import messages, seal
from provisioning.identity import Extras, Identity, make_identity, write_flash
from sim.cellular import CellularUnits, configured
from sim.centre import Centre
from sim.firmware_build import ROOT, build_firmware
from sim.modem.faults import Faults
from sim.modem.scenario import Step, load
from sim.scenarios.a7_house import MUNICIPALITY, House
from sim.scenarios.wearers import sha256
from sim.units import UnitError, UnitFleet

REFERENCE: Final = "K-20001"
ROOM: Final = "hallway"
HEARTBEAT_S: Final = 60
HOLD_S: Final = 0.8
"""A finger that holds a personal alarm's button."""
PATIENCE_S: Final = 120.0
QUIET_S: Final = 12.0
"""So long heartbeats are counted after SMS that are no frame; it is shorter than a heartbeat's interval."""
SENDER: Final = "46700000009"
ORDERS: Final[tuple[tuple[int, Mapping[int, Any] | None], ...]] = (
    (messages.COMMAND_REBOOT, None),
    (messages.COMMAND_HEARTBEAT, {1: 3600}),
    (messages.COMMAND_SEARCH, {1: 600, 2: 10}),
    (messages.COMMAND_DRILL, None),
    (messages.COMMAND_SWITCH_SIM, {1: 1}),
)
STRANGERS: Final = 20
DRIVER: Final = "firmware/driver.py"
VITALS: Final = "firmware/core/vitals.py"
IN_FIRMWARE: Final[Mapping[str, tuple[str, str, str]]] = {
    "sms-commands-obeyed": (
        DRIVER,
        "isinstance(message, messages.Command) and pipe is not None",
        "isinstance(message, messages.Command)",
    ),
    "no-receipt-by-sms": (
        DRIVER,
        "if isinstance(message, messages.Receipt):",
        "if isinstance(message, messages.Receipt) and pipe is not None:",
    ),
    "sms-wakes-without-end": (VITALS, "\nWAKE_MS = 60000\n", "\nWAKE_MS = 1\n"),
}
"""What can be taken out of the unit: file, what it says, what it says instead."""


def firmware(sabotage: str | None) -> dict[str, str]:
    """Texts of files that the unit is built of instead. Raises LookupError where there is nothing to take out."""
    if sabotage is None or sabotage not in IN_FIRMWARE:
        return {}
    name, present, instead = IN_FIRMWARE[sabotage]
    text = (ROOT / name).read_text(encoding="utf-8")
    if text.count(present) != 1:
        raise LookupError(f"{name} has changed: {sabotage} takes nothing out of it")
    return {name: text.replace(present, instead)}


@contextlib.contextmanager
def applied(sabotage: str | None) -> Iterator[None]:
    """Takes a protection of pairing or of the unit out of this process, and puts it back."""
    with contextlib.ExitStack() as stack:
        if sabotage in IN_FIRMWARE:
            built = partial(build_firmware, instead=firmware(sabotage))
            stack.enter_context(mock.patch("sim.units.build_firmware", built))
        elif sabotage == "active-without-a-press":
            stack.enter_context(mock.patch.object(decide, "done", lambda *_: True))
        yield


@dataclass
class Replacement:
    """The unit, while it lives. ``down`` seals what the fleet might say, as somebody could who has its key."""

    house: House
    identity: Identity = field(repr=False)
    fleet: UnitFleet
    modem: Faults
    centre_log: Path
    numbers: Iterator[int] = field(default_factory=lambda: iter(range(1 << 42, 1 << 43)))

    @property
    def unit(self) -> int:
        """Its number."""
        return self.identity.unit

    async def press(self) -> None:
        """A finger on its button, as long as a personal alarm wants it."""
        await self.fleet.set_pin(self.unit, "button", 0)
        await asyncio.sleep(HOLD_S)
        await self.fleet.set_pin(self.unit, "button", 1)

    def sms(self, payload: bytes, times: int = 1) -> None:
        """An SMS comes to its modem."""
        self.modem.do(Step("sms", at_ms=0, payload=payload.hex(), sender=SENDER, times=times))

    def down(self, message: Any) -> bytes:
        """A frame that opens."""
        kid = seal.kid(self.unit, self.identity.generation)
        key, _ = seal.derive(sha256, self.identity.secret16, kid, seal.DOWN)
        return seal.seal_down(Aead(key), secrets.token_bytes(13), message.encode())

    def orders(self) -> list[bytes]:
        """Commands that the unit would obey if they came another way."""
        return [
            self.down(messages.Command(number=next(self.numbers), kind=kind, args=None if args is None else dict(args)))
            for kind, args in ORDERS
        ]

    def refused(self) -> int:
        """How many frames it has told that it refused since its start."""
        rows = self.house.rows("SELECT coalesce(refused, 0) FROM unit_states WHERE unit_id = %s", self.unit)
        return int(rows[0][0]) if rows else 0

    def settled(self) -> tuple[int, float]:
        """Its boot, and the seconds between the heartbeats that it announces."""
        query = "SELECT boot, extract(epoch FROM due_at - seen_at) FROM unit_states WHERE unit_id = %s"
        boot, apart = self.house.rows(query, self.unit)[0]
        return int(boot or 0), float(apart or 0.0)  # before its first heartbeat it has announced nothing

    def life(self) -> str:
        """Where it is in its life."""
        return str(self.house.value("SELECT life FROM units WHERE unit_id = %s", self.unit))

    def heard(self) -> int:
        """How many heartbeats the fleet has of it."""
        return int(self.house.value("SELECT count(*) FROM readings WHERE unit_id = %s", self.unit))

    async def shows(self, stage: str, seconds: float) -> bool:
        """Whether its lamp comes to show this."""
        try:
            await self.fleet.wait_lamp(self.unit, stage, seconds)
        except UnitError:
            return False
        return True


async def gave(house: House, lost: int) -> int:
    """The lost unit is somebody's, as an office has registered it; returns who that is."""

    async def work(connection: Connection) -> int:
        at = house.now()
        person = await recipients.add_recipient(
            connection, municipality=MUNICIPALITY, reference=REFERENCE, priority=2, district="Norr",
            actor="console:office", at=at,
        )  # fmt: skip
        await units.change_life(connection, lost, "receive", "console:office", at)
        await units.change_life(connection, lost, "pair", "console:office", at, recipient=person)
        await units.change_life(connection, lost, "prove", "console:office", at, grounds="import:day")
        return person

    return await house.acting(work)


@asynccontextmanager
async def plugged_in(house: House, unit: int) -> AsyncIterator[Replacement]:
    """A unit out of stock, made, registered and switched on; and what pairing needs besides: a centre, forwarding, the
    watch. All of it is gone afterwards."""
    url, clock = house.postgres.app_url, SystemClock()
    async with contextlib.AsyncExitStack() as stack:
        log = house.folder / "centre.jsonl"
        centre = Centre()
        port = await centre.start("127.0.0.1", 0, log)
        stack.push_async_callback(centre.stop)
        identity = await _registered(house, unit, port)
        links = Links(url, house.box, clock)
        parts = (links, Forwarding(url, links.link_to, clock=clock), PairingWatch(url, order_test, clock=clock))
        for part in parts:
            await part.start()
            stack.push_async_callback(part.stop)
        modems = CellularUnits({unit: replace(load("sweden"), dialect="bg95")})
        modems.open()
        stack.callback(modems.close)
        fleet = UnitFleet(house.folder / "firmware", spread_ms=500)
        fleet.on_levels = modems.levels
        stack.push_async_callback(fleet.stop)
        await fleet.start({unit: house.folder / "units" / f"{unit:08x}"}, env=modems.environment)
        yield Replacement(house, identity, fleet, modems.rigs[unit].device, log)


async def _registered(house: House, unit: int, centre_port: int) -> Identity:
    identity, certificate = make_identity(unit), house.authority.issue_unit(unit)

    async def work(connection: Connection) -> None:
        centre = await registry.add_centre(
            connection, name="Centre", protocol="dc09", host="127.0.0.1", port=centre_port
        )
        await registry.route_to(connection, MUNICIPALITY, centre)
        await registry.add_unit(
            connection, house.box, unit=unit, municipality=MUNICIPALITY, unit_type="personal",
            generation=identity.generation, secret=identity.secret16, fingerprint=certificate.fingerprint_sha256,
            serial=str(certificate.serial),
        )  # fmt: skip
        await units.change_life(connection, unit, "receive", "console:office", house.now())

    await house.acting(work)
    scenario = replace(load("sweden"), dialect="bg95")
    await asyncio.to_thread(
        write_flash, house.folder / "units" / f"{unit:08x}", identity, certificate, house.authority.ca_der,
        profile=profiles.PERSONAL, heartbeat_s=HEARTBEAT_S, pipes=["coap"],
        coap_addresses=[house.ingest.coap_address],
        extras=Extras(modem=configured(scenario), sms_number="+46700000001"),
    )  # fmt: skip
    return identity


async def pair(new: Replacement, person: int) -> dict[str, Any]:
    """An assistant pairs it in the lost unit's place, with a page's rights; what the pairing has become."""
    house = new.house
    async with make_pool(house.postgres.app_url, "web", size=1) as pool:
        wish = store.Wish(uuid.uuid4(), new.unit, person, check_digits(MUNICIPALITY, REFERENCE), (ROOM,))
        async with tenant_transaction(pool, [MUNICIPALITY]) as connection:
            number = await store.begin(connection, wish, "person:1", datetime.now(UTC))
        async with tenant_transaction(pool, [MUNICIPALITY]) as connection:
            await store.leave_out_old(connection, number, "lost", "person:1", datetime.now(UTC))
        ends, pressed = time.monotonic() + PATIENCE_S, 0
        while time.monotonic() < ends:
            async with tenant_transaction(pool, [MUNICIPALITY]) as connection:
                seen = await store.view(connection, number)
            if seen["state"] != "open":
                return seen | {"pressed": pressed}
            step = next((one for one in seen["steps"] if one["state"] not in ("proven", "left_out")), None)
            if step is not None and step["state"] == "ready" and step["tries"] > pressed:
                pressed = step["tries"]
                await new.press()
            await asyncio.sleep(0.1)
        return seen | {"pressed": pressed}


def answered(seen: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """The presses that a pairing rests on."""
    return [step["proof"] for step in seen["steps"] if step["state"] == "proven"]
