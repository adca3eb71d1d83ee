"""``livlina cost``: what units cost, by battery and by contract."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

cost_app = typer.Typer(no_args_is_help=True, help="What units cost to run.")


@cost_app.command("battery")
def cost_battery(
    profile: Annotated[str | None, typer.Option(help="One profile; without it all.")] = None,
    heartbeat: Annotated[int | None, typer.Option(help="One interval in seconds; without it 1 min to 1 d.")] = None,
    celsius: Annotated[int, typer.Option(help="How cold or warm the battery is.")] = 20,
    board: Annotated[str | None, typer.Option(help="With this board's own battery and currents (hardware/).")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Exactly one JSON document on standard output.")] = False,
) -> None:
    """Days of battery beside the heartbeat interval, and where the figures come from."""
    from livlina import cli
    from livlina.checkout import enter_checkout

    with cli.one_sentence():
        root = enter_checkout()
    from livlina import battery

    with cli.one_sentence(battery.BatteryError):
        if heartbeat is not None and heartbeat < 1:
            raise battery.BatteryError(f"--heartbeat {heartbeat} is no interval: give seconds, at least 1")
        document = battery.report(profile, heartbeat, celsius) if board is None else battery.of_board(
            root, board, profile, heartbeat, celsius
        )  # fmt: skip
    if as_json:
        cli.show(document, True)
        return
    typer.echo("\n".join(_page(document)))


def _remark(row: dict[str, Any]) -> str:
    if row["mains"]:
        return "bridges a loss of mains"
    if not row["sleeps"]:
        return "reachable at any time"
    barren = row["days_without_coverage"]
    return "modem sleeps" if barren is None else f"modem sleeps; without any coverage {barren:g} days"


def _page(document: dict[str, Any]) -> list[str]:
    """For a person: one line a row, aligned, then the sources."""
    head = ("profile", "heartbeat s", "silence noticed s", "days", "mWh a heartbeat", "mWh a press", "")
    rows = [
        (
            row["profile"],
            str(row["heartbeat_s"]),
            str(row["detected_after_s"]),
            f"{row['days']:g}",
            f"{row['mwh_a_heartbeat']:g}",
            f"{row['mwh_a_press']:g}",
            _remark(row),
        )
        for row in document["rows"]
    ]
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
    made = [f"Computed for {document['celsius']} °C from a full battery; nothing was measured on a unit of ours.", ""]
    for row in (head, *rows):
        # Names to the left, figures to the right.
        cells = [
            row[0].ljust(widths[0]),
            *(cell.rjust(width) for cell, width in zip(row[1:-1], widths[1:], strict=False)),
        ]
        made.append("  ".join([*cells, row[-1]]).rstrip())
    made += ["", "Sources:"]
    return made + [
        f"  {row['part']}: {row['figure']} ({row['source'].replace('**', '')})" for row in document["sources"]
    ]


@cost_app.command("compare")
def cost_compare(
    file: Annotated[Path | None, typer.Option(help="Figures of your own by name, TOML or JSON.")] = None,
    wanted: Annotated[list[str] | None, typer.Option("--set", help="NAME=VALUE; may be repeated.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Exactly one JSON document on standard output.")] = False,
) -> None:
    """Buying units or leasing them: what either costs year by year, and when buying has paid back."""
    from fleet.connectivity.cost_compare import (
        SOURCE,
        CostError,
        Figures,
        compare,
        lines,
        read_figures,
        read_file,
        read_words,
    )
    from livlina import cli

    with cli.one_sentence(CostError):
        figures = Figures() if file is None else read_figures(read_file(file))
        figures = read_figures(read_words(wanted or []), figures)
    document = compare(figures)
    if as_json:
        cli.show(document, True)
        return
    typer.echo("\n".join(lines(document, SOURCE if figures == Figures() else "your own, the rest " + SOURCE)))
