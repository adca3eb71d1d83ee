"""A pendant's press that comes when its hub's heap is full, or that memory fails for after it was believed."""

import unit_heap
from unit_heap import PENDANT

from firmware.core import records
from firmware.core.pendants import ALIVE, PRESS, frame
from firmware.ports import ballast

PRESSED = frame(unit_heap.sha256, PENDANT[2], PENDANT[1], 1, PRESS, 90)


ADVERTISED = (0, b"", 3, -60, bytes((22, 0xFF, 0xFF, 0xFF)) + PRESSED)


def test_a_pendants_press_with_a_full_heap_is_on_flash_and_is_stored_at_the_latest_after_a_restart():
    left, there, server, used = unit_heap.live(ballast.SIZE, heard=ADVERTISED)
    print("free", left, "on flash", there, "stored", len(server.stored), "ballast used", used)
    assert left < 512 and used >= 1 and there == 1
    # What was set aside is less than a frame's proof, the journal and the sending take together at their worst.
    assert server.stored or unit_heap.stored_after_a_restart(server)


def believed(size, emergency=True):
    """Inputs of the presses on flash when memory fails right after a pendant's press was believed: its frame counts
    once only, so that nobody hears it again."""
    driver = unit_heap.boot(unit_heap.provision(24000, True), size, emergency)
    if not size:
        driver._ballast.release()
    inputs = driver.unit._presses.inputs
    whole = inputs.handle
    failures = [1]

    def starved(event, now):
        if event[0] == "press" and failures[0]:
            failures[0] -= 1
            raise MemoryError
        return whole(event, now)

    inputs.handle = starved
    try:
        driver.on_pendant(PRESSED)
    except MemoryError:
        # As main's handler.
        driver.last_words()
    driver.on_pendant(PRESSED)
    driver.on_pendant(frame(unit_heap.sha256, PENDANT[2], PENDANT[1], 2, ALIVE, 90))
    found = []
    with open("journal", "rb") as file:
        record = records.unframe(file.read)
        while record is not None:
            if record[0][records.TYPE] == records.PRESS:
                found.append(record[0][records.INPUT])
            record = records.unframe(file.read)
    return found


def test_a_pendants_press_that_memory_failed_for_is_made_once_all_the_same():
    assert believed(ballast.SIZE) == [PENDANT[0]]
    assert believed(0) == [PENDANT[0]], "with no ballast left it is the unit's last word"
    assert believed(0, emergency=False) == [], "the control"
