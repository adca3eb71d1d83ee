"""``livlina unit add``: makes a unit's identity and flash folder and registers it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import psycopg

from fleet.registry import store as registry
from fleet.registry.model import UnitType
from fleet.settings import Settings
from fleet.store.pool import Connection
from livlina.installation import open_authority, open_secret_box
from livlina.registry_connection import host_and_port, in_registry, note
from provisioning.identity import IdentityError, make_identity, write_flash

PROFILES = {"social": 1, "personal": 2, "tracker": 3, "camera": 4, "technical": 5}

HIGHEST = 0xFFFFFFFF


class UnitError(ValueError):
    """What was asked for cannot be made; the message says what to change."""


@dataclass(frozen=True, slots=True)
class NewUnit:
    """A unit to be made, checked before anything is written."""

    municipality: int
    unit_type: str
    number: int | None
    coap: tuple[str, int]
    mqtt: tuple[str, int]
    pipes: tuple[str, ...]
    heartbeat_s: int
    flash: Path

    @classmethod
    def read(
        cls, *, municipality: int, unit_type: str, number: int | None, coap: str, mqtt: str, pipes: str,
        heartbeat_s: int, flash: Path,
    ) -> NewUnit:  # fmt: skip
        """From the words of the command line. Raises UnitError."""
        if unit_type not in get_args(UnitType):
            raise UnitError(f"{unit_type!r} is no unit type: choose one of {', '.join(get_args(UnitType))}")
        if flash.exists() and not flash.is_dir():
            raise UnitError(f"{flash} is no folder: name a new folder for the unit's flash")
        if flash.exists() and any(flash.iterdir()):
            raise UnitError(f"{flash} is not empty: name a new folder, so that no other unit's flash is overwritten")
        names = tuple(name.strip() for name in pipes.split(",") if name.strip())
        if not names or set(names) - {"coap", "mqtt"} or len(set(names)) != len(names):
            raise UnitError(f"{pipes!r} are no pipes: write coap, mqtt or both with a comma")
        try:
            return cls(
                municipality, unit_type, number, host_and_port(coap), host_and_port(mqtt), names, heartbeat_s, flash
            )
        except ValueError as error:
            raise UnitError(str(error)) from error


def add_unit(settings: Settings, wanted: NewUnit) -> dict[str, Any]:
    """Registers the unit and writes its flash. The flash is written before the commit, so that no unit is ever
    registered that cannot exist; a flash whose commit failed is of an unknown unit and is refused at every door.

    Returns the unit id, the folder and the certificate's fingerprint. Raises UnitError, also on a fleet that people
    rely on: a folder is nobody's production board.
    """
    if settings.production:
        raise UnitError(
            "this fleet is one that people rely on (LIVLINA_PRODUCTION), and a unit in a folder is a development unit: "
            "make production boards with `livlina provision run`, or use another fleet"
        )
    authority = open_authority(settings)
    box = open_secret_box(settings)

    async def work(connection: Connection) -> dict[str, Any]:
        number = wanted.number if wanted.number is not None else await registry.free_unit_number(connection)
        if number > HIGHEST:
            raise UnitError(f"the highest unit number, {HIGHEST}, is in use: choose a free one with --number")
        identity = make_identity(number)
        certificate = authority.issue_unit(number)
        await registry.add_unit(
            connection, box,
            unit=number, municipality=wanted.municipality, unit_type=wanted.unit_type, generation=identity.generation,
            secret=identity.secret16, fingerprint=certificate.fingerprint_sha256, serial=f"{certificate.serial:x}",
        )  # fmt: skip
        await note(connection, "unit.registered", f"unit:{number:08x}", wanted.municipality, type=wanted.unit_type)
        write_flash(
            wanted.flash, identity, certificate, authority.ca_der,
            profile=PROFILES[wanted.unit_type], heartbeat_s=wanted.heartbeat_s, pipes=wanted.pipes,
            coap_addresses=[wanted.coap], mqtt_address=(*wanted.mqtt, settings.tls_name),
        )  # fmt: skip
        return {
            "unit": f"{number:08x}",
            "municipality": wanted.municipality,
            "type": wanted.unit_type,
            "flash": str(wanted.flash),
            "certificate": certificate.fingerprint_sha256.hex(),
        }

    try:
        return in_registry(settings, work)
    except psycopg.errors.UniqueViolation:
        raise UnitError(f"unit {wanted.number or 0:08x} is registered already: choose another number") from None
    except psycopg.errors.ForeignKeyViolation:
        raise UnitError(
            f"municipality {wanted.municipality} is unknown: add it with `livlina municipality add`"
        ) from None
    except IdentityError as error:
        raise UnitError(str(error)) from error
