"""Sequans GM02S (Monarch 2). It has a reset line and no power key; sockets are numbered from 1. Its receiver for
positions shares the radio: no network meanwhile."""

from firmware.core import at_syntax
from firmware.core.at import Command
from firmware.core.at_syntax import AtError
from firmware.modem.dialect import (
    LONGEST_READ,
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
from firmware.modem.steps import Wait, need, refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from firmware.modem.steps import Procedure

_FIRST = 1
_CONTEXT = "1"
_LTE_M = 4
_RESUME_MS = 5000
"""From the first byte to its first word out of PSM, at most (unconfirmed)."""
# SQNSCFG: packet size, exchange timeout (s, 0 for none), connection timeout (tenths), send delay (tenths).
_SOCKET = ",300,0,100,1"


class Gm02s(Dialect):
    """Sockets in command mode: +SQNSRING announces, +SQNSRECV reads."""

    name = "gm02s"
    heads = Dialect.heads + ("+SQNSRING", "+SQNSH", "+SHUTDOWN", "+LPGNSSFIXREADY")
    boot = ("+SYSSTART",)
    iccid_command = "AT+SQNCCID"
    iccid_head = "+SQNCCID"
    settings = ("AT+CTZU=1",)  # unconfirmed
    edrx_command = "AT+SQNEDRX"
    gnss_takes_radio = True
    line_wakes = True
    timeouts = dict(Dialect.timeouts)
    # Here the command itself waits for the connection (see _SOCKET), and nothing else is heard meanwhile.
    timeouts.update({"open": 15000})

    def __init__(self) -> None:
        self._fix: "dict[str, int] | None" = None

    def off_command(self) -> str:
        return "AT+SQNSSHDN"  # unconfirmed

    def wake(self) -> "Procedure":
        # The byte that asks whether it is awake wakes it.
        if not (yield from self.awake()):
            yield Wait(None, _RESUME_MS)

    def battery(self) -> "Procedure":
        """The board measures it: this modem has no +CBC (unconfirmed)."""
        return None
        yield

    def serving_cell(self) -> "Procedure":
        # Name Cc:240 Nc:01 RSRP:-87.00 ... TAC:58501 ... EARFCN:6300 (unconfirmed)
        reply = yield Command("AT+SQNMONI=7", self.timeouts["short"], "+SQNMONI")
        if not reply.ok or not reply.lines:
            return {}
        told = {}
        for word in at_syntax.rest(reply.lines[-1]).split(" "):
            parts = word.split(":")
            if len(parts) == 2:
                told[parts[0]] = parts[1]
        found = {"radio": _LTE_M, "operator": operator(told.get("Cc", ""), told.get("Nc", ""))}
        if found["operator"] is None:
            return {}
        for name, word, places in (("area", "TAC", 0), ("earfcn", "EARFCN", 0), ("rsrp", "RSRP", 0)):
            value = scaled(told.get(word), places)
            if value is not None:
                found[name] = value
        return found

    def pdp_active(self) -> "Procedure":
        reply = yield from need(Command("AT+CGACT?", self.timeouts["short"], "+CGACT"))
        return [1, 1] in [at_syntax.fields(line)[:2] for line in reply.lines]

    def pdp_up(self, access_point: str) -> "Procedure":
        text = "AT+CGDCONT=" + _CONTEXT + ',"IP",' + access_point_name(access_point)
        if (yield from self.pdp_active()):
            return
        yield from need(Command(text, self.timeouts["short"]))
        yield from need(Command("AT+CGATT=1", self.timeouts["cgatt"]))
        yield from need(Command("AT+CGACT=1," + _CONTEXT, self.timeouts["pdp_up"]))

    def pdp_down(self) -> "Procedure":
        yield from need(Command("AT+CGACT=0," + _CONTEXT, self.timeouts["pdp_down"]))

    def open(self, socket: int, kind: int, host: str, port: int) -> "Procedure":
        name, where = peer(host, port)
        mine = socket_number(socket, _FIRST)
        yield from need(Command("AT+SQNSCFG=" + mine + "," + _CONTEXT + _SOCKET, self.timeouts["short"]))
        # The announcement tells how much there is, and does not bring it (unconfirmed: 1).
        yield from need(Command("AT+SQNSCFGEXT=" + mine + ",1,0,0,0,0,0", self.timeouts["short"]))
        protocol = ",1," if kind == UDP else ",0,"
        text = "AT+SQNSD=" + mine + protocol + where + "," + name + ",0,0,1,0,0"
        reply = yield Command(text, self.timeouts["open"])
        if not reply.ok:
            raise AtError("open" if reply.result in ("cme", "error") else reply.result, reply.code)

    def send(self, socket: int, data: bytes) -> "Procedure":
        text = "AT+SQNSSENDEXT=" + socket_number(socket, _FIRST) + "," + length_of(data) + ",0"
        yield from need(Command(text, self.timeouts["send"], payload=bytes(data)))

    def receive(self, socket: int) -> "Procedure":
        text = "AT+SQNSRECV=" + socket_number(socket, _FIRST) + "," + str(LONGEST_READ)
        command = Command(text, self.timeouts["receive"], "+SQNSRECV", counted=(1, "\n", LONGEST_READ))
        try:
            data = yield from received(command)
        except AtError as error:
            # An empty buffer is an error here (unconfirmed); a socket that is gone was announced by +SQNSH.
            if refused(error):
                return b""
            raise
        return data

    def close(self, socket: int) -> "Procedure":
        yield Command("AT+SQNSH=" + socket_number(socket, _FIRST), self.timeouts["close"])

    def gnss_start(self) -> "Procedure":
        # One position, told by a URC as soon as there is one.
        self._fix = None
        yield from self.functionality(0)
        yield from need(Command('AT+LPGNSSFIXPROG="single"', self.timeouts["short"]))

    def gnss_stop(self) -> "Procedure":
        yield Command('AT+LPGNSSFIXPROG="stop"', self.timeouts["short"])
        yield from self.functionality(1)

    def gnss_fix(self) -> "Procedure":
        fix, self._fix = self._fix, None
        return fix
        yield

    def own_event(self, head: str, values: "list[Any]") -> "tuple[Any, ...] | None":
        if head == "+SQNSRING":
            return socket_event("data", values, 0, _FIRST)
        if head == "+LPGNSSFIXREADY":
            # number, time, seconds, confidence (m), latitude, longitude, elevation (unconfirmed)
            latitude, longitude = [scaled(values[place], 7) if len(values) > place else None for place in (4, 5)]
            if latitude is not None and longitude is not None:
                self._fix = {"latitude": latitude, "longitude": longitude}
            return None
        if head == "+SQNSH":
            return socket_event("closed", values, 0, _FIRST)
        if head == "+CGEV" and ("DEACT" in str(values[0]) or "DETACH" in str(values[0])):
            return ("pdp", False)
        return ("supply", head) if head == "+SHUTDOWN" else None
