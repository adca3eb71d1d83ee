"""A long MQTT session between the two pure machines, with lost acknowledgements and lost connections, on either engine.

`make proof` runs it on MicroPython with more publishes than there are packet ids; the test runs it across the wrap.
"""

import gc

from mqtt_ends import CONNECT, UNIT, UP, joined, others, unhexlify

from protocols.wire import mqtt
from protocols.wire.mqtt_client import Client
from protocols.wire.mqtt_server import Server

WINDOW = 4
BREAK_EVERY = 997
SILENT_EVERY = 13
HIGHEST = 65535


class Session:
    """One client's life. Attributes: `wraps`, `breaks`, `doubled` ids in flight, `wrong` ids, `acked`."""

    def __init__(self, packet_id):
        self.client = Client(UNIT, packet_id=packet_id)
        self.now = 0
        self.wraps = self.breaks = self.doubled = self.wrong = self.acked = 0
        self._last = packet_id
        self._connect()

    def _connect(self):
        self.server = Server(self.now)
        self.server.feed(unhexlify(CONNECT), self.now)
        self.server.accept(self.breaks > 0, self.now)
        self.client.connect(self.now)
        self._hear(self.client.feed(mqtt.connack(self.breaks > 0, 0), self.now))

    def _hear(self, actions):
        """What the client wants; the server answers what it gets."""
        self.acked += len([action for action in actions if action[0] == "acked"])
        data = joined(actions)
        if not data:
            return
        for action in others(self.server.feed(data, self.now)):
            if action[0] == "publish":
                self._hear(self.client.feed(joined(self.server.puback(action[1], self.now)), self.now))

    def send(self, number):
        """Publish one message; some are left without an answer until the connection breaks."""
        self.now += 1000
        if len(self.client.unacked()) >= WINDOW or number % BREAK_EVERY == BREAK_EVERY - 1:
            self.breaks += 1
            self.client.lost()
            self._connect()
        before = self.client.unacked()
        packet_id, actions = self.client.publish(UP, b"frame", self.now)
        self.doubled += packet_id in before
        self.wrong += not 1 <= packet_id <= HIGHEST
        self.wraps += packet_id < self._last
        self._last = packet_id
        if number % SILENT_EVERY:
            self._hear(actions)


def run(count, packet_id=0):
    """(the session, free heap after the first thousand messages and at the end; None where there is no such figure)."""
    session = Session(packet_id)
    early = None
    for number in range(count):
        session.send(number)
        if number == min(999, count - 1):
            early = _free()
    return session, early, _free()


def _free():
    gc.collect()
    return gc.mem_free() if hasattr(gc, "mem_free") else None
