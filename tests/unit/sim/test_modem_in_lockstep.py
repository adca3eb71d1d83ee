"""The proofs of `make proof` in small: press to stored through a modem with its faults, and a piece of a year."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from bench import stored, year
from protocols.wire import messages
from sim.modem.scenario import Step
from sim.sealed_receiver import Arrival


@pytest.mark.parametrize(
    ("condition", "dialect", "most_ms"),
    [
        ("warm", "bg95", 1200),
        ("warm", "sim7080g", 1200),
        ("warm", "gm02s", 1200),
        ("SIM 1 dead", "sim7080g", 20_000),
        ("SIM 1 dead, from PSM", "sim7080g", 20_000),
        ("PDP dropped silently", "gm02s", 20_000),
        ("first address dead", "bg95", 20_000),
    ],
)
def test_presses_are_stored_in_the_time_of_the_world(condition: str, dialect: str, most_ms: float) -> None:
    row = stored.measure(condition, 2, dialect)
    assert row.lost == 0
    # Of the lock-step clock: no machine's time is in it, so that the figure is the firmware's.
    assert row.longest_ms <= most_ms


@pytest.mark.parametrize("dialect", ["bg95", "sim7080g", "gm02s"])
def test_a_silent_first_card_is_left_in_time_by_the_slowest_modem_too(dialect: str) -> None:
    row = stored.measure("SIM 1 silent", 2, dialect, slowest=True)
    print(f"SIM 1 silent, slowest times logged, {dialect}: {row.longest_ms:.0f} ms")
    assert row.lost == 0 and row.longest_ms <= 20_000


def test_an_old_receipt_played_again_keeps_no_alarm_on_a_card_that_nobody_hears(tmp_path: Path) -> None:
    """Somebody on the path of the first card lets nothing up, and plays a receipt every 9 s that he has recorded."""
    trial = stored.Trial(tmp_path, tmp_path / "build", "bg95", 1, stored.SOCIAL)
    with trial.world:
        heard: list[Arrival] = []
        trial.books.on_message = heard.append
        trial.wait("the unit never came up", lambda: trial.books.heartbeats > 1, 900)
        beat = heard[-1].message
        recorded = trial.books.receipt(1, [(beat.boot, beat.seq, messages.STORED)], heard[-1].at)
        trial.world.run(60)
        heard.clear()
        for one in trial.addresses:
            one.deaf = True
        played = []

        def play() -> None:
            for one in trial.addresses:
                one.push(1, recorded)
            played.append(trial.world.clock.call_later(9, play))

        play()
        trial.unit.press(seconds=0.2)
        assert trial.device.slot == 0
        left = trial.world.run(20, lambda: trial.device.slot == 1)
        assert not heard and len(played) > 1, "nothing has got through"
        assert left, "the card is changed within 20 s"
        played[-1].cancel()
        for one in trial.addresses:
            one.deaf = False
        trial.wait("the press is not stored", lambda: trial.unit.stage == "stored", 60)


def test_a_press_that_never_arrives_is_counted_as_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """The negative control: nobody answers at either address."""

    def deaf(trial: stored.Trial) -> None:
        for one in trial.addresses:
            one.deaf = True

    profile, before, _, mend = stored.CONDITIONS["warm"]
    monkeypatch.setitem(stored.CONDITIONS, "warm", (profile, before, deaf, mend))
    monkeypatch.setattr(stored, "PATIENCE_S", 20.0)
    row = stored.measure("warm", 1)
    assert row.lost == 1 and row.p99_ms == 20_000


def test_one_seed_is_one_run_of_unit_modem_and_networks(tmp_path: Path) -> None:
    """Every command at the same moment, with faults and chance on the way."""

    def transcript(name: str, seed: int) -> list[tuple[float, str]]:
        folder = tmp_path / name
        folder.mkdir()
        trial = stored.Trial(folder, tmp_path / "build", "bg95", seed, stored.SOCIAL)
        said: list[tuple[float, str]] = []
        heard = trial.device.trigger
        trial.device.trigger = lambda line: (said.append((trial.world.clock.now(), line)), heard(line))
        with trial.world:
            trial.world.run(1000)
            trial.device.do(Step("loss", loss=0.3))
            trial.press()
            trial.world.run(600)
        ports = {str(one.port) for one in trial.addresses}
        return [(at, line) for at, line in said if not any(port in line for port in ports)]

    first = transcript("a", 5)
    assert len(first) > 50
    assert transcript("b", 5) == first
    assert transcript("c", 6) != first


def test_a_piece_of_a_year_does_not_stall() -> None:
    found = year.measure(0.3)
    assert found.heartbeats >= 0.98 * 0.3 * 86400 / year.HEARTBEAT_S["mains"]
    assert found.late_s <= year.SPARE_S and found.resets == 0 and found.boots == 1


def test_a_stall_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The negative control: for an hour no network, in a place where the year's plan has none."""
    away = [
        Step("network", at_ms=3600_000 * (1 + up), name=name, up=bool(up))
        for up in (0, 1)
        for name in ("first", "second")
    ]
    monkeypatch.setattr(year, "faults", lambda: tuple(away))
    found = year.measure(0.15)
    assert found.late_s > year.SPARE_S and not found.passed
    assert not dataclasses.replace(found, late_s=0.0, heap_first=9000, heap_last=0).passed, "a leak is found too"
