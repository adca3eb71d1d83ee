"""The AT channel: transcripts as a modem would write them, whole, split and merged."""

from firmware.core import at
from firmware.core.at import At, Command
from firmware.core.at_network import is_registration_read
from firmware.core.at_syntax import AtError

HEADS = ("+CEREG", "+QIURC", "+QIOPEN", "+CMTI", "+CPIN", "DST", "*PSUTTZ")
BOOT = ("RDY",)


def plain(action):
    """An action as text and numbers only, so that two lists can be compared."""
    if action[0] == "done":
        reply = action[1]
        return ("done", reply.result, reply.code, tuple(reply.lines), reply.payload)
    return action


def talk(command, said, chunk=None, now=0):
    """What comes of a command and what the modem says after it; `chunk` bytes at a time."""
    channel = At(HEADS, BOOT)
    actions = channel.submit(command, now)
    chunk = chunk or max(1, len(said))
    for start in range(0, len(said), chunk):
        actions += channel.feed(said[start : start + chunk], now)
    return [plain(action) for action in actions], channel


CEREG = Command("AT+CEREG?", head="+CEREG", shape=is_registration_read)
CSQ = Command("AT+CSQ", head="+CSQ")
IMEI = Command("AT+CGSN", bare=at.BARE_DIGITS)
SEND = Command("AT+QISEND=0,4", finals=(("SEND OK", at.OK), ("SEND FAIL", at.ERROR)), payload=b"ab\x1a\r")
READ = Command("AT+QIRD=0,64", head="+QIRD", counted=(0, "\n", 64))
INLINE = Command("AT+CARECV=0,64", head="+CARECV", counted=(0, ",", 64))
SQN = Command("AT+SQNSRECV=1,64", head="+SQNSRECV", counted=(1, "\n", 64))


def reason(function, *arguments, **options):
    try:
        function(*arguments, **options)
    except AtError as error:
        return error.reason
    return None


def done(result="ok", code=None, lines=(), payload=None):
    return ("done", result, code, lines, payload)


def urc(line):
    return ("urc", line.split(":")[0], line)


