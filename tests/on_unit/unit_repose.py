"""What may happen between the decision to sleep and the sleep itself: nothing of it is slept through."""

from firmware.core import profiles
from firmware.core.rest import LINGER_MS, SETTLE_MS
from firmware.core.vigil import Vigil
from firmware.repose import Repose

HOUR = 3600000


class Unit:
    """A unit that is quiet until it is told otherwise."""

    def __init__(self):
        self.alarm = False
        self.vigil = Vigil(0, 0)

    def busy(self, now):
        return {"alarm": self.alarm, "pending": False, "search": False, "drill": False}

    def report_due(self):
        return HOUR

    def remembered(self, now):
        return [0] * 7

    def refusals(self):
        return 0


class Sleep:
    """Counts how often the board would have slept."""

    memory = None
    slept = 0

    def __init__(self):
        self.begun = 0

    def begin(self, ms, memory):
        self.begun += 1
        return True


def made():
    unit, sleep = Unit(), Sleep()
    sleep.moved = []
    sleep.saved = []

    def save():
        for step in sleep.saved:
            step()

    repose = Repose(profiles.named("tracker"), unit, sleep, lambda event: None, save, lambda: bool(sleep.moved), 0)
    return unit, sleep, repose


def lived(repose, until):
    now = 0
    while now is not None and now <= until:
        due = repose.turn(now)
        if due is None:
            return
        now = max(due, now + 1)


def test_a_quiet_tracker_sleeps():
    _, sleep, repose = made()
    lived(repose, LINGER_MS + SETTLE_MS)
    assert sleep.begun == 1


def test_a_press_while_flash_is_written_keeps_it_awake():
    _, sleep, repose = made()
    sleep.saved.append(lambda: sleep.moved.append(1))
    lived(repose, LINGER_MS + SETTLE_MS)
    assert sleep.begun == 0
    # It was nothing: then it sleeps a little later.
    sleep.saved.clear()
    sleep.moved.clear()
    lived(repose, 3 * (LINGER_MS + SETTLE_MS))
    assert sleep.begun == 1


def test_a_press_that_comes_right_before_the_modem_falls_asleep_keeps_it_awake():
    unit, sleep, repose = made()
    repose.energy(("state", "modem", "idle"), 0)
    lived(repose, LINGER_MS + SETTLE_MS)
    assert sleep.begun == 0, "the board waits for its modem"
    # The contact's own task has made the press; the main loop has not had its turn.
    unit.alarm = True
    repose.energy(("state", "modem", "psm"), LINGER_MS + SETTLE_MS + 1)
    assert sleep.begun == 0
