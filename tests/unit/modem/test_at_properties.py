"""The AT channel under hypothesis: any cut of the same bytes gives the same events; no bytes break it or make it grow.

And the dialects: whatever a modem answers, a procedure ends.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from firmware.core import at, at_network, at_pdu, at_syntax
from firmware.core.at import At, Command
from firmware.core.at_network import is_registration_read
from firmware.core.at_syntax import AtError
from firmware.modem.bg95 import Bg95
from firmware.modem.engine import Engine
from firmware.modem.facts import Facts
from firmware.modem.gm02s import Gm02s
from firmware.modem.sim7080g import Sim7080g
from protocols.wire import messages

BG, SIM, GM = Bg95(), Sim7080g(), Gm02s()
HEADS = BG.heads + SIM.heads + GM.heads
COMMANDS = (
    Command("AT+CEREG?", head="+CEREG", shape=is_registration_read),
    Command("AT+CGSN", bare=at.BARE_DIGITS),
    Command("AT+CGMR", bare=at.BARE_TEXT),
    Command("AT+QISEND=0,3", finals=(("SEND OK", at.OK),), payload=b"O\r\n"),
    Command("AT+QIRD=0,64", head="+QIRD", counted=(0, "\n", 64)),
    Command("AT+CARECV=0,64", head="+CARECV", counted=(0, ",", 64)),
    Command("AT+SQNSRECV=1,64", head="+SQNSRECV", counted=(1, "\n", 64)),
)
PIECES = (
    b"\r\nOK\r\n", b"\r\nERROR\r\n", b"\r\n+CME ERROR: 10\r\n", b"\r\n+CEREG: 2\r\n", b"\r\n+CEREG: 5,1\r\n",
    b'\r\n+CEREG: 1,"E485","093F9E11",7,,,"11100000","11100000"\r\n', b"\r\n> ", b"> ", b"\r\nRDY\r\n",
    b"\r\nSEND OK\r\n",
    b"\r\n+QIRD: 3\r\nOK\r\r\nOK\r\n", b"\r\n+QIRD: 0\r\n", b"\r\n+QIRD: 99\r\n", b"\r\n+CARECV: 4,\r\nOK\r\nOK\r\n",
    b"\r\n+CARECV: ", b"\r\n+SQNSRECV: 1,2\r\n\r\n\r\nOK\r\n", b'\r\n+QIURC: "recv",0\r\n', b"860123456789012\r\n",
    b"AT+CEREG?\r", b"AT+QISEND=0,3\r", b"O\r\n", b"\x00", b"\xff", b"x" * 300, b"\r", b"\n", b",",
    b'+QIURC: "pdpdeact",1',
)  # fmt: skip
STREAM = st.lists(st.one_of(st.sampled_from(PIECES), st.binary(max_size=12)), max_size=14).map(b"".join)


def plain(action: tuple) -> tuple:
    if action[0] == "done":
        reply = action[1]
        return ("done", reply.result, reply.code, tuple(reply.lines), reply.payload)
    return action


def events(command: Command, stream: bytes, cuts: list[int], kind: type[At] = At) -> tuple[list[tuple], dict[str, int]]:
    channel = kind(HEADS, ("RDY",))
    found = list(channel.submit(command, 0))
    edges = sorted({min(cut, len(stream)) for cut in cuts} | {0, len(stream)})
    for start, end in pairwise(edges):
        found += channel.feed(stream[start:end], 0)
    return [plain(action) for action in found], channel.dropped


@settings(max_examples=600, deadline=None)
@given(st.sampled_from(COMMANDS), STREAM, st.lists(st.integers(0, 400), max_size=12))
@example(COMMANDS[5], b"\r\n+CARECV: 4,\r\nOK\r\nOK\r\n", [3, 13, 14, 15])
def test_any_cut_gives_the_same_events(command: Command, stream: bytes, cuts: list[int]) -> None:
    whole = events(command, stream, [])
    assert events(command, stream, cuts) == whole
    assert events(command, stream, list(range(len(stream)))) == whole


class ByReads(At):
    """Takes every read for whole lines, as public drivers do that clear their buffer."""

    def feed(self, data: bytes, now: int) -> list[tuple]:
        self._buffer = b""
        return super().feed(data, now)


def test_a_channel_that_trusts_in_reads_is_found() -> None:
    """The negative control."""
    stream = b"\r\n+CEREG: 5,1\r\n\r\nOK\r\n"
    assert events(COMMANDS[0], stream, [], ByReads) == events(COMMANDS[0], stream, [])
    assert events(COMMANDS[0], stream, [9], ByReads) != events(COMMANDS[0], stream, [])


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(COMMANDS), st.lists(STREAM, max_size=20))
def test_no_bytes_break_it_or_make_it_grow(command: Command, streams: list[bytes]) -> None:
    channel = At(HEADS, ("RDY",))
    now = 0
    for stream in streams:
        if channel.ready:
            channel.submit(command, now)
        for start in range(0, len(stream), 256):
            told = channel.feed(stream[start : start + 256], now)
            assert sum(action[0] == "urc" for action in told) <= at.MOST_URCS
            for action in told:
                if action[0] == "done":
                    assert len(action[1].lines) <= at.MOST_LINES + 1
                    assert len(action[1].payload or b"") <= at.LONGEST_PAYLOAD
        assert len(channel._buffer) <= at.LONGEST_LINE + 256
        assert len(channel._lines) <= at.MOST_LINES + 1
        due = channel.next_wakeup()
        if due is not None:
            now = max(now, due)
            channel.timeout(now)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(COMMANDS), STREAM)
def test_the_channel_always_comes_back(command: Command, stream: bytes) -> None:
    """Whatever was said: when the modem is silent from then on, the channel is ready again in bounded time."""
    channel = At(HEADS, ("RDY",))
    channel.submit(command, 0)
    channel.feed(stream, 0)
    now, turns = 0, 0
    while (due := channel.next_wakeup()) is not None:
        now = max(now, due)
        channel.timeout(now)
        turns += 1
        assert turns <= at.PROBES + 4
    assert channel.ready
    assert now <= command.timeout + 2 * at.QUIET_MS + at.PROBES * at.PROBE_MS


PROCEDURES = (
    lambda d: d.start(), lambda d: d.identify(), lambda d: d.registration(), lambda d: d.signal(),
    lambda d: d.serving_cell(), lambda d: d.network_time(), lambda d: d.battery(), lambda d: d.pdp_up("a"),
    lambda d: d.open(0, 0, "a", 1), lambda d: d.send(0, b"OK\r\n"), lambda d: d.receive(0), lambda d: d.sms_list(),
    lambda d: d.sms_read(1), lambda d: d.sms_send("12345", b"x"), lambda d: d.gnss_fix(), lambda d: d.select_sim(1),
)  # fmt: skip
ANSWERS = {
    "+CSQ", "+CESQ", "+QCSQ", "+QENG", "+CPSI", "+SQNMONI", "+CCLK", "+CBC", "+QIACT", "+CNACT", "+CGACT", "+QIRD",
    "+CARECV", "+SQNSRECV", "+CMGL", "+CMGR", "+CGNSINF", "+QGPSLOC",
}  # fmt: skip
NAMES = st.sampled_from(sorted({*HEADS, *ANSWERS}))
TEXT = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=40)
FIELD = st.one_of(st.integers(-200, 99999).map(str), TEXT, TEXT.map(lambda text: f'"{text}"'), st.just(""))
LINE = st.tuples(NAMES, st.lists(FIELD, max_size=18)).map(
    lambda line: f"\r\n{line[0]}: {','.join(line[1])}\r\n".encode()
)
SAID = st.lists(st.one_of(LINE, st.sampled_from(PIECES)), max_size=6).map(b"".join)


def value_of(dialect: Any, made: Any, answers: list[bytes]) -> Any:
    """What a procedure gives when the modem says this; None where it ends with an AtError."""
    engine = Engine(dialect)
    answers = list(answers)
    now, turns = 0, 0
    actions = engine.start(made, now)
    while engine.busy:
        turns += 1
        assert turns < 400
        if any(action[0] == "board" for action in actions):
            actions = engine.carried_out(now)
        elif answers:
            actions = engine.feed(answers.pop(0), now)
        else:
            due = engine.next_wakeup()
            assert due is not None
            now = max(now, due)
            actions = engine.timeout(now)
    return next((action[1] for action in actions if action[0] == "finished"), None)


@settings(max_examples=600, deadline=None)
@given(st.sampled_from((BG, SIM, GM)), st.sampled_from(PROCEDURES), st.lists(SAID, max_size=8))
def test_no_answer_breaks_a_procedure(dialect, procedure, answers: list[bytes]) -> None:  # type: ignore[no-untyped-def]
    """A modem that answers nonsense makes procedures end, with a value or an AtError, and nothing else."""
    value_of(dialect, procedure(dialect), answers)


NUMBER = st.one_of(st.integers(-(10**30), 10**30), st.integers(0, 99999)).map(str)
CELLS = st.tuples(NUMBER, NUMBER, NUMBER).map(
    lambda said: (
        (
            BG,
            f'+QENG: "servingcell","NOCONN","eMTC","FDD",{said[0]},{said[1]},{said[2]},1,{said[1]},1,1,1,{said[2]},-90',
        ),
        (SIM, f"+CPSI: LTE CAT-M1,Online,{said[0]}-{said[1]},0x{said[2]},{said[1]},1,2,3,4,5,6,{said[2]}"),
        (GM, f"+SQNMONI: Name Cc:{said[0]} Nc:{said[1]} RSRP:{said[2]} TAC:{said[2]}"),
    )
)


@settings(max_examples=300, deadline=None)
@given(CELLS, st.lists(SAID, max_size=4))
def test_no_cell_that_a_modem_tells_makes_a_heartbeat_that_cannot_be_sent(cells, answers: list[bytes]) -> None:  # type: ignore[no-untyped-def]
    """Digits may be lost or run together on the line: what does not fit is not told, and nothing fails for it."""
    for dialect, line in cells:
        facts = Facts()
        facts.survey(value_of(dialect, dialect.serving_cell(), [f"\r\n{line}\r\n\r\nOK\r\n".encode()]) or {})
        facts.identity(0, value_of(dialect, dialect.identify(), answers) or {})
        fields, status = facts.measure()
        messages.Heartbeat(boot=1, seq=1, next_due=300, status=status, **fields).encode()


@settings(max_examples=500, deadline=None)
@given(st.text(max_size=120))
def test_no_text_gets_out_of_its_quotes(text: str) -> None:
    try:
        found = at_syntax.quoted(text)
    except AtError as error:
        assert error.reason == "argument"
        return
    assert found == f'"{text}"' and not set(found[1:-1]) & set('"\\\r\n\x1a\x1b')
    assert at_syntax.fields("+X: " + found) == [text]


@settings(max_examples=500, deadline=None)
@given(st.text('a," 1:\xe5', max_size=16))
def test_a_comma_separates_where_the_quotes_before_it_are_even(line: str) -> None:
    ends = [at for at, letter in enumerate(line) if letter == "," and not line.count('"', 0, at) % 2]
    wanted = [line[first + 1 : last].strip() for first, last in pairwise([-1, *ends, len(line)])]
    assert at_syntax.split(line) == wanted


@settings(max_examples=500, deadline=None)
@given(st.one_of(st.text(max_size=4), st.text("09aAfFgG@[`{/:", max_size=4)))
def test_what_is_a_digit(text: str) -> None:
    ascii_only = text.isascii() and text != ""
    assert at_syntax.is_digits(text) == (ascii_only and text.isdigit())
    assert at_syntax.is_hex(text) == (ascii_only and all(letter in "0123456789abcdefABCDEF" for letter in text))


@settings(max_examples=300, deadline=None)
@given(st.binary(min_size=1, max_size=140), st.from_regex(r"\A\+?[0-9]{3,20}\Z"))
def test_every_message_fits_a_pdu(payload: bytes, number: str) -> None:
    length, pdu = at_pdu.encode(number, payload)
    assert len(pdu) == 2 * length + 2 and pdu.endswith(payload.hex().upper())


@settings(max_examples=500, deadline=None)
@given(st.one_of(st.binary(max_size=200).map(lambda data: data.hex()), TEXT))
def test_no_pdu_breaks_the_decoder(text: str) -> None:
    try:
        message = at_pdu.decode(text)
    except AtError as error:
        assert error.reason == "pdu"
        return
    assert message.payload is None or len(message.payload) <= at_pdu.LONGEST_SMS


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 31 * 360))
def test_timers_are_never_shorter_than_asked(seconds: int) -> None:
    active = at_network.timer(at_network.encode_active(seconds), at_network._ACTIVE_UNITS)
    tau = at_network.timer(at_network.encode_tau(seconds))
    assert active is not None and seconds <= active
    assert tau is not None and seconds <= tau
