"""The command line of a modem: echo, data mode, final results, and the commands of TS 27.007 and TS 27.005.

A handler is a method named after its command (`do_csq` for +CSQ) and gets what stands behind the name: "" (execute),
"?" (read) or the arguments. It gives an Answer, or raises Refusal.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from sim.modem.device import ASLEEP, ON
from sim.modem.faults import Faults
from sim.modem.scenario import Card
from sim.modem.sms import submitted

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


class Commands(Faults):
    """Adds the unit's bytes: `receive`. `revision`: the modem's firmware; `iccid_shape`: how it shows a card."""

    revision = "EMULATED"
    iccid_shape = "plain"

    def receive(self, data: bytes) -> None:
        """Bytes of the unit. A modem that is off, starting, asleep or hung hears nothing; without a key it is woken by
        them, and they are lost."""
        if self.state == ASLEEP and not self.has_key:
            self.boot(resumed=True)
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
        return Answer([self.scenario.revision or self.revision])

    def do_cops(self, rest: str) -> Answer:
        """A search of the modem's own accord; what is registered stays so if there is nothing better."""
        operator = self.serving.operator
        if rest == "?":
            return Answer([f'+COPS: 0,2,"{operator.plmn}",7' if operator is not None else "+COPS: 0"])
        if rest[:1] == "0" and not self.registered():
            self.search()
        return Answer(ms=self.scenario.timing.cops_ms)

    def do_csq(self, rest: str) -> Answer:
        network = self.serving.network
        return Answer([f"+CSQ: {min(31, max(0, (network.rsrp + 140) // 2))},99" if network else "+CSQ: 99,99"])

    def do_cesq(self, rest: str) -> Answer:
        network = self.serving.network
        return Answer([f"+CESQ: 99,99,255,255,18,{network.rsrp + 141}" if network else "+CESQ: 99,99,255,255,255,255"])

    def do_cclk(self, rest: str) -> Answer:
        return Answer([f'+CCLK: "{self.network_time("%y/%m/%d,%H:%M:%S")}"'])

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
        if rest == "?":
            return Answer([f'+CEDRXS: 4,"{self.scenario.grant.edrx}"'] if self.edrx else [])
        self.edrx = rest[:1] in ("1", "2")
        return Answer()

    def do_cedrxrdp(self, rest: str) -> Answer:
        """What is granted (TS 27.007 clause 7.41)."""
        grant = self.scenario.grant
        if not (self.edrx and grant.edrx and self.registered()):
            return Answer(["+CEDRXRDP: 0"])
        return Answer([f'+CEDRXRDP: 4,"{grant.edrx}","{grant.edrx}","{grant.window}"'])

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
            if self.sms_refusals:
                self.sms_refusals -= 1
                raise Refusal(38, "CMS")
            number, payload = submitted(pdu)
            self.sent_sms.append((number, payload))
            if self.on_sms is not None:
                self.on_sms(number, payload)
            return Answer([f"+CMGS: {len(self.sent_sms)}"], ms=self.scenario.timing.sms_ms)

        return Prompt(None, take)

    def do_cmgl(self, rest: str) -> Answer:
        lines = []
        for place, pdu in sorted(self.inbox.items()):
            lines += [f"+CMGL: {place},1,,{max(0, len(pdu) // 2 - 8)}", pdu]
        return Answer(lines)

    def do_cmgr(self, rest: str) -> Answer:
        pdu = self.inbox.get(int(rest))
        if pdu is None:
            raise Refusal(_SMS_NOT_FOUND, "CMS")
        return Answer([f"+CMGR: 0,,{max(0, len(pdu) // 2 - 8)}", pdu])

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

    def shown_iccid(self) -> str:
        """The card's number as this modem, or this card, shows it. Raises Refusal without a card."""
        card = self.need_card()
        shape = card.shape or self.iccid_shape
        padded = card.iccid + "F" * (20 - len(card.iccid))
        if shape == "padded":
            return padded
        if shape == "swapped":
            return "".join(padded[at + 1] + padded[at] for at in range(0, 20, 2))
        return f'"{card.iccid}"' if shape == "quoted" else card.iccid

    def network_time(self, form: str) -> str:
        """Local time and zone as the network has told them; what a modem invents before that."""
        calendar = self.scenario.calendar
        if not self.clock_known:
            return datetime(1980, 1, 6, 0, 0, 10, tzinfo=UTC).strftime(form) + "+00"
        at = calendar.unix + int(self.clock.now()) + 900 * calendar.zone
        return datetime.fromtimestamp(at, UTC).strftime(form) + f"{calendar.zone:+03d}"

    def bring_up(self) -> None:
        """A path. Raises Refusal where there is no network."""
        if not self.registered():
            raise Refusal(_NO_NETWORK)
        self.pdp = True


def arguments(rest: str) -> list[str]:
    """What stands between the commas, without quotes."""
    return [part.strip('"') for part in rest.split(",")]
