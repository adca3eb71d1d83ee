"""CoAP: the codec and both ends' exchanges, the same on both engines. Clause numbers are RFC 7252's."""

from binascii import hexlify, unhexlify

from protocols.wire.coap import (
    ACK,
    BAD_OPTION,
    CHANGED,
    CON,
    EMPTY,
    GET,
    METHOD_NOT_ALLOWED,
    NON,
    NOT_FOUND,
    POST,
    RST,
    CoapError,
    decode,
    encode,
    path_options,
)  # fmt: skip
from protocols.wire.coap_client import Client
from protocols.wire.coap_server import Server

UNIT = ("192.0.2.7", 49152)

# Hex, then (type, code, mid, token, options, payload). The first four are appendix A's exchanges, figures 16 to 18.
MESSAGES = (
    ("40017d34bb74656d7065726174757265", (CON, GET, 0x7D34, b"", [(11, b"temperature")], b"")),
    ("60457d34ff32322e332043", (ACK, 0x45, 0x7D34, b"", [], b"22.3 C")),
    ("41017d3520bb74656d7065726174757265", (CON, GET, 0x7D35, b"\x20", [(11, b"temperature")], b"")),
    ("61457d3520ff32322e332043", (ACK, 0x45, 0x7D35, b"\x20", [], b"22.3 C")),
    ("40000001", (CON, EMPTY, 1, b"", [], b"")),
    ("7000ffff", (RST, EMPTY, 65535, b"", [], b"")),
    ("48020001" + "0102030405060708" + "b175" + "ff00", (CON, POST, 1, b"\1\2\3\4\5\6\7\x08", [(11, b"u")], b"\0")),
    ("50020002" + "b164", (NON, POST, 2, b"", [(11, b"d")], b"")),
    # Deltas and lengths at the edges of their forms: 12, 13, 268, 269.
    ("50020003c0d000d0ffe00000", (NON, POST, 3, b"", [(12, b""), (25, b""), (293, b""), (562, b"")], b"")),
    ("50020004" + "1d00" + "61" * 13, (NON, POST, 4, b"", [(1, b"a" * 13)], b"")),
    ("50020005" + "1dff" + "61" * 268, (NON, POST, 5, b"", [(1, b"a" * 268)], b"")),
    ("50020006" + "1e0000" + "61" * 269, (NON, POST, 6, b"", [(1, b"a" * 269)], b"")),
    ("50020007" + "e0fef2", (NON, POST, 7, b"", [(65535, b"")], b"")),
)  # fmt: skip

# Hex, reason, and whether the peer is told by a Reset.
REFUSED = (
    ("", "short header", False),
    ("400200", "short header", False),
    ("00020001", "version", False),
    ("80020001", "version", False),
    ("c0020001", "version", False),
    ("49020001" + "00" * 9, "reserved token length", True),
    ("4f020001" + "00" * 15, "reserved token length", True),
    ("59020001" + "00" * 9, "reserved token length", False),
    ("44020001000000", "cut token", True),
    ("40200001", "reserved code class", True),
    ("40c10001", "reserved code class", True),
    ("60e10001", "reserved code class", False),
    ("4000000100", "empty message not empty", True),
    ("4100000100", "empty message not empty", True),
    ("70000001ff00", "empty message not empty", False),
    ("40020001ff", "payload marker without payload", True),
    ("50020001b175ff", "payload marker without payload", False),
    ("40020001b2" + "75", "cut option", True),
    ("40020001d0", "cut option", True),
    ("40020001e000", "cut option", True),
    ("400200010d", "cut option", True),
    ("400200010e00", "cut option", True),
    ("40020001f0", "reserved option nibble", True),
    ("400200010f", "reserved option nibble", True),
    ("40020001e0fef3", "option number", True),
    ("40020001e0fef210", "option number", True),
    ("40020001ff" + "00" * 640, "oversize", False),
)


def reason_of(function, *arguments):
    try:
        function(*arguments)
    except CoapError as error:
        return error.reason
    return "accepted"


def fields(data):
    message = decode(data)
    return (message.type, message.code, message.mid, message.token, message.options, message.payload)


def sent(actions):
    """The one datagram that these actions send, in the client's or the server's shape."""
    found = [action[-1] for action in actions if action[0] == "send"]
    assert len(found) == 1, actions
    return found[0]


def others(actions):
    return [action for action in actions if action[0] != "send"]


