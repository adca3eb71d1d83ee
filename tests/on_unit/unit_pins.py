"""The button's edges from the interrupt to the press, on the simulated board's pin."""

import time

from board import PINS
from board_wires import BOARD
from machine import Pin
from provisioned import provisioned

from firmware import main, making
from firmware.core.press import Contact
from firmware.ports import pins
from firmware.ports.flash import Flash

BUTTON = PINS["button"]


def moved(contact, level):
    """The wire has this level now, and the interrupt runs."""
    import machine

    machine._set(contact._pin.number, level)
    contact._pin.interrupt(level)


def taken(contact):
    edges = []
    contact.drain(lambda closed, ticks: edges.append((closed, ticks)))
    return edges


def pressed(machine, contact, now):
    """How many presses the edges make that wait."""
    made = 0
    for closed, ticks in taken(contact):
        if machine.edge(closed, time.ticks_diff(ticks, 0)):
            made += 1
    if machine.timeout(now):
        made += 1
    return made


def hold(contact, level, ms):
    moved(contact, level)
    time.sleep_ms(ms)


def test_a_contact_that_is_closed_at_the_start_and_open_before_anybody_looks_is_a_press():
    BOARD.edge(BUTTON, 0)
    contact = pins.Contact()
    time.sleep_ms(30)
    BOARD.edge(BUTTON, 1)
    assert contact.began and contact.pending()
    assert pressed(Contact(), contact, 0) == 1 and not contact.pending()
    # It has woken the board: it was closed long before, however soon it opens.
    BOARD.edge(BUTTON, 0)
    contact = pins.Contact(making.WAKE_MS)
    BOARD.edge(BUTTON, 1)
    edges = taken(contact)
    assert [closed for closed, _ in edges] == [True, False]
    assert time.ticks_diff(edges[1][1], edges[0][1]) >= making.WAKE_MS
    assert not pins.Contact().began


def test_presses_while_the_loop_was_busy_are_not_lost_however_many_edges_they_made():
    """A TLS handshake or a slow name server holds the loop for seconds; a frightened person goes on pressing."""
    contact = pins.Contact()
    machine = Contact()
    assert isinstance(contact._pin, Pin)
    for _ in range(4):
        for _ in range(6):  # bounces
            moved(contact, 0)
            moved(contact, 1)
        hold(contact, 0, 30)
        hold(contact, 1, 70)
    assert pressed(machine, contact, time.ticks_ms()) >= 1
    assert taken(contact) == []


def test_a_storm_of_spikes_makes_no_press_and_leaves_the_contact_usable():
    contact = pins.Contact()
    machine = Contact()
    for _ in range(300):
        moved(contact, 0)
        moved(contact, 1)
    assert pressed(machine, contact, time.ticks_ms()) == 0
    time.sleep_ms(70)
    machine.timeout(time.ticks_ms())
    hold(contact, 0, 30)
    hold(contact, 1, 1)
    assert pressed(machine, contact, time.ticks_ms()) == 1


class SlowFlash(Flash):
    """Reading the journal takes time, and just then somebody presses and lets go."""

    def __init__(self, buttons):
        self.buttons = buttons

    def size(self, path):
        if path == "journal":
            for one in self.buttons:
                hold(one, 0, 30)
                hold(one, 1, 1)
        return Flash.size(self, path)


def test_a_press_while_the_unit_starts_is_a_press():
    buttons = []
    known = pins.Contact

    class Seen(known):
        def __init__(self, before):
            known.__init__(self, before)
            buttons.append(self)

    flash = provisioned(lambda: SlowFlash(buttons))
    pins.Contact = Seen
    main.build(flash, 0)
    pins.Contact = known
    assert len(buttons) == 1
    assert pressed(Contact(), buttons[0], time.ticks_ms()) == 1
