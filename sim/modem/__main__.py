"""A modem at the terminal: `python -m sim.modem SCENARIO [--on]`, until Ctrl-C.

Prints what leads a unit here, as a shell takes it before a command (`sim.by_hand`): the line, and the wires of the
board, which has the modem's supply and key. With `--on` it has power at once: then a terminal program can talk to it.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
import sys

from sim.modem.rig import PIN_KEY, PIN_POWER, Rig
from sim.modem.scenario import Scenario, ScenarioError, load


async def run(scenario: Scenario, on: bool) -> None:
    """Until somebody ends it."""
    ended = asyncio.Event()
    for one in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(one, ended.set)
    async with Rig(scenario) as rig:
        if on:
            # The supply, and the key pressed and let go.
            for levels in (1 << PIN_POWER, 1 << PIN_POWER | 1 << PIN_KEY, 1 << PIN_POWER):
                rig.set_levels(levels)
        told = " ".join(f"{name}={value}" for name, value in sorted(rig.environment.items()))
        with contextlib.suppress(BrokenPipeError):
            print(told, flush=True)  # noqa: T201 - what it is for
        await ended.wait()


def main() -> int:
    """0 at its end; 2 where the scenario is none."""
    parser = argparse.ArgumentParser(prog="python -m sim.modem", description=__doc__)
    parser.add_argument("scenario", help="a name of sim/modem/scenarios, or a file that ends in .toml")
    parser.add_argument("--on", action="store_true", help="it has power, whatever a board says")
    arguments = parser.parse_args()
    try:
        scenario = load(arguments.scenario)
    except ScenarioError as error:
        parser.error(str(error))
    asyncio.run(run(scenario, arguments.on))
    return 0


if __name__ == "__main__":
    sys.exit(main())
