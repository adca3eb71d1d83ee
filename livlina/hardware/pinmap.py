"""The firmware's pin map of a board: a small MicroPython module that goes onto the unit as `board.py`.

What it holds is what the firmware reads of `board` today: PINS, ADCS, MODEM_UART, MODEM_WIRES, BEARER. Nothing else
goes there, because every name takes heap on the unit. ETHERNET, which the firmware reads too, no board here has.
"""

from __future__ import annotations

from livlina.hardware.board import Board

READ = (
    "button", "led_red", "led_green", "led_blue", "vibration", "speaker", "modem_power", "modem_key", "modem_mux",
    "mains", "charging", "worn", "man_down", "duress", "cancel",
)  # fmt: skip
"""Names that the firmware looks for in PINS; the others are for those who build the board."""
CONVERTERS = ("battery", "supply")
BEARERS = {"wifi": 1, "ethernet": 2}
"""As protocols/wire/messages.py numbers them."""
BUFFER = 1536
"""Bytes of the UART's buffers: the longest datagram (1400) with its command fits (firmware/modem/dialect.py)."""
BAUD = 115200


def module_name(board: str) -> str:
    """The file's name in firmware/boards, without suffix."""
    return board.replace("-", "_")


def make(board: Board) -> str:
    """The module's text."""
    pins = {pin["role"]: pin["gpio"] for pin in board.pins}
    adcs = [pin for pin in board.pins if pin["role"] in CONVERTERS]
    revision = board.data["board"]["revision"]
    lines = [
        f'"""Generated from hardware/{board.name}/board.toml, revision {revision}: edit that, then',
        'run `livlina hardware generate`."""',
        "",
        "PINS = {",
        *(f'    "{name}": {pins[name]},' for name in READ if name in pins),
        "}",
    ]
    if adcs:
        lines += [
            "ADCS = {",
            *(
                f'    "{one["role"]}": ({one["gpio"]}, {one.get("multiply", 1)}, {one.get("divide", 1)}),'
                for one in adcs
            ),
            "}",
        ]
    else:
        lines.append("ADCS = {}")
    if "modem" in board.data:
        wires = [("baudrate", BAUD), ("tx", pins["modem_tx"]), ("rx", pins["modem_rx"])]
        wires += [("txbuf", BUFFER), ("rxbuf", BUFFER)]
        text = ", ".join(f'"{name}": {value}' for name, value in wires)
        lines += [f"MODEM_UART = {board.data['modem']['uart']}", f"MODEM_WIRES = {{{text}}}"]
    lines.append(f"BEARER = {BEARERS[board.data['board']['bearer']]}")
    return "\n".join(lines) + "\n"
