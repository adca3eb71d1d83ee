"""The orders that a modem is given, the states of its path, and how long an order may hold up an alarm. Data."""

from firmware.core.governor import ATTACH, CONTEXT, RESET

OFF = "off"
ON = "on"
SEARCHING = "searching"
ATTACHED = "attached"
UP = "up"
ASLEEP = "asleep"
LOCATING = "locating"
DEAD = "dead"
RADIO = (SEARCHING, ATTACHED, UP)
"""In these the modem answers and its radio is on."""
PATHLESS = (OFF, ON, SEARCHING, ATTACHED)
"""In these a unit that rests has its modem off."""
SPOKEN_MS = 10000
"""But for so long after a modem has started by itself: one that sleeps without a word is woken by the next command."""

# state -> what may happen, and the state after it. An order's name is the event of its success. Texts, and each of them
# whole: a text lies in flash, a row of a table is an object on the heap, and so is a text that is put together.
TRANSITIONS = {
    OFF: ",power_on=on,slept=asleep",
    ON: ",start=searching,power_off=off,too often=dead,hung=dead",
    SEARCHING: ",power_off=off,registered=attached,gnss_start=locating,too often=dead,asleep=asleep,boot=on,hung=dead",
    ATTACHED: ",power_off=off,pdp_up=up,unregistered=searching,leave=searching,asleep=asleep"
    ",too often=dead,boot=on,hung=dead",
    UP: ",pdp_lost=attached,doubted=attached,gnss_start=locating,unregistered=searching,leave=searching,asleep=asleep"
    ",too often=dead,boot=on,hung=dead",
    ASLEEP: ",wake=on,boot=on,hung=dead",
    LOCATING: ",gnss_stop=searching,boot=on,hung=dead",
    DEAD: ",power_cut=on,wake=on,boot=on",
}

# Order -> what the governor is asked for first. What is not listed troubles no network.
ASKS = {
    "power_on": (RESET, ATTACH),
    "power_cut": (RESET, ATTACH),
    "select_sim": (ATTACH,),
    "cycle": (ATTACH,),
    "search": (ATTACH,),
    "pdp_up": (CONTEXT,),
}
RADIO_OFF = ("select_sim", "cycle", "power_on", "power_off", "power_cut", "wake", "gnss_start")
"""While these run, what the modem says of its registration is the last word of something that is being left."""
CHOOSES = ("power_on", "power_cut", "select_sim")
"""After these the chosen card is in use."""
NEVER = ("power_on", "power_off", "power_cut", "wake")
"""These are not given up: a modem half switched on helps nobody, and they are bounded by their own times."""
NEEDED = ("select_sim", "pdp_check", "pdp_up", "gnss_stop", "power_cut")
"""What an alarm may want instead of what the modem is doing."""
YIELD_MS = 1500
"""An order that has run for longer is given up when the alarm needs another one; until then it is nearly done. None of
RADIO_OFF is: a modem in its CFUN=0 hears nobody."""

# Operation -> ms that it may run while an alarm waits; sockets' operations are among them. All but NEVER and pdp_up, so
# that none is forgotten: a modem that is given up on in the middle of a long command answers no probe, counts as hung
# after 2.3 s, and is cut off in good health, which costs the alarm some 15 s. So no command that takes its time on a
# modem that is well is given up on before that time is over; what is answered from memory ends by itself.
PATIENCE = {
    "start": 10000,  # settings, one of which may wait for the card
    "registration": 3000,
    "pdp_check": 3000,
    "select_sim": 15000,  # CFUN=0 takes 4.0-6.4 s, CFUN=1 0.7-0.9 s (nRF9151 log)
    "cycle": 15000,  # the same two
    "gnss_start": 10000,  # the same CFUN=0, where the radio is taken
    "gnss_stop": 10000,  # CFUN=1
    "gnss_fix": 500,  # from memory
    "survey": 500,  # seven commands, each from memory: one in flight is soon over
    "identify": 3000,  # reads the card
    "rest": 3000,  # +CPSMS and +CEDRXS may tell the network
    "search": 180000,  # COPS=0 is the search itself, and is broken off by any character
    "pdp_down": 5000,
    "sms_list": 5000,  # reads the whole card
    "sms_send": 20000,
    "sms_take": 3000,  # reads and writes the card
    "open": 3000,  # about 1 s (BG77 log)
    "open_tcp": 12000,
    "send": 1500,  # the modem takes what it is given at once, or it is no more of use
    "receive": 1500,
    "close": 1500,
}
OTHERS_MS = 500
PDP_MS = 30000
PDP_SPARE_MS = 3000
"""A path comes within 1 s (BG77 log) or hardly at all; the second figure is for a unit that has another card."""

MOST_FAILURES = 4
"""Of one order in a row, before the modem is taken for dead."""
POLL_MS = 15000
POLL_ALARM_MS = 3000
"""The registration is asked for so often while it is awaited: its URC may be lost."""
MOST_DOUBTS = 5
"""Sockets that failed on a path that the modem calls good, in a row, before the modem is taken for dead."""
GUEST_MS = 600000
"""Where only an alarm may use a guest's network, its later stages come back for this long after it, and so long the
answer to the policy that says so has."""
PAUSE_MS = 1000
PAUSE_ALARM_MS = 2000
LONGEST_PAUSE_MS = 60000
RENEW_MS = 30000
LONGEST_RENEW_MS = 600000
"""A unit with one card only: a path that brings no receipt for this long is made anew, later each time."""


def patience(name: str, spare: bool) -> int:
    """Milliseconds that an operation may run while an alarm waits."""
    if name == "pdp_up":
        return PDP_SPARE_MS if spare else PDP_MS
    return PATIENCE.get(name, OTHERS_MS)
