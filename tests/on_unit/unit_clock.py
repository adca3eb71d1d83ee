"""The board's own clock, and what a network says where nobody has ever set it."""

from firmware.ports import clock

SAID = 1795299631


class Time:
    """A board whose clock began at this time (unix s), as the unix port counts."""

    def __init__(self, began):
        self.seconds = began

    def ticks_ms(self):
        return 0

    def ticks_diff(self, one, other):
        return one - other

    def gmtime(self, seconds):
        return (1970, 1, 1, 0, 0, 0, 3, 1)

    def time(self):
        return self.seconds


def board(began):
    known = clock.time
    clock.time = world = Time(began)
    return known, world, clock.Clock()


def test_a_clock_that_was_never_set_shows_what_the_network_says_and_goes_on():
    known, world, one = board(12)
    try:
        assert one.unix() == one.board() == 12
        one.hint(SAID)
        assert one.unix() == SAID
        world.seconds += 3600
        assert one.unix() == SAID + 3600 and one.board() == 3612, "sleeps are measured by the board's own"
        one.hint(5)
        assert one.unix() == one.board(), "nonsense is no time before the board's own"
        one.hint(1 << 40)
        assert one.unix() == one.board()
    finally:
        clock.time = known


def test_a_clock_that_is_set_believes_no_network():
    known, _, one = board(SAID + 500)
    try:
        one.hint(SAID - 86400)
        assert one.unix() == SAID + 500
    finally:
        clock.time = known
