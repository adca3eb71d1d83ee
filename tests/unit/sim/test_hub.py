"""A hub with pendants in its own process, and what the data of a running unit takes of its heap."""

import hashlib
import os
import subprocess

from firmware.core.pendants import PRESS, TEST, frame
from protocols.wire import messages
from sim.firmware_build import DATA_KB, build_firmware, heap, interpreter, search_path

KEY = bytes(range(16))
PENDANT, INPUT = 7001, 3
ROOM = 0.5
"""The part of its heap that a running unit leaves free, code in flash; TLS takes some more for a handshake."""
CODE = """
import gc, sys
gc.collect()
before = gc.mem_alloc()
for name in sys.argv[1:]:
    __import__(name)
gc.collect()
print(gc.mem_alloc() - before, 8 if sys.maxsize >> 32 else 4)
"""
MAIN = ["firmware.main", "firmware.ports.sensors", "firmware.ports.udp", "protocols.wire.coap_client"]
TLS = ["firmware.ports.mqtt", "firmware.ports.tls", "protocols.wire.mqtt_client"]


def advertised(counter: int, what: int) -> bytes:
    return frame(lambda data: hashlib.sha256(data).digest(), KEY, PENDANT, counter, what, 90)


def test_a_pendants_press_and_its_test_go_the_whole_way_and_a_replay_does_not(on_street):
    async def scenario(street):
        far, fleet = street.far, street.fleet
        await street.coap()
        await fleet.start(street.folders)
        # A hub that reports has its radio on; a pendant would repeat its frame until then.
        await far.until(lambda: far.heartbeats(1))
        await fleet.pendant(1, advertised(1, PRESS))
        await fleet.wait_lamp(1, "stored", 20)
        await fleet.pendant(1, advertised(1, PRESS))
        await fleet.pendant(1, advertised(2, TEST))
        await far.until(lambda: len({one.seq for one in far.alarms(1)}) == 2)
        await fleet.restart(1)
        await far.until(lambda: any(one.boot == 2 for one in far.heartbeats(1)))
        await fleet.pendant(1, advertised(2, PRESS))
        await fleet.pendant(1, advertised(3, PRESS))
        await far.until(lambda: any(one.boot == 2 for one in far.alarms(1)))
        told = {(one.boot, one.seq): one for one in far.alarms(1)}
        found = [
            (one.kind, one.input, (one.flags or 0) & messages.ALARM_TEST)
            for _, one in sorted(told.items())
            if one.boot == 1
        ]
        assert found == [(messages.KIND_MANUAL, INPUT, 0), (messages.KIND_TEST, INPUT, messages.ALARM_TEST)]
        assert [one.input for one in told.values() if one.boot == 2] == [INPUT], "the replay after the restart is none"

    on_street(scenario, pendants=[(INPUT, PENDANT, KEY, 3600)])


def loaded(build, names):
    """(bytes of heap that this code takes where it is not in flash, bytes of a word)."""
    done = subprocess.run(
        [*interpreter(), "-X", "heapsize=16M", "-c", CODE, *names],
        env={**os.environ, "MICROPYPATH": search_path(build)}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return tuple(int(part) for part in done.stdout.split())


def test_the_data_of_a_unit_leaves_room_with_either_pipe(on_street):
    """Printed for the README: the low-water mark of the status, without the code, which a board has in flash."""

    async def scenario(street):
        build = build_firmware(street.build)
        await street.mqtt()
        await street.coap()
        await street.fleet.start(street.folders)
        await street.far.until(lambda: len(street.far.heartbeats(1)) >= 3, timeout=60)
        await street.fleet.press(1)
        await street.fleet.wait_lamp(1, "stored", 20)
        lowest = min(one.status[messages.STATUS_HEAP_LOW] for one in street.far.heartbeats(1) if one.status)
        code, word = loaded(build, MAIN + TLS)
        whole = DATA_KB * 1024 * word // 4
        data = int(heap(build)[:-1]) * 1024 - lowest - code
        print(f"heap of {whole}: data take {data}, low-water mark {whole - data}; its code would take {code} more")
        assert whole - data > ROOM * whole

    on_street(scenario, pipes=("mqtt", "coap"), heartbeat_s=1)
