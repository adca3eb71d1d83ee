"""Checks a board against the ledger: is it, byte for byte, what the ledger says was made?

Reads the flash and changes nothing. Of the file system, which lives on, only who the unit is is compared.
"""

from __future__ import annotations

from dataclasses import dataclass

from protocols.wire import cbor
from provisioning import littlefs_image
from provisioning.efuse_espefuse import summary
from provisioning.flash_esptool import Port
from provisioning.ledger import ENDS, Ledger
from provisioning.partition_table import layout, named
from provisioning.run import SECURE_BOOT_BLOCK, digest


@dataclass(frozen=True)
class Verdict:
    """`unit` is the ledger's number, None if it knows no such board; `faults` are sentences, none if it passes."""

    mac: str
    unit: int | None
    faults: tuple[str, ...]

    @property
    def passes(self) -> bool:
        """Whether this board may be used."""
        return not self.faults


def verify(port: Port, ledger: Ledger) -> Verdict:
    """Read the board on this port. Raises ToolError if it does not answer, LedgerError if the ledger is damaged."""
    facts = port.facts()
    row = ledger.last_of_board(facts.mac)
    if row is None:
        return Verdict(facts.mac, None, ("the ledger knows no board with this MAC: it was never finished here",))
    if row.kind in ENDS:
        return Verdict(facts.mac, row.unit, (f"the ledger says that this board was {row.kind}: provision it anew",))
    made = next(one for one in reversed(ledger.of_unit(row.unit)) if one.kind == "provisioned")
    faults = []
    for place, (length, expected) in sorted(made.facts["pieces"].items()):
        if digest(port.read(int(place, 16), length)) != expected:
            faults.append(f"the flash from {place} is not what was written")
    faults += _identity_faults(port, facts.flash_bytes, row.unit)
    wanted = made.facts["boot_digest"]
    if wanted is not None:
        burnt = str(summary(port)[SECURE_BOOT_BLOCK]["value"]).replace(" ", "")
        if burnt != wanted:
            faults.append("the secure boot digest in the chip is not ours")
    return Verdict(facts.mac, row.unit, tuple(faults))


def _identity_faults(port: Port, flash_bytes: int, unit: int) -> list[str]:
    vfs = named(layout(flash_bytes), "vfs")
    try:
        files = littlefs_image.read(port.read(vfs.offset, vfs.size))
        held = cbor.decode(files["identity.cbor"])[1]
    except (littlefs_image.ImageError, KeyError, TypeError, cbor.CborError):
        return ["the file system holds no identity"]
    return [] if held == unit else [f"the file system is that of unit {held:08x}"]