def up(mid, token=b"\x01", payload=b"frame", path="u", code=POST, kind=CON, options=()):
    return encode(kind, code, mid, token, path_options(path) + list(options), payload)


def test_messages_both_ways():
    for text, expected in MESSAGES:
        data = unhexlify(text)
        assert fields(data) == expected, text
        assert hexlify(encode(*expected)).decode() == text


def test_refused_datagrams():
    for text, reason, reset in REFUSED:
        try:
            decode(unhexlify(text))
        except CoapError as error:
            assert error.reason == reason, (text, error.reason)
            assert (error.mid is not None) == reset, text
        else:
            raise AssertionError(text + " was accepted")


def test_every_cut_of_a_message_is_refused_or_shorter():
    data = unhexlify("44020001aabbccdd" + "b3616263" + "1401020304" + "ff0506")
    whole = fields(data)
    for end in range(len(data)):
        try:
            assert fields(data[:end]) != whole
        except CoapError:
            pass


def test_encode_refuses_what_it_could_not_read_back():
    assert reason_of(encode, 4, 1, 1) == "field out of range"
    assert reason_of(encode, CON, 1, 65536) == "field out of range"
    assert reason_of(encode, CON, 1, 1, b"123456789") == "field out of range"
    assert reason_of(encode, CON, EMPTY, 1, b"1") == "empty message not empty"
    assert reason_of(encode, CON, POST, 1, b"", [(11, b""), (3, b"")]) == "option out of order or range"


def test_piggybacked_response():
    client = Client(0, 0)
    token, actions = client.request("u", b"frame", 1000)
    request = decode(sent(actions))
    assert (request.type, request.code, request.path(), request.payload) == (CON, POST, (b"u",), b"frame")
    assert request.token == token
    actions = client.datagram(encode(ACK, CHANGED, request.mid, token, (), b"receipt"), 1100)
    assert actions == [("response", token, CHANGED, b"receipt")]
    assert client.next_wakeup(1100) is None
    assert client.datagram(encode(ACK, CHANGED, request.mid, token), 1200) == []


def test_an_acknowledgement_with_another_token_is_not_an_answer():
    client = Client(0, 0)
    _, actions = client.request("u", b"frame", 0)
    request = decode(sent(actions))
    assert client.datagram(encode(ACK, CHANGED, request.mid, b"else", (), b"x"), 10) == []
    assert client.datagram(encode(ACK, CHANGED, request.mid ^ 1, request.token), 10) == []
    assert client.datagram(encode(ACK, GET, request.mid, request.token), 10) == []
    assert client.next_wakeup(10) == 2000


def test_retransmission_doubles_and_ends():
    for random, first in ((0, 2000), (500, 2500), (1000, 3000)):
        client = Client(9, 9)
        now = 5000
        token, actions = client.request("u", b"frame", now, random)
        data = sent(actions)
        wait = first
        for _ in range(4):
            assert client.next_wakeup(now) == now + wait
            assert client.timeout(now + wait - 1) == []
            now += wait
            assert client.timeout(now) == [("send", data)]
            wait *= 2
        assert client.next_wakeup(now) == now + wait
        assert client.timeout(now + wait) == [("failed", token, "timeout")]
        assert client.next_wakeup(now + wait) is None


def test_separate_response_is_acknowledged_again_and_delivered_once():
    client = Client(0, 0)
    token, actions = client.request("u", b"frame", 0)
    request = decode(sent(actions))
    assert client.datagram(encode(ACK, EMPTY, request.mid), 100) == []
    assert client.timeout(3000) == []
    answer = encode(CON, CHANGED, 77, token, (), b"receipt")
    actions = client.datagram(answer, 4000)
    assert others(actions) == [("response", token, CHANGED, b"receipt")]
    assert fields(sent(actions)) == (ACK, EMPTY, 77, b"", [], b"")
    again = client.datagram(answer, 6000)
    assert again == [("send", encode(ACK, EMPTY, 77))]


def test_a_separate_response_may_overtake_its_acknowledgement():
    client = Client(0, 0)
    token, actions = client.request("u", b"frame", 0)
    actions = client.datagram(encode(NON, CHANGED, 78, token, (), b"receipt"), 40)
    assert actions == [("response", token, CHANGED, b"receipt")]


def test_a_separate_response_that_never_comes():
    client = Client(0, 0)
    token, actions = client.request("u", b"frame", 0)
    client.datagram(encode(ACK, EMPTY, decode(sent(actions)).mid), 100)
    due = client.next_wakeup(100)
    assert client.timeout(due - 1) == []
    assert client.timeout(due) == [("failed", token, "no response")]


