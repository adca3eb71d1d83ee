"""How full a battery is, from its voltage. Pure, integers only; a unit carries this and not the whole of `power`."""

# Chemistry -> mV of one cell at rest, percent left, and so on, highest first, between them in straight lines.
CURVES = (
    # Zephyr's battery sample (Adafruit 2000 mAh LiPo under load: nearly linear to 3.55 V with 15/16 of its life, then
    # down to 3.1 V); 4.1 V for full as its boards with a divider have it.
    (4100, 100, 3550, 6, 3100, 0),
    # From memory, unconfirmed: flat at 2.9 V, so that a percentage says little before the end.
    (3000, 100, 2900, 80, 2700, 30, 2500, 10, 2000, 0),
)


def percent(mv: int, chemistry: int) -> int:
    """What is left of a battery at this voltage, 0 to 100."""
    curve = CURVES[chemistry]
    if mv >= curve[0]:
        return 100
    for place in range(2, len(curve), 2):
        below, less = curve[place], curve[place + 1]
        if mv >= below:
            return less + (curve[place - 1] - less) * (mv - below) // (curve[place - 2] - below)
    return 0
