"""Quectel BG95, BG77, BG600L."""

from firmware.core import at, at_syntax
from firmware.core.at import Command
from firmware.core.at_syntax import AtError, number
from firmware.modem.dialect import (
    LONGEST_READ,
    RADIOS,
    UDP,
    Dialect,
    access_point_name,
    length_of,
    peer,
    received,
    scaled,
    socket_event,
    socket_number,
)
from firmware.modem.steps import Wait, need

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from firmware.modem.steps import Procedure

_SENT = (("SEND OK", at.OK), ("SEND FAIL", at.ERROR))
_IN_USE = 563
"""+QIOPEN: socket identity used (unconfirmed)."""
_NO_FIX = 516
"""+CME ERROR of +QGPSLOC without a fix (unconfirmed)."""


class Bg95(Dialect):
    """Sockets in buffer access mode: +QIURC "recv" comes once, and not again before the buffer has been emptied."""

    name = "bg95"
    heads = Dialect.heads + (
        "APP RDY",
        "+QIND",
        "+QIURC",
        "+QIOPEN",
        "+QUSIM",
        "NORMAL POWER DOWN",
        "POWERED DOWN",
        "PSM POWER DOWN",  # unconfirmed
    )
    boot = ("RDY",)
    iccid_command = "AT+QCCID"
    iccid_head = "+QCCID"
    key_on_ms = 700  # 500 to 1000 ms (unconfirmed)
    settings = ("AT+CTZU=1",)
    timeouts = dict(Dialect.timeouts)
    timeouts.update({"pdp_down": 40000})

    def off_command(self) -> str:
        return "AT+QPOWD=1"

    def select_sim(self, slot: int) -> "Procedure":
        """+QDSIM, seen on relatives of this modem, then a new start of card and radio."""
        yield from need(Command("AT+QDSIM=" + number(slot, 0, 1), self.timeouts["sim"]))
        yield from self.cycle()

    def sim_slot(self) -> "Procedure":
        # Whether the choice of a card survives a restart is unconfirmed: it is asked for.
        reply = yield Command("AT+QDSIM?", self.timeouts["short"], "+QDSIM")
        return at_syntax.integer(reply.fields(), 0, 0, 1) if reply.ok and reply.lines else None

    def signal(self) -> "Procedure":
        reply = yield Command("AT+QCSQ", self.timeouts["short"], "+QCSQ")
        found = {}
        values = reply.fields() if reply.ok and reply.lines else []
        for name, place, low in (("rssi", 1, -140), ("rsrp", 2, -150)):
            level = at_syntax.integer(values, place, low, -1)
            if level is not None:
                found[name] = level
        rsrq = at_syntax.integer(values, 4, -40, 0)
        if rsrq is not None:
            found["rsrq"] = 10 * rsrq
        return found

    def serving_cell(self) -> "Procedure":
        # Order of the fields unconfirmed: cell, state, radio, duplex, mcc, mnc, cell, pcid, earfcn, ..., tac, rsrp.
        reply = yield Command('AT+QENG="servingcell"', self.timeouts["short"], "+QENG")
        values = reply.fields() if reply.ok and reply.lines else []
        if len(values) < 14 or values[2] not in RADIOS:
            return {}
        found: "dict[str, Any]" = {"radio": RADIOS[values[2]]}
        mcc, mnc = at_syntax.integer(values, 4, 0, 999), at_syntax.integer(values, 5, 0, 999)
        if mcc is not None and mnc is not None:
            found["operator"] = mcc * 100 + mnc if mnc < 100 else mcc * 1000 + mnc
        for name, value in (
            ("cell", at_syntax.hexadecimal(values, 6)),
            ("earfcn", at_syntax.integer(values, 8, 0, 1 << 18)),
            ("area", at_syntax.hexadecimal(values, 12)),
            ("rsrp", at_syntax.integer(values, 13, -150, -1)),
        ):
            if value is not None:
                found[name] = value
        return found

    def pdp_active(self) -> "Procedure":
        reply = yield from need(Command("AT+QIACT?", self.timeouts["short"], "+QIACT"))
        return bool(reply.lines) and at_syntax.fields(reply.lines[0])[:2] == [1, 1]

    def pdp_up(self, access_point: str) -> "Procedure":
        text = "AT+QICSGP=1,1," + access_point_name(access_point) + ',"","",0'
        if (yield from self.pdp_active()):
            return
        yield from need(Command(text, self.timeouts["short"]))
        yield from need(Command("AT+QIACT=1", self.timeouts["pdp_up"]))

    def pdp_down(self) -> "Procedure":
        yield from need(Command("AT+QIDEACT=1", self.timeouts["pdp_down"]))

    def open(self, socket: int, kind: int, host: str, port: int) -> "Procedure":
        name, where = peer(host, port)
        mine = socket_number(socket)
        text = "AT+QIOPEN=1," + mine + (',"UDP",' if kind == UDP else ',"TCP",') + name + "," + where + ",0,0"
        code = yield from self._opened(text, mine)
        if code == _IN_USE:
            yield from self.close(socket)
            code = yield from self._opened(text, mine)
        if code != 0:
            raise AtError("open", code)

    def _opened(self, text: str, mine: str) -> "Procedure":
        yield from need(Command(text, self.timeouts["short"]))
        line = yield Wait("+QIOPEN", self.timeouts["open"], lambda line: at_syntax.rest(line).startswith(mine + ","))
        return -1 if line is None else at_syntax.integer(at_syntax.fields(line), 1, 0, 65535)

    def send(self, socket: int, data: bytes) -> "Procedure":
        text = "AT+QISEND=" + socket_number(socket) + "," + length_of(data)
        yield from need(Command(text, self.timeouts["send"], finals=_SENT, payload=bytes(data)))

    def receive(self, socket: int) -> "Procedure":
        text = "AT+QIRD=" + socket_number(socket) + "," + str(LONGEST_READ)
        return received(Command(text, self.timeouts["receive"], "+QIRD", counted=(0, "\n", LONGEST_READ)))

    def close(self, socket: int) -> "Procedure":
        yield Command("AT+QICLOSE=" + socket_number(socket), self.timeouts["close"])

    def gnss_start(self) -> "Procedure":
        yield from need(Command("AT+QGPS=1", self.timeouts["short"]))

    def gnss_stop(self) -> "Procedure":
        yield Command("AT+QGPSEND", self.timeouts["short"])

    def gnss_fix(self) -> "Procedure":
        # utc, latitude, longitude, hdop, altitude, fix, course, km/h, knots, date, satellites (unconfirmed)
        reply = yield Command("AT+QGPSLOC=2", self.timeouts["short"], "+QGPSLOC")
        if reply.code == _NO_FIX or not reply.ok:
            return None
        raw = at_syntax.split(at_syntax.rest(reply.lines[-1])) if reply.lines else []
        if len(raw) < 11 or raw[5] not in ("2", "3"):
            return None
        latitude, longitude = scaled(raw[1], 7), scaled(raw[2], 7)
        if latitude is None or longitude is None:
            return None
        satellites = int(raw[10]) if at_syntax.is_digits(raw[10]) else 0
        return {
            "latitude": latitude, "longitude": longitude, "satellites": satellites, "dilution": scaled(raw[3], 1),
        }  # fmt: skip

    def own_event(self, head: str, values: "list[Any]") -> "tuple[Any, ...] | None":
        if head == "+QIURC" and values[0] == "recv":
            return socket_event("data", values, 1)
        if head == "+QIURC" and values[0] == "closed":
            return socket_event("closed", values, 1)
        if head == "+QIURC" and values[0] == "pdpdeact":
            return ("pdp", False)
        if head in ("NORMAL POWER DOWN", "POWERED DOWN"):
            return ("supply", head)
        return ("asleep",) if head == "PSM POWER DOWN" else None
