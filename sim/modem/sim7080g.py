"""SIMCom SIM7080G as an emulation: much boot noise, +CA sockets, data on the header's own line."""

from __future__ import annotations

from sim.modem.commands import Answer, Commands, Prompt, Refusal, arguments
from sim.modem.device import ON
from sim.modem.path import TcpEndpoint, UdpEndpoint

_CONNECT_FAILED, _NO_NETWORK = 27, 21


class Sim7080g(Commands):
    boot_lines = ("RDY",)
    ready_lines = ("SMS Ready", '*PSUTTZ: 2026,11,21,22,20,31,"+4",0', "DST: 0", "+CTZV: +4")
    asleep_line = '+CPSMSTATUS: "ENTER PSM"'
    revision = "Revision:1951B10SIM7080"

    def path_lost(self) -> tuple[str, ...]:
        return ("+APP PDP: 0,DEACTIVE",)

    def do_clts(self, rest: str) -> Answer:
        return Answer()

    def do_cbatchk(self, rest: str) -> Answer:
        return Answer()

    def do_ccid(self, rest: str) -> Answer:
        return Answer([self.need_card().iccid])

    def do_cpowd(self, rest: str) -> Answer:
        def down() -> None:
            self.say("NORMAL POWER DOWN")
            self.later(100, lambda: self._stop("off"))

        return Answer(then=down)

    def do_cpsi(self, rest: str) -> Answer:
        network, operator = self.serving.network, self.serving.operator
        if network is None or operator is None:
            return Answer(["+CPSI: NO SERVICE,Online"])
        return Answer([
            f"+CPSI: LTE CAT-M1,Online,{operator.plmn[:3]}-{operator.plmn[3:]},0x{network.tac:04X},{network.cell},330,"
            f"EUTRAN-BAND20,6300,3,3,-10,{network.rsrp},-60,15"
        ])  # fmt: skip

    def do_cncfg(self, rest: str) -> Answer:
        return Answer()

    def do_cnact(self, rest: str) -> Answer:
        if rest == "?":
            return Answer(['+CNACT: 0,1,"10.0.0.2"' if self.pdp else '+CNACT: 0,0,"0.0.0.0"'])
        if rest.endswith(",0"):
            self.drop_path(quiet=True)
            return Answer(then=lambda: self.say("+APP PDP: 0,DEACTIVE"))

        def done() -> None:
            self.pdp = self.registered()
            self.say(f"+APP PDP: 0,{'ACTIVE' if self.pdp else 'DEACTIVE'}")

        def begin() -> None:
            self.later(self.scenario.timing.pdp_ms, done)

        return Answer(then=begin)

    def do_cacid(self, rest: str) -> Answer:
        return Answer()

    def do_casslcfg(self, rest: str) -> Answer:
        return Answer()

    def do_caopen(self, rest: str) -> Answer:
        number, _, kind, host, port = arguments(rest)[:5]
        mine = int(number)
        if not self.pdp:
            return Answer([f"+CAOPEN: {mine},{_NO_NETWORK}"])
        if mine in self.sockets:
            raise Refusal
        common = (self.path, host, int(port), lambda: self._changed(mine), lambda: self._ended(mine))
        if kind == "TCP":

            def done(code: int) -> None:
                if code:
                    self.end_socket(mine)
                self.say(f"+CAOPEN: {mine},{_CONNECT_FAILED if code else 0}")

            self.sockets[mine] = TcpEndpoint(*common, done)
            return Answer()
        self.sockets[mine] = UdpEndpoint(*common)
        return Answer([f"+CAOPEN: {mine},0"], ms=self.scenario.timing.open_ms)

    def _changed(self, number: int) -> None:
        self.rest()
        if self.state == ON and number in self.sockets:
            self.say(f"+CADATAIND: {number}")

    def _ended(self, number: int) -> None:
        self.say(f"+CASTATE: {number},0")

    def do_casend(self, rest: str) -> Prompt:
        number, length = (int(part) for part in arguments(rest)[:2])
        if number not in self.sockets:
            raise Refusal(3)

        def take(data: bytes) -> Answer:
            if number not in self.sockets:
                raise Refusal(3)
            self.sockets[number].send(data)
            return Answer(ms=self.scenario.timing.send_ms)

        return Prompt(length, take)

    def do_carecv(self, rest: str) -> Answer:
        number, size = (int(part) for part in arguments(rest)[:2])
        if number not in self.sockets:
            raise Refusal(3)
        data = self.sockets[number].take(size)
        return Answer([f"+CARECV: {len(data)},"], data=data) if data else Answer(["+CARECV: 0"])

    def do_caclose(self, rest: str) -> Answer:
        self.end_socket(int(arguments(rest)[0]))
        return Answer()
