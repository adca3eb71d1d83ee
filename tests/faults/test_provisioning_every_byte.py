"""The station's files are cut at every byte, and its power at every deed: what was begun ends as one unit.

The board here is memory, since only the station's side is in question; tests/faults/test_provisioning_dies.py has
the same with esptool and a virtual board, at fewer places.
"""

from __future__ import annotations

import functools
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from provisioning import nvs_image
from provisioning.journal import Journal, JournalError, look
from provisioning.ledger import Ledger, LedgerError
from provisioning.partition_table import TABLE_OFFSET
from provisioning.plan import Order
from provisioning.run import RunError, run, take_back
from provisioning.station import Made
from provisioning.verify import verify
from tests.faults.test_provisioning_dies import PowerCut, orphans, secrets_left
from tests.provision_bench import KIND, MAC, ORDER, MemoryBoard, Workshop

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def one_image_of_a_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    """The maker's tool is started once for each content and not once for each run."""
    kept = functools.cache(lambda entries, size: nvs_image_build(dict(entries), size))
    nvs_image_build = nvs_image.build
    monkeypatch.setattr(nvs_image, "build", lambda entries, size: kept(tuple(sorted(entries.items())), size))


def dies_behind(monkeypatch: pytest.MonkeyPatch, offset: int, *, deed: bool) -> None:
    """The power goes when the journal has `offset` bytes. Where a line ends there: before its deed, or with it done."""
    written = 0
    whole = Journal.write

    def write(journal: Journal, line: bytes) -> None:
        nonlocal written
        room = offset - written
        if room < len(line):
            if room:
                whole(journal, line[:room])
            raise PowerCut
        whole(journal, line)
        written += len(line)
        if written == offset and not deed:
            raise PowerCut

    monkeypatch.setattr(Journal, "write", write)


def cut_and_finish(folder: Path, monkeypatch: pytest.MonkeyPatch, offset: int, *, deed: bool) -> bool:
    """Whether the power went at all. The next run ends with one unit that passes, and nobody known without board."""
    shop, board = Workshop(folder), MemoryBoard()
    with monkeypatch.context() as patch:
        dies_behind(patch, offset, deed=deed)
        try:
            run(shop.bench(), board, ORDER, KIND)
        except PowerCut:
            died = True
        else:
            died = False
    if died:
        assert not verify(board, Ledger(folder / "ledger")).passes or not orphans(shop), "half a board passes"
    bench = shop.bench()
    try:
        row = run(bench, board, ORDER, KIND)
    except RunError:
        if not died:
            row = bench.ledger.rows()[-1]
        else:
            take_back(bench.office, MAC, board)
            row = run(bench, board, ORDER, KIND)
    assert verify(board, bench.ledger).passes
    assert list(shop.fleet.known) == [row.unit]
    assert orphans(shop) == [] and secrets_left(shop) == [] and bench.station.unfinished() == []
    assert shop.starts[-1] == row.unit
    return died


def journal_of_a_run(folder: Path, monkeypatch: pytest.MonkeyPatch) -> bytes:
    written = b""
    whole = Journal.write

    def write(journal: Journal, line: bytes) -> None:
        nonlocal written
        written += line
        whole(journal, line)

    with monkeypatch.context() as patch:
        patch.setattr(Journal, "write", write)
        run(Workshop(folder).bench(), MemoryBoard(), ORDER, KIND)
    return written


def ends_of_lines(content: bytes) -> list[int]:
    return [at + 1 for at, byte in enumerate(content) if byte == ord("\n")]


