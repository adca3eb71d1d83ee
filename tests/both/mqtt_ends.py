"""Both ends of an MQTT connection as the tests begin with them."""

from binascii import hexlify, unhexlify

from protocols.wire import mqtt
from protocols.wire.mqtt import MqttError
from protocols.wire.mqtt_client import Client
from protocols.wire.mqtt_server import Server

UNIT = "0000002a"
UP = "u/0000002a/up"
DOWN = "u/0000002a/down"
CONNECT = "101400044d51545404000" + "03c" + "0008" + hexlify(UNIT.encode()).decode()
CONNACK = "20020000"


class Everything:
    def __contains__(self, item):
        return True


def joined(actions):
    return b"".join([action[1] for action in actions if action[0] == "send"])


def others(actions):
    return [action for action in actions if action[0] != "send"]


def reason_of(function, *arguments):
    try:
        function(*arguments)
    except MqttError as error:
        return error.reason
    return "accepted"


def opened(now=0, **arguments):
    server = Server(now, **arguments)
    assert others(server.feed(unhexlify(CONNECT), now)) == [("connect", UNIT, False, 60, False, False)]
    assert server.accept(False, now) == [("send", unhexlify(CONNACK))]
    return server


def connected(now=0, session_present=False, **arguments):
    client = Client(UNIT, **arguments)
    client.connect(now)
    actions = client.feed(mqtt.connack(session_present, 0), now)
    assert actions[0] == ("connected", session_present)
    return client
