"""A tracker's nights on the lock-step clock: one heartbeat a wake, whatever the dialect, and what changed is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import stored
from protocols.wire import messages
from sim.modem.device import ASLEEP
from sim.modem.scenario import Step
from sim.shims.board import PINS

HOUR = 3600.0
WAKES = 6


@pytest.mark.parametrize("dialect", ["bg95", pytest.param("sim7080g", marks=pytest.mark.proof), "gm02s"])
def test_a_tracker_sends_one_heartbeat_a_wake(tmp_path: Path, build: Path, dialect: str) -> None:
    trial = stored.Trial(tmp_path, build, dialect, 1, stored.TRACKER)
    told: list[int | None] = []
    """The operator of each full status."""

    def note(arrival: object) -> None:
        message = arrival.message  # type: ignore[attr-defined]
        if isinstance(message, messages.Heartbeat) and message.status is not None:
            told.append(message.operator)

    trial.books.on_message = note

    def wakes(count: int) -> int:
        """Heartbeats in so many wakes."""
        slept, before = trial.unit.naps, trial.books.heartbeats
        trial.wait("it does not wake", lambda: trial.unit.naps >= slept + count, (count + 1) * HOUR)
        return trial.books.heartbeats - before

    with trial.world:
        trial.wait("it never sleeps", lambda: trial.unit.board.asleep and trial.device.state == ASLEEP, 2 * HOUR)
        wakes(2)  # the daily exercise of the other card is due within two hours
        wakes(1)
        told.clear()
        sent = trial.books.types["Heartbeat"]
        assert wakes(WAKES) == WAKES
        assert trial.books.types["Heartbeat"] - sent == WAKES, "one datagram each"
        assert not told, "nothing has changed"
        trial.device.do(Step("network", name="first", up=False))
        wakes(2)
        assert 24007 in told, "an operator that has changed in its sleep is told"


def test_what_is_refused_behind_the_heartbeat_of_a_wake_is_told_by_the_next_one(tmp_path: Path, build: Path) -> None:
    trial = stored.Trial(tmp_path, build, "bg95", 1, stored.TRACKER)
    beats: list[int] = []
    """What each heartbeat says of frames that were refused."""

    def note(arrival: object) -> None:
        message = arrival.message  # type: ignore[attr-defined]
        if isinstance(message, messages.Heartbeat):
            beats.append(message.refused or 0)

    def told() -> int:
        heard = len(beats)
        trial.wait("no heartbeat", lambda: len(beats) > heard, 2 * HOUR)
        return beats[-1]

    trial.books.on_message = note

    with trial.world as world:
        trial.wait("it never sleeps", lambda: trial.unit.board.asleep and trial.device.state == ASLEEP, 2 * HOUR)
        before = told()
        slept = trial.unit.naps
        world.run(0.5)
        trial.addresses[0].push(1, b"no frame of anybody")
        world.run(0.5)
        assert trial.unit.naps == slept, "it is awake and hears that"
        assert told() == before + 1
        assert trial.unit.naps > slept
        assert told() == before + 1, "nor is it told as a new one"


def test_a_unit_that_is_put_on_wakes_and_no_press_is_made_of_it(tmp_path: Path, build: Path) -> None:
    trial = stored.Trial(tmp_path, build, "bg95", 1, stored.TRACKER)
    with trial.world as world:
        trial.unit.contact(0, PINS["worn"])
        trial.wait("it never sleeps", lambda: trial.unit.board.asleep and trial.device.state == ASLEEP, 2 * HOUR)
        trial.unit.contact(0, PINS["mains"])
        world.run(30)
        assert trial.unit.board.asleep, "another input does not wake it"
        trial.unit.contact(1, PINS["worn"])
        assert world.run(5, lambda: not trial.unit.board.asleep)
        trial.wait("it does not sleep again", lambda: trial.unit.board.asleep, HOUR)
        assert not trial.books.presses
        trial.unit.press(seconds=0.1)
        assert world.run(60, lambda: trial.unit.stage == "stored"), "while it is worn the button still wakes it"
