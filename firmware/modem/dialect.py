"""What all our modems do alike (3GPP TS 27.007, TS 27.005), and what each has to say for itself.

A dialect is data and small procedures (steps.py). Whoever uses a modem knows this class only; bg95.py, sim7080g.py and
gm02s.py differ in tables and in how they make sockets. Sockets are numbered from 0.

Timeouts are in ms. Those of +CFUN, +COPS, +CGATT, +CGACT are what drivers in the field wait; all others that are marked
unconfirmed come from manuals not at hand and are data, to be corrected by a board on the bench.
"""

from firmware.core import at, at_network, at_pdu, at_syntax
from firmware.core.at import Command
from firmware.core.at_syntax import AtError, host_name, number, quoted
from firmware.modem.steps import LINE, POWER, POWER_KEY, Board, Pause, Wait, need

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from firmware.core.at import Reply
    from firmware.modem.steps import Procedure

UDP = 0
TCP = 1
MOST_SOCKETS = 4
LONGEST_DATA = 1400
"""Bytes of one send: below every modem's own limit, and below the path's."""
LONGEST_READ = 512
"""Bytes that are read of a socket at once: more than any datagram of the fleet (docs/wire.md), and a stream has no
pieces of its own. A heap that is nearly full has no room for longer ones."""

# Codes of messages.RADIO_*.
RADIOS = {"eMTC": 4, "LTE CAT-M1": 4, "CAT-M1": 4, "NBIoT": 5, "NB-IoT": 5, "LTE NB-IOT": 5, "GSM": 1, "LTE": 3}

EDRX = "0000"
"""The cycle that is asked for, 5.12 s (TS 24.008 clause 10.5.5.32): two of them lie within the active time that we ask
for, so that a modem that has been granted both still hears what is pushed to it. As nRF's asset tracker does."""

_CTRL_Z = b"\x1a"
_AWAKE_MS = 500
"""A modem that is awake answers within some ms what it knows by heart; ours (unconfirmed)."""


