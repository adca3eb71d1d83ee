"""A board's wiring as SVG: processor in the middle, what its pins lead to beside it, the supply as a tree below.

Pure and deterministic: the same board gives the same bytes. Readable in light and dark, and its title and description
say in words what is drawn.
"""

from __future__ import annotations

from typing import Any
from xml.sax.saxutils import escape

from livlina.hardware.board import Board

WIDTH = 1060
ROW = 36
HEAD = 84
_LEFT, _RIGHT = 430, 630
_WIRE = 40
RAIL = 30
_WAYS = {"in": "in", "out": "out", "both": "both ways", "analog": "voltage"}
_STYLE = (
    ".back{fill:#fff}.box{fill:#eef3f8;stroke:#1d3b57;stroke-width:1.5}.wire{stroke:#1d3b57;stroke-width:1.5;fill:none}"
    "text{font:13px sans-serif;fill:#14212e}.small{font-size:11px}.title{font-size:18px;font-weight:bold}"
    "@media(prefers-color-scheme:dark){.back{fill:#10161d}.box{fill:#1c2936;stroke:#9fc3e6}.wire{stroke:#9fc3e6}"
    "text{fill:#e8eef4}}"
)


def _text(x: int, y: int, text: str, kind: str = "", anchor: str = "start") -> str:
    name = f' class="{kind}"' if kind else ""
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}"{name}>{escape(text)}</text>'


def _pin(pin: dict[str, Any], y: int, left: bool) -> list[str]:
    """One pin: its number inside the processor, the wire with its name, and what it leads to."""
    edge, away = (_LEFT, -1) if left else (_RIGHT, 1)
    inside, outside = ("start", "end") if left else ("end", "start")
    x = edge + away * (_WIRE + 6)
    more = [f"{pin['level_mv'] / 1000:g} V", *([f"by {pin['shifter']}"] if "shifter" in pin else [])]
    more += ["wired by hand"] if pin.get("by_hand") else []
    return [
        f'<path class="wire" d="M{edge} {y}H{edge + away * _WIRE}"/>',
        _text(edge - away * 8, y + 4, f"GPIO{pin['gpio']}", "", inside),
        _text(x, y, f"{pin['role']} ({_WAYS[pin['direction']]}), {', '.join(more)}", "", outside),
        _text(x, y + 13, pin["to"], "small", outside),
    ]


def _tree(board: Board) -> list[tuple[int, dict[str, Any]]]:
    """Rails with their depth, those that feed before those that are fed."""
    made: list[tuple[int, dict[str, Any]]] = []

    def below(name: str | None, depth: int) -> None:
        for rail in board.data["rail"]:
            if rail.get("from") == name and rail not in [one for _, one in made]:
                made.append((depth, rail))
                below(rail["name"], depth + 1)

    below(None, 0)
    return made


def _rail(board: Board, rail: dict[str, Any]) -> str:
    volts = f"{rail['min_mv'] / 1000:g}" + (
        f" to {rail['max_mv'] / 1000:g}" if rail["max_mv"] != rail["min_mv"] else ""
    )
    text = f"{rail['name']}: {volts} V, {rail['limit_ma']} mA, {rail['capacitance_uf']} uF"
    loads = [f"{one['name']} {one['peak_ma']} mA" for one in board.data["load"] if one["rail"] == rail["name"]]
    modem = board.data.get("modem", {})
    if modem.get("rail") == rail["name"]:
        loads.insert(0, f"{modem['name']} {modem['peak_ma']} mA")
    if board.data.get("battery", {}).get("rail") == rail["name"]:
        loads.insert(0, f"battery {board.data['battery']['mah']} mAh")
    charger = board.data.get("charger", {})
    if charger.get("input_rail") == rail["name"]:
        loads.append(f"charger {charger['part']} {charger['charge_ma']} mA")
    return f"{text} ({', '.join(loads)})" if loads else text


def draw(board: Board) -> str:
    """The board as an SVG document, ending in a newline."""
    pins = sorted(board.pins, key=lambda one: (one["gpio"], one["role"]))
    half = -(-len(pins) // 2)
    foot = HEAD + half * ROW + 40
    rails = _tree(board)
    height = foot + 24 + len(rails) * RAIL + 20
    about = board.data["board"]
    built = "Never built." if not about["built"] else "Built." if about["measured"] else "Built, never measured."
    modem = board.data.get("modem", {}).get("name", "no modem")
    words = "; ".join(f"GPIO{pin['gpio']} {pin['role']} {pin['to']}" for pin in pins)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" aria-labelledby="t d">',
        f'<title id="t">{escape(about["title"])}, revision {about["revision"]}: wiring</title>',
        f'<desc id="d">{escape(words)}</desc>',
        f"<style>{_STYLE}</style>",
        f'<rect class="back" width="{WIDTH}" height="{height}"/>',
        _text(24, 30, f"{about['title']}, revision {about['revision']}", "title"),
        _text(24, 50, f"{built} {board.data['chip']['module']}, modem {modem}."),
        f'<rect class="box" x="{_LEFT}" y="{HEAD - 14}" width="{_RIGHT - _LEFT}" height="{half * ROW + 10}" rx="6"/>',
    ]
    for number, pin in enumerate(pins):
        parts += _pin(pin, HEAD + 10 + number % half * ROW, number < half)
    parts.append(_text(24, foot + 10, "Supply"))
    return "\n".join([*parts, *_supply(board, rails, foot + 24), "</svg>"]) + "\n"


def _supply(board: Board, rails: list[tuple[int, dict[str, Any]]], top: int) -> list[str]:
    """One bar a rail, below the one that feeds it and joined to it."""
    parts = []
    places = {rail["name"]: top + number * RAIL for number, (_, rail) in enumerate(rails)}
    for depth, rail in rails:
        x, y = 24 + depth * 40, places[rail["name"]]
        parts.append(f'<rect class="box" x="{x}" y="{y}" width="{WIDTH - 24 - x}" height="22" rx="4"/>')
        parts.append(_text(x + 8, y + 15, _rail(board, rail)))
        if "from" in rail:
            parts.append(f'<path class="wire" d="M{x - 24} {places[rail["from"]] + 22}V{y + 11}H{x}"/>')
    return parts
