"""MQTT 3.1.1: the codec and the server, the same on both engines. Clause numbers are the standard's."""

from binascii import hexlify, unhexlify

from mqtt_ends import CONNACK, CONNECT, DOWN, UNIT, UP, Everything, joined, opened, others, reason_of

from protocols.wire import mqtt
from protocols.wire.mqtt import Fields, Reader
from protocols.wire.mqtt_server import Server

# Whole packets that the codec writes, worked out by hand from chapter 3.
WRITTEN = (
    (mqtt.connect(UNIT, 60, False), CONNECT),
    (mqtt.connect("", 0, True), "100c00044d5154540402" + "0000" + "0000"),
    (mqtt.connack(True, 0), "20020100"),
    (mqtt.connack(False, 5), "20020005"),
    (mqtt.publish("a/b", b"\x01\x02", 0, 0), "3007" + "0003612f62" + "0102"),
    (mqtt.publish("a/b", b"\x01\x02", 1, 10), "3209" + "0003612f62" + "000a" + "0102"),
    (mqtt.publish("a/b", b"", 1, 65535, True), "3a07" + "0003612f62" + "ffff"),
    (mqtt.ack(mqtt.PUBACK, 10), "4002000a"),
    (mqtt.ack(mqtt.SUBACK, 10, b"\x01\x80"), "9004000a0180"),
    (mqtt.ack(mqtt.UNSUBACK, 10), "b002000a"),
    (mqtt.subscribe(10, [("a/b", 1), ("c/d", 2)]), "820e" + "000a" + "0003612f6201" + "0003632f6402"),
    (mqtt.packet(mqtt.PINGREQ, b""), "c000"),
    (mqtt.packet(mqtt.PUBLISH, b"\0" * 127)[:2], "307f"),
    (mqtt.packet(mqtt.PUBLISH, b"\0" * 128)[:3], "308001"),
    (mqtt.packet(mqtt.PUBLISH, b"\0" * 16383)[:3], "30ff7f"),
    (mqtt.packet(mqtt.PUBLISH, b"\0" * 16384)[:4], "30808001"),
)
# Streams that break off: hex, reason.
BROKEN = (
    ("00", "packet type"),
    ("f0", "packet type"),
    ("11", "reserved flags"),
    ("2100", "reserved flags"),
    ("41", "reserved flags"),
    ("80", "reserved flags"),
    ("8300", "reserved flags"),
    ("a0", "reserved flags"),
    ("c1", "reserved flags"),
    ("e8", "reserved flags"),
    ("30ff7f", "packet too long"),
    ("308110", "packet too long"),
    ("3080808080", "remaining length"),
    ("308000", "remaining length"),
    ("30ff00", "remaining length"),
    ("30808000", "remaining length"),
)
TEXTS = (
    ("", ""), ("61", "a"), ("c3a5", "\u00e5"), ("e6b0b4", "\u6c34"), ("f0908591", "\U00010151"),
    ("f48fbfbf", "\U0010ffff"), ("ee8080", "\ue000"), ("ed9fbf", "\ud7ff"), ("61c3a562", "a\u00e5b"),
)  # fmt: skip
NOT_TEXTS = (
    "00", "6100", "80", "c0af", "c1bf", "c3", "c328", "e08080", "e09fbf", "e282", "eda080", "edbfbf", "f08fbfbf",
    "f0808080", "f4908080", "f5808080", "f09f92", "f09f9228", "ff", "61ff",
)  # fmt: skip
# Packets that the fleet's end refuses after a good CONNECT: hex, reason.
REFUSED_BY_SERVER = (
    (CONNECT, "CONNECT out of place"),
    (CONNACK, "packet type"),
    ("34060001" + "61" + "000101", "QoS 2 or 3"),
    ("36060001" + "61" + "000101", "QoS 2 or 3"),
    ("3803000161", "DUP on QoS 0"),
    ("32050001610000", "packet id 0"),
    ("320400016100", "cut field"),
    ("30020005", "cut field"),
    ("3000", "cut field"),
    ("30020000", "topic name"),
    ("300300012b", "topic name"),
    ("3005000361" + "2f23", "topic name"),
    ("300300010" + "0", "U+0000 in text"),
    ("30030001ff", "text is not UTF-8"),
    ("40020000", "packet id 0"),
    ("4003000100", "trailing bytes"),
    ("400100", "cut field"),
    ("50020001", "packet type"),
    ("62020001", "packet type"),
    ("70020001", "packet type"),
    ("82020001", "cut field"),
    ("820600000001" + "6101", "packet id 0"),
    ("820600010001" + "6103", "subscription"),
    ("82050001000001", "subscription"),
    ("82050001000161", "cut field"),
    ("9003000101", "packet type"),
    ("a2020001", "cut field"),
    ("a20400010000", "subscription"),
    ("b0020001", "packet type"),
    ("c00100", "trailing bytes"),
    ("d000", "packet type"),
    ("e00100", "trailing bytes"),
    ("3081" + "10", "packet too long"),
)
# First packets: hex, reason, and the CONNACK that goes before closing.
BAD_CONNECTS = (
    ("c000", "CONNECT out of place", None),
    ("101400044d51545405003c0008" + "00", "protocol level", "20020001"),
    ("101400044d515454" + "03" + "00" * 14, "protocol level", "20020001"),
    ("100e00064d51497364700300003c00026162", "protocol level", "20020001"),
    ("100c00044d515458040000000000", "protocol name", None),
    ("100c00046d717474040000000000", "protocol name", None),
    ("100c00044d515454040100000000", "connect flags", None),
    ("100c00044d515454040800000000", "connect flags", None),
    ("100c00044d515454042000000000", "connect flags", None),
    ("100c00044d515454041c00000000", "connect flags", None),
    ("100c00044d515454044000000000", "connect flags", None),
    ("100b00044d5154540400000000", "cut field", None),
    ("100d00044d51545404000000000000", "trailing bytes", None),
    ("100c00044d515454048000000000", "cut field", None),
    ("100e00044d5154540400000000" + "02" + "c080", "text is not UTF-8", None),
    ("101100044d5154540404000000000001" + "2b" + "0000", "topic name", None),
)


