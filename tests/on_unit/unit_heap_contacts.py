"""A press of a further contact when the heap is full, at a unit that has run for weeks: on flash all the same."""

import unit_heap

from firmware.core import records
from protocols.wire import messages


def test_a_short_press_of_the_duress_contact_is_on_flash_with_its_kind_and_stored_after_the_restart():
    left, there, server, _ = unit_heap.live(0, duress=True, old=True)
    print("free", left, "on flash", there, "stored", len(server.stored))
    assert 0 <= left < 512 and there == 1
    assert unit_heap.on_flash(records.KIND) == [messages.KIND_DURESS]
    assert unit_heap.stored_after_a_restart(server)
