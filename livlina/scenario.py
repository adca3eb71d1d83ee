"""``livlina scenario``: a day in the life as an acceptance test, with a verdict that people and programs can read."""

from __future__ import annotations

import asyncio
import re
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

SABOTAGES = "list"
"""The value of ``--sabotage`` that runs nothing and names what can be switched off."""

PIPE_WIDTH = 400


class Ended(RuntimeError):
    """A SIGTERM has ended the run; nothing of it is left, and there is no verdict."""


def read_numbers(given: Sequence[str]) -> dict[str, float]:
    """``NAME=VALUE`` as typed. Raises ValueError with a sentence."""
    numbers = {}
    for text in given:
        found = re.fullmatch(r"([a-z0-9_]+)=(-?[0-9]{1,12}(?:\.[0-9]{1,6})?)", text)
        if found is None:
            raise ValueError(f"--set {text}: write NAME=NUMBER, for example loss=0.2")
        numbers[found[1]] = float(found[2])
    return numbers


def run_scenario(
    name: str, units: int | None, seed: int, firmware: bool, sabotage: str | None, given: Sequence[str]
) -> dict[str, Any]:
    """Runs one scenario in a folder of its own, which is gone afterwards. The document that ``--json`` prints.

    Raises ScenarioError or ValueError for what was typed, and Ended when a SIGTERM has ended it.
    """
    from sim.scenarios.scenario import Options, ScenarioError, find

    scenario = find(name)
    if sabotage == SABOTAGES:
        return {"scenario": scenario.name, "sabotages": dict(scenario.sabotages)}
    if sabotage is not None and sabotage not in scenario.sabotages:
        raise ScenarioError(f"{sabotage} is no sabotage of {scenario.name}; there are: {', '.join(scenario.sabotages)}")
    if firmware and not scenario.firmware:
        raise ScenarioError(f"scenario {scenario.name} has no part for real firmware")
    numbers, fleet = scenario.settle(read_numbers(given)), scenario.fleet(units, firmware)
    console = Console(stderr=True, highlight=False)
    console.print(f"[bold]{scenario.name}[/bold] {scenario.title}, seed {seed}")
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="livlina-scenario-") as folder:
        options = Options(
            units=fleet, seed=seed, firmware=firmware, sabotage=sabotage,
            numbers=numbers, folder=Path(folder), say=lambda text: console.print(f"  {text}", style="dim"),
        )  # fmt: skip
        checks = asyncio.run(_run(scenario.run, options))
        if checks is None:
            raise Ended
    return {
        "scenario": scenario.name,
        "title": scenario.title,
        "seed": seed,
        "units": options.units,
        "firmware": firmware,
        "sabotage": sabotage,
        "numbers": numbers,
        "seconds": round(time.monotonic() - began, 1),
        # Without a check nothing was shown.
        "passed": bool(checks) and all(check.ok for check in checks),
        "checks": [{"name": c.name, "value": c.value, "limit": c.limit, "ok": c.ok} for c in checks],
    }


async def _run(run: Any, options: Any) -> Any:
    """The checks; None where a SIGTERM came. Like a Ctrl-C it lets everything that was started end first."""
    running = asyncio.ensure_future(run(options))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, running.cancel)
    try:
        await asyncio.wait([running])
    except asyncio.CancelledError:  # a Ctrl-C: asyncio.run says so after this
        running.cancel()
        await asyncio.wait([running])
        raise
    return None if running.cancelled() else running.result()


def print_verdict(document: dict[str, Any]) -> None:
    """The verdict for a person, on standard output."""
    # In a file or a pipe each check is one line, however long.
    console = Console(file=sys.stdout, highlight=False, width=None if sys.stdout.isatty() else PIPE_WIDTH)
    if "sabotages" in document:
        for name, text in document["sabotages"].items():
            console.print(f"{name}: {text}")
        return
    table = Table(box=None, pad_edge=False)
    for column in ("", "check", "measured", "limit"):
        table.add_column(column, justify="right" if column == "measured" else "left")
    for check in document["checks"]:
        value = "-" if check["value"] is None else str(check["value"])
        table.add_row("PASS" if check["ok"] else "FAIL", check["name"], value, str(check["limit"]))
    console.print(table)
    console.print(f"{'PASSED' if document['passed'] else 'FAILED'} in {document['seconds']} s")


def scenario(
    name: Annotated[str, typer.Argument(help="Which, for example A5; `list` names them.")],
    units: Annotated[
        int | None, typer.Option(min=1, max=100000, help="How many units; default the scenario's.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Decides every choice that is left to chance.")] = 1,
    firmware: Annotated[bool, typer.Option(help="Real units take part, in MicroPython.")] = False,
    sabotage: Annotated[
        str | None, typer.Option(help="Switch a protection off, to see that it is missed; `list` names them.")
    ] = None,
    numbers: Annotated[
        list[str] | None, typer.Option("--set", help="NAME=NUMBER of the scenario's own numbers; may be repeated.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Exactly one JSON document on standard output.")] = False,
) -> None:
    """A day in the life as an acceptance test. Exit 0 only if every check held."""
    from livlina.checkout import enter_checkout
    from livlina.cli import one_sentence, show

    with one_sentence():
        enter_checkout()
    from sim.scenarios.scenario import find, names

    if name == SABOTAGES:
        show({one: find(one).title for one in names()}, as_json)
        return
    try:
        with one_sentence(ValueError):
            document = run_scenario(name, units, seed, firmware, sabotage, numbers or [])
    except Ended:
        raise SystemExit(128 + signal.SIGTERM) from None
    if as_json:
        show(document, as_json=True)
    else:
        print_verdict(document)
    if not document.get("passed", True):
        raise typer.Exit(1)