def test_a_response_that_nobody_waits_for_is_reset_but_its_receipt_is_passed_on():
    client = Client(0, 0)
    reset = ("send", encode(RST, EMPTY, 5))
    answer = encode(CON, CHANGED, 5, b"gone", (), b"receipt")
    assert client.datagram(answer, 0) == [reset, ("stray", b"receipt")]
    assert client.datagram(answer, 0) == [reset]
    assert client.datagram(encode(NON, CHANGED, 6, b"gone", (), b"receipt"), 0) == [("stray", b"receipt")]
    assert client.datagram(encode(ACK, CHANGED, 7, b"gone", (), b"receipt"), 0) == [("stray", b"receipt")]
    assert client.datagram(encode(ACK, CHANGED, 8, b"gone"), 0) == []


def test_reset_fails_the_exchange():
    client = Client(0, 0)
    token, actions = client.request("u", b"frame", 0)
    mid = decode(sent(actions)).mid
    assert client.datagram(encode(RST, EMPTY, mid ^ 1), 10) == []
    assert client.datagram(encode(RST, EMPTY, mid), 10) == [("failed", token, "reset")]


def test_cancelled_request_is_silent():
    client = Client(0, 0)
    token, actions = client.request("u", b"frame", 0)
    request = decode(sent(actions))
    client.cancel(token)
    assert client.next_wakeup(0) is None
    assert client.timeout(100000) == []
    assert client.datagram(encode(ACK, CHANGED, request.mid, token, (), b"late"), 10) == [("stray", b"late")]
    assert client.ready()


def test_an_alarm_goes_beyond_nstart_and_is_never_refused():
    client = Client(0, 0)
    first, _ = client.request("u", b"heartbeat", 0)
    assert not client.ready()
    assert reason_of(client.request, "u", b"log", 0) == "busy"
    for _ in range(3):
        token, actions = client.request("u", b"alarm", 0, 0, True)
        assert others(actions) == []
    token, actions = client.request("u", b"alarm", 0, 0, True)
    assert others(actions) == [("failed", first, "displaced")]
    assert decode(sent(actions)).token == token


def test_message_ids_wrap_and_do_not_meet_an_open_one():
    client = Client(65534, 0xFFFFFFFE)
    mids = []
    tokens = []
    for _ in range(3):
        token, actions = client.request("u", b"frame", 0, 0, True)
        mids.append(decode(sent(actions)).mid)
        tokens.append(token)
    assert mids == [65535, 0, 1]
    assert tokens == [b"\xff\xff\xff\xff", b"\0\0\0\0", b"\0\0\0\1"]
    client = Client(65534, 0)
    client.request("u", b"frame", 0)  # 65535 stays open
    for _ in range(65535):
        token, actions = client.request("u", b"frame", 0, 0, True)
        client.cancel(token)
    _, actions = client.request("u", b"frame", 0, 0, True)
    assert decode(sent(actions)).mid == 0


def test_push_is_delivered_once():
    client = Client(0, 0)
    push = up(9, b"", b"receipt", "d", POST, NON)
    assert client.datagram(push, 0) == [("pushed", "d", b"receipt")]
    assert client.datagram(push, 10) == []
    push = up(10, b"\x07", b"receipt", "d")
    actions = client.datagram(push, 20)
    assert others(actions) == [("pushed", "d", b"receipt")]
    assert fields(sent(actions)) == (ACK, CHANGED, 10, b"\x07", [], b"")
    assert client.datagram(push, 30) == [("send", encode(ACK, CHANGED, 10, b"\x07"))]


def test_only_so_many_messages_of_the_server_are_remembered():
    client = Client(0, 0)
    pushes = [up(mid, b"", b"receipt", "d", POST, NON) for mid in range(17)]
    for push in pushes:
        assert len(client.datagram(push, 0)) == 1
    assert [len(client.datagram(push, 0)) for push in pushes[1:]] == [0] * 16
    assert len(client.datagram(pushes[0], 0)) == 1


def test_a_restarted_server_with_a_remembered_message_id_is_heard():
    client = Client(0, 0)
    client.datagram(up(9, b"", b"receipt", "d", POST, NON), 0)
    assert client.datagram(up(9, b"", b"another", "d", POST, NON), 10) == [("pushed", "d", b"another")]