def test_written_packets():
    for data, expected in WRITTEN:
        assert hexlify(data).decode() == expected


def test_reader_cuts_packets_wherever_the_bytes_are_cut():
    stream = unhexlify(CONNECT) + mqtt.publish("t", b"x" * 200, 1, 1) + unhexlify("c000" + "e000")
    whole = Reader()
    whole.feed(stream)
    expected = [whole.take() for _ in range(5)]
    assert expected[4] is None and [first >> 4 for first, _ in expected[:4]] == [1, 3, 12, 14]
    for size in (1, 2, 3, 7, 100):
        reader = Reader()
        found = []
        for at in range(0, len(stream), size):
            reader.feed(stream[at : at + size])
            taken = reader.take()
            while taken:
                found.append(taken)
                taken = reader.take()
        assert found == expected[:4]


def test_broken_streams():
    for text, reason in BROKEN:
        reader = Reader()
        reader.feed(unhexlify(text))
        assert reason_of(reader.take) == reason, text


def test_the_cap_is_on_the_header():
    reader = Reader(cap=127)
    reader.feed(b"\x30\x7f")
    assert reader.take() is None
    reader = Reader(cap=126)
    reader.feed(b"\x30\x7f")
    assert reason_of(reader.take) == "packet too long"


def test_texts():
    for data, expected in TEXTS:
        assert mqtt.text(unhexlify(data)) == expected
    for data in NOT_TEXTS:
        assert reason_of(mqtt.text, unhexlify(data)) in ("text is not UTF-8", "U+0000 in text"), data


def test_packet_ids_wrap_and_skip_what_is_in_flight():
    assert mqtt.next_packet_id(0, []) == 1
    assert mqtt.next_packet_id(65534, []) == 65535
    assert mqtt.next_packet_id(65535, []) == 1
    assert mqtt.next_packet_id(65535, [1, 2, 4]) == 3
    assert reason_of(mqtt.next_packet_id, 7, Everything()) == "no free packet id"


def test_fields_must_be_there_and_be_all():
    fields = Fields(b"\x00\x01a\x02")
    assert fields.text() == "a" and fields.more()
    assert reason_of(fields.end) == "trailing bytes"
    assert reason_of(fields.word) == "cut field"


def test_server_refuses_first_packets():
    for text, reason, answer in BAD_CONNECTS:
        server = Server(0)
        data = unhexlify(text)
        data = data[:1] + bytes([len(data) - 2]) + data[2:]
        actions = server.feed(data, 0)
        assert others(actions) == [("closed", reason)], (text, actions)
        assert hexlify(joined(actions)).decode() == (answer or ""), text
        assert server.feed(unhexlify(CONNECT), 0) == []


def test_server_reads_a_full_connect():
    data = unhexlify(
        "10"
        + "22"
        + "00044d51545404"
        + "f6"
        + "0000"
        + "000161"
        + "000177"
        + "00026d6d"
        + "000175"
        + "0004"
        + "70617373"
    )
    data = data[:1] + bytes([len(data) - 2]) + data[2:]
    assert Server(0).feed(data, 0) == [("connect", "a", True, 0, True, True)]


def test_server_refuses_packets():
    for text, reason in REFUSED_BY_SERVER:
        server = opened()
        actions = server.feed(unhexlify(text), 0)
        assert actions == [("closed", reason)], (text, actions)
        assert server.feed(unhexlify("c000"), 0) == [] and server.publish(DOWN, b"x") == []
        assert server.next_wakeup(0) is None


