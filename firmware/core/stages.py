"""What lamp, vibration and sound tell the wearer, one pattern per stage of a press, as data.

The stages differ by pattern and not by colour alone: a blinking, a two-coloured, and steady lights, and one short, two
short or one long vibration or tone. A silent press has no stage at all: it is never shown. Pure: times are milliseconds
since the stage began. Never touches a pin.
"""

OFF, TRYING, STORED, ACCEPTED, TAKEN, NOT_DELIVERED, CANCELLABLE = 0, 1, 2, 3, 4, 5, 6
NAMES = ("off", "trying", "stored", "accepted", "taken", "not_delivered", "cancellable")

RED, GREEN, BLUE, VIBRATION, SPEAKER = 1, 2, 4, 8, 16
"""Bits of an output: the three colours of the lamp, the vibration motor, and the speaker's tone."""

# One entry per stage: (lamp steps, steps of what is felt and heard, repeat those every ms or 0).
# A step is (output bits, ms); lamp steps repeat for ever, a single step of 0 ms is steady.
_BOTH = VIBRATION | SPEAKER
PATTERNS = (
    (((0, 0),), (), 0),
    (((RED, 250), (0, 250)), (), 0),
    (((RED | GREEN, 0),), ((_BOTH, 150),), 0),
    (((BLUE, 0),), ((_BOTH, 150), (0, 150), (_BOTH, 150)), 0),
    (((GREEN, 0),), ((_BOTH, 700),), 0),
    # Five tones between three shakes: nobody has heard it yet.
    (
        ((RED, 0),),
        ((_BOTH, 200), (VIBRATION, 200), (SPEAKER, 200), (_BOTH, 200), (VIBRATION, 200), (SPEAKER, 200), (_BOTH, 400)),
        10000,
    ),
    # It becomes an alarm unless its wearer takes it back: felt every second.
    (((RED | BLUE, 250), (0, 250)), ((_BOTH, 200),), 1000),
)

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


def _at(steps: "tuple[tuple[int, int], ...]", since: int) -> "tuple[int, int | None]":
    """(bits, ms left in this step) of a sequence that ends, or (0, None) after its end."""
    for bits, length in steps:
        if since < length:
            return bits, length - since
        since -= length
    return 0, None


def _length(steps: "tuple[tuple[int, int], ...]") -> int:
    total = 0
    for _, length in steps:
        total += length
    return total


def outputs(stage: int, since: int, sounds: int = 0) -> "tuple[int, int | None]":
    """What the pins show `since` ms after the stage began: (bits, ms until they change, or None for never). `sounds`:
    the stages that sound."""
    lamp, vibration, repeat = PATTERNS[stage]
    cycle = _length(lamp)
    if cycle:
        bits, left = _at(lamp, since % cycle)
    else:
        bits, left = lamp[0][0], None
    if vibration:
        shake, shake_left = _at(vibration, since % repeat if repeat else since)
        if repeat and shake_left is None:
            shake_left = repeat - since % repeat
        bits |= shake if sounds >> stage & 1 else shake & ~SPEAKER
        if shake_left is not None and (left is None or shake_left < left):
            left = shake_left
    return bits, left