class Dialect:
    """The interface, and what is alike. What a modem cannot do raises AtError "unsupported"."""

    name = ""
    heads: "tuple[str, ...]" = ("+CEREG", "+CREG", "+CMTI", "+CPIN", "+CME ERROR", "+CGEV", at.PROBE_HEAD)
    boot: "tuple[str, ...]" = ()
    settings: "tuple[str, ...]" = ()
    """Set after every start; a refusal is no failure, since a card or a network may not be there yet."""
    edrx_command = "AT+CEDRXS"
    iccid_command = "AT+CCID"
    iccid_head = "+CCID"
    key_on_ms = 0
    """How long the power key is held; 0 where there is none."""
    line_wakes = False
    """Whether a byte on its line ends this modem's PSM; else the key must."""
    gnss_takes_radio = False
    """Whether the network is lost while a position is looked for."""
    off_ms = 3000
    """How long the supply stays off in a hard cut (unconfirmed): capacitors must be empty."""
    boot_ms = 15000
    timeouts = {
        "short": 1000,
        "cfun": 180000,
        "cgatt": 144000,
        "pdp_up": 150000,
        "pdp_down": 150000,
        "open": 60000,
        "close": 10000,
        "send": 5000,
        "receive": 5000,
        "sms": 120000,
        "sim": 5000,
        "power_off": 10000,
        "cops": 180000,
    }

    # Start and power

    def power_on(self) -> "Procedure":
        """Supply, key, and the modem's first word; one that was on already, where the board has no hand on its supply,
        says nothing and will answer."""
        yield Board(POWER, 1)
        if not self.key_on_ms or not (yield from self.awake()):
            yield from self._begun()

    def awake(self) -> "Procedure":
        """Whether the modem answers: its key would switch it off then. One that is just falling asleep answers once."""
        for _ in range(2):
            yield Board(LINE, 0)
            if (yield Wait(at.PROBE_HEAD, _AWAKE_MS)) is None:
                return False
            # The OK behind the answer is nobody else's.
            yield Pause(at.QUIET_MS)
        return True

    def _begun(self) -> "Procedure":
        """The key, where there is one, and the first word."""
        if self.key_on_ms:
            yield Board(POWER_KEY, self.key_on_ms)
        yield Wait(None, self.boot_ms)

    def power_off(self) -> "Procedure":
        """Let the modem leave the network, then take its supply away."""
        yield Command(self.off_command(), self.timeouts["power_off"])
        yield Pause(self.off_ms)
        yield Board(POWER, 0)

    def power_cut(self) -> "Procedure":
        """The only cure for a modem that is hung: no supply for a while, then a start."""
        yield Board(POWER, 0)
        yield Pause(self.off_ms)
        yield Board(POWER, 1)
        yield from self._begun()

    def wake(self) -> "Procedure":
        """Out of PSM: the key, and the first word. One that is awake has none: where the board has slept deep, nobody
        knows whether the network has granted PSM, and whether it has begun."""
        if not (yield from self.awake()):
            yield from self._begun()

    def off_command(self) -> str:
        raise AtError("unsupported")

    def start(self) -> "Procedure":
        """What is set after every start of the modem: no echo, error codes, all registration causes, SMS as PDU."""
        yield from need(Command("ATE0", self.timeouts["short"]))
        yield from need(Command("AT+CMEE=1", self.timeouts["short"]))
        yield from need(Command("AT+CEREG=5", self.timeouts["short"]))
        for text in self.settings:
            yield Command(text, self.timeouts["sim"])
        yield Command("AT+CMGF=0", self.timeouts["sim"])
        # A message is kept on the card and announced: it is deleted only after it has been dealt with.
        yield Command("AT+CNMI=2,1", self.timeouts["sim"])

    def functionality(self, level: int) -> "Procedure":
        """+CFUN: 1 radio on, 0 off with the card, 4 off."""
        yield from need(Command("AT+CFUN=" + number(level, 0, 4), self.timeouts["cfun"]))

    def cycle(self) -> "Procedure":
        """Radio and card off and on."""
        yield from self.functionality(0)
        yield from self.functionality(1)

    def select_sim(self, slot: int) -> "Procedure":
        """Use the card in slot 0 or 1; the registration begins anew."""
        yield from self.functionality(0)
        yield Board("sim", int(number(slot, 0, 1)))
        yield from self.functionality(1)

    def sim_slot(self) -> "Procedure":
        """Which card the modem uses by its own account; None where only the board's multiplexer knows."""
        return None
        yield

    def search(self) -> "Procedure":
        """Choose a network anew, of the modem's own accord."""
        yield from need(Command("AT+COPS=0", self.timeouts["cops"]))

    # What the modem knows

    def identify(self) -> "Procedure":
        """{"imei", "imsi", "iccid", "revision"}; None where there is no answer, as without a card."""
        found = {}
        reply = yield Command("AT+CGSN", self.timeouts["sim"], bare=at.BARE_DIGITS)
        found["imei"] = _first(reply, lambda line: at_network.digits(line, 15, 15))
        reply = yield Command("AT+CIMI", self.timeouts["sim"], bare=at.BARE_DIGITS)
        found["imsi"] = _first(reply, lambda line: at_network.digits(line, 6, 15))
        reply = yield Command(self.iccid_command, self.timeouts["sim"], self.iccid_head, bare=at.BARE_HEX)
        found["iccid"] = _first(reply, lambda line: at_network.iccid(at_syntax.split(at_syntax.rest(line) or line)[0]))
        reply = yield Command("AT+CGMR", self.timeouts["short"], bare=at.BARE_TEXT)
        found["revision"] = _first(reply, lambda line: line[:24])
        return found

    def registration(self) -> "Procedure":
        """A Registration, as of now."""
        command = Command(
            "AT+CEREG?", self.timeouts["short"], "+CEREG", shape=at_network.is_registration_read
        )  # fmt: skip
        reply = yield from need(command)
        if not reply.lines:
            raise AtError("answer")
        return at_network.registration(reply.lines[-1])

    def survey(self) -> "Procedure":
        """All that a heartbeat tells of the network: `serving_cell` and `signal`, and "registration", "supply" (mV or
        None), "edrx" (s, 0 for none, None if the modem does not say)."""
        found = yield from self.serving_cell()
        found.update((yield from self.signal()))
        found["registration"] = yield from self.registration()
        found["supply"] = yield from self.battery()
        found["edrx"] = yield from self.edrx()
        return found

    def edrx(self) -> "Procedure":
        """The eDRX cycle that the network grants, in seconds; 0 for none, None if the modem does not say."""
        reply = yield Command("AT+CEDRXRDP", self.timeouts["short"], "+CEDRXRDP")
        return at_network.edrx(reply.lines[-1]) if reply.ok and reply.lines else None

    def signal(self) -> "Procedure":
        """{"rsrp": dBm, "rsrq": tenths of dB, "rssi": dBm}, as far as known."""
        found = {}
        for name in ("+CESQ", "+CSQ"):
            reply = yield Command("AT" + name, self.timeouts["short"], name)
            if reply.ok and reply.lines:
                found.update(at_network.signal(reply.lines[-1]))
        return found

    def serving_cell(self) -> "Procedure":
        """{"radio": code of messages.RADIO_*, "operator": MCC and MNC as one number, "cell", "area", "earfcn",
        "rsrp"}, as far as known; {} without a cell."""
        raise AtError("unsupported")
        yield

    def network_time(self) -> "Procedure":
        """Unix seconds as the network told them, or None."""
        reply = yield Command("AT+CCLK?", self.timeouts["short"], "+CCLK")
        if not reply.ok or not reply.lines:
            return None
        text = at_syntax.fields(reply.lines[-1])[0]
        return at_network.network_time(text) if isinstance(text, str) else None

    def battery(self) -> "Procedure":
        """The modem's supply in mV, or None."""
        reply = yield Command("AT+CBC", self.timeouts["short"], "+CBC")
        return at_syntax.integer(reply.fields(), 2, 0, 65535) if reply.ok and reply.lines else None

    # Network

    def save_power(self, tau: "int | None", active: int = 0) -> "Procedure":
        """Ask for PSM with these timers (s), and for eDRX; None ends both. What is granted stands in the next
        Registration and survey: the network may grant other times, or none."""
        if tau is None:
            yield from need(Command("AT+CPSMS=0", self.timeouts["short"]))
            yield Command(self.edrx_command + "=0", self.timeouts["short"])
            return
        text = 'AT+CPSMS=1,,,"' + at_network.encode_tau(tau) + '","' + at_network.encode_active(active) + '"'
        yield from need(Command(text, self.timeouts["short"]))
        # A network that grants no PSM may grant this; a refusal is none of ours.
        yield Command(self.edrx_command + "=1,4," + quoted(EDRX, 4), self.timeouts["short"])

    def pdp_active(self) -> "Procedure":
        """Whether the modem still has a path for sockets; no network is asked."""
        raise AtError("unsupported")
        yield

    def pdp_up(self, access_point: str) -> "Procedure":
        """A path for sockets. One that is there already stays."""
        raise AtError("unsupported")
        yield access_point

    def pdp_down(self) -> "Procedure":
        """No path any more."""
        raise AtError("unsupported")
        yield

    def open(self, socket: int, kind: int, host: str, port: int) -> "Procedure":
        """A UDP or TCP socket towards one peer. Raises AtError "open" with the modem's code."""
        raise AtError("unsupported")
        yield socket, kind, host, port

    def send(self, socket: int, data: bytes) -> "Procedure":
        """One datagram, or the next bytes of a stream: the modem has taken them. Raises AtError."""
        raise AtError("unsupported")
        yield socket, data

    def receive(self, socket: int) -> "Procedure":
        """One datagram or some bytes; b"" when there is nothing."""
        raise AtError("unsupported")
        yield socket

    def close(self, socket: int) -> "Procedure":
        """No socket any more; one that is not there is closed."""
        raise AtError("unsupported")
        yield socket

    # SMS

    def sms_send(self, to: str, payload: bytes) -> "Procedure":
        """One message of up to 140 bytes: the network has taken it, which says nothing about its arrival."""
        length, pdu = at_pdu.encode(to, payload)
        text = "AT+CMGS=" + number(length, 1, 200)
        yield from need(Command(text, self.timeouts["sms"], "+CMGS", payload=pdu.encode() + _CTRL_Z))

    def sms_list(self) -> "Procedure":
        """Places of the messages that wait on the card."""
        reply = yield Command("AT+CMGL=4", self.timeouts["sms"], "+CMGL", bare=at.BARE_HEX)
        places = []
        for line in reply.lines:
            place = at_syntax.integer(at_syntax.fields(line), 0, 0, 255) if at_syntax.head(line) == "+CMGL" else None
            if place is not None:
                places.append(place)
        return places

    def sms_read(self, place: int) -> "Procedure":
        """The Sms at a place. Raises AtError: "pdu" if it is none that can be read; delete it then."""
        text = "AT+CMGR=" + number(place, 0, 255)
        reply = yield from need(Command(text, self.timeouts["sim"], "+CMGR", bare=at.BARE_HEX))
        if len(reply.lines) != 2:
            raise AtError("pdu")
        return at_pdu.decode(reply.lines[1])

    def sms_delete(self, place: int) -> "Procedure":
        """Free a place, after its message has been dealt with."""
        yield from need(Command("AT+CMGD=" + number(place, 0, 255), self.timeouts["sim"]))

    def sms_take(self, place: int) -> "Procedure":
        """The payload of the message at a place, b"" if it is of another kind or none that can be read: that one wakes
        too. None where the modem shows no message. The place is free then."""
        payload = None
        try:
            payload = (yield from self.sms_read(place)).payload or b""
        except AtError as error:
            # A place that cannot be read is freed like any other: a card has few.
            if error.reason in ("timeout", "reset", "hung"):
                raise
            if error.reason == "pdu":
                payload = b""
        yield from self.sms_delete(place)
        return payload

    # GNSS

    def gnss_start(self) -> "Procedure":
        """Begin to look for a position. Where radio and GNSS cannot run together the network is lost meanwhile."""
        raise AtError("unsupported")
        yield

    def gnss_stop(self) -> "Procedure":
        """End it."""
        raise AtError("unsupported")
        yield

    def gnss_fix(self) -> "Procedure":
        """{"latitude", "longitude": 1e-7 degrees, "satellites", "dilution": tenths}, or None without a fresh fix."""
        raise AtError("unsupported")
        yield

    # What the modem says unasked

    def event(self, line: str) -> "tuple[Any, ...] | None":
        """("registration", Registration), ("data", socket), ("closed", socket), ("pdp", up), ("sms", place),
        ("sim", text), ("supply", text), ("asleep",); None for what needs no answer. Raises AtError for a line that
        cannot be read."""
        head = at_syntax.head(line)
        if head == "+CEREG":
            return ("registration", at_network.registration(line))
        if head == "+CMTI":
            place = at_syntax.integer(at_syntax.fields(line), 1, 0, 255)
            return None if place is None else ("sms", place)
        if head == "+CPIN":
            return ("sim", at_syntax.rest(line))
        return self.own_event(head, at_syntax.fields(line))

    def own_event(self, head: str, values: "list[Any]") -> "tuple[Any, ...] | None":
        return None