def test_server_waits_for_the_decision():
    server = Server(0)
    early = mqtt.publish(UP, b"frame", 1, 1)
    assert len(server.feed(unhexlify(CONNECT) + early, 0)) == 1
    assert server.client_id == UNIT and server.paused and not server.open
    assert server.feed(unhexlify("c000"), 5) == []
    assert server.accept(True, 9) == [
        ("send", unhexlify("20020100")), ("publish", 1, UP, b"frame", 1, False), ("send", unhexlify("d000")),
    ]  # fmt: skip
    assert server.open
    server = Server(0)
    server.feed(unhexlify(CONNECT), 0)
    assert server.refuse(mqtt.NOT_AUTHORISED) == [("send", unhexlify("20020005")), ("closed", "refused")]
    assert server.accept(False, 0) == []


def test_server_acknowledges_when_told():
    server = opened()
    assert server.feed(mqtt.publish(UP, b"frame", 1, 7), 0) == [("publish", 7, UP, b"frame", 1, False)]
    assert server.pending == 1
    assert server.puback(8, 0) == [] and server.suback(7, [1], 0) == []
    assert server.puback(7, 0) == [("send", unhexlify("40020007"))]
    assert server.puback(7, 0) == [] and server.pending == 0
    assert server.feed(mqtt.publish(UP, b"frame", 0, 0), 0) == [("publish", 0, UP, b"frame", 0, False)]
    assert server.pending == 0
    assert server.feed(mqtt.subscribe(9, [(DOWN, 1), ("#", 2)]), 0) == [("subscribe", 9, [(DOWN, 1), ("#", 2)])]
    assert server.suback(9, [1, 0x80], 0) == [("send", unhexlify("900400090180"))]
    assert server.feed(unhexlify("a205000a000161"), 0) == [("unsubscribe", 10, ["a"])]
    assert server.unsuback(10, 0) == [("send", unhexlify("b002000a"))]
    assert server.feed(unhexlify("e000"), 0) == [("disconnect",), ("closed", "client disconnected")]


def test_server_takes_a_repetition_for_one_publish():
    server = opened()
    server.feed(mqtt.publish(UP, b"frame", 1, 7), 0)
    assert server.feed(mqtt.publish(UP, b"frame", 1, 7, True), 0) == []
    assert server.pending == 1
    assert server.feed(mqtt.publish(UP, b"other", 1, 7, True), 0) == [("closed", "packet id in use")]


def test_server_stops_reading_what_it_cannot_hold():
    server = opened(inflight=2)
    stream = b"".join([mqtt.publish(UP, b"frame", 1, packet_id) for packet_id in (1, 2, 3, 4)]) + unhexlify("c000")
    assert [action[1] for action in server.feed(stream, 0)] == [1, 2]
    assert server.paused
    assert server.next_wakeup(0) is None and server.timeout(10**9) == []
    assert [action[:2] for action in server.puback(2, 500000)] == [("send", unhexlify("40020002")), ("publish", 3)]
    assert [action[:2] for action in server.puback(1, 600000)] == [("send", unhexlify("40020001")), ("publish", 4)]
    assert server.puback(4, 700000) == [("send", unhexlify("40020004")), ("send", unhexlify("d000"))]
    assert not server.paused and server.next_wakeup(700000) == 790000


def test_server_deadlines():
    server = Server(1000, patience=5000)
    assert server.next_wakeup(1000) == 6000
    assert server.timeout(5999) == []
    assert server.timeout(6000) == [("closed", "no CONNECT")]
    server = opened(1000)
    assert server.next_wakeup(1000) == 91000
    server.feed(unhexlify("c000"), 60000)
    assert server.timeout(149999) == []
    assert server.timeout(150000) == [("closed", "keepalive")]
    server = Server(0)
    server.feed(mqtt.connect(UNIT, 0, False), 0)
    server.accept(False, 0)
    assert server.next_wakeup(0) is None and server.timeout(10**9) == []
    # Half a CONNECT does not put the deadline off.
    server = Server(0, patience=5000)
    server.feed(unhexlify(CONNECT)[:5], 4999)
    assert server.timeout(5000) == [("closed", "no CONNECT")]


def test_server_bounds_what_goes_down():
    server = opened(window=2, queue=3)
    ids = []
    for number in range(7):
        for action in server.publish(DOWN, bytes([number])):
            ids.append(mqtt.parse_publish(action[1][0], action[1][2:])[:3])
    assert ids == [(1, DOWN, b"\x00"), (2, DOWN, b"\x01")]
    assert server.dropped == 2
    found = []
    for packet_id in (2, 1, 3, 4, 5):
        for action in server.feed(mqtt.ack(mqtt.PUBACK, packet_id), 0):
            found.append(mqtt.parse_publish(action[1][0], action[1][2:])[:3])
    assert found == [(3, DOWN, b"\x04"), (4, DOWN, b"\x05"), (5, DOWN, b"\x06")]
    assert server.feed(mqtt.ack(mqtt.PUBACK, 99), 0) == []
    assert joined(server.publish(DOWN, b"x", 0)) == mqtt.publish(DOWN, b"x", 0, 0)
    closed = Server(0)
    assert closed.publish(DOWN, b"x") == [] and closed.dropped == 1
