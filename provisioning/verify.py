"""Checks a board against the ledger: is it, byte for byte, what the ledger says was made?

Reads the flash and changes nothing. Of the file system, which lives on, only who the unit is is compared, and the code
in it, which a development board would run.
"""

from __future__ import annotations

from dataclasses import dataclass

from protocols.wire import cbor
from provisioning import littlefs_image
from provisioning.efuse_espefuse import production_faults
from provisioning.flash_esptool import ChipFacts, Port
from provisioning.ledger import ENDS, Ledger
from provisioning.partition_table import files_of_the_unit, layout
from provisioning.run import MAIN, digest

CODE = (".py", ".mpy")


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


def verify(port: Port, ledger: Ledger, facts: ChipFacts | None = None) -> Verdict:
    """Read the board on this port; `facts` if it has just been asked. Raises ToolError if it does not answer,
    LedgerError if the ledger is damaged."""
    facts = facts or port.facts()
    row = ledger.last_of_board(facts.mac)
    if row is None:
        return Verdict(facts.mac, None, ("the ledger knows no board with this MAC: it was never finished here",))
    if row.kind in ENDS:
        return Verdict(facts.mac, row.unit, (f"the ledger says that this board was {row.kind}: provision it anew",))
    made = next(one for one in reversed(ledger.of_unit(row.unit)) if one.kind == "provisioned")
    faults = []
    files = files_of_the_unit(layout(facts.flash_bytes, sealed=made.facts.get("sealed", False)))
    places = {int(place, 16): length for place, (length, _) in made.facts["pieces"].items()}
    read = port.read_all({**places, files.offset: files.size})
    for place, (_, expected) in sorted(made.facts["pieces"].items()):
        if digest(read[int(place, 16)]) != expected:
            faults.append(f"the flash from {place} is not what was written")
    faults += _file_faults(read[files.offset], row.unit, runs_code=not made.facts.get("sealed", False))
    wanted = made.facts["boot_digest"]
    if wanted is not None:
        faults += production_faults(port, bytes.fromhex(wanted))
    return Verdict(facts.mac, row.unit, tuple(faults))


def _file_faults(content: bytes, unit: int, *, runs_code: bool) -> list[str]:
    """Of the unit's own files: whose they are and, where MicroPython would run code out of them, that it is ours."""
    try:
        files = littlefs_image.read(content)
        held = cbor.decode(files["identity.cbor"])[1]
    except (littlefs_image.ImageError, KeyError, TypeError, cbor.CborError):
        return ["the file system holds no identity"]
    faults = [] if held == unit else [f"the file system is that of unit {held:08x}"]
    if runs_code:
        ours = {"main.py": MAIN}
        code = {name: text for name, text in files.items() if name.endswith(CODE)}
        faults += [f"{name} in the file system is not what was written" for name in sorted(ours.keys() | code.keys())
                   if code.get(name) != ours.get(name)]  # fmt: skip
    return faults