def test_what_the_server_may_not_ask_of_the_unit():
    client = Client(0, 0)
    for data, code in (
        (up(1, b"t", b"x", "elsewhere"), NOT_FOUND),
        (up(2, b"t", b"", "d", GET), METHOD_NOT_ALLOWED),
        (up(3, b"t", b"x", "d", POST, CON, [(35, b"coap://other")]), BAD_OPTION),
    ):
        assert client.datagram(data, 0) == [("send", encode(ACK, code, decode(data).mid, b"t"))]
    assert client.datagram(up(4, b"t", b"x", "elsewhere", POST, NON), 0) == []
    assert client.datagram(encode(CON, EMPTY, 5), 0) == [("send", encode(RST, EMPTY, 5))]
    assert client.datagram(encode(NON, EMPTY, 5), 0) == []
    assert client.datagram(b"\x40\x02\x00\x06\xff", 0) == [
        ("send", encode(RST, EMPTY, 6)), ("refused", "payload marker without payload"),
    ]  # fmt: skip
    assert client.datagram(b"\x80", 0) == [("refused", "short header")]


def asked(server, data, now=0, peer=UNIT):
    actions = server.datagram(data, peer, now)
    assert len(actions) == 1 and actions[0][0] == "request", actions
    assert actions[0][2:] == ("u", b"frame")
    return actions[0][1]


def test_server_piggybacks_after_the_commit():
    server = Server(0)
    exchange = asked(server, up(1))
    assert server.next_wakeup(0) == 1000
    assert server.respond(exchange, CHANGED, b"receipt", 500) == [
        ("send", UNIT, encode(ACK, CHANGED, 1, b"\x01", (), b"receipt"))
    ]
    assert len(server) == 0 and server.next_wakeup(500) is None
    assert server.respond(exchange, CHANGED, b"receipt", 600) == []
    assert server.timeout(5000) == []


def test_server_answers_a_non_confirmable_request_in_kind():
    server = Server(41)
    exchange = asked(server, up(1, kind=NON))
    assert server.timeout(2000) == []
    assert server.respond(exchange, CHANGED, b"r", 2000) == [
        ("send", UNIT, encode(NON, CHANGED, 42, b"\x01", (), b"r"))
    ]
    assert len(server) == 0


def test_a_slow_commit_gets_an_empty_acknowledgement_and_a_separate_response():
    server = Server(65534)
    exchange = asked(server, up(1))
    assert server.timeout(999) == []
    assert server.timeout(1000) == [("send", UNIT, encode(ACK, EMPTY, 1))]
    assert server.timeout(1000) == []
    assert server.datagram(up(1), UNIT, 2000) == [("send", UNIT, encode(ACK, EMPTY, 1))]
    answer = encode(CON, CHANGED, 65535, b"\x01", (), b"receipt")
    now = 20000
    assert server.respond(exchange, CHANGED, b"receipt", now) == [("send", UNIT, answer)]
    assert server.respond(exchange, CHANGED, b"receipt", now) == []
    for wait in (2000, 4000, 8000, 16000):
        assert server.next_wakeup(now) == now + wait
        assert server.timeout(now + wait - 1) == []
        now += wait
        assert server.timeout(now) == [("send", UNIT, answer)]
    assert server.timeout(now + 32000) == []
    assert len(server) == 0


def test_an_acknowledged_separate_response_ends():
    for kind in (ACK, RST):
        server = Server(0)
        exchange = asked(server, up(1))
        server.timeout(1000)
        answer = decode(sent(server.respond(exchange, CHANGED, b"receipt", 3000)))
        assert server.datagram(encode(kind, EMPTY, answer.mid), ("192.0.2.8", 1), 3100) == []
        assert len(server) == 1, "another peer's acknowledgement must not count"
        assert server.datagram(encode(kind, EMPTY, answer.mid), UNIT, 3100) == []
        assert len(server) == 0
        assert server.timeout(100000) == []


def test_a_refused_frame_gets_silence_for_good():
    server = Server(0)
    exchange = asked(server, up(1))
    server.silence(exchange)
    assert len(server) == 0
    assert server.timeout(10000) == []
    assert server.respond(exchange, CHANGED, b"receipt", 10000) == []
    server.silence(exchange)
    # Negative control: without silence the timer does acknowledge.
    asked(server, up(2), 10000)
    assert server.timeout(11000) == [("send", UNIT, encode(ACK, EMPTY, 2))]


