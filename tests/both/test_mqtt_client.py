"""MQTT 3.1.1, the client and the two ends against each other, the same on both engines."""

from binascii import unhexlify

from mqtt_ends import CONNACK, CONNECT, DOWN, UNIT, UP, connected, joined, others

from protocols.wire import mqtt
from protocols.wire.mqtt_client import Client
from protocols.wire.mqtt_server import Server


def test_client_connects_with_and_without_a_session():
    for session_present in (False, True):
        client = Client(UNIT, 60, [(DOWN, 1)])
        assert client.connect(0) == [("send", unhexlify(CONNECT))]
        assert not client.connected()
        actions = client.feed(mqtt.connack(session_present, 0), 10)
        assert actions == [("connected", session_present), ("send", mqtt.subscribe(1, [(DOWN, 1)]))]
        assert client.connected()
        assert client.feed(mqtt.ack(mqtt.SUBACK, 1, b"\x01"), 20) == [("subscribed", [1])]


def test_client_tells_a_refused_subscription_and_stays():
    client = connected(subscriptions=[(DOWN, 1)])
    assert client.feed(mqtt.ack(mqtt.SUBACK, 1, b"\x80"), 20) == [("subscribed", [0x80])]
    assert client.connected()


def test_client_is_refused():
    for code in range(1, 6):
        client = Client(UNIT)
        client.connect(0)
        actions = client.feed(mqtt.connack(False, code), 0)
        assert actions[0][0] == "closed" and actions[0][1].startswith("refused: ")
        assert not client.connected() and client.next_wakeup(0) is None


def test_client_publishes_until_acknowledged():
    client = connected()
    packet_id, actions = client.publish(UP, b"one", 0)
    assert (packet_id, joined(actions)) == (1, mqtt.publish(UP, b"one", 1, 1))
    assert client.unacked() == [1]
    assert client.feed(mqtt.ack(mqtt.PUBACK, 2), 0) == []
    assert client.feed(mqtt.ack(mqtt.PUBACK, 1), 0) == [("acked", 1)]
    assert client.feed(mqtt.ack(mqtt.PUBACK, 1), 0) == []
    assert client.unacked() == []
    assert client.publish(UP, b"x", 0, 0) == (0, [("send", mqtt.publish(UP, b"x", 0, 0))])


def test_client_sends_again_after_a_reconnect():
    client = connected()
    client.publish(UP, b"one", 0)
    client.publish(UP, b"two", 0)
    client.publish(UP, b"three", 0)
    client.forget(2)
    assert client.lost() == [("closed", "connection lost")] and client.lost() == []
    offline, actions = client.publish(UP, b"four", 0)
    assert (offline, actions) == (4, [])
    assert client.publish(UP, b"gone", 0, 0) == (0, [])
    client.connect(100)
    expected = mqtt.publish(UP, b"one", 1, 1, True) + mqtt.publish(UP, b"three", 1, 3, True)
    expected += mqtt.publish(UP, b"four", 1, 4, False)
    assert joined(client.feed(mqtt.connack(True, 0), 100)) == expected
    client.lost()
    client.connect(200)
    expected = expected[: -len(mqtt.publish(UP, b"four", 1, 4))] + mqtt.publish(UP, b"four", 1, 4, True)
    assert joined(client.feed(mqtt.connack(False, 0), 200)) == expected
    assert client.unacked() == [1, 3, 4]


def test_client_publishes_more_than_65535_times():
    """Public clients break here: the id must wrap to 1 and never meet one that is in flight."""
    client = connected()
    stuck, _ = client.publish(UP, b"stuck", 0)
    assert stuck == 1
    for _ in range(65534):
        packet_id, _ = client.publish(UP, b"x", 0)
        client.forget(packet_id)
    assert packet_id == 65535
    assert client.publish(UP, b"x", 0)[0] == 2
    assert client.unacked() == [1, 2]


def test_client_window_forgets_the_oldest():
    client = connected(window=2)
    for number in range(3):
        client.publish(UP, bytes([number]), 0)
    assert client.unacked() == [2, 3]


