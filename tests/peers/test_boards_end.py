"""Boards that come back, are repaired or scrapped: real esptool, the ledger, and a fleet that forgets."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from provisioning.endings import end, repaired
from provisioning.ledger import Ledger
from provisioning.run import RunError, run
from provisioning.verify import verify
from tests.provision_bench import KIND, ORDER, Clip, Workshop


def now() -> datetime:
    return datetime.now(UTC)


def test_a_returned_board_is_erased_and_becomes_another_unit(tmp_path: Path) -> None:
    shop = Workshop(tmp_path)
    with shop.on_the_cable() as (_, port):
        bench = shop.bench()
        first = run(bench, port, ORDER, KIND)
        with pytest.raises(RunError, match="say why"):
            end(bench.ledger, bench.fleet, "returned", shop.mac, " ", now, port)
        row = end(bench.ledger, bench.fleet, "returned", shop.mac, "the button sticks", now, port)
        assert (row.kind, row.unit, row.facts["erased"]) == ("returned", first.unit, True)
        assert shop.fleet.known == {}
        assert (shop.board / "flash.bin").read_bytes().strip(b"\xff") == b""
        assert not verify(port, bench.ledger).passes
        with pytest.raises(RunError, match="was returned already"):
            end(bench.ledger, bench.fleet, "scrapped", shop.mac, "twice", now)
        second = run(shop.bench(), port, ORDER, KIND)
        assert second.unit == first.unit + 1
        assert list(shop.fleet.known) == [second.unit]


def test_a_repair_is_written_down_and_a_changed_board_is_not_repaired(tmp_path: Path) -> None:
    shop = Workshop(tmp_path)
    with shop.on_the_cable() as (cables, port):
        bench = shop.bench()
        made = run(bench, port, ORDER, KIND)
        assert repaired(bench.ledger, port, "new battery", now).unit == made.unit
        assert verify(Clip(port, cables.boards[0]), bench.ledger).passes
        port.write({0x200000: b"other firmware"})
        with pytest.raises(RunError, match="does not pass"):
            repaired(bench.ledger, port, "new firmware", now)
    assert [row.kind for row in Ledger(shop.folder / "ledger").rows()] == ["provisioned", "repaired"]


def test_a_board_that_was_never_finished_cannot_end(tmp_path: Path) -> None:
    shop = Workshop(tmp_path)
    bench = shop.bench()
    with pytest.raises(RunError, match="never finished"):
        end(bench.ledger, bench.fleet, "scrapped", shop.mac, "unknown", now)
    with pytest.raises(ValueError, match="ends no board"):
        end(bench.ledger, bench.fleet, "repaired", shop.mac, "no end", now)
