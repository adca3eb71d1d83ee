"""What the modem's part hears of heartbeats: on a path that is dead nothing else tells it that nobody answers."""

from provisioned import provisioned

from firmware import main
from protocols.wire import messages


class Told:
    """The modem's part, as far as it is told things."""

    def __init__(self):
        self.events = []

    def tell(self, event):
        self.events.append(event)


def over_modem():
    """A unit whose one pipe goes over a modem, to a server that never answers; its pipe, and what the modem hears."""
    flash = provisioned()
    driver = main.build(flash, 0)
    pipe = next(iter(driver.pipes.values()))
    driver.cellular = Told()
    driver.add(pipe, over_modem=True)
    return driver, pipe, driver.cellular.events


def test_a_heartbeat_that_must_wait_for_another_answer_counts_as_asked():
    """Reports and the query for a press go first, and are repeated for as long as nobody answers: the heartbeat never
    gets its turn, and the unit would stay on a SIM that nobody hears until the next exercise."""
    driver, pipe, told = over_modem()
    driver.on_change(pipe)
    driver.feed(("report", messages.EVENT_SIM_CHANGED, {1: 0, 2: 3}))
    driver.feed(("report", messages.EVENT_SIM_PROVEN, {1: 1, 2: 0}))
    assert not pipe._client.ready(), "so many may be under way, and no more"
    assert ("asked",) not in told
    driver.feed(("heartbeat", False))
    assert ("asked",) in told
