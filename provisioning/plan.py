"""Decides what is done to one board, and in which order. Pure: no port, no file, no clock.

An order says what the buyer gets; a kind of board says what the hardware can take; the profile and the municipality say
whose unit it becomes. The result is a tuple of steps, each of which `run` can repeat. It never decides whether a step
has succeeded.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from provisioning.identity import DIALECTS, Configuration, Extras, IdentityError, config_fields

PROFILES = {"social": 1, "personal": 2, "tracker": 3, "camera": 4, "technical": 5}
SOUNDING = ("social", "tracker", "technical")
"""Whose units sound when a press is stored (firmware/core/stages.py); the others' speakers are silent at a test."""
BUTTONLESS = ("camera",)
"""Whose units take no press (firmware/core/profiles.py): nothing of theirs that only a press moves can be tested."""
SECURE_BOOT_CHIPS = ("esp32s3",)
"""Whose key blocks and secure boot (version 2) are those that a bench burns."""
_ORDER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}")


class PlanError(ValueError):
    """An order that this board cannot become; the message says what to change."""


@dataclass(frozen=True)
class BoardKind:
    """A kind of board. `chip` as esptool names it; `bootloader` is where its first image lies (bytes).

    `secure_boot` is whether its chip takes the secure boot digest by the steps that are here; `sims` its SIM slots;
    `battery`, `speaker` and `vibration` whether its self-test must show one.
    """

    name: str
    chip: str
    flash_bytes: int
    bootloader: int
    secure_boot: bool
    sims: int = 0
    battery: bool = False
    speaker: bool = False
    vibration: bool = False


@dataclass(frozen=True)
class Order:
    """What was ordered. `production` boards get the secure boot digest burnt and carry people's alarms; the others are
    marked, in their NVS and in the ledger. Addresses are those of the fleet's doors, as `identity.write_flash` takes
    them. `modem` is its dialect and access point where the board speaks through one; `own_network` (never shown) and
    `modem_first` are those of `Extras`.
    """

    number: str
    quantity: int
    municipality: int
    profile: str
    production: bool
    heartbeat_s: int
    pipes: Sequence[str]
    coap: Sequence[tuple[str, int]] = ()
    mqtt: tuple[str, int, str] | None = None
    modem: tuple[str, str] | None = None
    sms_number: str | None = None
    own_network: Sequence[str] | None = field(default=None, repr=False)
    modem_first: bool = False

    def configuration(self, sims: int) -> Configuration:
        """What its units are told, with so many SIM slots. Raises IdentityError."""
        modem = None if self.modem is None else (*self.modem, sims)
        extras = Extras(
            modem=modem, sms_number=self.sms_number, own_network=self.own_network, modem_first=self.modem_first
        )
        return {
            "profile": PROFILES[self.profile], "heartbeat_s": self.heartbeat_s, "pipes": self.pipes,
            "coap_addresses": self.coap, "mqtt_address": self.mqtt, "extras": extras,
        }  # fmt: skip


@dataclass(frozen=True)
class Step:
    """One thing to do. `hands` is what the person does before it, empty if nothing; `for_good` cannot be undone."""

    name: str
    says: str
    hands: str = ""
    for_good: bool = False
    facts: dict[str, object] = field(default_factory=dict, compare=False)


def asked_about(profile: str, kind: BoardKind) -> tuple[str, ...]:
    """What a person is asked behind the self-test's press: the lamp, and what else of this board a press moves."""
    if profile in BUTTONLESS:
        return ()
    asked = ["lamp"]
    if kind.vibration:
        asked.append("vibration")
    if kind.speaker and profile in SOUNDING:
        asked.append("speaker")
    return tuple(asked)


def plan(order: Order, kind: BoardKind) -> tuple[Step, ...]:
    """The steps for one board of this order. Raises PlanError."""
    _check(order, kind)
    seen = asked_about(order.profile, kind)
    steps = [
        Step("connect", "Ask the board for its chip, MAC and flash", "Put the board on the cable."),
        Step("identity", "Make number, secret, key and certificate on the station"),
        Step("images", "Make partition table, NVS, firmware and file system"),
        Step("register", "Tell the fleet of the unit"),
        Step(
            "flash",
            "Write the flash, all but the partition table, without which no board starts",
            "Leave the cable alone.",
        ),
        Step("verify", "Read the flash again"),
    ]
    if order.production:
        steps.append(Step("efuses", "Burn the keys and switch secure boot on", "Leave the cable alone.", for_good=True))
    steps += [
        Step("start", "Write the partition table and wait for the first heartbeat", "Leave the cable alone."),
        Step(
            "selftest",
            f"See that the button works, what the unit says of itself, and its {', '.join(seen)}"
            if seen
            else "See what the unit says of itself",
            "Press the button when told to." if seen else "",
        ),
        Step("label", "Make the label", "Put the label on the board."),
        Step("ledger", "Write the board into the ledger", "Take the board off."),
    ]
    return tuple(steps)


def _check(order: Order, kind: BoardKind) -> None:
    """Raises PlanError for an order of which no board could be made: better here than with the first one half made."""
    if not _ORDER.fullmatch(order.number):
        raise PlanError(f"{order.number!r} is no order number: letters, digits, dots and dashes, at most 40")
    if order.quantity < 1:
        raise PlanError("an order is of one board or more")
    if order.profile not in PROFILES:
        raise PlanError(f"{order.profile!r} is no profile: choose one of {', '.join(PROFILES)}")
    if order.municipality < 1:
        raise PlanError("a unit belongs to a municipality: give its number")
    if order.production and not (kind.secure_boot and kind.chip in SECURE_BOOT_CHIPS):
        raise PlanError(f"{kind.name} has no secure boot key steps: it can be a development board only")
    if (order.modem is None) != (kind.sims == 0) or kind.sims not in (0, 1, 2):
        raise PlanError(
            f"{kind.name} has {kind.sims} SIM slots: an order names a modem where there are 1 or 2, else none"
        )
    if order.modem is not None and order.modem[0] not in DIALECTS:
        raise PlanError(f"{order.modem[0]!r} is no modem: choose one of {', '.join(DIALECTS)}")
    try:
        config_fields(**order.configuration(kind.sims))
    except IdentityError as error:
        raise PlanError(str(error)) from error
    if kind.flash_bytes < 4 << 20:
        raise PlanError(f"{kind.name} has {kind.flash_bytes >> 20} MiB of flash and a unit needs 4")
