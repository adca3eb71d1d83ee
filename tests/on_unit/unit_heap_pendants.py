"""A pendant's press that comes when its hub's heap is full, or that memory fails for after it was believed."""

import unit_heap
from unit_heap import PENDANT

from firmware.core import records
from firmware.core.pendants import PRESS, frame
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
    """Inputs of the presses on flash when memory fails right after a pendant's press was believed."""
    driver = unit_heap.boot(unit_heap.provision(24000, True), size, emergency)
    if not size:
        driver._ballast.release()

    def starved(event, now):
        raise MemoryError

    driver.unit._presses.inputs.handle = starved
    try:
        driver.on_pendant(PRESSED)
    except SystemExit:
        return unit_heap.on_flash(records.INPUT)
    return None


def test_a_pendants_press_that_memory_failed_for_is_the_units_last_word():
    assert believed(ballast.SIZE) == [PENDANT[0]], "memory failed inside the brain: nobody goes on with it"
    assert believed(0) == [PENDANT[0]]
    assert believed(0, emergency=False) == [], "the control"
