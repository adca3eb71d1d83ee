"""The command line of a modem: echo, data mode, final results, and the commands of TS 27.007 and TS 27.005.

A handler is a method named after its command (`do_csq` for +CSQ) and gets what stands behind the name: "" (execute),
"?" (read) or the arguments. It gives an Answer, or raises Refusal.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from sim.modem.device import ON, Device
from sim.modem.scenario import Card

IMEI = "860123456789012"
LONGEST_LINE = 600
_NO_CARD, _NOT_FOUND, _NO_NETWORK = 10, 22, 30
_SMS_NOT_FOUND = 321


class Refusal(Exception):
    """The command ends with an error; a code is shown if +CMEE asks for codes."""

    def __init__(self, code: int | None = None, kind: str = "CME") -> None:
        super().__init__(code)
        self.code = code
        self.kind = kind


@dataclass
class Answer:
    """Lines, binary data behind them, the final result ("" if it comes later), what follows it, after how many ms."""

    lines: list[str] = field(default_factory=list)
    final: str = "OK"
    data: bytes = b""
    then: Callable[[], None] | None = None
    ms: float = 0


@dataclass
class Prompt:
    """Ask for data: `length` bytes, or up to Ctrl-Z."""

    length: int | None
    take: Callable[[bytes], Answer]


class Commands(Device):
    """Adds the unit's bytes: `receive`."""

    revision = "EMULATED"

    def receive(self, data: bytes) -> None:
        """Bytes of the unit. A modem that is off, starting, asleep or hung hears nothing."""
        if self.state != ON or self.hung:
            return
        self.rest()
        self._input += data
        self._work()

    def _reset_state(self) -> None:
        super()._reset_state()
        self._input = b""
        self._busy = False
        self._prompt: Prompt | None = None

    def _work(self) -> None:
        while self._input and not self._busy:
            if self._prompt is not None:
                if not self._take_data(self._prompt):
                    return
                continue
            end = self._input.find(b"\r")
            if end < 0:
                self._input = self._input[-LONGEST_LINE:]
                return
            line, self._input = self._input[:end], self._input[end + 1 :]
            if self.echo:
                self.out.put(line + b"\r")
            self._line(line.strip(b"\n\x1b ").decode("ascii", "replace"))

    def _take_data(self, prompt: Prompt) -> bool:
        if prompt.length is None:
            ends = [at for at in (self._input.find(b"\x1a"), self._input.find(b"\x1b")) if at >= 0]
            if not ends:
                return False
            end, skip = min(ends), 1
        elif self._input == b"\x1b" and prompt.length > 1:
            end, skip = 0, 1
        elif len(self._input) < prompt.length:
            return False
        else:
            end, skip = prompt.length, 0
        given_up = skip == 1 and self._input[end : end + 1] == b"\x1b"
        data, self._input = self._input[:end], self._input[end + skip :]
        self._prompt = None
        if self.echo and self.scenario.serial.echo_data:
            self.out.put(data)
        self._carry_out(Answer if given_up else lambda: prompt.take(data))
        return True

    def _line(self, line: str) -> None:
        if not line:
            return
        self.trigger(line)
        if self.state != ON or self.hung:
            return
        self._carry_out(lambda: self._handle(line))

    def _carry_out(self, handle: Callable[[], Answer | Prompt]) -> None:
        """Find the answer now and give it a little later; the next command waits."""
        try:
            answer = handle()
        except Refusal as refusal:
            answer = Answer(final=self._refused(refusal))
        self._busy = True
        ms = self.scenario.timing.command_ms + (answer.ms if isinstance(answer, Answer) else 0)
        self.later(ms, lambda: self._give(answer))

    def _give(self, answer: Answer | Prompt) -> None:
        self._busy = False
        self._interrupt()
        if isinstance(answer, Prompt):
            self._prompt = answer
            self.out.put(b"\r\n> ")
        else:
            for line in answer.lines:
                self.out.put(f"\r\n{line}".encode() if answer.data else f"\r\n{line}\r\n".encode())
                if not answer.data:
                    self._interrupt()
            if answer.data:
                self.out.put(answer.data + b"\r\n")
            if answer.final:
                self.out.put(f"\r\n{answer.final}\r\n".encode())
            if answer.then is not None:
                answer.then()
        self._work()

    def _interrupt(self) -> None:
        interrupts = self.scenario.interrupts
        if interrupts.lines and self.rng.random() < interrupts.probability:
            self.say(self.rng.choice(interrupts.lines))

    def _refused(self, refusal: Refusal) -> str:
        if refusal.kind == "CMS":
            return f"+CMS ERROR: {refusal.code}"
        return f"+CME ERROR: {refusal.code}" if self.cmee and refusal.code is not None else "ERROR"

    def _handle(self, line: str) -> Answer | Prompt:
        if line in ("AT", "ATE0", "ATE1"):
            if line != "AT":
                self.echo = line == "ATE1"
            return Answer()
        if not line.startswith("AT+"):
            raise Refusal
        name, _, rest = line[3:].partition("=")
        if name.endswith("?"):
            name, rest = name[:-1], "?"
        handler = getattr(self, "do_" + name.lower(), None)
        if handler is None:
            raise Refusal
        answer: Answer | Prompt = handler(rest)
        return answer

    # TS 27.007

    def do_cmee(self, rest: str) -> Answer:
        if rest == "?":
            return Answer([f"+CMEE: {self.cmee}"])
        self.cmee = int(rest)
        return Answer()

    def do_cereg(self, rest: str) -> Answer:
        if rest == "?":
            return Answer([f"+CEREG: {self.report},{self.registration()}"])
        self.report = int(rest)
        return Answer()

    def do_cfun(self, rest: str) -> Answer:
        if rest == "?":
            return Answer([f"+CFUN: {int(self.radio_on)}"])
        on = rest[:1] == "1"
        timing = self.scenario.timing
        return Answer(then=lambda: self.switch_radio(on), ms=timing.cfun_on_ms if on else timing.cfun_off_ms)

    def do_cgsn(self, rest: str) -> Answer:
        return Answer([IMEI])

    def do_cimi(self, rest: str) -> Answer:
        return Answer([self.need_card().imsi])

    def do_cgmr(self, rest: str) -> Answer:
        return Answer([self.revision])

    def do_csq(self, rest: str) -> Answer:
        network = self.serving.network
        return Answer([f"+CSQ: {min(31, max(0, (network.rsrp + 140) // 2))},99" if network else "+CSQ: 99,99"])

    def do_cesq(self, rest: str) -> Answer:
        network = self.serving.network
        return Answer([f"+CESQ: 99,99,255,255,18,{network.rsrp + 141}" if network else "+CESQ: 99,99,255,255,255,255"])

    def do_cclk(self, rest: str) -> Answer:
        return Answer(['+CCLK: "26/11/21,23:20:31+04"' if self.clock_known else '+CCLK: "80/01/06,00:00:10+00"'])

    def do_cbc(self, rest: str) -> Answer:
        return Answer(["+CBC: 0,85,3912"])

    def do_cpsms(self, rest: str) -> Answer:
        if rest[:1] == "1":
            fields = rest.replace('"', "").split(",")
            self.psm = (fields[4], fields[3])
        else:
            self.psm = None
        self.rest()
        return Answer(then=lambda: self.say(f"+CEREG: {self.registration()}") if self.report >= 4 else None)

    def do_cedrxs(self, rest: str) -> Answer:
        return Answer()

    def do_ctzu(self, rest: str) -> Answer:
        return Answer()

    # TS 27.005

    def do_cmgf(self, rest: str) -> Answer:
        self.need_card()
        return Answer()

    def do_cnmi(self, rest: str) -> Answer:
        self.need_card()
        self.announce_sms = rest.startswith("2,1")
        return Answer()

    def do_cmgs(self, rest: str) -> Prompt:
        self.need_card()
        length = int(rest)

        def take(data: bytes) -> Answer:
            pdu = bytes.fromhex(data.decode("ascii"))
            if not self.registered() or len(pdu) != length + 1:
                raise Refusal(500, "CMS")
            self.sent_sms.append(_submitted(pdu))
            return Answer([f"+CMGS: {len(self.sent_sms)}"])

        return Prompt(None, take)

    def do_cmgl(self, rest: str) -> Answer:
        lines = []
        for place, pdu in sorted(self.inbox.items()):
            lines += [f"+CMGL: {place},1,,{len(pdu) // 2 - 8}", pdu]
        return Answer(lines)

    def do_cmgr(self, rest: str) -> Answer:
        pdu = self.inbox.get(int(rest))
        if pdu is None:
            raise Refusal(_SMS_NOT_FOUND, "CMS")
        return Answer([f"+CMGR: 0,,{len(pdu) // 2 - 8}", pdu])

    def do_cmgd(self, rest: str) -> Answer:
        self.inbox.pop(int(rest), None)
        return Answer()

    # For the dialects

    def need_card(self) -> Card:
        """The card. Raises Refusal."""
        card = self.card()
        if card is None:
            raise Refusal(_NO_CARD)
        return card

    def need_path(self) -> None:
        """Raises Refusal without a path."""
        if not self.pdp:
            raise Refusal(_NO_NETWORK)

    def bring_up(self) -> None:
        """A path. Raises Refusal where there is no network."""
        if not self.registered():
            raise Refusal(_NO_NETWORK)
        self.pdp = True


def arguments(rest: str) -> list[str]:
    """What stands between the commas, without quotes."""
    return [part.strip('"') for part in rest.split(",")]


def _submitted(pdu: bytes) -> tuple[str, bytes]:
    """(number, payload) of an SMS-SUBMIT with a short validity."""
    at = 1 + pdu[0] + 2
    count = pdu[at]
    end = at + 2 + (count + 1) // 2
    number = "".join(f"{byte & 15:X}{byte >> 4:X}" for byte in pdu[at + 2 : end])[:count]
    return number, pdu[end + 4 :]
