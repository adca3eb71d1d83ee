"""SIMCom SIM7080G as an emulation: much boot noise, +CA sockets, data on the header's own line."""

from __future__ import annotations

from sim.modem.commands import Answer, Commands, Prompt, Refusal, arguments
from sim.modem.device import ON
from sim.modem.path import TcpEndpoint, UdpEndpoint
from sim.modem.radio import Serving

_CONNECT_FAILED, _NO_NETWORK = 27, 21
_RADIO = {"eMTC": "LTE CAT-M1", "NBIoT": "LTE NB-IOT", "GSM": "GSM"}


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
        shown = self.shown_iccid()
        # Quotes come with a head only.
        return Answer([f"+CCID: {shown}" if shown.startswith('"') else shown])

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
            f"+CPSI: {_RADIO[network.radio]},Online,{operator.plmn[:3]}-{operator.plmn[3:]},0x{network.tac:04X},"
            f"{network.cell},330,EUTRAN-BAND{network.band},{network.earfcn},3,3,-10,{network.rsrp},-60,15"
        ])  # fmt: skip

    def do_cgnspwr(self, rest: str) -> Answer:
        """One receiver for both: while it looks for satellites there is no network, and none is looked for."""
        if rest == "?":
            return Answer([f"+CGNSPWR: {int(self.gnss_since is not None)}"])
        on = rest == "1"
        self.gnss_since = self.clock.now() if on else None
        if on:
            self.drop_path(quiet=True)
            self.serve(Serving(0))
            return Answer()
        return Answer(then=self.search)

    def _may_transmit(self) -> bool:
        return self.gnss_since is None

    def do_cgnsinf(self, rest: str) -> Answer:
        gnss = self.scenario.gnss
        if self.gnss_since is None:
            return Answer(["+CGNSINF: 0,,,,,,,,,,,,,,"])
        sees = self.gnss_sees()
        if sees == "nothing":
            return Answer(["+CGNSINF: 1,0,,,,,,,,,,,,,0"])
        flag = "1" if sees == "fresh" else ""
        return Answer([
            f"+CGNSINF: 1,{flag},20261121222031.000,{gnss.latitude},{gnss.longitude},20.0,0.0,0.0,1,,{gnss.dilution},"
            f"1.5,0.9,,{gnss.satellites}"
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