def test_client_delivers_and_acknowledges():
    client = connected()
    assert client.feed(mqtt.publish(DOWN, b"r", 1, 9), 0) == [
        ("message", DOWN, b"r"), ("send", mqtt.ack(mqtt.PUBACK, 9)),
    ]  # fmt: skip
    assert client.feed(mqtt.publish(DOWN, b"r", 0, 0), 0) == [("message", DOWN, b"r")]


def test_client_refuses_packets():
    for text, reason in (
        ("34060001" + "61" + "000101", "QoS 2 or 3"),
        (CONNACK, "CONNACK out of place"),
        ("c000", "packet type"),
        ("e000", "packet type"),
        ("9003000901", "SUBACK out of place"),
        ("9002" + "0001", "SUBACK codes"),
        ("9003000103", "SUBACK codes"),
        ("d00100", "trailing bytes"),
        ("b0020001", "packet type"),
    ):
        client = connected()
        assert client.feed(unhexlify(text), 0) == [("closed", reason)], text
        assert client.feed(unhexlify("d000"), 0) == []
    for text, reason in (
        ("d000", "CONNACK out of place"),
        ("20020200", "CONNACK fields"),
        ("20020006", "CONNACK fields"),
        ("20020101", "CONNACK fields"),
        ("200100", "cut field"),
        ("2003000000", "trailing bytes"),
    ):
        client = Client(UNIT)
        client.connect(0)
        assert client.feed(unhexlify(text), 0) == [("closed", reason)], text


def test_client_pings_and_notices_silence():
    client = connected(1000, keepalive=60, patience=5000)
    assert client.next_wakeup(1000) == 61000
    assert client.timeout(60999) == []
    assert client.timeout(61000) == [("send", unhexlify("c000"))]
    assert client.timeout(61000) == []
    assert client.feed(unhexlify("d000"), 62000) == []
    assert client.next_wakeup(62000) == 121000
    assert client.timeout(121000) == [("send", unhexlify("c000"))]
    assert client.next_wakeup(121000) == 126000
    assert client.timeout(126000) == [("closed", "no PINGRESP")]
    assert client.next_wakeup(126000) is None


def test_client_pings_although_it_sends():
    """A half-open connection swallows publishes; only what comes back shows life."""
    client = connected(0, keepalive=60)
    client.publish(UP, b"x", 59000)
    assert client.timeout(60000) == [("send", unhexlify("c000"))]


def test_client_deadlines():
    client = Client(UNIT, patience=5000)
    client.connect(1000)
    assert client.next_wakeup(1000) == 6000
    assert client.timeout(6000) == [("closed", "no CONNACK")]
    client = connected(1000, subscriptions=[(DOWN, 1)], patience=5000)
    assert client.timeout(6000) == [("closed", "no SUBACK")]
    client = connected(0, keepalive=0)
    assert client.next_wakeup(0) is None and client.timeout(10**9) == []


def test_client_says_goodbye():
    client = connected()
    assert client.disconnect() == [("send", unhexlify("e000")), ("closed", "closed here")]
    assert client.disconnect() == []
    client.connect(0)
    assert client.disconnect() == [("closed", "closed here")]


def test_both_ends():
    server = Server(0)
    client = Client(UNIT, 60, [(DOWN, 1)])
    assert others(server.feed(joined(client.connect(0)), 0))[0][:2] == ("connect", UNIT)
    actions = client.feed(joined(server.accept(False, 0)), 0)
    assert others(server.feed(joined(actions), 0)) == [("subscribe", 1, [(DOWN, 1)])]
    assert client.feed(joined(server.suback(1, [1], 0)), 0) == [("subscribed", [1])]
    packet_id, actions = client.publish(UP, b"frame", 0)
    assert server.feed(joined(actions), 0) == [("publish", packet_id, UP, b"frame", 1, False)]
    actions = client.feed(joined(server.publish(DOWN, b"receipt")), 0)
    assert actions[0] == ("message", DOWN, b"receipt")
    assert server.feed(joined(actions), 0) == []
    assert client.feed(joined(server.puback(packet_id, 0)), 0) == [("acked", packet_id)]
    assert client.feed(joined(server.feed(joined(client.timeout(60000)), 60000)), 60000) == []
    assert client.next_wakeup(60000) == 120000
