"""An order as a technician writes it: a TOML file, read strictly.

```toml
number = "2026-017"
quantity = 12
municipality = 1480
profile = "social"
production = false
heartbeat_s = 300
pipes = ["coap", "mqtt"]
coap = ["192.0.2.1:5683"]
mqtt = "192.0.2.1:8883"
mqtt_name = "fleet.example.org"
modem = "sim7080g"
access_point = "iot.example"
sms_number = "+46700000000"
wlan = "the building's"
wlan_password_file = "wlan.txt"
modem_first = false

[board]
name = "LilyGO T-SIM7080G-S3"
chip = "esp32s3"
flash_mib = 4
bootloader = 0x0
secure_boot = true
sims = 1
battery = true
speaker = true
vibration = true
```

In place of the table, `board = "reference-hub"` takes the board from hardware/, in a checkout; `modem` is then its own.
`modem` and `access_point` (then also `sims`), `battery`, `speaker`, `vibration`, `sms_number`, `coap`, `mqtt` and
`mqtt_name` may be left out. `wlan` is the Wi-Fi that the boards join, beside the modem or without one; its password is
the first line of a file of its own, beside the order, so that the order can be passed on; without one it is open.
`modem_first` has heartbeats go by the modem.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from livlina.checkout import NoCheckoutError, enter_checkout
from livlina.hardware.board import HardwareError, read
from livlina.provision_kind import kind_of
from livlina.registry_connection import host_and_port
from provisioning.plan import BoardKind, Order

_ORDER = {
    "number": str, "quantity": int, "municipality": int, "profile": str, "production": bool, "heartbeat_s": int,
    "pipes": list, "coap": list, "mqtt": str, "mqtt_name": str, "board": dict,
    "modem": str, "access_point": str, "sms_number": str, "wlan": str, "wlan_password_file": str, "modem_first": bool,
}  # fmt: skip
_BOARD = {
    "name": str,
    "chip": str,
    "flash_mib": int,
    "bootloader": int,
    "secure_boot": bool,
    "sims": int,
    "battery": bool,
    "speaker": bool,
    "vibration": bool,
}
_OPTIONAL = (
    "coap",
    "mqtt",
    "mqtt_name",
    "modem",
    "access_point",
    "sms_number",
    "wlan",
    "wlan_password_file",
    "modem_first",
    "sims",
    "battery",
    "speaker",
    "vibration",
)


class OrderError(ValueError):
    """The file is no order; the message names the line to change."""


def read_order(path: Path) -> tuple[Order, BoardKind]:
    """Read the file. Raises OrderError; whether the order can be made is `plan`'s to say."""
    try:
        words = tomllib.loads(path.read_text())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise OrderError(f"{path} is no TOML: {error}") from error
    named = words.get("board")
    if isinstance(named, str):
        words["board"] = {}
    _check(path, words, _ORDER)
    kind = _of_hardware(path, named, words) if isinstance(named, str) else _kind(path, words["board"])
    mqtt = None
    try:
        coap = tuple(host_and_port(str(text)) for text in words.get("coap", []))
        if "mqtt" in words:
            mqtt = (*host_and_port(words["mqtt"]), words.get("mqtt_name", ""))
    except ValueError as error:
        raise OrderError(f"{path}: {error}") from error
    order = Order(
        words["number"], words["quantity"], words["municipality"], words["profile"], words["production"],
        words["heartbeat_s"], tuple(str(pipe) for pipe in words["pipes"]), coap, mqtt,
        (words["modem"], words.get("access_point", "")) if "modem" in words else None, words.get("sms_number"),
        _own_network(path, words), words.get("modem_first", False),
    )  # fmt: skip
    return order, kind


def _own_network(path: Path, words: dict[str, Any]) -> tuple[str, str, str] | None:
    """The Wi-Fi that the boards join, with its password."""
    named = words.get("wlan_password_file")
    if "wlan" not in words:
        if named is not None:
            raise OrderError(f"{path}: wlan_password_file without wlan: name the Wi-Fi that it is for")
        return None
    if named is None:
        return "wlan", words["wlan"], ""
    try:
        lines = (path.parent / named).read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise OrderError(f"{path}: {named} cannot be read: {getattr(error, 'strerror', 'no text')}") from None
    if not lines or not lines[0]:
        raise OrderError(f"{path}: {named} holds no password in its first line")
    return "wlan", words["wlan"], lines[0]


def _kind(path: Path, board: dict[str, Any]) -> BoardKind:
    _check(path, board, _BOARD)
    return BoardKind(
        board["name"], board["chip"], board["flash_mib"] << 20, board["bootloader"], board["secure_boot"],
        board.get("sims", 0), board.get("battery", False), board.get("speaker", False), board.get("vibration", False),
    )  # fmt: skip


def _of_hardware(path: Path, name: str, words: dict[str, Any]) -> BoardKind:
    """The board of this name; its modem goes into the order's `words` where they name none."""
    try:
        board = read(enter_checkout(), name)
    except (HardwareError, NoCheckoutError) as error:
        raise OrderError(f"{path}: {error}") from error
    if words["profile"] not in board.data["board"]["profiles"]:
        made_for = ", ".join(board.data["board"]["profiles"])
        raise OrderError(f"{path}: {name} is made for {made_for}, not for {words['profile']}")
    if "modem" in board.data:
        words.setdefault("modem", board.data["modem"]["dialect"])
    return kind_of(board)


def _check(path: Path, words: dict[str, Any], known: dict[str, type]) -> None:
    for name in words:
        if name not in known:
            raise OrderError(f"{path}: {name} is not known; known are {', '.join(known)}")
    for name, kind in known.items():
        if name not in words:
            if name in _OPTIONAL:
                continue
            raise OrderError(f"{path}: {name} is missing")
        if type(words[name]) is not kind:
            raise OrderError(f"{path}: {name} is {words[name]!r}, and must be {kind.__name__}")
