"""Units of a fleet with an emulated modem each: the pseudo-terminals, and the wires from the boards to them.

    modems = CellularUnits({2: load("calm")})
    modems.open()
    fleet.on_levels = modems.levels
    await fleet.start(folders, env=modems.environment)

Real time, on asyncio's loop; the modems live in this process. The configuration of such a unit says so (`configured`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from sim.modem.clock import RealClock
from sim.modem.radio import Radio
from sim.modem.rig import Rig
from sim.modem.scenario import Scenario

ACCESS_POINT = "livlina.test"


def configured(scenario: Scenario) -> tuple[str, str, int]:
    """This modem as a unit's configuration has it (provisioning.identity.Extras)."""
    return scenario.dialect, ACCESS_POINT, min(2, len(scenario.cards))


class CellularUnits:
    """`scenarios` by unit. `radio`: one for all, so that a network that goes down is down for every unit; None gives
    each its own. Attributes: `rigs` and `environment` by unit, once open."""

    def __init__(self, scenarios: Mapping[int, Scenario], radio: Radio | None = None) -> None:
        self.scenarios = dict(scenarios)
        self.rigs: dict[int, Rig] = {}
        self._radio = radio

    @property
    def environment(self) -> dict[int, dict[str, str]]:
        """What each unit is started with."""
        return {unit: rig.environment for unit, rig in self.rigs.items()}

    def open(self) -> None:
        """Make the lines and the modems. Call it inside a running loop."""
        loop = asyncio.get_running_loop()
        for unit, scenario in self.scenarios.items():
            rig = self.rigs[unit] = Rig(scenario, RealClock(), self._radio)
            rig.open(loop)

    def levels(self, unit: int, levels: int) -> None:
        """A board's outputs have these levels; 0 when it has lost its power."""
        rig = self.rigs.get(unit)
        if rig is None:
            return
        if not levels:
            rig.flush()
        rig.set_levels(levels)

    def close(self) -> None:
        """Give everything back. May be called more than once."""
        for rig in self.rigs.values():
            rig.close()
        self.rigs = {}
