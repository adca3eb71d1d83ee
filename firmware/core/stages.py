"""What lamp, vibration and sound tell the wearer, one pattern per stage of a press, as data.

The stages differ by pattern and not by colour alone: a blinking, a two-coloured, and steady lights, and one short, two
short or one long vibration or tone. A silent press has no stage at all: it is never shown. Pure: times are milliseconds
since the stage began. Never touches a pin.
"""

OFF, TRYING, STORED, ACCEPTED, TAKEN, NOT_DELIVERED, CANCELLABLE = 0, 1, 2, 3, 4, 5, 6
NAMES = ("off", "trying", "stored", "accepted", "taken", "not_delivered", "cancellable")

RED, GREEN, BLUE, VIBRATION, SPEAKER = 1, 2, 4, 8, 16
"""Bits of an output: the three colours of the lamp, the vibration motor, and the speaker's tone."""

STEP_MS = 50
"""Patterns count in these."""
# One entry per stage: lamp steps, and steps of what is felt and heard. A step is the output's bits and its length; they
# stand one behind the other, since a string of octets lies in flash and rows would be objects on the heap. Lamp steps
# repeat for ever, a single one of no length is steady.
_BOTH = VIBRATION | SPEAKER
LAMPS = (
    bytes((0, 0)),
    bytes((RED, 5, 0, 5)),
    bytes((RED | GREEN, 0)),
    bytes((BLUE, 0)),
    bytes((GREEN, 0)),
    bytes((RED, 0)),
    bytes((RED | BLUE, 5, 0, 5)),
)
SHAKES = (
    b"",
    b"",
    bytes((_BOTH, 3)),
    bytes((_BOTH, 3, 0, 3, _BOTH, 3)),
    bytes((_BOTH, 14)),
    # Five tones between three shakes: nobody has heard it yet.
    bytes((_BOTH, 4, VIBRATION, 4, SPEAKER, 4, _BOTH, 4, VIBRATION, 4, SPEAKER, 4, _BOTH, 8)),
    bytes((_BOTH, 4)),
)
REPEATS = bytes((0, 0, 0, 0, 0, 200, 20))
"""After how many steps what is felt and heard comes again, 0 for never. What becomes an alarm unless its wearer takes
it back is felt every second."""

# Profile code -> stages that sound, bit n for stage n. At home every stage does; staff hear what they must act on, and
# feel the rest; a camera has nobody beside it.
_ACT = 1 << NOT_DELIVERED | 1 << CANCELLABLE
_ALL = 1 << STORED | 1 << ACCEPTED | 1 << TAKEN | _ACT
SOUNDS = bytes((0, _ALL, _ACT, _ALL, 0, _ALL))

# (stage, what happens, stage after): how the shown press's stages follow one another (firmware/README.md).
TRANSITIONS = (
    (OFF, "press", TRYING),
    (OFF, "press with a cancel window", CANCELLABLE),
    (CANCELLABLE, "taken back", OFF),
    (CANCELLABLE, "its end, or a second press", TRYING),
    (TRYING, "15 s without stored (sending goes on)", NOT_DELIVERED),
    (TRYING, "receipt 1", STORED),
    (NOT_DELIVERED, "receipt 1", STORED),
    (STORED, "receipt 2", ACCEPTED),
    (ACCEPTED, "receipt 3", TAKEN),
    (TAKEN, "60 s", OFF),
)

NOT_DELIVERED_MS = 15000
"""Without *stored* for this long the wearer is told that nobody has heard the press yet; sending goes on."""
TAKEN_MS = 60000
"""The taken lamp goes out by itself after this long."""


def _at(steps: bytes, since: int) -> "tuple[int, int | None]":
    """(bits, ms left in this step) of a sequence that ends, or (0, None) after its end."""
    for place in range(0, len(steps), 2):
        length = steps[place + 1] * STEP_MS
        if since < length:
            return steps[place], length - since
        since -= length
    return 0, None


def _length(steps: bytes) -> int:
    total = 0
    for place in range(1, len(steps), 2):
        total += steps[place] * STEP_MS
    return total


def outputs(stage: int, since: int, sounds: int = 0) -> "tuple[int, int | None]":
    """What the pins show `since` ms after the stage began: (bits, ms until they change, or None for never). `sounds`:
    the stages that sound."""
    lamp = LAMPS[stage]
    vibration = SHAKES[stage]
    repeat = REPEATS[stage] * STEP_MS
    cycle = _length(lamp)
    if cycle:
        bits, left = _at(lamp, since % cycle)
    else:
        bits, left = lamp[0], None
    if vibration:
        shake, shake_left = _at(vibration, since % repeat if repeat else since)
        if repeat and shake_left is None:
            shake_left = repeat - since % repeat
        bits |= shake if sounds >> stage & 1 else shake & ~SPEAKER
        if shake_left is not None and (left is None or shake_left < left):
            left = shake_left
    return bits, left
