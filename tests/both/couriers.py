"""What the tests of the courier share, on both engines."""

from protocols.wire.courier import Courier

A = ("coap", 0)
B = ("coap", 1)
M = ("mqtt", 0)
K = (1, 7)


def middle(n):
    return n // 2


def courier(pipes=(A, B, M), up=(A,), random=middle, **arguments):
    made = Courier(pipes, random, **arguments)
    for pipe in up:
        made.pipe_up(pipe, 0)
    return made


def run(machine, now, until):
    """The last 200 actions with their times, when the machine is woken exactly when it asks."""
    seen = []
    while True:
        due = machine.next_wakeup(now)
        if due is None or due > until:
            return seen
        assert due >= now
        now = due
        actions = machine.timeout(now)
        seen = seen[-200:] + [(now,) + action for action in actions]
        again = machine.next_wakeup(now)
        assert actions or again is None or again > now, "the machine spins"
