"""The station dies and cables are pulled: what was begun is finished or taken back, and no half board passes."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from provisioning.journal import Journal
from provisioning.ledger import Ledger
from provisioning.partition_table import TABLE_OFFSET
from provisioning.run import RunError, run, take_back
from provisioning.tool import ToolError
from provisioning.verify import verify
from sim.board_rom.boot import BootError, bootable
from tests.provision_bench import KIND, ORDER, Clip, Workshop


class PowerCut(BaseException):
    """The station's power; no handler of the product catches it."""


def dies_at(monkeypatch: pytest.MonkeyPatch, nth: int, part: float) -> None:
    """The power goes while the journal's nth line is written; `part` of it reaches the disk."""
    count = 0
    whole = Journal.write

    def write(journal: Journal, line: bytes) -> None:
        nonlocal count
        count += 1
        if count == nth:
            if part:
                whole(journal, line[: int(len(line) * part)])
            raise PowerCut
        whole(journal, line)

    monkeypatch.setattr(Journal, "write", write)


def orphans(shop: Workshop) -> list[int]:
    """Units that the fleet knows and the ledger has not."""
    ledger = Ledger(shop.folder / "ledger")
    return [unit for unit in shop.fleet.known if not any(row.kind == "provisioned" for row in ledger.of_unit(unit))]


def secrets_left(shop: Workshop) -> list[Path]:
    return list((shop.folder / "station" / "boards").rglob("identity.json"))


def finished(shop: Workshop) -> None:
    """Whatever has happened: the next run ends with one unit, known everywhere, whose board passes."""
    with shop.on_the_cable(tries=5) as (cables, port):  # On a busy machine a tool may give up waiting.
        bench = shop.bench()
        try:
            row = run(bench, port, ORDER, KIND)
        except RunError:
            take_back(bench.office, shop.mac, port)
            row = run(bench, port, ORDER, KIND)
        assert verify(Clip(port, cables.boards[0]), bench.ledger).passes
    assert list(shop.fleet.known) == [row.unit]
    assert orphans(shop) == [] and secrets_left(shop) == []
    assert bench.station.unfinished() == []
    # A secret whose board may have started was never written with fresh counters again: one start a number.
    assert [row.kind for row in bench.ledger.of_unit(row.unit)].count("provisioned") == 1


STEPS = 10
LINES = 2 * STEPS
SAMPLE = [(12, 0.5)]
"""Every place without the real tools: tests/faults/test_provisioning_every_byte.py."""
WHOLE = [(line, part) for line in range(1, LINES + 1) for part in (0.0, 0.5, 1.0)]


def cut_and_finish(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: int, part: float) -> None:
    shop = Workshop(tmp_path)
    with monkeypatch.context() as patch:
        dies_at(patch, line, part)
        with shop.on_the_cable() as (_, port), pytest.raises(PowerCut):
            run(shop.bench(), port, ORDER, KIND)
    finished(shop)


@pytest.mark.parametrize(("line", "part"), SAMPLE)
def test_a_station_that_dies_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: int, part: float) -> None:
    cut_and_finish(tmp_path, monkeypatch, line, part)


@pytest.mark.proof
@pytest.mark.timeout(900)
@pytest.mark.parametrize(("line", "part"), WHOLE)
def test_a_station_that_dies_at_every_line_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: int, part: float
) -> None:
    cut_and_finish(tmp_path, monkeypatch, line, part)


@pytest.mark.parametrize(("line", "part"), [(14, 0.0)])
def test_what_is_not_finished_can_be_taken_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: int, part: float
) -> None:
    shop = Workshop(tmp_path)
    with monkeypatch.context() as patch:
        dies_at(patch, line, part)
        with shop.on_the_cable() as (_, port), pytest.raises(PowerCut):
            run(shop.bench(), port, ORDER, KIND)
    assert orphans(shop) == [1]  # So there is something to take back.
    with shop.on_the_cable() as (_, port):
        assert not verify(port, Ledger(shop.folder / "ledger")).passes
        assert take_back(shop.bench().office, shop.mac, port) == 1
        assert take_back(shop.bench().office, shop.mac, port) is None
    assert shop.fleet.known == {} and secrets_left(shop) == []
    finished(shop)
    assert list(shop.fleet.known) == [2]


def test_taking_back_that_dies_is_finished_by_the_next_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shop = Workshop(tmp_path)
    with monkeypatch.context() as patch:
        dies_at(patch, 10, 1.0)
        with shop.on_the_cable() as (_, port), pytest.raises(PowerCut):
            run(shop.bench(), port, ORDER, KIND)

    def dies(unit: int) -> None:
        raise PowerCut

    with monkeypatch.context() as patch:
        patch.setattr(shop.fleet, "withdraw", dies)
        with pytest.raises(PowerCut):
            take_back(shop.bench().office, shop.mac)
    finished(shop)
    assert list(shop.fleet.known) == [2]


def pull_and_finish(tmp_path: Path, after: int) -> None:
    shop = Workshop(tmp_path)
    with shop.on_the_cable() as (cables, port):
        cables.ports[0].pull_after = after
        try:
            run(shop.bench(), port, ORDER, KIND)
        except ToolError:
            ledger = Ledger(shop.folder / "ledger")
            cables.ports[0].pull_after = None
            assert not verify(port, ledger).passes
            if not shop.starts:
                # Whoever gives it power now: no message goes out under an identity that may be written again.
                with pytest.raises(BootError):
                    bootable(cables.boards[0])
        else:
            assert cables.ports[0].heard < after
    finished(shop)


def test_a_cable_that_is_pulled_in_the_flash_costs_time_only(tmp_path: Path) -> None:
    pull_and_finish(tmp_path, 60_000)


@pytest.mark.proof
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", range(30))
def test_a_cable_that_is_pulled_at_any_byte_costs_time_only(tmp_path: Path, seed: int) -> None:
    pull_and_finish(tmp_path, random.Random(seed).randrange(1, 140_000))


def test_a_board_may_not_be_written_again_once_it_may_have_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = Workshop(tmp_path)
    with monkeypatch.context() as patch:
        dies_at(patch, 14, 0.0)
        with shop.on_the_cable() as (_, port), pytest.raises(PowerCut):
            run(shop.bench(), port, ORDER, KIND)
    assert shop.starts == [1]
    journal = shop.bench().station.journal(shop.mac)
    assert journal.has_begun("start") and not journal.is_done("start")
    journal.close()
    with shop.on_the_cable() as (_, port):
        writes = []
        monkeypatch.setattr(type(port), "write", lambda self, pieces: writes.append(pieces))
        run(shop.bench(), port, ORDER, KIND)
    assert [list(pieces) for pieces in writes] == [[TABLE_OFFSET]]  # Which touches no counter.


def test_a_board_that_is_changed_afterwards_does_not_pass(tmp_path: Path) -> None:
    shop = Workshop(tmp_path)
    finished(shop)
    with shop.on_the_cable() as (_, port):
        bench = shop.bench()
        with pytest.raises(RunError, match="already"):
            run(bench, port, ORDER, KIND)
        port.write({0x200000: b"other firmware"})
        verdict = verify(port, bench.ledger)
        assert not verdict.passes and "0x200000" in verdict.faults[0]
        port.erase()
        assert any("no identity" in fault for fault in verify(port, bench.ledger).faults)
