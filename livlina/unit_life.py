"""``livlina unit show``, ``unit move``, ``unit parts`` and ``unit revoke``: a unit's label, life, parts and keys."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from fleet.registry import units as registry
from fleet.registry.label import LabelError, label_of, qr_of, unit_of
from fleet.registry.life import EVENTS
from fleet.registry.store import MadeUnit, units_of_station
from fleet.registry.store import tell_makers as tell
from fleet.settings import Settings
from fleet.store.pool import Connection
from livlina.registry_connection import in_registry, note
from livlina.unit_orders import unit_number
from provisioning.ledger import Row

ACTOR: Final = "console:local"
BY_HAND: Final = tuple(one for one in EVENTS if one not in ("pair", "prove", "abandon", "assign", "replace"))
"""Pairing, and the pages that know recipients, do the others."""


def number_of(text: str) -> int:
    """A unit's number from its id or its label. Raises ValueError."""
    try:
        return unit_number(text)
    except ValueError as error:
        try:
            return unit_of(text)
        except LabelError:
            raise error from None


def show_unit(settings: Settings, unit: str) -> dict[str, Any]:
    """Label, QR code's content, buttons, SIM cards and history. Raises ValueError, LookupError."""
    number = number_of(unit)

    async def work(connection: Connection) -> dict[str, Any]:
        if not await registry.is_known(connection, number):
            raise LookupError(f"unit {number:08x} is unknown")
        return {
            "unit": f"{number:08x}",
            "label": label_of(number),
            "qr": qr_of(number),
            "inputs": [
                {"input": one.input, "kind": one.kind, "serial": one.serial}
                for one in await registry.inputs_of(connection, number)
            ],
            "sims": [
                {"slot": one.slot, "iccid": one.iccid, "issuer": one.issuer}
                for one in await registry.sims_of(connection, number)
            ],
            "log": [
                {
                    **row,
                    "at": row["at"].isoformat(),
                    "until": None if row["until"] is None else row["until"].isoformat(),
                }
                for row in await registry.life_log(connection, number)
            ],
        }

    return in_registry(settings, work)


def move_unit(settings: Settings, unit: str, event: str, until: str | None) -> dict[str, Any]:
    """Moves a unit on in its life. ``until`` is a moment in ISO 8601 with its zone. Raises ValueError, LookupError."""
    number = number_of(unit)
    if event not in BY_HAND:
        raise ValueError(f"{event!a} is nothing that is done by hand: choose one of {', '.join(BY_HAND)}")
    end = None if until is None else datetime.fromisoformat(until)
    if end is not None and end.tzinfo is None:
        raise ValueError(f"{until!a} has no zone: write for example 2027-03-01T12:00+01:00")

    async def work(connection: Connection) -> dict[str, Any]:
        found = await registry.change_life(connection, number, event, ACTOR, datetime.now(UTC), until=end)
        return {"unit": f"{number:08x}", "life": found.state}

    return in_registry(settings, work)


def describe_unit(
    settings: Settings, unit: str, *, board: str | None, modem: str | None, owner: str | None, pendants: Sequence[str],
    sims: Sequence[str],
) -> dict[str, Any]:  # fmt: skip
    """What a unit is made of. ``pendants`` are ``INPUT`` or ``INPUT=SERIAL``, ``sims`` are ``SLOT=ICCID``; None and
    empty leave what is known. Raises ValueError, LookupError."""
    number = number_of(unit)
    inputs = [registry.Input(registry.OWN, "own"), *map(_pendant, pendants)] if pendants else None
    cards = [_sim(text) for text in sims]

    async def work(connection: Connection) -> dict[str, Any]:
        await registry.describe(
            connection, number, board=board, modem=modem, owner=owner, inputs=inputs, sims=cards
        )  # fmt: skip
        return {"unit": f"{number:08x}", "inputs": [one.input for one in await registry.inputs_of(connection, number)]}

    return in_registry(settings, work)


def revoke_unit(settings: Settings, unit: str) -> dict[str, Any]:
    """Ends a unit's keys and certificates on every way in. Raises ValueError, LookupError."""
    number = number_of(unit)

    async def work(connection: Connection) -> dict[str, Any]:
        await registry.revoke(connection, number, ACTOR, datetime.now(UTC))
        return {"unit": f"{number:08x}", "registered": "revoked"}

    return in_registry(settings, work)


def revoke_units_of(settings: Settings, station: str) -> list[str]:
    """Ends the keys and certificates of every unit that a station has made. Which: those that still counted."""

    async def work(connection: Connection) -> list[str]:
        numbers = await units_of_station(connection, station)
        for number in numbers:
            await registry.revoke(connection, number, ACTOR, datetime.now(UTC))
        return [f"{number:08x}" for number in numbers]

    return in_registry(settings, work)


def tell_makers(settings: Settings, station: str, rows: Sequence[Row]) -> tuple[list[str], list[str]]:
    """Fills in, from a station's verified ledger, who made its units and for which order, where the registry does not
    know. Rows that name another signer are left out. Which units got a station, and which an order."""
    made = []
    for row in rows:
        certificate = row.facts.get("certificate") or {}
        if row.kind == "provisioned" and certificate.get("station", station) in (station, None):
            fingerprint = bytes.fromhex(certificate["sha256"]) if certificate else None
            made.append(MadeUnit(row.unit, fingerprint, row.facts.get("order")))

    async def work(connection: Connection) -> tuple[list[str], list[str]]:
        units, orders = await tell(connection, station, made)
        await note(connection, "station.units_told", f"station:{station}", units=len(units), orders=len(orders))
        return [f"{unit:08x}" for unit in units], [f"{unit:08x}" for unit in orders]

    return in_registry(settings, work)


def _pendant(text: str) -> registry.Input:
    found = re.fullmatch(r"([0-9]{1,3})(?:=([!-~]{1,40}))?", text)
    if found is None or not 1 <= int(found[1]) <= 255:
        raise ValueError(f"{text[:40]!a} is no pendant: write INPUT=SERIAL, for example 1=PX-0042")
    return registry.Input(int(found[1]), "pendant", found[2])


def _sim(text: str) -> registry.Sim:
    found = re.fullmatch(r"([12])=([0-9]{18,20})", text)
    if found is None:
        raise ValueError(f"{text[:40]!a} is no SIM card: write SLOT=ICCID, the slot 1 or 2 and 18 to 20 digits")
    return registry.Sim(int(found[1]), found[2])