def test_a_journal_that_is_cut_at_any_byte_says_what_its_whole_lines_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = journal_of_a_run(tmp_path / "shop", monkeypatch)
    ends = [0, *ends_of_lines(content)]
    assert len(ends) == 21 and ends[-1] == len(content)
    steps = ("connect", "identity", "images", "register", "flash", "verify", "start", "selftest", "label", "ledger")
    path = tmp_path / "journal"
    for offset in range(len(content) + 1):
        last = max(end for end in ends if end <= offset)
        path.write_bytes(content[:offset])
        before = [look(path, step) for step in steps]
        journal = Journal(path)
        assert path.read_bytes() == content[:last], offset
        journal.begin("more")
        assert journal.has_begun("more") and not journal.is_done("more")
        journal.close()
        again = Journal(path)
        assert [again.facts(step) for step in steps] == before and again.has_begun("more")
        again.close()
        path.unlink()
    # The negative control: what is cut out of the middle is no cut of the power, and is refused.
    path.write_bytes(content[: ends[3] - 5] + content[ends[3] :])
    with pytest.raises(JournalError):
        Journal(path)


def test_a_ledger_that_is_cut_at_any_byte_of_its_last_line_goes_on(tmp_path: Path) -> None:
    ledger, path = Ledger(tmp_path), tmp_path / "ledger.jsonl"
    ledger.append("provisioned", 1, MAC, {"pieces": {}}, NOW)
    first = len(path.read_bytes())
    ledger.append("returned", 1, MAC, {"why": "a crack"}, NOW)
    content = path.read_bytes()
    for offset in range(first, len(content) + 1):
        path.write_bytes(content[:offset])
        whole = 2 if offset == len(content) else 1
        assert [row.kind for row in ledger.rows()] == ["provisioned", "returned"][:whole]
        assert ledger.append("scrapped", 1, MAC, {}, NOW).n == whole + 1
    path.write_bytes(content[: first - 5] + content[first:])
    with pytest.raises(LedgerError):
        ledger.rows()


@pytest.mark.timeout(300)
def test_a_station_that_dies_at_any_deed_leaves_one_unit_and_no_orphan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ends = ends_of_lines(journal_of_a_run(tmp_path / "first", monkeypatch))
    for number, end in enumerate(ends):
        for deed in (False, True):
            died = cut_and_finish(tmp_path / f"{number}{deed}", monkeypatch, end, deed=deed)
            assert died is not (deed and end == ends[-1])


@pytest.mark.proof
@pytest.mark.timeout(3600)
def test_a_station_that_dies_at_any_byte_leaves_one_unit_and_no_orphan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    offset = 0
    while cut_and_finish(tmp_path / str(offset), monkeypatch, offset, deed=True):
        offset += 1
    assert offset > 1000


def test_an_order_that_the_fleet_finds_full_leaves_no_identity(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other stations have made the rest of it meanwhile: the board is as it was, and may be of another order."""
    shop, board = Workshop(tmp_path), MemoryBoard()

    def full(unit: int, made: Made, order: Order) -> None:
        raise RunError("the fleet has them all", "full")

    with monkeypatch.context() as patch, pytest.raises(RunError, match="has them all"):
        patch.setattr(shop.fleet, "register", full)
        run(shop.bench(), board, ORDER, KIND)
    bench = shop.bench()
    assert secrets_left(shop) == [] and bench.station.unfinished() == [] and shop.fleet.known == {}
    assert [row.kind for row in bench.ledger.rows()] == ["abandoned"]
    assert board.flash.strip(b"\xff") == b""
    assert run(bench, board, replace(ORDER, number="O-2"), KIND).unit == 2


def test_a_board_without_its_table_is_what_the_controls_see(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The negative control of the two above: in between the fleet knows somebody whom the ledger has not."""
    content = journal_of_a_run(tmp_path / "first", monkeypatch)
    shop, board = Workshop(tmp_path / "second"), MemoryBoard()
    with monkeypatch.context() as patch, pytest.raises(PowerCut):
        dies_behind(patch, ends_of_lines(content)[11], deed=False)
        run(shop.bench(), board, ORDER, KIND)
    assert orphans(shop) == [1] and len(secrets_left(shop)) == 1
    assert board.read(TABLE_OFFSET, 32) == b"\xff" * 32
