# Runs on MicroPython: reads a provisioned flash folder with the firmware's own readers. Arguments: root, folder.
import sys

sys.path.insert(0, sys.argv[1])

from firmware.ports.counters import Counters
from firmware.ports.identity import Config, Identity


class Flash:
    def read(self, path):
        try:
            with open(sys.argv[2] + "/" + path, "rb") as file:
                return file.read()
        except OSError:
            return None

    def replace(self, path, content):
        pass


identity = Identity(Flash())
config = Config(Flash())
counters = Counters(Flash(), bytes)
print(identity.unit, identity.generation, identity.secret.hex())
print(config.fields[1], config.fields[2], config.pipes, config.coap, config.mqtt)
print(counters.lost, counters.boot, counters.take())
