"""Quectel BG95 as an emulation: its boot lines, +QI sockets in buffer access mode, +QDSIM."""

from __future__ import annotations

from collections.abc import Callable

from sim.modem.commands import Answer, Commands, Prompt, Refusal, arguments
from sim.modem.device import ON
from sim.modem.path import TcpEndpoint, UdpEndpoint

_SOCKET_IN_USE, _OPEN_FAILED = 563, 566
_GNSS_RUNS, _GNSS_OFF, _NO_FIX = 504, 505, 516


class Bg95(Commands):
    boot_lines = ("RDY", "APP RDY")
    ready_lines = ("+QUSIM: 1", "+QIND: SMS DONE")
    asleep_line = "PSM POWER DOWN"
    revision = "BG95M3LAR02A03"
    iccid_shape = "padded"

    def path_lost(self) -> tuple[str, ...]:
        return ('+QIURC: "pdpdeact",1',)

    def do_qccid(self, rest: str) -> Answer:
        return Answer([f"+QCCID: {self.shown_iccid()}"])

    def do_qdsim(self, rest: str) -> Answer:
        if rest == "?":
            return Answer([f"+QDSIM: {self.slot}"])
        self.slot = int(rest)
        return Answer()

    def do_qpowd(self, rest: str) -> Answer:
        def down() -> None:
            self.say("POWERED DOWN")
            self.later(100, lambda: self._stop("off"))

        return Answer(then=down)

    def do_qcsq(self, rest: str) -> Answer:
        network = self.serving.network
        if network is None:
            return Answer(['+QCSQ: "NOSERVICE"'])
        return Answer([f'+QCSQ: "{network.radio}",{network.rsrp + 29},{network.rsrp},195,-10'])

    def do_qnwinfo(self, rest: str) -> Answer:
        network, operator = self.serving.network, self.serving.operator
        if network is None or operator is None:
            return Answer(["+QNWINFO: No Service"])
        return Answer([f'+QNWINFO: "{network.radio}","{operator.plmn}","LTE BAND {network.band}",{network.earfcn}'])

    def do_qeng(self, rest: str) -> Answer:
        network, operator = self.serving.network, self.serving.operator
        if network is None or operator is None:
            return Answer(['+QENG: "servingcell","SEARCH"'])
        return Answer([
            f'+QENG: "servingcell","NOCONN","{network.radio}","FDD",{operator.plmn[:3]},{operator.plmn[3:]},'
            f"{network.cell:X},330,{network.earfcn},{network.band},3,3,{network.tac:X},{network.rsrp},-10,-60,15,20"
        ])  # fmt: skip

    def do_qgps(self, rest: str) -> Answer:
        if rest == "?":
            return Answer([f"+QGPS: {int(self.gnss_since is not None)}"])
        if self.gnss_since is not None:
            raise Refusal(_GNSS_RUNS)
        self.gnss_since = self.clock.now()
        return Answer()

    def do_qgpsend(self, rest: str) -> Answer:
        if self.gnss_since is None:
            raise Refusal(_GNSS_OFF)
        self.gnss_since = None
        return Answer()

    def do_qgpsloc(self, rest: str) -> Answer:
        """A stale position is not shown by this modem: without a fix it refuses."""
        if self.gnss_since is None:
            raise Refusal(_GNSS_OFF)
        if self.gnss_sees() != "fresh":
            raise Refusal(_NO_FIX)
        gnss = self.scenario.gnss
        return Answer([
            f"+QGPSLOC: 222031.0,{gnss.latitude},{gnss.longitude},{gnss.dilution},20.0,3,000.00,0.0,0.0,211126,"
            f"{gnss.satellites:02d}"
        ])  # fmt: skip

    def do_qicsgp(self, rest: str) -> Answer:
        return Answer()

    def do_qiact(self, rest: str) -> Answer:
        if rest == "?":
            return Answer(['+QIACT: 1,1,1,"10.0.0.2"'] if self.pdp else [])
        self.bring_up()
        return Answer(ms=self.scenario.timing.pdp_ms)

    def do_qideact(self, rest: str) -> Answer:
        self.drop_path(quiet=True)
        return Answer()

    def do_qiopen(self, rest: str) -> Answer:
        _, number, kind, host, port = arguments(rest)[:5]
        self.need_path()
        mine = int(number)

        def done(code: int) -> None:
            if code:
                self.end_socket(mine)
            self.say(f"+QIOPEN: {mine},{_OPEN_FAILED if code else 0}")

        if mine in self.sockets:
            return Answer(then=lambda: self.say(f"+QIOPEN: {mine},{_SOCKET_IN_USE}"))
        common = (self.path, host, int(port), lambda: self._changed(mine), lambda: self._ended(mine))
        if kind == "TCP":
            self.sockets[mine] = TcpEndpoint(*common, done)
            return Answer()
        self.sockets[mine] = UdpEndpoint(*common)
        return Answer(then=lambda: self._soon(done))

    def _soon(self, done: Callable[[int], None]) -> None:
        self.later(self.scenario.timing.open_ms, lambda: done(0))

    def _changed(self, number: int) -> None:
        self.rest()
        if self.state == ON and number in self.sockets:
            self.say(f'+QIURC: "recv",{number}')

    def _ended(self, number: int) -> None:
        self.say(f'+QIURC: "closed",{number}')

    def do_qisend(self, rest: str) -> Prompt:
        number, length = (int(part) for part in arguments(rest)[:2])
        if number not in self.sockets:
            raise Refusal

        def take(data: bytes) -> Answer:
            if number not in self.sockets:
                raise Refusal
            self.sockets[number].send(data)
            return Answer(final="SEND OK", ms=self.scenario.timing.send_ms)

        return Prompt(length, take)

    def do_qird(self, rest: str) -> Answer:
        number, size = (int(part) for part in arguments(rest)[:2])
        if number not in self.sockets:
            raise Refusal
        data = self.sockets[number].take(size)
        if not data:
            return Answer(["+QIRD: 0"])
        return Answer([f"+QIRD: {len(data)}\r\n"], data=data)

    def do_qiclose(self, rest: str) -> Answer:
        self.end_socket(int(arguments(rest)[0]))
        return Answer()
