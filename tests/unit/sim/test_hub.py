"""A hub with pendants in its own process, and what the data of a running unit takes of its heap."""

import hashlib

from firmware.core.pendants import PRESS, TEST, frame
from firmware.ports.kept import unpack
from protocols.wire import messages
from sim.firmware_build import HEAP_KB

KEY = bytes(range(16))
PENDANT, INPUT = 7001, 3
ROOM = 20000
"""Bytes that a running unit leaves free, at least (64-bit words)."""


def advertised(counter: int, what: int) -> bytes:
    return frame(lambda data: hashlib.sha256(data).digest(), KEY, PENDANT, counter, what, 90)


def counter_kept(folder):
    """The newest counter of the pendant that is on the hub's flash."""
    kept = [unpack(path.read_bytes()) for path in folder.rglob("pendants.kept")]
    return max((value[PENDANT][0] for value in kept if value), default=None)


def test_a_pendants_press_and_its_test_go_the_whole_way_and_a_replay_does_not(on_street):
    async def scenario(street):
        far, fleet = street.far, street.fleet
        await street.coap()
        await fleet.start(street.folders)
        # A hub that reports has its radio on; a pendant would repeat its frame until then.
        await far.until(lambda: far.heartbeats(1))
        await fleet.pendant(1, advertised(1, PRESS))
        await fleet.wait_lamp(1, "stored", 60)
        await fleet.pendant(1, advertised(1, PRESS))
        await fleet.pendant(1, advertised(2, TEST))
        await far.until(lambda: len({one.seq for one in far.alarms(1)}) == 2)
        # What is sent comes before its counter is kept: power that is cut between the two lets that frame in once more.
        await far.until(lambda: counter_kept(street.folders[1]) == 2)
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


def test_a_unit_leaves_room_with_both_pipes(on_street):
    """Printed for the README: what the status says, with the code executed in place."""

    async def scenario(street):
        await street.mqtt()
        await street.coap()
        await street.fleet.start(street.folders)
        await street.far.until(lambda: len(street.far.heartbeats(1)) >= 3, timeout=60)
        await street.fleet.press(1)
        await street.fleet.wait_lamp(1, "stored", 60)
        lowest = min(one.status[messages.STATUS_HEAP_LOW] for one in street.far.heartbeats(1) if one.status)
        print(f"heap of {HEAP_KB} wK: low-water mark {lowest}")
        assert lowest > ROOM

    on_street(scenario, pipes=("mqtt", "coap"), heartbeat_s=1)
