"""Sequans GM02S as an emulation: no power key, +SQNS sockets numbered from 1, an empty buffer is an error."""

from __future__ import annotations

from sim.modem.commands import Answer, Commands, Prompt, Refusal, arguments
from sim.modem.device import ON
from sim.modem.path import TcpEndpoint, UdpEndpoint
from sim.modem.radio import Serving

_NOT_ALLOWED, _CONNECT_FAILED = 3, 4


class Gm02s(Commands):
    has_key = False
    boot_lines = ("+SYSSTART",)
    revision = "LR8.2.0.1-61488"
    iccid_shape = "quoted"

    def path_lost(self) -> tuple[str, ...]:
        return ("+CGEV: NW PDN DEACT 1",)

    def do_sqnccid(self, rest: str) -> Answer:
        return Answer([f'+SQNCCID: {self.shown_iccid()},""'])

    def do_sqnedrx(self, rest: str) -> Answer:
        return self.do_cedrxs(rest)

    def do_lpgnssfixprog(self, rest: str) -> Answer:
        """One position, told as soon as there is one. Radio and receiver share: there is no network meanwhile."""
        if rest.strip('"') == "stop":
            self.gnss_since = None
            return Answer(then=self.search)
        self.gnss_since = self.clock.now()
        self.drop_path(quiet=True)
        self.serve(Serving(0))
        self.later(self.scenario.gnss.first_ms, self._fixed)
        return Answer()

    def _fixed(self) -> None:
        gnss = self.scenario.gnss
        if self.gnss_since is not None and self.gnss_sees() == "fresh":
            self.gnss_since = None
            seconds = round(gnss.first_ms / 1000)
            self.say(
                f'+LPGNSSFIXREADY: 0,"2026-11-21T22:20:31.000000",{seconds},"42.0","{gnss.latitude}",'
                f'"{gnss.longitude}","20.0"'
            )
            self.search()

    def _may_transmit(self) -> bool:
        return self.gnss_since is None

    def do_sqnsshdn(self, rest: str) -> Answer:
        def down() -> None:
            self.say("+SHUTDOWN")
            self.later(100, lambda: self._stop("off"))

        return Answer(then=down)

    def do_sqnmoni(self, rest: str) -> Answer:
        network, operator = self.serving.network, self.serving.operator
        if network is None or operator is None:
            return Answer()
        return Answer([
            f"+SQNMONI: {operator.name} Cc:{operator.plmn[:3]} Nc:{operator.plmn[3:]} RSRP:{network.rsrp}.00 "
            f"CINR:5.00 TAC:{network.tac} Id:330 EARFCN:{network.earfcn}"
        ])  # fmt: skip

    def do_cgdcont(self, rest: str) -> Answer:
        return Answer()

    def do_cgatt(self, rest: str) -> Answer:
        if not self.registered():
            raise Refusal(30)
        return Answer()

    def do_cgact(self, rest: str) -> Answer:
        if rest == "?":
            return Answer([f"+CGACT: 1,{int(self.pdp)}"])
        if rest.startswith("0"):
            self.drop_path(quiet=True)
            return Answer()
        self.bring_up()
        return Answer(then=lambda: self.say("+CGEV: ME PDN ACT 1"), ms=self.scenario.timing.pdp_ms)

    def do_sqnscfg(self, rest: str) -> Answer:
        return Answer()

    def do_sqnscfgext(self, rest: str) -> Answer:
        return Answer()

    def do_sqnsd(self, rest: str) -> Answer:
        number, protocol, port, host = arguments(rest)[:4]
        self.need_path()
        mine = int(number)
        if mine in self.sockets:
            raise Refusal(_NOT_ALLOWED)
        common = (self.path, host, int(port), lambda: self._changed(mine), lambda: self._ended(mine))
        if protocol == "0":
            # The command itself waits for the connection: its result follows when that is there or has failed.
            self.sockets[mine] = TcpEndpoint(*common, lambda code: self._connected(mine, code))
            return Answer(final="")
        self.sockets[mine] = UdpEndpoint(*common)
        return Answer(ms=self.scenario.timing.open_ms)

    def _connected(self, number: int, code: int) -> None:
        if code:
            self.end_socket(number)
        self.say(f"+CME ERROR: {_CONNECT_FAILED}" if code else "OK")

    def _changed(self, number: int) -> None:
        self.rest()
        if self.state == ON and number in self.sockets:
            self.say(f"+SQNSRING: {number},{self.sockets[number].waiting()}")

    def _ended(self, number: int) -> None:
        self.say(f"+SQNSH: {number}")

    def do_sqnssendext(self, rest: str) -> Prompt:
        number, length = (int(part) for part in arguments(rest)[:2])
        if number not in self.sockets:
            raise Refusal(_NOT_ALLOWED)

        def take(data: bytes) -> Answer:
            if number not in self.sockets:
                raise Refusal(_NOT_ALLOWED)
            self.sockets[number].send(data)
            return Answer(ms=self.scenario.timing.send_ms)

        return Prompt(length, take)

    def do_sqnsrecv(self, rest: str) -> Answer:
        number, size = (int(part) for part in arguments(rest)[:2])
        if number not in self.sockets:
            raise Refusal(_NOT_ALLOWED)
        data = self.sockets[number].take(size)
        if not data:
            raise Refusal(_CONNECT_FAILED)
        return Answer([f"+SQNSRECV: {number},{len(data)}\r\n"], data=data)

    def do_sqnsh(self, rest: str) -> Answer:
        number = int(arguments(rest)[0])
        if number not in self.sockets:
            raise Refusal(_NOT_ALLOWED)
        self.end_socket(number)
        return Answer()
