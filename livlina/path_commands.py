"""``livlina fleet what-if`` and ``livlina fleet path-drill``: who survives a failure, and whether that is so."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer

from fleet.connectivity.model import FailureKind

Json = Annotated[bool, typer.Option("--json", help="Exactly one JSON document on standard output.")]
Down = Annotated[str, typer.Argument(help="The word down.")]
Operator = Annotated[str, typer.Option(help="MCC and MNC, for example 24001, or a name, for example Telia.")]
Issuer = Annotated[str, typer.Option(help="Whoever has issued the SIM cards.")]
Network = Annotated[str, typer.Option(help="A radio network, which several operators may share.")]
Municipality = Annotated[int | None, typer.Option(min=1, max=2**31 - 1, help="Of this one only.")]
DAYS = 2


def register(fleet_app: typer.Typer) -> None:
    """Adds the commands."""
    fleet_app.command("what-if")(what_if)
    fleet_app.command("path-drill")(path_drill)
    fleet_app.command("path-drill-result")(path_drill_result)


def what_if(
    down: Down,
    operator: Operator = "",
    issuer: Issuer = "",
    network: Network = "",
    municipality: Municipality = None,
    within_hours: Annotated[int, typer.Option(min=1, max=24 * 366, help="How lately a path must be proven.")] = 25,
    as_json: Json = False,
) -> None:
    """Say how many and which units would survive the loss of an operator, an issuer or a radio network tonight."""
    from fleet.connectivity import what_if as work
    from livlina.cli import one_sentence, settings_or_fail, show

    kind, text = _named(down, operator, issuer, network)

    async def judge(connection: Any) -> dict[str, Any]:
        at = datetime.now(UTC)
        failure = await work.failure_of(connection, kind, text)
        judged = await work.what_if(
            connection, failure, at, municipality=municipality, fresh=timedelta(hours=within_hours)
        )
        return work.document(failure, judged, at)

    from livlina.registry_connection import in_registry

    with one_sentence(work.WhatIfError):
        found = in_registry(settings_or_fail(), judge)
    if as_json:
        show(found, True)
    else:
        typer.echo("\n".join(table(found)))


def path_drill(
    down: Down,
    operator: Operator = "",
    issuer: Issuer = "",
    network: Network = "",
    municipality: Municipality = None,
    share: Annotated[float, typer.Option(min=0.0001, max=1, help="Of the units that are said to survive.")] = 0.01,
    seed: Annotated[int, typer.Option(help="Which of them.")] = 1,
    hours: Annotated[int, typer.Option(min=1, max=24 * DAYS, help="How long their answer is waited for.")] = 2,
    as_json: Json = False,
) -> None:
    """Order a sample of the survivors to the SIM that they are said to survive on."""
    from fleet.connectivity import what_if as work
    from fleet.ingest.sim_orders import order_sim
    from livlina.cli import one_sentence, settings_or_fail, show
    from livlina.registry_connection import console_actor, in_registry

    kind, text = _named(down, operator, issuer, network)

    async def begin(connection: Any) -> dict[str, Any]:
        at = datetime.now(UTC)
        failure = await work.failure_of(connection, kind, text)
        judged = await work.what_if(connection, failure, at, municipality=municipality)
        return await work.begin_drill(
            connection, order_sim, failure, judged, share=share, seed=seed, actor=console_actor(), at=at,
            lasts=timedelta(hours=hours),
        )  # fmt: skip

    with one_sentence(work.WhatIfError):
        show(in_registry(settings_or_fail(), begin), as_json)


def path_drill_result(drill: Annotated[int, typer.Argument(min=1)], as_json: Json = False) -> None:
    """Compare what was predicted with what came. Ends with 1 while the prediction is not shown to hold."""
    from fleet.connectivity import what_if as work
    from livlina.cli import one_sentence, settings_or_fail, show
    from livlina.registry_connection import in_registry

    with one_sentence(LookupError):
        found = in_registry(settings_or_fail(), lambda c: work.drill_result(c, drill, datetime.now(UTC)))
    show(found, as_json)
    if not found["holds"]:
        raise typer.Exit(1)


def table(found: dict[str, Any]) -> list[str]:
    """Counts, then a line for each unit that is lost, doubtful or unknown."""
    counts = found["counts"]
    lines = [f"{found['failure']['kind']} {found['failure']['value']} down: {counts['units']} units"]
    lines += [f"  {fate:<10} {number:>7}" for fate, number in counts.items() if fate != "units"]
    for one in found["units"]:
        if one["fate"] == "survives":
            continue
        left = one["left"]
        other = "" if left is None else f"  seen on {_way(left)} at {left['seen_at'][:16]}, never proven lately"
        lines.append(f"{one['unit']}  {one['fate']:<10}{'' if one['now'] is None else _way(one['now'])}{other}")
    return lines


def _way(path: dict[str, Any]) -> str:
    slot = f"SIM {path['slot']}" if path["slot"] else "no SIM"
    return " ".join(str(part) for part in (slot, path["operator"] or "", path["radio"]) if part)


def _named(down: str, operator: str, issuer: str, network: str) -> tuple[FailureKind, str]:
    given: list[tuple[FailureKind, str]] = [("operator", operator), ("issuer", issuer), ("network", network)]
    named = [one for one in given if one[1]]
    if down != "down" or len(named) != 1:
        raise typer.BadParameter("write one of --operator X down, --issuer X down, --network X down")
    return named[0]
