"""SIMCom SIM7080G. Two cards need a multiplexer on the board; GNSS and LTE cannot run together."""

from firmware.core import at_syntax
from firmware.core.at import Command
from firmware.core.at_syntax import AtError
from firmware.modem.dialect import (
    LONGEST_READ,
    RADIOS,
    UDP,
    Dialect,
    access_point_name,
    length_of,
    operator,
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


class Sim7080g(Dialect):
    """The header of +CARECV ends at a comma, and the data follows on the same line."""

    name = "sim7080g"
    heads = Dialect.heads + (
        "SMS Ready",
        "*PSUTTZ",
        "*PSNWID",
        "+CTZV",
        "DST",
        "+APP PDP",
        "+CADATAIND",
        "+CASTATE",
        "+CAOPEN",
        "+CPSMSTATUS",
        "NORMAL POWER DOWN",
        "UNDER-VOLTAGE WARNNING",  # spelt so by the modem (unconfirmed)
        "UNDER-VOLTAGE POWER DOWN",  # unconfirmed
    )
    boot = ("RDY",)
    key_on_ms = 1200
    gnss_takes_radio = True
    boot_ms = 30000
    settings = ("AT+CLTS=1", "AT+CBATCHK=1")
    iccid_head = "+CCID"
    timeouts = dict(Dialect.timeouts)
    timeouts.update({"pdp_up": 60000, "pdp_down": 60000, "open": 75000})

    def off_command(self) -> str:
        return "AT+CPOWD=1"

    def serving_cell(self) -> "Procedure":
        # radio, state, mcc-mnc, tac, cell, pcid, band, earfcn, dl, ul, rsrq, rsrp, rssi, sinr (order unconfirmed)
        reply = yield Command("AT+CPSI?", self.timeouts["short"], "+CPSI")
        values = reply.fields() if reply.ok and reply.lines else []
        if len(values) < 12 or values[0] not in RADIOS:
            return {}
        found: "dict[str, Any]" = {"radio": RADIOS[values[0]]}
        network = str(values[2]).split("-")
        area = str(values[3])
        for name, value in (
            ("operator", operator(network[0], network[-1]) if len(network) == 2 else None),
            ("area", int(area[2:], 16) if area[:2] == "0x" and at_syntax.is_hex(area[2:]) else None),
            ("cell", at_syntax.integer(values, 4, 0)),
            ("earfcn", at_syntax.integer(values, 7, 0, 1 << 18)),
            ("rsrp", at_syntax.integer(values, 11, -150, -1)),
        ):
            if value is not None:
                found[name] = value
        return found

    def pdp_active(self) -> "Procedure":
        reply = yield from need(Command("AT+CNACT?", self.timeouts["short"], "+CNACT"))
        return [0, 1] in [at_syntax.fields(line)[:2] for line in reply.lines]

    def pdp_up(self, access_point: str) -> "Procedure":
        text = "AT+CNCFG=0,1," + access_point_name(access_point)
        if (yield from self.pdp_active()):
            return
        yield from need(Command(text, self.timeouts["short"]))
        # The word that counts may come before or after OK.
        reply = yield from need(Command("AT+CNACT=0,1", self.timeouts["pdp_up"], "+APP PDP"))
        line = reply.lines[-1] if reply.lines else (yield Wait("+APP PDP", self.timeouts["pdp_up"]))
        if line is None or at_syntax.fields(line)[:2] != [0, "ACTIVE"]:
            raise AtError("pdp")

    def pdp_down(self) -> "Procedure":
        yield from need(Command("AT+CNACT=0,0", self.timeouts["pdp_down"]))

    def open(self, socket: int, kind: int, host: str, port: int) -> "Procedure":
        name, where = peer(host, port)
        mine = socket_number(socket)
        yield from need(Command("AT+CACID=" + mine, self.timeouts["short"]))
        yield Command("AT+CASSLCFG=" + mine + ",SSL,0", self.timeouts["short"])
        text = "AT+CAOPEN=" + mine + (',0,"UDP",' if kind == UDP else ',0,"TCP",') + name + "," + where
        reply = yield from need(Command(text, self.timeouts["open"], "+CAOPEN"))
        line = reply.lines[-1] if reply.lines else (yield Wait("+CAOPEN", self.timeouts["open"]))
        code = -1 if line is None else at_syntax.integer(at_syntax.fields(line), 1, 0, 255)
        if code != 0:
            raise AtError("open", code)

    def send(self, socket: int, data: bytes) -> "Procedure":
        text = "AT+CASEND=" + socket_number(socket) + "," + length_of(data)
        yield from need(Command(text, self.timeouts["send"], payload=bytes(data)))

    def receive(self, socket: int) -> "Procedure":
        # Whether datagrams that have come together are read together is unconfirmed.
        text = "AT+CARECV=" + socket_number(socket) + "," + str(LONGEST_READ)
        return received(Command(text, self.timeouts["receive"], "+CARECV", counted=(0, ",", LONGEST_READ)))

    def close(self, socket: int) -> "Procedure":
        yield Command("AT+CACLOSE=" + socket_number(socket), self.timeouts["close"])

    def gnss_start(self) -> "Procedure":
        yield from self.functionality(0)
        yield from need(Command("AT+CGNSPWR=1", self.timeouts["short"]))

    def gnss_stop(self) -> "Procedure":
        yield Command("AT+CGNSPWR=0", self.timeouts["short"])
        yield from self.functionality(1)

    def gnss_fix(self) -> "Procedure":
        # run, fix, utc, latitude, longitude, altitude, speed, course, mode, -, hdop, ..., satellites (unconfirmed).
        # A stale position may stand there with an empty fix flag.
        reply = yield Command("AT+CGNSINF", self.timeouts["short"], "+CGNSINF")
        raw = at_syntax.split(at_syntax.rest(reply.lines[-1])) if reply.ok and reply.lines else []
        if len(raw) < 15 or raw[0] != "1" or raw[1] != "1":
            return None
        latitude, longitude = scaled(raw[3], 7), scaled(raw[4], 7)
        if latitude is None or longitude is None or not at_syntax.is_digits(raw[14]):
            return None
        return {
            "latitude": latitude, "longitude": longitude, "satellites": int(raw[14]), "dilution": scaled(raw[10], 1),
        }  # fmt: skip

    def own_event(self, head: str, values: "list[Any]") -> "tuple[Any, ...] | None":
        if head == "+CADATAIND":
            return socket_event("data", values, 0)
        if head == "+CASTATE" and values[1:2] == [0]:
            return socket_event("closed", values, 0)
        if head == "+APP PDP":
            return ("pdp", values[1:2] == ["ACTIVE"])
        if head == "+CPSMSTATUS" and values[0] == "ENTER PSM":
            return ("asleep",)
        return ("supply", head) if head.startswith("UNDER-VOLTAGE") or head.startswith("NORMAL") else None