def _first(reply: "Reply", read: "Any") -> "str | None":
    return read(reply.lines[0]) if reply.ok and reply.lines else None


def operator(country: str, network: str) -> "int | None":
    """MCC (three digits) and MNC (two or three) as one number; None if they are none: a line may be garbled, and what
    a heartbeat says of it must fit the wire."""
    if len(country) != 3 or len(network) not in (2, 3) or not at_syntax.is_digits(country + network):
        return None
    return int(country + network)


def socket_event(name: str, values: "list[Any]", at_place: int, first: int = 0) -> "tuple[str, int]":
    """("data" or "closed", socket). Raises AtError "answer" if there is no such socket."""
    found = at_syntax.integer(values, at_place, first, first + MOST_SOCKETS - 1)
    if found is None:
        raise AtError("answer")
    return name, found - first


def socket_number(socket: int, first: int = 0) -> str:
    """A socket as the modem numbers it. Raises AtError "argument"."""
    return str(int(number(socket, 0, MOST_SOCKETS - 1)) + first)


def peer(host: str, port: int) -> "tuple[str, str]":
    """A peer's address as parameters. Raises AtError "argument"."""
    return host_name(host), number(port, 1, 65535)


def access_point_name(text: str) -> str:
    """An access point as a parameter; empty means the operator's own choice. Raises AtError "argument"."""
    return quoted(text, 63)


def length_of(data: bytes) -> str:
    """The length of data to send as a parameter. Raises AtError "argument" for none and for too much."""
    return number(len(data), 1, LONGEST_DATA)


def received(command: Command) -> "Procedure":
    """What a reading command brings. Raises AtError, as when there is no such socket."""
    reply = yield from need(command)
    return reply.payload or b""


def scaled(text: "str | int | None", places: int) -> "int | None":
    """A decimal number as an integer with so many decimal places, without floats; None if it is none."""
    words = str(text).split(".")
    sign = -1 if words[0][:1] == "-" else 1
    whole = words[0].lstrip("-")
    part = words[1] if len(words) == 2 else ""
    if len(words) > 2 or not at_syntax.is_digits(whole + part) or not whole:
        return None
    return sign * int(whole + (part + "0" * places)[:places])
