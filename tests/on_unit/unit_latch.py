"""A press while the firmware is being loaded is on flash, though nobody could look. With the control that loses it."""

import asyncio
import builtins
import gc
import sys
import time

import machine
from board import PINS
from board_wires import BOARD
from provisioned import provisioned

BUTTON = PINS["button"]
LATE = "cryptolib"
"""A module that the unit imports behind the latch, while it is being loaded."""
SEEN = []
KNOWN = builtins.__import__


def tap():
    """The button is closed for a moment and open again."""
    BOARD.edge(BUTTON, 0)
    time.sleep_ms(60)
    BOARD.edge(BUTTON, 1)
    time.sleep_ms(70)


def slow_import(name, *more):
    """A finger comes while `LATE` is being loaded."""
    if name == LATE and not SEEN:
        SEEN.append(name)
        tap()
    return KNOWN(name, *more)


def loaded():
    """The firmware, loaded from nothing."""
    for name in list(sys.modules):
        if name.startswith("firmware"):
            del sys.modules[name]
    gc.collect()
    SEEN.clear()
    BOARD.pins.clear()
    builtins.__import__ = slow_import
    try:
        from firmware import main as whole
    finally:
        builtins.__import__ = KNOWN
    assert SEEN == [LATE]
    return whole.build


def presses(build):
    """How many presses the unit has on flash after a moment."""
    from firmware.core import records

    driver = build(provisioned(), 0)

    async def live():
        task = asyncio.create_task(driver.run())
        await asyncio.sleep_ms(300)
        task.cancel()

    asyncio.run(live())
    found = 0
    with open("journal", "rb") as file:
        record = records.unframe(file.read)
        while record is not None:
            found += record[0][records.TYPE] == records.PRESS
            record = records.unframe(file.read)
    return found


def test_a_press_while_the_firmware_is_loaded_is_a_press():
    assert presses(loaded()) == 1


def test_negative_control_without_the_latch_it_is_lost():
    from firmware.ports import latch as unarmed
    from firmware.ports.pins import Contact

    known = machine.Pin.irq
    machine.Pin.irq = lambda self, handler=None, trigger=0: None
    unarmed._armed["button"] = unarmed.Latch("button")
    machine.Pin.irq = known
    tap()
    assert not Contact().pending()
    unarmed._armed["button"] = unarmed.Latch("button")
    tap()
    assert Contact().pending()


def test_what_the_latch_has_seen_is_handed_over_once():
    from firmware.ports import latch

    latch._armed["button"] = latch.Latch("button")
    tap()
    first = latch.take("button")
    assert first.written == 2 and first.closed[0] and not first.closed[1]
    assert time.ticks_diff(first.ticks[1], first.ticks[0]) >= 50
    assert latch.take("button").written == 0