# name, command, what the modem says, what comes of it (after the first write)
TRANSCRIPTS = (
    ("plain", CSQ, b"\r\n+CSQ: 17,99\r\n\r\nOK\r\n", [done(lines=("+CSQ: 17,99",))]),
    ("echo on", CSQ, b"AT+CSQ\r\r\n+CSQ: 17,99\r\n\r\nOK\r\n", [done(lines=("+CSQ: 17,99",))]),
    (
        "a URC before the answer",
        CSQ,
        b'\r\n+QIURC: "recv",0\r\n\r\n+CSQ: 1,99\r\n\r\nOK\r\n',
        [urc('+QIURC: "recv",0'), done(lines=("+CSQ: 1,99",))],
    ),
    (
        "a URC between the answer and OK, and one after it",
        CSQ,
        b'\r\n+CSQ: 1,99\r\n\r\n+CMTI: "SM",3\r\n\r\nOK\r\n\r\nDST: 1\r\n',
        [urc('+CMTI: "SM",3'), done(lines=("+CSQ: 1,99",)), urc("DST: 1")],
    ),
    (
        "URC and answer of one head",
        CEREG,
        b'\r\n+CEREG: 2\r\n\r\n+CEREG: 5,1,"E485","093F9E11",7,,,"11100000","11100000"\r\n'
        b'\r\n+CEREG: 5,"E485","093F9E11",7\r\n\r\nOK\r\n',
        [
            urc("+CEREG: 2"),
            urc('+CEREG: 5,"E485","093F9E11",7'),
            done(lines=('+CEREG: 5,1,"E485","093F9E11",7,,,"11100000","11100000"',)),
        ],
    ),
    (
        "a URC that looks like an answer, with no read waiting",
        CSQ,
        b"\r\n+CEREG: 5,1\r\n\r\nOK\r\n",
        [urc("+CEREG: 5,1"), done()],
    ),
    (
        "bare",
        IMEI,
        b"\r\n+CEREG: 2\r\n\r\n860123456789012\r\n\r\nOK\r\n",
        [urc("+CEREG: 2"), done(lines=("860123456789012",))],
    ),
    ("error", CSQ, b"\r\nERROR\r\n", [done("error")]),
    ("extended error", CSQ, b"\r\n+CME ERROR: 10\r\n", [done("cme", 10)]),
    ("extended error in words", CSQ, b"\r\n+CME ERROR: SIM not inserted\r\n", [done("cme")]),
    ("SMS error", CSQ, b"\r\n+CMS ERROR: 500\r\n", [done("cms", 500)]),
    ("prompt", SEND, b"\r\n> \r\nSEND OK\r\n", [("write", b"ab\x1a\r"), done()]),
    (
        "prompt after a URC",
        SEND,
        b"\r\nDST: 1\r\n\r\n>\r\nSEND FAIL\r\n",
        [urc("DST: 1"), ("write", b"ab\x1a\r"), done("error")],
    ),
    (
        "prompt, data echoed",
        SEND,
        b"AT+QISEND=0,4\r\r\n> ab\x1a\r\r\nSEND OK\r\n",
        [("write", b"ab\x1a\r"), done()],
    ),
    ("no prompt", SEND, b"\r\nERROR\r\n", [done("error")]),
    (
        "data that looks like answers",
        READ,
        b"\r\n+QIRD: 21\r\n\r\nOK\r\n\r\n+CEREG: 2\r\n> \r\n\r\nOK\r\n",
        [done(lines=("+QIRD: 21",), payload=b"\r\nOK\r\n\r\n+CEREG: 2\r\n> ")],
    ),
    ("no data", READ, b"\r\n+QIRD: 0\r\n\r\nOK\r\n", [done(lines=("+QIRD: 0",), payload=b"")]),
    (
        "a URC before the data",
        READ,
        b"\r\n+CEREG: 2\r\n\r\n+QIRD: 2\r\n\n\n\r\nOK\r\n",
        [urc("+CEREG: 2"), done(lines=("+QIRD: 2",), payload=b"\n\n")],
    ),
    ("inline data", INLINE, b"\r\n+CARECV: 4,\r\n,O\r\nOK\r\n", [done(lines=("+CARECV: 4",), payload=b"\r\n,O")]),
    ("no inline data", INLINE, b"\r\n+CARECV: 0\r\n\r\nOK\r\n", [done(lines=("+CARECV: 0",), payload=b"")]),
    (
        "length in the second field",
        SQN,
        b"\r\n+SQNSRECV: 1,3\r\nOK\r\r\nOK\r\n",
        [done(lines=("+SQNSRECV: 1,3",), payload=b"OK\r")],
    ),
    ("the modem starts anew", CSQ, b"\x00\x00\r\nRDY\r\n", [done("reset"), ("boot", "RDY")]),
    ("noise", CSQ, b"\xff\x81\r\nO\x9fK\r\n+CSQ: 3,99\r\nOK\r\n", [done(lines=("+CSQ: 3,99",))]),
    ("unknown lines", CSQ, b"\r\n+XYZ: 1\r\nhello\r\nOK\r\n", [done()]),
)


def test_transcripts_in_any_cut():
    for name, command, said, expected in TRANSCRIPTS:
        for chunk in (None, 1, 2, 3, 5, 7, 16):
            actions, _ = talk(command, said, chunk)
            assert actions == [("write", command.line + b"\r")] + expected, (name, chunk, actions)


def test_urcs_without_a_command():
    channel = At(HEADS, BOOT)
    assert channel.feed(b'\r\n+CEREG: 5,"E485","1",7\r\nRDY\r\nOK\r\n', 0) == [
        urc('+CEREG: 5,"E485","1",7'),
        ("boot", "RDY"),
    ]
    assert channel.dropped["unknown"] == 1
    assert channel.ready and channel.next_wakeup() is None


def test_one_command_at_a_time():
    channel = At(HEADS, BOOT)
    channel.submit(CSQ, 0)
    assert not channel.ready
    assert reason(channel.submit, CSQ, 0) == "busy"


def test_no_byte_of_a_payload_is_a_line_and_none_of_a_line_is_payload():
    actions, channel = talk(READ, b"\r\n+QIRD: 2\r\nOK\r\nOK\r\nOK\r\n")
    assert actions[1] == done(lines=("+QIRD: 2",), payload=b"OK")
    assert channel.dropped["unknown"] == 1


def test_a_payload_longer_than_asked_for_is_refused_and_the_channel_resyncs():
    actions, channel = talk(READ, b"\r\n+QIRD: 65\r\n" + b"OK\r\n" * 16)
    assert len(actions) == 1 and channel.dropped["payload"] == 1
    assert plain(channel.timeout(1000)[0])[:2] == ("done", "timeout")
    assert not channel.ready
    assert channel.timeout(1200) == [("write", b"AT+CMEE?\r")]


