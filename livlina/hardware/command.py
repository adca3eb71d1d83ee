"""``livlina hardware``: the boards, what they are made of, whether they can work, and the files made from them."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

hardware_app = typer.Typer(no_args_is_help=True, help="Boards as data: pins, parts, supply, checks.")
Json = Annotated[bool, typer.Option("--json", help="Exactly one JSON document on standard output.")]
Name = Annotated[str | None, typer.Argument(help="A board; without it all.")]


def _root() -> Path:
    from livlina import cli
    from livlina.checkout import enter_checkout

    with cli.one_sentence():
        return enter_checkout()


def _say(document: dict[str, Any], lines: list[str], as_json: bool) -> None:
    typer.echo(json.dumps(document, indent=2, ensure_ascii=False) if as_json else "\n".join(lines))


@hardware_app.command("list")
def hardware_list(as_json: Json = False) -> None:
    """The boards that there are, and whether anybody has built or measured them."""
    root = _root()
    from livlina import cli
    from livlina.hardware.board import HardwareError, names, read

    rows = []
    with cli.one_sentence(HardwareError):
        for name in names(root):
            board = read(root, name)
            about = board.data["board"]
            modem = board.data.get("modem", {}).get("name")
            rows.append({"board": name, **about, "modem": modem, "module": board.data["chip"]["module"]})
    lines = [
        f"{row['board']:<22}  {row['revision']}  {row['modem'] or 'no modem':<12}  {', '.join(row['profiles'])}; "
        f"{'built' if row['built'] else 'never built'}, {'measured' if row['measured'] else 'never measured'}"
        for row in rows
    ]
    _say({"boards": rows}, lines, as_json)


@hardware_app.command("show")
def hardware_show(name: Annotated[str, typer.Argument(help="A board.")], as_json: Json = False) -> None:
    """One board: everything that is known of it, with its parts and its currents."""
    root = _root()
    from livlina import cli
    from livlina.hardware import page
    from livlina.hardware.board import HardwareError, read

    with cli.one_sentence(HardwareError):
        board = read(root, name)
    document = {
        "board": name,
        **{("about" if key == "board" else key): value for key, value in board.data.items()},
        "bom": [asdict(part) for part in board.bom],
        "power": [asdict(draw) for draw in board.power.values()],
    }
    lines = [f"{board.data['board']['title']}, revision {board.data['board']['revision']}", *page.state(board), ""]
    lines += [*page.pins(board), "", *page.supply(board), "", "Not known:", *page.unknown(board)]
    _say(document, lines, as_json)


@hardware_app.command("check")
def hardware_check(name: Name = None, as_json: Json = False) -> None:
    """Electrical sanity of one board or all. Exit 1 if there is a fault that the board does not explain."""
    root = _root()
    from livlina import cli
    from livlina.hardware.board import HardwareError, names, read
    from livlina.hardware.rules import RULES, check

    with cli.one_sentence(HardwareError):
        found = {one: check(read(root, one)) for one in ([name] if name else names(root))}
    faults = sum(one.accepted is None for findings in found.values() for one in findings)
    document = {
        "rules": list(RULES),
        "boards": {board: [asdict(one) for one in findings] for board, findings in found.items()},
        "faults": faults,
    }
    lines = []
    for board, findings in found.items():
        bad = sum(one.accepted is None for one in findings)
        lines.append(f"{board}: {bad} faults, {len(findings) - bad} known and accepted, {len(RULES)} rules")
        lines += [f"  {'known' if one.accepted else 'FAULT'}  {one.rule}: {one.message}" for one in findings]
    _say(document, lines, as_json)
    if faults or not found:
        raise typer.Exit(1)


@hardware_app.command("generate")
def hardware_generate(
    check: Annotated[bool, typer.Option("--check", help="Write nothing; exit 1 if a file is stale.")] = False,
    as_json: Json = False,
) -> None:
    """Make the firmware's pin maps, the drawings and the tables of the boards' pages from their data."""
    root = _root()
    from livlina import cli
    from livlina.hardware.board import HardwareError
    from livlina.hardware.made import stale, write

    with cli.one_sentence(HardwareError):
        names = stale(root) if check else write(root)
    said = [f"{'stale' if check else 'written'}: {name}" for name in names]
    _say({"stale" if check else "written": names}, said or ["everything is as the data say"], as_json)
    if check and names:
        raise typer.Exit(1)