def test_a_repeated_request_makes_no_second_exchange_until_it_is_answered():
    server = Server(0)
    exchange = asked(server, up(1))
    assert server.datagram(up(1), UNIT, 100) == []
    assert len(server) == 1
    server.respond(exchange, CHANGED, b"receipt", 200)
    assert asked(server, up(1), 300) != exchange
    # The same message id of another peer, and with another token, is another request.
    assert asked(server, up(1), 300, ("192.0.2.8", 1)) != asked(server, up(1, b"\x02"), 300)


def test_the_table_is_bounded_and_drops_the_oldest():
    server = Server(0, exchanges=3)
    exchanges = [asked(server, up(mid)) for mid in range(5)]
    assert len(server) == 3
    assert server.respond(exchanges[0], CHANGED, b"", 10) == []
    assert server.respond(exchanges[1], CHANGED, b"", 10) == []
    for exchange in exchanges[2:]:
        assert len(server.respond(exchange, CHANGED, b"", 10)) == 1
    asked(server, up(9), 20)
    assert server.timeout(1020) == [("send", UNIT, encode(ACK, EMPTY, 9))]
    server.timeout(20 + 247000)
    assert len(server) == 0 and server.next_wakeup(300000) is None


def test_what_strangers_get():
    server = Server(0)
    for data, code, reason in (
        (up(1, path="elsewhere"), NOT_FOUND, "not found"),
        (up(2, path="u/u"), NOT_FOUND, "not found"),
        (encode(CON, GET, 3, b"12345678"), NOT_FOUND, "not found"),
        (up(4, code=GET), METHOD_NOT_ALLOWED, "method not allowed"),
        (up(5, code=0x1F), METHOD_NOT_ALLOWED, "method not allowed"),
        (up(6, options=[(17, b"")]), BAD_OPTION, "bad option"),
        (up(7, options=[(65001, b"")]), BAD_OPTION, "bad option"),
    ):
        message = decode(data)
        reply = encode(ACK, code, message.mid, message.token)
        assert server.datagram(data, UNIT, 0) == [("send", UNIT, reply), ("refused", reason)]
        assert len(reply) <= len(data), "an answer must not amplify"
    assert others(server.datagram(up(8, path="x", kind=NON), UNIT, 0)) == [("refused", "not found")]
    assert server.datagram(up(9, kind=NON, options=[(17, b"")]), UNIT, 0) == [("refused", "bad option")]
    assert server.datagram(encode(CON, EMPTY, 10), UNIT, 0) == [("send", UNIT, encode(RST, EMPTY, 10))]
    assert server.datagram(encode(NON, EMPTY, 10), UNIT, 0) == []
    assert server.datagram(encode(CON, CHANGED, 11, b"t"), UNIT, 0) == [("send", UNIT, encode(RST, EMPTY, 11))]
    assert server.datagram(encode(ACK, EMPTY, 12), UNIT, 0) == []
    assert server.datagram(b"\x40\x20\x00\x0d", UNIT, 0) == [
        ("send", UNIT, encode(RST, EMPTY, 13)), ("refused", "reserved code class"),
    ]  # fmt: skip
    assert len(server) == 0


def test_known_and_elective_options_make_no_difference():
    server = Server(0)
    data = encode(CON, POST, 1, b"t", [(3, b"host"), (7, b"\x16\x33"), (11, b"u"), (12, b""), (258, b"\x1a")], b"frame")
    asked(server, data)


def test_push_from_server_to_client():
    server = Server(99)
    client = Client(0, 0)
    for receipt in (b"one", b"two"):
        assert client.datagram(sent(server.push(UNIT, receipt)), 0) == [("pushed", "d", receipt)]


def test_both_ends_over_a_link_that_loses():
    """Two requests and one answer are lost: the fourth datagram brings the receipt, and the frame is decided twice."""
    server = Server(0)
    client = Client(0, 0)
    token, actions = client.request("u", b"frame", 0)
    lost = [True, True, False, True, False, False]
    decided = 0
    got = []
    while not got:
        data = sent(actions)
        if not lost.pop(0):
            exchange = asked(server, data, 0)
            decided += 1
            answer = sent(server.respond(exchange, CHANGED, b"receipt", 0))
            if not lost.pop(0):
                got = client.datagram(answer, 0)
                break
        actions = client.timeout(client.next_wakeup(0))
    assert got == [("response", token, CHANGED, b"receipt")]
    assert decided == 2 and lost == []