def silent(channel, now):
    """Let a modem be silent until the channel has nothing left to wait for; what it did meanwhile."""
    actions = []
    while channel.next_wakeup() is not None:
        now = max(now, channel.next_wakeup())
        actions += [plain(action) for action in channel.timeout(now)]
    return actions, now


def test_a_modem_that_answers_nothing_is_hung():
    channel = At(HEADS, BOOT)
    channel.submit(CSQ, 0)
    assert channel.timeout(999) == []
    actions, now = silent(channel, 0)
    assert actions[0] == done("timeout")
    assert actions.count(("write", b"AT+CMEE?\r")) == at.PROBES
    assert actions[-1] == ("hung",)
    assert now == 1000 + at.QUIET_MS + at.PROBES * at.PROBE_MS
    assert channel.ready


def test_a_late_answer_ends_no_other_command():
    channel = At(HEADS, BOOT)
    channel.submit(CSQ, 0)
    assert plain(channel.timeout(1000)[0]) == done("timeout")
    assert channel.timeout(1200) == [("write", b"AT+CMEE?\r")]
    # The answer to +CSQ at last, with its OK: the probe is still open.
    assert channel.feed(b"\r\n+CSQ: 1,99\r\n\r\nOK\r\n", 1300) == []
    assert not channel.ready
    assert channel.feed(b"\r\n+CMEE: 1\r\n\r\nOK\r\n", 1400) == []
    # Not before the modem is quiet: the answer to an earlier probe may follow.
    assert channel.feed(b"\r\n+CMEE: 1\r\n\r\nOK\r\n", 1500) == []
    assert not channel.ready and channel.next_wakeup() == 1500 + at.QUIET_MS
    assert channel.timeout(1500 + at.QUIET_MS) == [("resynced",)]
    assert channel.ready


def test_a_storm_of_urcs_does_not_hold_up_the_resync():
    channel = At(HEADS, BOOT)
    channel.submit(CSQ, 0)
    channel.timeout(1000)
    channel.timeout(1200)
    channel.feed(b"\r\n+CMEE: 1\r\n\r\nOK\r\n", 1300)
    now = 1300
    while now < 1300 + at.QUIET_MS:
        now += 10
        assert channel.feed(b"\r\n+CEREG: 2\r\n", now) == [urc("+CEREG: 2")]
    assert channel.timeout(now) == [("resynced",)]


def test_a_command_with_data_that_hangs_is_given_up_with_escape():
    channel = At(HEADS, BOOT)
    channel.submit(SEND, 0)
    actions = channel.timeout(1000)
    assert actions[0] == ("write", b"\x1b") and plain(actions[1]) == done("timeout")


def test_a_restart_ends_the_resync():
    channel = At(HEADS, BOOT)
    channel.submit(CSQ, 0)
    channel.timeout(1000)
    assert channel.feed(b"\r\nRDY\r\n", 1100) == [("boot", "RDY")]
    assert channel.ready and channel.next_wakeup() is None


def test_bounds():
    actions, channel = talk(CSQ, b"x" * 5000 + b"\r\nOK\r\n")
    assert actions[1:] == [done()] and channel.dropped["line"] == 1
    actions, channel = talk(CSQ, b"x" * 5000 + b"\r\nOK\r\n", 1)
    assert actions[1:] == [done()] and channel.dropped["line"] == 1
    actions, channel = talk(CSQ, b"+CSQ: 1,99\r\n" * 100 + b"OK\r\n")
    assert len(actions[1][3]) == at.MOST_LINES and channel.dropped["answer"] == 100 - at.MOST_LINES
    actions, channel = talk(CSQ, b"+CEREG: 2\r\n" * 100 + b"OK\r\n")
    assert actions[-2] == done() and actions[-1] == ("lost", 100 - at.MOST_URCS)
    assert len(actions) == 1 + at.MOST_URCS + 2 and channel.dropped["urc"] == 100 - at.MOST_URCS


def test_commands_that_are_refused():
    for text in ("", "A", "at", "AT\r", "AT+X=\n", "AT+X\x1a", "AT+X\x1b", "AT\x00", "AT\xe5", "AT" + "x" * 500):
        assert reason(Command, text) == "argument", text
    for payload in (b"", bytes(at.LONGEST_PAYLOAD + 1)):
        assert reason(Command, "AT", payload=payload) == "argument", len(payload)
