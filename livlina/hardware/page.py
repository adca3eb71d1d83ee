"""What of a board's wiring.md is made from its data: blocks between `<!-- made: NAME -->` and `<!-- end of made -->`.

The rest of the page is written by hand and left alone. Pure.
"""

from __future__ import annotations

import re

from livlina import board_battery
from livlina.hardware.board import Board, HardwareError
from livlina.hardware.rules import check
from livlina.hardware.supply_rules import peaks

_BLOCK = re.compile(r"(<!-- made: ([a-z]+) -->\n).*?(<!-- end of made -->)", re.DOTALL)
HEARTBEATS_S = (300, 3600, 14_400)


def state(board: Board) -> list[str]:
    """The first thing to know of a board: whether anybody ever built or measured it."""
    about = board.data["board"]
    if about["built"] and about["measured"]:
        return ["This board has been built and measured."]
    by_us = {"bought": "Nobody of this project has ever had this board in hand", "lab": "Never wired up by us"}
    first = by_us.get(about["kind"], "Never built") if not about["built"] else "Built"
    return [f"**{first}, and nothing on it was ever measured.** What is written here comes from the sources below."]


def pins(board: Board) -> list[str]:
    """A table of the pins."""
    made = ["| GPIO | name | way | leads to | level | besides | source |", "|---|---|---|---|---|---|---|"]
    for pin in sorted(board.pins, key=lambda one: (one["gpio"], one["role"])):
        more = [f"yes is {pin['active']}"] if "active" in pin else []
        more += [f"through {pin['shifter']}"] if "shifter" in pin else []
        more += [f"{pin['multiply']}:{pin['divide']} divider"] if "multiply" in pin and "divide" in pin else []
        more += ["wired by hand"] if pin.get("by_hand") else []
        made.append(
            f"| {pin['gpio']} | {pin['role']} | {pin['direction']} | {pin['to']} | {pin['level_mv'] / 1000:g} V | "
            f"{', '.join(more)} | {pin['source']} |"
        )
    return made


def supply(board: Board) -> list[str]:
    """A table of the rails, with what they must give at worst."""
    made = ["| rail | from | V | gives | wanted at worst | capacitors | source |", "|---|---|---|---|---|---|---|"]
    for rail in board.data["rail"]:
        volts = f"{rail['min_mv'] / 1000:g} to {rail['max_mv'] / 1000:g}"
        made.append(
            f"| {rail['name']} | {rail.get('from', '')} | {volts} | {rail['limit_ma']} mA | "
            f"{peaks(board, rail['name'])} mA | {rail['capacitance_uf']} uF | {rail['source']} |"
        )
    return made


def findings(board: Board) -> list[str]:
    """What the checks say that is known and accepted."""
    found = [one for one in check(board) if one.accepted is not None]
    if not found:
        return ["None."]
    return [f"- `{one.rule}` {one.subject}: {one.message}. Accepted: {one.accepted}" for one in found]


def tests(board: Board) -> list[str]:
    """The factory's test, step by step."""
    return [f"{number}. {one['do']}{_point(one)}: {one['expect']}" for number, one in enumerate(board.data["test"], 1)]


def _point(one: dict[str, str]) -> str:
    return f" at {one['point']}" if "point" in one else ""


def unknown(board: Board) -> list[str]:
    """What nobody knows of the board."""
    return [f"- {text}" for text in board.data["unknown"]]


def sources(board: Board) -> list[str]:
    """Where the figures come from."""
    return [
        f"- `{one['id']}`: {one['text']}{'' if one['confirmed'] else ' **Unconfirmed.**'}"
        for one in board.data["source"]
    ]


def days(board: Board) -> list[str]:
    """Days of battery with the board's own power.csv, by profile and heartbeat."""
    if "battery" not in board.data:
        return ["It has no battery of its own."]
    made = ["| profile | " + " | ".join(f"{one // 60} min" for one in HEARTBEATS_S) + " |"]
    made.append("|---|" + "---|" * len(HEARTBEATS_S))
    for profile in board.data["board"]["profiles"]:
        cells = [f"{board_battery.days(board, profile, one)['days']:g}" for one in HEARTBEATS_S]
        made.append(f"| {profile} | {' | '.join(cells)} |")
    return made


BLOCKS = {
    "state": state,
    "pins": pins,
    "supply": supply,
    "findings": findings,
    "tests": tests,
    "unknown": unknown,
    "sources": sources,
    "days": days,
}


def fill(board: Board, text: str) -> str:
    """The page with its blocks as the data say. Raises HardwareError for a block that nobody makes, or one missing."""
    asked = [block[1] for block in _BLOCK.findall(text)]
    if sorted(asked) != sorted(BLOCKS):
        raise HardwareError(f"hardware/{board.name}/wiring.md must have each block once: {', '.join(BLOCKS)}")
    return _BLOCK.sub(lambda block: block[1] + "\n".join(BLOCKS[block[2]](board)) + "\n" + block[3], text)
