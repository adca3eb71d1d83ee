"""What a board must have shown of itself before it passes: judged from what its unit has told the fleet. Pure.

Each fault is a RunError of its own kind, whose words name the part and say what to do. Button, lamp, speaker and motor
are not judged here: the first is proven by a press that the alarm centre has, of the others a person says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from provisioning.plan import BoardKind
from provisioning.run import RunError

LEAST_BATTERY = 20
"""Per cent: a unit that leaves the workshop emptier may not live until it is put up."""


def cards_of(said: Mapping[str, Any]) -> list[str]:
    """The ICCIDs that a unit has told, by slot; a slot without a card is left out."""
    return [card for card in (said.get("iccid1"), said.get("iccid2")) if card]


def judged(unit: int, said: Mapping[str, Any], kind: BoardKind) -> dict[str, Any]:
    """What goes into the ledger of it. `said` is the fleet's row of the unit: battery, signal, imei, iccid1, iccid2.
    Raises RunError."""
    cards, number = cards_of(said), f"{unit:08x}"
    if kind.sims and not said.get("imei"):
        raise RunError(
            "unit {unit} has told no IMEI: look at the modem's plug and supply, and run again", "modem", unit=number
        )
    if len(cards) < kind.sims:
        missing = [str(slot) for slot in range(1, kind.sims + 1) if not said.get(f"iccid{slot}")]
        raise RunError(
            "unit {unit} has told {told} of {slots} SIM cards: look at the card in slot {missing}, and run again",
            "sims", unit=number, told=len(cards), slots=kind.sims, missing=" + ".join(missing),
        )  # fmt: skip
    if len(set(cards)) < len(cards):
        raise RunError(
            "unit {unit} tells the same card in both slots: its slots are wired to one holder", "sims", unit=number
        )
    battery = said.get("battery") or 0
    if kind.battery and not battery:
        raise RunError(
            "unit {unit} tells no battery, or a dead one: plug it in, or charge it, and run again", "battery",
            unit=number,
        )  # fmt: skip
    if kind.battery and battery < LEAST_BATTERY:
        raise RunError(
            "the battery of unit {unit} is at {battery} %: charge it to {least} % or more, and run again",
            "battery", unit=number, battery=battery, least=LEAST_BATTERY,
        )  # fmt: skip
    return {**{name: said[name] for name in ("battery", "signal", "imei") if name in said}, "iccids": cards}
